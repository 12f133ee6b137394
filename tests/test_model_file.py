"""Networks on disk, in the current Keras format and in that of 2018."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from lipschitz import model_file
from lipschitz.activations import ACTIVATIONS
from lipschitz.errors import InputError
from lipschitz.networks import seven_layer, two_layer
from tests.conftest import ROOT

X = np.random.default_rng(0).uniform(-0.5, 0.5, (5, 28, 28, 1)).astype(np.float32)


def build_two_layer():
    return two_layer(28, 1)


def build_seven_layer():
    return seven_layer(28, 1, (32, 64), 200, ACTIVATIONS["relu"])


def write_hdf5(path, weights):
    """A file as the old Keras wrote it: layers by name, one of them without weights."""
    with h5py.File(path, "w") as file:
        layers = file.create_group("model_weights")
        layers.attrs["layer_names"] = [b"dense", b"activation", b"dense_1"]
        layers.create_group("activation").attrs["weight_names"] = []
        for layer, (kernel, bias) in {"dense": weights[:2], "dense_1": weights[2:]}.items():
            group = layers.create_group(layer)
            names = [f"{layer}/kernel:0".encode(), f"{layer}/bias:0".encode()]
            group.attrs["weight_names"] = names
            group[names[0]], group[names[1]] = kernel, bias


@pytest.mark.parametrize("build", [build_two_layer, build_seven_layer])
def test_a_saved_model_gives_the_same_logits(tmp_path, build):
    model = build()
    path = tmp_path / "models" / "net.keras"
    model_file.save(model, path)
    assert [each.name for each in path.parent.iterdir()] == ["net.keras"]
    np.testing.assert_array_equal(model_file.load(path, build)(X), model(X))


def test_a_saved_model_loads_without_this_toolkit(tmp_path):
    model_file.save(build_two_layer(), tmp_path / "net.keras")
    code = (
        "import sys, keras; keras.saving.load_model('net.keras'); "
        "assert not any(name.startswith('lipschitz') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_weights_of_2018_are_read_in_the_order_of_the_layers(tmp_path):
    rng = np.random.default_rng(1)
    w1, b1 = rng.normal(0, 0.05, (784, 1024)), rng.normal(0, 0.1, 1024)
    w2, b2 = rng.normal(0, 0.05, (1024, 10)), rng.normal(0, 0.1, 10)
    write_hdf5(tmp_path / "mnist_2layer", [w1, b1, w2, b2])
    expected = np.logaddexp(0, 10 * (X.reshape(5, -1) @ w1 + b1)) / 10 @ w2 + b2
    model = model_file.load(tmp_path / "mnist_2layer", build_two_layer)
    np.testing.assert_allclose(model(X), expected, atol=1e-4)


def test_a_real_model_of_2018_loads(models_of_2018):
    model = model_file.load(models_of_2018 / "mnist", build_seven_layer)
    assert model(X).shape == (5, 10)


def test_the_current_format_is_preferred(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert model_file.find("mnist") is None
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mnist").touch()
    assert str(model_file.find("mnist")) == "models/mnist"
    (tmp_path / "models" / "mnist.keras").touch()
    assert str(model_file.find("mnist")) == "models/mnist.keras"


@pytest.mark.parametrize("name", ["net", "net.keras"])
@pytest.mark.parametrize("content", [b"", b"not a model" * 100])
def test_a_file_that_is_no_model_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"net.* is (not a|damaged)"):
        model_file.load(tmp_path / name, build_two_layer)


def test_a_model_with_a_flipped_byte_is_named(tmp_path):
    model_file.save(build_two_layer(), tmp_path / "net.keras")
    content = bytearray((tmp_path / "net.keras").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "net.keras").write_bytes(content)
    with pytest.raises(InputError, match=r"net.keras is not a Keras model: .*CRC"):
        model_file.load(tmp_path / "net.keras", build_two_layer)


def test_the_model_of_another_network_is_named(tmp_path, models_of_2018):
    with pytest.raises(InputError, match="holds another network"):
        model_file.load(models_of_2018 / "mnist", build_two_layer)
    model_file.save(two_layer(32, 3), tmp_path / "net.keras")
    with pytest.raises(InputError, match=r"\(None, 32, 32, 3\).*needs \(None, 28, 28, 1\)"):
        model_file.load(tmp_path / "net.keras", build_two_layer)


def test_names_import_without_tensorflow():
    code = "import sys, catalogue; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"

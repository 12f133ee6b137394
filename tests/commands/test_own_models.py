"""A user's own Keras models under the names of networks, at the shell: they run, or one line."""

import re
import shlex
import subprocess

import numpy as np
import pytest

import setup_digits
from lipschitz.builtin import model_file
from lipschitz.tf_backend.runtime import keras
from tests.helpers import ROOT, lines, run_here

layers, Dense, Flatten = keras.layers, keras.layers.Dense, keras.layers.Flatten
SIZES = "-n", 9, "-N", 16, "-b", 16, "-i", 4, "--nthreads", 1, "--target_type", 1


@pytest.fixture(scope="module")
def digits():
    """The images and labels that networks are trained on."""
    data = setup_digits.load()
    return data.train_data, data.train_labels


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of its own, with an empty models/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    return tmp_path


def sequential(*of):
    return keras.Sequential([layers.Input((28, 28, 1)), *of])


def trained(model, images, labels, loss=None):
    loss = loss or keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss)
    model.fit(images, labels, epochs=1, batch_size=32, verbose=0)
    return model


def sampled(here, name="2-layer", *args):
    return run_here("collect_gradients.py", "-d", "digits", "-m", name, *SIZES, *args, cwd=here)


def refusal(here, name="2-layer"):
    """The one line that is said."""
    done = sampled(here, name)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    return done.stderr


def recurrent():
    return sequential(layers.Reshape((28, 28)), layers.GRU(16), Dense(10))


def attention():
    images = keras.Input((28, 28, 1))
    x = Dense(16)(layers.Reshape((28, 28))(images))
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8)(x, x))
    return keras.Model(images, Dense(10)(Flatten()(x)))


def branches():
    images = keras.Input((28, 28, 1))
    x = layers.Rescaling(1.0, offset=0.5)(images)
    x = layers.PReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, 2)(x)))
    twice = Dense(32, "gelu")
    flat = Dense(32)(Flatten()(layers.RandomRotation(0.1)(images)))
    x = twice(Dense(32)(twice(flat))), Flatten()(x)
    return keras.Model(images, Dense(10)(layers.Concatenate()(x)))


def in_float16():
    return keras.Sequential(
        [layers.Input((28, 28, 1)), Flatten(), Dense(32, "relu", dtype="mixed_float16"), Dense(10)]
    )


SLOW = [pytest.param(build, marks=pytest.mark.slow) for build in (recurrent, attention, branches)]


@pytest.mark.parametrize("build", [*SLOW, in_float16])
def test_models_of_many_layers_are_scored(here, digits, build):
    trained(build(), *digits).save("models/digits_2layer.keras")
    done = sampled(here)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    scored = run_here("clever.py", "lipschitz_mat", cwd=here)
    (line,) = lines(scored.stdout, "[STATS][L0] info = top2")
    scores = [float(number) for number in re.findall(r"= ([\d.e+-]+)", line)]
    assert len(scores) == 3
    assert all(np.isfinite(scores))
    assert min(scores) > 0


def test_a_loss_of_ones_own_is_no_matter(here, digits):
    def own_loss(labels, logits):
        return keras.ops.mean(keras.ops.square(labels - logits))

    trained(sequential(Flatten(), Dense(10)), *digits, own_loss).save("models/digits_2layer.keras")
    assert sampled(here).returncode == 0
    inner = trained(sequential(Flatten(), Dense(10)), *digits, own_loss)
    sequential(inner).save("models/digits_2layer.keras")
    said = refusal(here)
    assert "it names the function own_loss, which is not among Keras's layers" in said
    assert 'compile the model in it with losses of Keras, compile("adam", "mse"), and save' in said
    inner.compile("adam", "mse")
    sequential(inner).save("models/digits_2layer.keras")
    assert sampled(here, "2-layer", "--overwrite").returncode == 0


def test_another_activation_is_refused_and_what_is_advised_works(here, digits):
    model = trained(sequential(Flatten(), Dense(64, "tanh"), Dense(10)), *digits)
    model.save("models/digits_2layer_relu_64_x.h5")
    said = refusal(here, "2,64,x")
    command = "models/digits_2layer_relu_64_x not found, but models/digits_2layer_relu_64_x.h5 is"
    assert command in said
    subprocess.run(shlex.split(re.search(r'"(mv .*?)"', said)[1]), check=True)
    said = refusal(here, "2,64,x")
    assert "has activation tanh, this name stands for activation relu; save it with model.s" in said
    model.save(re.search(r'model\.save\("(.*?)"\)', said)[1])
    done = sampled(here, "2,64,x")
    assert done.returncode == 0
    assert "models/digits_2layer_relu_64_x.keras on " in done.stderr


def test_the_file_of_a_data_sets_network_is_found_under_another_ending(here):
    sequential(Flatten(), Dense(10)).save("models/digits.h5")
    assert 'models/digits not found, but models/digits.h5 is there: "mv ' in refusal(here, "normal")


def test_the_python_of_the_docs_puts_the_range_in_front(here, digits):
    """A network that was trained on [0, 1], then one on 0 to 255."""
    (code,) = re.findall(
        r"```python\n(images = .*?)```", (ROOT / "docs" / "networks.md").read_text(), re.DOTALL
    )
    other = re.sub(r"^x = .*\n# ", "", code, flags=re.MULTILINE)
    assert "Rescaling(255.0, offset=127.5)" in other
    x = digits[0][:4]
    model = sequential(Flatten(), Dense(10))
    for snippet, its_range in (code, x + 0.5), (other, 255 * (x + 0.5)):
        exec(snippet, {"keras": keras, "model": model})  # noqa: S102 -- as a reader would
        found = model_file.load(model_file.MODELS / "digits_2layer.keras", lambda: model)
        np.testing.assert_allclose(found(x), model(its_range), rtol=1e-4, atol=1e-4)

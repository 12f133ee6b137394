"""Sampling with the networks of 2018 in PyTorch finds what the 2018 toolkit found."""

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.stats import ks_2samp

import setup_mnist
from lipschitz.builtin import model_file
from tests.commands.test_golden_runs import KEYS, SLOPES, TWO_LAYER_RUNS, compare
from tests.helpers import SHARED, lines, run_here

torch = pytest.importorskip("torch")
from tests.keras_twin import twin  # noqa: E402

pytestmark = pytest.mark.extra

CODE = """
from torch import nn


def normal():
    return cnn(nn.ReLU)


def tanh():
    return cnn(nn.Tanh)


def two_layer():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 1024), nn.Softplus(10), nn.Linear(1024, 10))


def cnn(activation):
    layers = []
    for channels, filters in (1, 32), (32, 64):
        layers += nn.Conv2d(channels, filters, 3), activation()
        layers += nn.Conv2d(filters, filters, 3), activation(), nn.MaxPool2d(2)
    layers += nn.Flatten(), nn.Linear(1024, 200), activation(), nn.Dropout(0.5)
    return nn.Sequential(*layers, nn.Linear(200, 200), activation(), nn.Linear(200, 10))
"""
ARCHITECTURES = {
    "normal": setup_mnist.FAMILY.named("normal"),
    "tanh": setup_mnist.FAMILY.cnn("tanh"),
    "two_layer": setup_mnist.FAMILY.named("2-layer"),
}
DATAGEN = "[DATAGEN]"


@pytest.fixture(scope="module")
def here(models_of_2018, tmp_path_factory):
    """A folder with the code of the networks, and the weights of 2018 as PyTorch saves them."""
    folder = tmp_path_factory.mktemp("twins")
    (folder / "twin.py").write_text(CODE)
    code = {}
    exec(CODE, code)  # noqa: S102
    for name, each in ARCHITECTURES.items():
        names = code[name]().state_dict()
        model = model_file.load(models_of_2018 / each.stem, each.build)
        weights = twin(model).state_dict().values()
        torch.save(dict(zip(names, weights, strict=True)), folder / f"{name}.pth")
    return folder


@pytest.fixture
def collect(here, mnist_data, tmp_path):
    """A function that samples MNIST with a network of PyTorch; the folder of results, and lines."""

    def call(name, *options):
        network = "-m", f"twin:{name}", "--weights", f"{name}.pth"
        own = "-d", "mnist", "--input_range", -0.5, 0.5, "-s", tmp_path
        where = {"cwd": here, "CLEVER_DATA": str(mnist_data)}
        done = run_here("collect_gradients.py", *network, *own, *options, **where)
        assert done.returncode == 0, done.stderr
        return tmp_path / f"mnist_twin.{name}", done.stdout

    return call


@pytest.mark.parametrize("iterations", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_the_everyday_commands_on_the_cnn(collect, iterations):
    ours, printed = collect("normal", "--numimg", 2, "-N", 1024, "-i", iterations)
    golden = SHARED / "golden" / "logs" / "normal.log"
    assert lines(printed, DATAGEN) == lines(golden.read_text(), DATAGEN)
    golden = SHARED / "golden" / "l2" / "mnist_normal"
    compare(ours, golden, range(2))
    if iterations == 50:  # but for the network's name, so are the files called
        assert {path.name for path in ours.iterdir()} == {path.name for path in golden.iterdir()}
    scored = run_here("clever.py", ours, cwd=ours)
    assert scored.returncode == 0, scored.stderr
    assert len(lines(scored.stdout, "[STATS][L0]")) == 3


@pytest.mark.parametrize(("golden", "options", "images", "sub_folder"), TWO_LAYER_RUNS)
@pytest.mark.parametrize("iterations", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_two_layer_runs(collect, golden, options, images, sub_folder, iterations):
    ours, _ = collect("two_layer", "-i", iterations, *options)
    keys = KEYS + SLOPES if golden == "slope" else KEYS
    compare(ours / sub_folder, SHARED / "golden" / golden / "mnist_2-layer", images, keys)


@pytest.mark.parametrize("iterations", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_second_order_on_the_tanh_cnn(collect, iterations):
    options = ("--activation", "tanh", "--order", 2, "-b", 100, "-N", 100, "--target_type", 6)
    ours, printed = collect("tanh", *options, "-i", iterations)
    assert "met the cap of 60: 0 of" in printed
    for path in (SHARED / "golden" / "order2" / "mnist_normal").glob("*.mat"):
        found = loadmat(ours / path.name.replace("100_20_", f"100_{iterations}_"))
        theirs = loadmat(path)
        for key in ("g_x0", "g_x0_grad_2_norm"):
            assert found[key] == pytest.approx(theirs[key], rel=1e-4)
        assert (found["H2_max"] < 0).all()
        assert ks_2samp(*(np.abs(each["H2_max"]).ravel() for each in (found, theirs))).pvalue > 1e-4

"""Sampling with the networks of 2018 finds what the 2018 toolkit found."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.stats import ks_2samp

from tests.helpers import SHARED, lines, run_here

KEYS = ("G2_max", "G1_max", "Gi_max")
SLOPES = ("L2_max", "L1_max", "Li_max")


@pytest.fixture
def mnist_workplace(tmp_path, models_of_2018):
    """A folder with the networks of 2018."""
    (tmp_path / "models").symlink_to(models_of_2018)
    return tmp_path


def compare(ours: Path, golden: Path, images: range, keys: tuple[str, ...] = KEYS) -> None:
    """The same images, targets and margins; maxima of the same distribution, norm by norm."""
    theirs = {}
    for path in golden.glob("*.mat"):
        contents = loadmat(path, squeeze_me=True)
        if int(contents["id"]) in images:
            theirs[tuple(path.stem.split("_")[2:6])] = contents
    found = {tuple(p.stem.split("_")[2:6]): loadmat(p, squeeze_me=True) for p in ours.glob("*.mat")}
    assert found.keys() == theirs.keys()
    assert theirs

    for key in keys:
        ratios, errors = [], []
        for pair, contents in theirs.items():
            assert float(found[pair]["g_x0"]) == pytest.approx(float(contents["g_x0"]), rel=1e-4)
            x, y = found[pair][key], contents[key]
            assert ks_2samp(x, y).pvalue >= 1e-5, (pair, key)
            ratios.append(x.mean() / y.mean())
            errors.append(np.sqrt(x.var() / len(x) + y.var() / len(y)) / y.mean())
        # all errors of a folder may point one way: targets share their samples
        assert abs(np.median(ratios) - 1) <= max(0.01, 4 * np.median(errors)), (key, ratios)


@pytest.fixture
def collect(mnist_workplace, mnist_data):
    """A function that samples MNIST; what was printed."""

    def call(*args):
        where = {"cwd": mnist_workplace, "CLEVER_DATA": str(mnist_data)}
        done = run_here("collect_gradients.py", *args, **where)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


@pytest.mark.parametrize("iterations", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_the_everyday_commands_on_the_cnn(mnist_workplace, collect, iterations):
    printed = collect("--data", "mnist", "--numimg", 2, "-N", 1024, "-i", iterations)
    chosen = lines(printed, "[DATAGEN]")
    assert chosen == lines((SHARED / "golden/logs/normal.log").read_text(), "[DATAGEN]")
    ours = mnist_workplace / "lipschitz_mat" / "mnist_normal"
    compare(ours, SHARED / "golden" / "l2" / "mnist_normal", range(2))
    scored = run_here("clever.py", "lipschitz_mat/mnist_normal", cwd=mnist_workplace)
    assert scored.returncode == 0, scored.stderr
    assert [line.split()[3] for line in lines(scored.stdout, "[STATS][L0]")] == [
        "least,",
        "random,",
        "top2,",
    ]


TWO_LAYER_RUNS = [  # folder of golden files, options, images, folder of ours
    ("l2", ("--numimg", 5), range(5), ""),
    ("l1", ("--numimg", 2, "--sample_norm", "l1"), range(2), "l1"),
    ("li", ("--numimg", 2, "--sample_norm", "li"), range(2), "li"),
    ("untargeted", ("--target_type", 16), range(1), ""),
    ("slope", ("--numimg", 2, "--compute_slope"), range(2), "slope"),
    ("jpeg", ("--transform", "defend_jpeg"), range(1), "defend_jpeg"),
    ("reduce", ("--transform", "defend_reduce"), range(1), "defend_reduce"),
]


@pytest.mark.parametrize(("golden", "options", "images", "sub_folder"), TWO_LAYER_RUNS)
@pytest.mark.parametrize("iterations", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_two_layer_runs(mnist_workplace, collect, golden, options, images, sub_folder, iterations):
    collect("-m", "2-layer", "-i", iterations, *options)
    ours = mnist_workplace / "lipschitz_mat" / "mnist_2-layer" / sub_folder
    keys = KEYS + SLOPES if golden == "slope" else KEYS
    compare(ours, SHARED / "golden" / golden / "mnist_2-layer", images, keys)


@pytest.mark.parametrize("iterations", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_second_order_on_the_tanh_cnn(mnist_workplace, collect, iterations):
    options = ("--activation", "tanh", "--order", 2, "-b", 100, "-N", 100, "--target_type", 6)
    printed = collect(*options, "-i", iterations)
    assert "met the cap of 60: 0 of" in printed
    for path in (SHARED / "golden" / "order2" / "mnist_normal").glob("*.mat"):
        name = path.name.replace("100_20_", f"100_{iterations}_")
        found = loadmat(mnist_workplace / "lipschitz_mat/mnist_normal" / name, squeeze_me=True)
        theirs = loadmat(path, squeeze_me=True)
        for key in ("g_x0", "g_x0_grad_2_norm"):
            assert float(found[key]) == pytest.approx(float(theirs[key]), rel=1e-4)
        assert (found["H2_max"] < 0).all()
        assert ks_2samp(np.abs(found["H2_max"]), np.abs(theirs["H2_max"])).pvalue > 1e-4

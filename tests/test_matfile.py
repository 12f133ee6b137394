"""Names, folders and contents of .mat files."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from lipschitz import matfile
from lipschitz.matfile import FormatError, Name
from tests.conftest import GOLDEN

NAME = "1024_50_0_7_6_least_relu_order1.mat"
FILE = GOLDEN / "l2" / "mnist_normal" / NAME


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (NAME, Name(1024, 50, 0, 7, 6, "least", "relu", 1)),
        (
            "9_1_2_3_4_class4_hard_sigmoid_order2.mat",
            Name(9, 1, 2, 3, 4, "class4", "hard_sigmoid", 2),
        ),
    ],
)
def test_names_are_read_as_they_are_written(text, name):
    assert Name.parse(text) == name
    assert str(name) == text


@pytest.mark.parametrize("text", ["results.mat", "1_2_3.mat", NAME + ".tmp", "x" + NAME])
def test_other_names_are_refused(text):
    with pytest.raises(FormatError):
        Name.parse(text)


@pytest.mark.parametrize(
    ("settings", "folder"),
    [
        ({}, "mat/mnist_2-layer"),
        ({"sample_norm": "l1"}, "mat/mnist_2-layer/l1"),
        ({"radius": 3.0}, "mat/mnist_2-layer"),
        ({"radius": 0.5}, "mat/mnist_2-layer/radius0.5"),
        ({"seed": 7, "sample_norm": "l1", "radius": 2.0}, "mat/mnist_2-layer/l1_radius2.0_seed7"),
        ({"drawn": 2048, "seed": 7}, "mat/mnist_2-layer/seed7_drawn2048"),
        ({"transform": "defend_jpeg"}, "mat/mnist_2-layer/defend_jpeg"),
        (
            {"slope": True, "seed": 7, "transform": "defend_png", "sample_norm": "li"},
            "mat/mnist_2-layer/li_defend_png_slope_seed7",
        ),
    ],
)
def test_settings_that_are_not_the_default_are_a_folder(settings, folder):
    defaults = {
        "sample_norm": "l2",
        "radius": None,
        "transform": "",
        "slope": False,
        "seed": 1215,
        "asked": 1024,
        "drawn": 1024,
    }
    assert matfile.folder(Path("mat"), "mnist", "2-layer", **defaults | settings) == Path(folder)


def test_a_file_of_2018_is_read():
    record = matfile.load(FILE)
    assert record.name == Name.parse(NAME)
    assert record.model == "mnist_normal"
    assert record.g_x0 == pytest.approx(30.82311)
    assert record.maxima["2"].shape == (50,)
    assert record.maxima["2"].max() == pytest.approx(9.19051552)
    assert record.maxima["1"].max() == pytest.approx(144.17196655)
    assert record.maxima["i"].max() == pytest.approx(2.8189714)


def test_a_second_order_file_of_2018_is_read():
    record = matfile.load(GOLDEN / "order2/mnist_normal/100_20_0_7_6_least_tanh_order2.mat")
    assert record.maxima.keys() == {"2"}
    assert record.maxima["2"][:2] == pytest.approx([1.42622888, 1.44548357])  # stored negative
    assert record.g_x0_grad_2_norm == pytest.approx(1.6282631)


def test_slopes_take_the_place_of_gradients():
    folder = GOLDEN / "slope" / "mnist_2-layer"
    path = folder / "1024_100_0_7_6_least_relu_order1.mat"
    np.testing.assert_array_equal(
        matfile.load(path, slope=True).maxima["i"], loadmat(path)["Li_max"].ravel()
    )


def test_what_is_saved_is_read_back_and_nothing_else_is_left(tmp_path):
    contents = {k: v for k, v in loadmat(FILE).items() if not k.startswith("__")}
    path = tmp_path / "mnist_normal" / "l1" / NAME
    matfile.save(path, contents)
    assert [p.name for p in path.parent.iterdir()] == [NAME]
    record = matfile.load(path)
    assert record.model == "mnist_normal-l1"
    np.testing.assert_array_equal(record.maxima["2"], matfile.load(FILE).maxima["2"])


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / NAME
    matfile.save(path, {"x": 1})
    with pytest.raises(TypeError):
        matfile.save(path, {"x": None})
    assert loadmat(path)["x"].item() == 1
    assert [p.name for p in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize(
    "spoil",
    [
        {"G2_max": np.array([1.0, np.nan])},
        {"G2_max": np.array([])},
        {"G2_max": np.array([-1.0, 1.0])},
        {"g_x0": np.array([1.0, 2.0])},
        {"g_x0": "text"},
        {"id": np.inf},
    ],
)
def test_contents_are_checked(tmp_path, spoil):
    contents = {k: v for k, v in loadmat(FILE).items() if not k.startswith("__")}
    matfile.save(tmp_path / NAME, contents | spoil)
    with pytest.raises(FormatError):
        matfile.load(tmp_path / NAME)


@pytest.mark.parametrize("length", range(0, 4000, 250))
def test_a_truncated_file_is_a_format_error(tmp_path, length):
    (tmp_path / NAME).write_bytes(FILE.read_bytes()[:length])
    with pytest.raises(FormatError):
        matfile.load(tmp_path / NAME)

"""What follows from the settings of a run: folders, names of files, and what counts as the same."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipschitz.file_name import FileName
from lipschitz.maths.ball import Ball
from lipschitz.network import Box, fingerprint
from lipschitz.settings import Settings, as_json, difference
from tests.sampling.numpy_network import NumPyNetwork

NAME = "1024_50_0_7_6_least_relu_order1.mat"
SETTINGS = Settings("mnist", "2-layer")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (NAME, FileName(1024, 50, 0, 7, 6, "least", "relu", 1)),
        (
            "9_1_2_3_4_class4_hard_sigmoid_order2.mat",
            FileName(9, 1, 2, 3, 4, "class4", "hard_sigmoid", 2),
        ),
    ],
)
def test_names_are_read_as_they_are_written(text, name):
    assert FileName.parse(text) == name
    assert str(name) == text


@pytest.mark.parametrize(
    "text",
    [
        "results.mat",
        "1_2_3.mat",
        NAME + ".tmp",
        "x" + NAME,
        NAME.replace("1024", "9" * 5000),
        NAME.replace("1024", "١"),
        NAME.replace("relu", "re\nlu"),
        NAME.replace("least", "$(least)"),
    ],
)
def test_other_names_are_refused(text):
    with pytest.raises(ValueError, match="its name is not NSAMP_NITERS_ID_TRUE_TARGET"):
        FileName.parse(text)


def test_a_file_is_named_after_its_settings():
    settings = replace(SETTINGS, Nsamps=1024, Niters=50)
    assert str(settings.file_name(0, 7, 6, "least")) == NAME


def test_an_experiment_has_a_heading():
    name = FileName.parse(NAME)
    assert name.heading(Path("mat/x")) == "mat/x: N = 1024, 50 iterations, relu, order 1"
    assert name.experiment == FileName.parse(NAME.replace("_0_7_6_least", "_3_1_2_top2")).experiment
    assert name.experiment != FileName.parse(NAME.replace("order1", "order2")).experiment


@pytest.mark.parametrize(
    ("changed", "folder"),
    [
        ({}, "mat/mnist_2-layer"),
        ({"sample_norm": "l1"}, "mat/mnist_2-layer/l1"),
        ({"radius": 3.0}, "mat/mnist_2-layer"),
        ({"radius": 0.5}, "mat/mnist_2-layer/radius0.5"),
        ({"seed": 7, "sample_norm": "l1", "radius": 2.0}, "mat/mnist_2-layer/l1_radius2.0_seed7"),
        ({"batch_size": 2048, "seed": 7}, "mat/mnist_2-layer/seed7_drawn2048"),
        ({"transform": "defend_jpeg"}, "mat/mnist_2-layer/defend_jpeg"),
        (
            {"compute_slope": True, "seed": 7, "transform": "defend_png", "sample_norm": "li"},
            "mat/mnist_2-layer/li_defend_png_slope_seed7",
        ),
        ({"Niters": 9, "activation": "tanh", "order": 2}, "mat/mnist_2-layer"),  # in the name
        ({"batch_size": 64}, "mat/mnist_2-layer"),
    ],
)
def test_settings_that_are_not_the_default_are_a_folder(changed, folder):
    assert replace(SETTINGS, **changed).folder(Path("mat")) == Path(folder)


@pytest.mark.parametrize(
    ("asked", "batch_size", "drawn"), [(1024, 1024, 1024), (100, 64, 64), (10, 64, 64), (1, 1, 1)]
)
def test_whole_batches_are_drawn(asked, batch_size, drawn):
    assert Settings(Nsamps=asked, batch_size=batch_size).drawn == drawn


def test_the_ball_is_that_of_2018_unless_a_radius_is_given():
    assert Settings().ball == Ball("l2", 0, 3)
    assert Settings(radius=0.5).ball == Ball("l2", 0, 0.5)


X_0 = np.zeros(6, np.float32)
WANTED = SETTINGS.provenance(NumPyNetwork(), X_0, 16.25)


def test_a_file_keeps_what_its_numbers_come_from():
    assert {
        "dataset": "mnist",
        "model_name": "2-layer",
        "activation": "relu",
        "Nsamps": 1024,
        "Niters": 500,
        "order": 1,
        "sample_norm": "l2",
        "radius": 3.0,
        "transform": "",
        "compute_slope": False,
        "seed": 1215,
        "drawn": 1024,
        "box": "[-0.5, 0.5]",
        "network": "of weights-of structure",
        "image": fingerprint([X_0]),
        "logit": 16.25,
    } == WANTED
    assert as_json(WANTED).startswith('{"Niters": 500, "Nsamps": 1024, "activation": "relu"')


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({}, ""),
        ({"seed": 7}, "its seed is 7, now 1215"),
        (
            {"image": "0123456789abcdef"},
            f"it is of another image (0123456789ab, now {WANTED['image'][:12]})",
        ),
        (
            {"network": "0123456789ab-c"},
            "it is of another network (0123456789ab, now of weights-o)",
        ),
        ({"network": "of weights-of another"}, "it is of another network, of the same weights"),
        (
            {"logit": 0.997},
            "it is of another network, of the same weights (largest logit 0.997, now 16.25)",
        ),
        (
            {"logit": None},
            "it is of another network, of the same weights (largest logit None, now 16.25)",
        ),
        ({"logit": 16.2501}, ""),  # another device
        ({"batch_size": 32, "path": "elsewhere"}, ""),  # changes no sample
    ],
)
def test_the_first_difference_is_named(stored, said):
    assert difference(WANTED | stored, WANTED) == said


@pytest.mark.parametrize(
    ("stored", "now", "same"),
    [
        ("CPU, 2 cores", "CPU, 1 core", True),
        ("CPU, 2 cores", "NVIDIA H200", False),
        ("NVIDIA H200", "NVIDIA A100", False),
    ],
)
def test_iterations_of_a_processor_go_on_on_one_of_more_or_fewer_cores(stored, now, same):
    assert (difference({"device": stored}, {"device": now}) == "") == same


def test_a_fingerprint_of_the_weights_alone_is_that_of_an_older_file():
    """Then the largest logit has to tell structures apart."""
    older = WANTED | {"network": "of weights"}
    assert difference(older, WANTED) == ""
    assert "(largest logit 0.997" in difference(older | {"logit": 0.997}, WANTED)
    assert "another network (of other wei" in difference(
        older | {"network": "of other weights"}, WANTED
    )


def test_a_file_without_a_box_has_the_box_of_2018():
    older = {name: value for name, value in WANTED.items() if name != "box"}
    assert difference(older, WANTED) == ""
    wide = replace(SETTINGS, box=Box(0, 255), radius=3.0)
    said = difference(older, wide.provenance(NumPyNetwork(), X_0, 16.25))
    assert said == "its box is [-0.5, 0.5], now [0.0, 255.0]"


def test_a_missing_setting_is_a_difference():
    older = {name: value for name, value in WANTED.items() if name != "drawn"}
    assert difference(older, WANTED) == "its drawn is None, now 1024"


def test_settings_of_the_same_values_are_equal():
    assert Settings() == Settings()
    assert Settings(box=Box(0, 1)) != Settings()


@pytest.mark.parametrize(
    "wrong",
    [
        {"radius": -1.0},
        {"radius": np.inf},
        {"sample_norm": "l3"},
        {"order": 3},
        {"Niters": 0},
        {"seed": -1},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        Settings(**wrong)


def test_numbers_of_numpy_can_be_settings():
    settings = Settings(Nsamps=np.int64(64), radius=np.float32(1), seed=np.int64(1215))
    plain = Settings(Nsamps=64, radius=1.0)
    stored = json.loads(as_json(settings.provenance(NumPyNetwork(), X_0, 16.25)))
    assert difference(stored, plain.provenance(NumPyNetwork(), X_0, 16.25)) == ""


def test_a_text_of_any_length_in_a_file_is_cut_in_print():
    assert len(difference(WANTED | {"seed": "9" * 10**6}, WANTED)) < 120

"""The UCI digits."""

import numpy as np

import setup_digits
from tests.helpers import ROOT, run_here

DATA = setup_digits.load()


def test_all_images_are_there_once():
    parts = [DATA.train_data, DATA.validation_data, DATA.test_data]
    assert [part.shape for part in parts] == [
        (1283, 28, 28, 1),
        (257, 28, 28, 1),
        (257, 28, 28, 1),
    ]
    every = np.concatenate(parts).reshape(1797, -1)
    assert len(np.unique(every, axis=0)) == 1797


def test_images_lie_in_the_box():
    assert DATA.test_data.dtype == np.float32
    assert DATA.test_data.min() == -0.5
    assert DATA.test_data.max() == 0.5


def test_every_class_is_in_the_test_images():
    assert DATA.test_labels.sum(axis=0).min() >= 20
    assert (DATA.test_labels.sum(axis=1) == 1).all()


def test_enlarging_keeps_the_picture():
    """Each 7x7 patch covers 2x2 of the original pixels; linear interpolation keeps its mean."""
    with np.load(setup_digits.FILE) as file:
        small, label = file["images"][0] / 16 - 0.5, file["labels"][0]
    assert DATA.test_labels[0].argmax() == label
    large = DATA.test_data[0, ..., 0]
    patches = large.reshape(4, 7, 4, 7).mean(axis=(1, 3))
    np.testing.assert_allclose(patches, small.reshape(4, 2, 4, 2).mean(axis=(1, 3)), atol=0.12)
    assert abs(large.mean() - small.mean()) < 0.02


def test_the_command_prints_how_many_there_are(tmp_path):
    done = run_here("setup_digits.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"{ROOT}/uci_digits/digits.npz: 1283 training, 257 validation and 257 test images\n"
    )
    assert list(tmp_path.iterdir()) == []

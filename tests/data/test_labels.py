"""Labels: the forms that are read, and whether they are those of a network."""

import numpy as np
import pytest

from lipschitz.data import labels
from lipschitz.support.errors import InputError


def numbers(found, num_labels=10):
    found = np.asarray(found)
    return labels.numbers(*labels.read(found, len(found)), num_labels)


@pytest.mark.parametrize(
    "found",
    [
        [3, 0, 9],
        np.array([3, 0, 9], np.uint8),
        [3.0, 0.0, 9.0],
        [[3], [0], [9]],
        np.eye(10)[[3, 0, 9]],
        np.eye(10, dtype=bool)[[3, 0, 9]],
        ["3", "0", "9"],
        np.array([b"3", b"0", b"9"]),
        np.array(["3", "0", "9"], object),
    ],
)
def test_every_form_gives_the_same_numbers(found):
    given = numbers(found)
    assert given.tolist() == [3, 0, 9]
    assert given.dtype == np.int64


def test_names_are_numbered_in_sorted_order(capsys):
    found, classes = labels.read(np.array(["dog", "ant", "dog", "cat"]), 4)
    assert classes == ("ant", "cat", "dog")
    assert labels.numbers(found, classes, 3).tolist() == [2, 0, 2, 1]
    assert capsys.readouterr().err == ""
    labels.numbers(found, classes, 5)
    assert "3 names (ant, cat, dog), the network has 5 classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([1, 10], "from 1 to 10, the network has the classes 0 to 9: subtract 1"),
        ([0, 10], "from 0 to 10, the network has the classes 0 to 9$"),
        ([2, 11], "from 2 to 11, the network has the classes 0 to 9$"),
        ([-1, 3], "from -1 to 3"),
        ([2**63], "to 9223372036854775808|to 9.22337203685478e"),
        ([1, 0.5], "the label of image 1 is 0.5, no whole number"),
        ([1, np.nan], "the label of image 1 is nan"),
        ([np.inf, 1], "from 1 to inf"),
        (list("abcdefghijk"), r"11 names \(a, b, c and 8 more\), the network has 10 classes"),
        ([[0.2, 0.8]], "not one-hot"),
        ([[1, 1, 0]], "not one-hot"),
        (np.zeros((2, 2, 2)), "not one-hot"),
        (np.array([None, 3]), "give numbers or names"),
        (np.array(["2020-01-01"], "M8[D]"), "give numbers or names"),
    ],
)
def test_what_are_no_labels_of_the_network_is_told(found, said):
    with pytest.raises(InputError, match=said):
        numbers(found)


def test_as_many_labels_as_images():
    with pytest.raises(InputError, match="there are 5 images and 3 labels"):
        labels.read(np.arange(3), 5)
    with pytest.raises(InputError, match="single value"):
        labels.read(np.array(3), 1)

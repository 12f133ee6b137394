"""The names of files of maxima: those of 2018 are read too."""

import pytest

from lipschitz.file_name import FileName

NAME = FileName(1024, 50, 0, 7, 6, "least", "hard_sigmoid", 2)
FIRST = NAME._replace(activation="relu", order=1)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1024_50_0_7_6_least_hard_sigmoid_order2.mat", NAME),
        ("1024_50_0_7_6_least_hard_sigmoid_order2.MAT", NAME),
        ("1024_50_0_7_6_least_hard_sigmoid_order2", NAME),
        ("1024_50_0_7_6_least.mat", FIRST),
        ("1024_50_0_7_6_least", FIRST),
    ],
)
def test_an_ending_and_the_activation_and_order_may_be_absent(text, name):
    assert FileName.parse(text) == name


def test_names_are_written_in_full():
    assert str(FIRST) == "1024_50_0_7_6_least_relu_order1.mat"


@pytest.mark.parametrize(
    "text",
    [
        "1024_50_0_7_6",
        "1024_50_0_7_6_least_relu",
        "1024_50_0_7_6_least_order1",
        "1024_50_0_7_6_least.",
        "1024_50_0_7_6_least.mat.mat",
        "1024_50_0_7_6_least.txt",
        ".1024_50_0_7_6_least_relu_order1",
    ],
)
def test_half_a_name_is_none(text):
    with pytest.raises(ValueError, match="its name is not NSAMP_NITERS_ID_TRUE_TARGET"):
        FileName.parse(text)


def test_what_lacks_an_ending_is_told_from_what_has_one():
    assert FileName.lacks_ending("1024_50_0_7_6_least_relu_order1")
    assert not FileName.lacks_ending("1024_50_0_7_6_least_relu_order1.MAT")
    assert not FileName.lacks_ending("notes")

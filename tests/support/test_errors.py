"""What errors say."""

import pytest

from lipschitz.support.errors import ImageError, InputError, concerning, first_line


def test_the_option_is_named_by_the_command_that_has_it():
    with (
        pytest.raises(InputError, match=r"^--ids ids\.txt: it is empty\. Give another$"),
        concerning("--ids ", ". Give another"),
    ):
        raise InputError("ids.txt: it is empty")


def test_other_errors_are_left_as_they_are():
    with pytest.raises(ImageError, match=r"^image 3: no margin$"), concerning("--ids "):
        raise ImageError("image 3: no margin")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\nsecond"), "first"),
        (ValueError(), "ValueError"),
        (ValueError("\x1b[2J"), "\\x1b[2J"),
        (ValueError("x" * 10**6), "x" * 500),
    ],
)
def test_of_a_librarys_message_one_line_is_shown(error, line):
    assert first_line(error) == line

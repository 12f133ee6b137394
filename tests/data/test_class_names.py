"""The names of classes."""

import pytest

from lipschitz.data import class_names
from lipschitz.support.errors import InputError


def test_names_are_read_by_number_and_are_safe_to_print(tmp_path):
    (tmp_path / "labels.txt").write_text("0:background\n\n1:a fish: tench\n2:\x1b[2J\n")
    names = class_names.read(tmp_path / "labels.txt")
    assert names == {0: "background", 1: "a fish: tench", 2: "\\x1b[2J"}


@pytest.mark.parametrize("content", ["one:tench\n", "tench\n", "12345:tench\n", "0: a\n-1:b\n"])
def test_lines_of_another_form_are_refused(tmp_path, content):
    (tmp_path / "labels.txt").write_text(content)
    with pytest.raises(InputError, match=r"labels\.txt has lines that are not N:name; remove it"):
        class_names.read(tmp_path / "labels.txt")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"labels\.txt: No such file"):
        class_names.read(tmp_path / "labels.txt")

"""Files are there whole or not at all."""

import contextlib
import errno
import os
import time

import pytest

from lipschitz.support.atomic import ABANDONED, prepare, replacing
from lipschitz.support.errors import RunError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "folder" / "file.mat"
    with replacing(path) as unfinished:
        unfinished.write_text("new")
        assert not path.exists()
        assert unfinished.suffix != ".mat"  # nobody who looks for *.mat sees it
    assert path.read_text() == "new"
    assert names(path.parent) == ["file.mat"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with contextlib.suppress(KeyboardInterrupt), replacing(path) as unfinished:
        unfinished.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_full_disk_names_the_file(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(OSError, match="No space") as error, replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert error.value.filename == str(path)


def test_two_who_write_at_once_each_write_a_whole_file(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as first:
        with replacing(path) as second:
            assert first != second
            first.write_text("first")
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"


def test_what_a_kill_left_is_removed_when_nobody_writes_it_any_more(tmp_path):
    old, new = (tmp_path / f".file.{digit * 16}.unfinished" for digit in "ab")
    for left in (old, new, tmp_path / "file"):
        left.touch()
    for left in (old, tmp_path / "file"):
        os.utime(left, (0, time.time() - ABANDONED - 60))
    prepare(tmp_path)
    assert names(tmp_path) == [new.name, "file"]


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    prepare(tmp_path / "made" / "here")
    assert names(tmp_path / "made" / "here") == []
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file/folder cannot be written to: Not a directory"):
        prepare(tmp_path / "file" / "folder")

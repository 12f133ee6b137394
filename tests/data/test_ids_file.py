"""Files of ids: rows in, images and targets out."""

import os

import pytest
from lipschitz.data.ids_file import IdRow, read

from lipschitz.support.errors import InputError

ROWS = "id\ttarget\tnote\n5\t3\ta\n7\t1\tb\n5\t4\tc\n9\t0\td\n5\t3\te\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text(ROWS)
    return path


def test_rows_of_an_image_are_put_together(file):
    assert read(file, 0, 10, with_targets=True) == [
        IdRow(5, [3, 4]),
        IdRow(7, [1]),
        IdRow(9, [0]),
    ]


def test_rows_are_cut_before_they_are_put_together(file):
    assert read(file, 1, 2, with_targets=True) == [IdRow(7, [1]), IdRow(5, [4])]


def test_targets_are_left_where_they_are_not_asked_for(file):
    assert read(file, 0, 2, with_targets=False) == [IdRow(5, []), IdRow(7, [])]


def test_quotes_are_characters_like_others(tmp_path):
    (tmp_path / "ids.xz").write_text('id\tnote\n3\t"open\n5\tb\n9\t"c"\n')
    found = read(tmp_path / "ids.xz", 0, 9, with_targets=False)
    assert [named.image_id for named in found] == [3, 5, 9]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id\n5\n", r"has no column 'target' \(tab separated; it has 'id'\): --target_type 8"),
        ("number\ttarget\n5\t1\n", "has no column 'id'"),
        ("id,target\n5,1\n", "has no column 'id'.*it has 'id,target'"),
        ("id\ttarget\n5\tx\n", "line 2: target 'x' is not a number"),
        ("id\ttarget\n5\t1\n-1\t1\n", "line 3: id '-1' is not a number of 0 or more"),
        ("id\ttarget\n5\t\n", "line 2: target '' is not a number"),
        ("id\ttarget\n5\t1\n6\t1\t2\t3\n", "ids.txt: "),
        ("", "ids.txt: "),
        ("id\ttarget\n", "--firstimg 0: .* has 0 rows"),
        ("\0\1\2\xff", "ids.txt"),
        ("id\ttarget\n5\t1\t2\n", "line 2 has 3 columns, the first 2"),
        ("id\ttarget\n\n5\n", "line 3: target '' is not a number"),
        ("id\ttarget\n\xd9\xa1\t1\n", "line 2: id '١' is not a number"),
        ("id\ttarget\n5\t" + "9" * 5000, "line 2: target '9999"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, content, message):
    (tmp_path / "ids.txt").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path / "ids.txt", 0, 1, with_targets=True)
    assert len(str(error.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.txt: No such file"):
        read(tmp_path / "nowhere.txt", 0, 1, with_targets=True)


def test_what_is_no_regular_file_of_ids_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="no regular file"):
        read(tmp_path / "pipe", 0, 1, with_targets=True)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="1099511627776 B, more than"):
        read(tmp_path / "large", 0, 1, with_targets=True)


def test_files_of_other_systems_are_read(tmp_path):
    (tmp_path / "ids.txt").write_bytes(b"\xef\xbb\xbfid\ttarget\r\n5\t1\r\n")
    assert read(tmp_path / "ids.txt", 0, 1, with_targets=True) == [IdRow(5, [1])]

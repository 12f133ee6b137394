"""Archives: what is unpacked, what is refused, and the checksums that are kept."""

import gzip
import hashlib
import io
import tarfile

import pytest

from lipschitz.support import archive
from lipschitz.support.errors import InputError

LIMITS = {"largest_file": 1000, "largest_archive": 10**6}


def write(path, **members):
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            member = tarfile.TarInfo(f"some/folder/{name}")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))


@pytest.fixture
def packed(tmp_path):
    """An archive of three files, and an empty folder beside it."""
    (tmp_path / "folder").mkdir()
    write(tmp_path / "archive", one=b"1", two=b"2", large=bytes(1001))
    return tmp_path / "archive"


def unpack(path, *names, **limits):
    folder = path.parent / "folder"
    archive.unpack(path, set(names), folder, **(LIMITS | limits))
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_files_that_are_asked_for_are_unpacked(packed):
    archive.check(packed)
    assert unpack(packed, "one", "absent") == {"one": b"1"}


def test_files_that_the_folder_has_are_kept(packed):
    (packed.parent / "folder" / "one").write_bytes(b"mine")
    assert unpack(packed, "one", "two") == {"one": b"mine", "two": b"2"}


def test_a_file_that_is_too_large_is_left_out_with_a_word(packed, capsys):
    assert unpack(packed, "two", "large") == {"two": b"2"}
    assert capsys.readouterr().err == "large is left out: 1001 B\n"


def test_an_archive_that_is_too_large_is_refused(packed):
    with pytest.raises(ValueError, match="it unpacks to more than 2000 B"):
        unpack(packed, "one", largest_archive=2000)


def test_a_header_that_declares_a_long_name_is_refused_before_it_is_read(packed):
    member = tarfile.TarInfo("one")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 2**25
    content = member.tobuf(tarfile.GNU_FORMAT) + bytes(2**25)
    packed.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match="a header declares 33554432 B"):
        unpack(packed, "one")


@pytest.mark.parametrize("damage", [lambda whole: whole[:-30], lambda whole: whole[:30] + b"x"])
def test_a_damaged_archive_is_a_value_error(packed, damage):
    packed.write_bytes(damage(packed.read_bytes()))
    with pytest.raises(ValueError):  # noqa: PT011 -- zlib's and tarfile's words differ by version
        unpack(packed, "one", "large")


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>gone</html>", gzip.compress(b"text" * 200)],
    ids=["nothing", "page", "no archive"],
)
def test_what_is_not_a_tar_archive_is_refused(packed, content):
    packed.write_bytes(content)
    with pytest.raises(ValueError, match="it is not a tar archive"):
        archive.check(packed)


def test_checksums_are_read_as_they_were_written(packed, tmp_path):
    digest = archive.sha256(packed)
    assert digest == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert archive.read_checksums(tmp_path / "SHA256SUMS") == {}
    written = {"graphs.tar.gz": digest, "a b": "0" * 64}
    archive.write_checksums(written, tmp_path / "SHA256SUMS")
    assert archive.read_checksums(tmp_path / "SHA256SUMS") == written


@pytest.mark.parametrize("content", [b"\xff", b"graphs.tar.gz\n", b"0" * 63 + b"  a\n", b"\n"])
def test_other_files_of_checksums_are_named(tmp_path, content):
    (tmp_path / "SHA256SUMS").write_bytes(content)
    with pytest.raises(InputError, match=r"SHA256SUMS.*; remove it$"):
        archive.read_checksums(tmp_path / "SHA256SUMS")

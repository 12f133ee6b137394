"""Tar archives from elsewhere: their SHA-256, and unpacking of chosen files within bounds.

Nothing in an archive is trusted: a header can declare any size, and a member any path.
"""

import gzip
import hashlib
import re
import shutil
import sys
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from lipschitz.support import regular_file
from lipschitz.support.atomic import replacing
from lipschitz.support.errors import InputError, first_line

LARGEST_PIECE = 2**20  # bytes that are unpacked at once
LARGEST_CHECKSUMS = 2**20  # bytes
SHA256 = re.compile(r"[0-9a-f]{64}")
DAMAGE = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)


def check(archive: Path) -> None:
    """Raise ValueError if the file is not a .tar.gz: a server that is gone answers with a page."""
    try:
        with _opened(archive):
            pass
    except (*DAMAGE, OSError) as error:
        raise ValueError("it is not a tar archive") from error


def unpack(
    archive: Path, names: set[str], folder: Path, largest_file: int, largest_archive: int
) -> None:
    """Put the members of these names into the folder, each whole; keep files that it has already.

    Nothing else is unpacked: no other file, no link, no path, and no file of more than
    `largest_file` bytes. Raises ValueError if the archive is damaged, or unpacks to more than
    `largest_archive` bytes.
    """
    try:
        with _opened(archive) as members:
            for member in members:
                if member.offset_data + member.size > largest_archive:
                    raise tarfile.ReadError(f"it unpacks to more than {largest_archive} B")
                path = folder / PurePosixPath(member.name).name
                if path.name not in names or path.exists() or not member.isreg():
                    continue
                if member.size > largest_file:
                    print(f"{path.name} is left out: {member.size} B", file=sys.stderr)
                    continue
                with replacing(path) as unfinished, unfinished.open("wb") as file:
                    shutil.copyfileobj(members.extractfile(member), file)
    except DAMAGE as error:
        raise ValueError(first_line(error)) from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_checksums(path: Path) -> dict[str, str]:
    """SHA-256 by name, from a file for `sha256sum --check`; none if there is no such file.

    Raises InputError if the file holds anything else.
    """
    if not path.exists():
        return {}
    try:
        lines = regular_file.read(path, LARGEST_CHECKSUMS).decode().splitlines()
    except ValueError as error:
        raise InputError(f"{path}: {error}; remove it") from error
    pairs = [line.partition("  ") for line in lines]
    if not all(SHA256.fullmatch(digest) and name for digest, _, name in pairs):
        raise InputError(f"{path} has lines that are not SHA-256 and name; remove it")
    return {name: digest for digest, _, name in pairs}


def write_checksums(checksums: dict[str, str], path: Path) -> None:
    """Write SHA-256 by name, as `read_checksums` reads it."""
    with replacing(path) as unfinished:
        unfinished.write_text("".join(f"{digest}  {name}\n" for name, digest in checksums.items()))


class _InPieces(gzip.GzipFile):
    """A .gz file that unpacks little at once: a header may declare a member name of any size."""

    def read(self, size: int | None = -1) -> bytes:
        """At most `LARGEST_PIECE` bytes. Raises tarfile.ReadError if more is asked for."""
        if size is None or not 0 <= size <= LARGEST_PIECE:
            raise tarfile.ReadError(f"a header declares {size} B")
        return super().read(size)


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    with _InPieces(archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as members:
        yield members

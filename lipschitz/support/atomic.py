"""Files that are there whole or not at all."""

import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lipschitz.support.errors import RunError

UNFINISHED = ".unfinished"
ABANDONED = 3600  # seconds after which nobody writes to an unfinished file any more


@contextmanager
def replacing(path: Path, extension: str = "", durable: bool = True) -> Iterator[Path]:
    """Give a hidden name beside `path` to write to; it takes the place of `path` at the end.

    Where the block raises, what was written is removed and `path` stays as it was; an OSError
    names `path`. No two calls share a name, on whatever machine; `extension` is one that the
    writer insists on. A file that is not `durable` may be empty after a power cut.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}{UNFINISHED}{extension}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        if durable:
            _flush(unfinished)
        os.replace(unfinished, path)
        if durable:
            with suppress(OSError):  # the file is there; not all file systems flush folders
                _flush(path.parent)
    except OSError as error:
        if error.filename in (None, str(unfinished)):
            error.filename = str(path)
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def prepare(folder: Path) -> None:
    """Make the folder; raise RunError where a small file cannot be written to it.

    What kills in the middle of a write left there long ago is removed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(2**16))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunError(f"{folder} cannot be written to: {error.strerror or error}") from error


def _flush(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    for left in folder.glob(f".*{UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()

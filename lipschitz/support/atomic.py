"""Files that are written whole or not at all."""

import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lipschitz.support.errors import RunError

UNFINISHED = ".unfinished"
OF_REPLACING = re.compile(rf"\..+\.[0-9a-f]{{16}}{re.escape(UNFINISHED)}(\.\w+)?")  # its names
ABANDONED = 3600  # seconds: nobody still writes to an unfinished file that is older


@contextmanager
def replacing(path: Path, extension: str = "", durable: bool = True) -> Iterator[Path]:
    """Give a hidden name beside `path` to write to; it takes the place of `path` at the end.

    If the block raises, the new file is removed and `path` keeps its content; an OSError names
    `path`. No two calls use the same name, on any machine; `extension` is for writers that demand
    one. A file that is not `durable` may be empty after a power cut.
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
    """Make the folder; raise RunError if a small file cannot be written to it.

    Unfinished files that killed runs left there long ago are removed.
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
    """Flush a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    for left in folder.glob(f".*{UNFINISHED}*"):
        with suppress(OSError):
            is_old = time.time() - left.stat().st_mtime > ABANDONED
            if is_old and OF_REPLACING.fullmatch(left.name):
                left.unlink()

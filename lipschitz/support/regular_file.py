"""Opening files that others wrote: only regular files, of bounded size, without waiting.

A pipe can block for ever, a device has no end, and a file of absurd size fills the memory.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def opened(path: Path, largest: int) -> Iterator[BinaryIO]:
    """A regular file of at most `largest` bytes. Raises ValueError if it is not; it says why."""
    try:
        # closed by the `with` below: errors in its block are not errors of opening
        file = open(path, "rb", opener=_regular)  # noqa: SIM115
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise ValueError(f"it has {size} B, more than {largest} B")
        yield file


def read(path: Path, largest: int) -> bytes:
    """The content of the file. Raises ValueError as `opened` does."""
    with opened(path, largest) as file:
        return file.read(largest)


def _regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise ValueError("it is no regular file")

"""The names of classes, in a text file of lines NUMBER:NAME."""

import re
from pathlib import Path

from lipschitz.support import regular_file
from lipschitz.support.errors import InputError
from lipschitz.support.text import printable

LARGEST_FILE = 2**20  # bytes
LINE = re.compile(r"(\d{1,4}):(.*)", re.ASCII)


def read(path: Path) -> dict[int, str]:
    """Names by number. Raises InputError if the file has lines of another form."""
    try:
        lines = regular_file.read(path, LARGEST_FILE).decode(errors="replace").splitlines()
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    found = [LINE.fullmatch(line) for line in lines if line]
    if not all(found):
        raise InputError(f"{path} has lines that are not N:name; remove it")
    return {int(line[1]): printable(line[2]) for line in found}

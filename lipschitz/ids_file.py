"""Files that name images, and perhaps target classes: tab separated, `id` and `target`."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lipschitz import regular_file
from lipschitz.errors import InputError

LARGEST = 2**23  # bytes: a row for each photograph of ImageNet's validation set has a tenth
SHOWN = 80  # characters of what is wrong
NUMBER = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True)
class Named:
    """An image, and the targets that its rows name."""

    image_id: int
    targets: list[int]


def read(path: Path, first: int, count: int, with_targets: bool) -> list[Named]:
    """The images that `count` rows from row `first` on name, in the order of the rows.

    Rows of one image are put together. Raises InputError where the file cannot be used.
    """
    rows = list(_rows(path, ["id", "target"] if with_targets else ["id"]))
    if first >= len(rows):
        raise InputError(f"--firstimg {first}: {path} has {len(rows)} rows")

    named: dict[int, Named] = {}
    for image_id, *targets in rows[first : first + count]:
        image = named.setdefault(image_id, Named(image_id, []))
        image.targets.extend(target for target in targets if target not in image.targets)
    return list(named.values())


def _rows(path: Path, columns: list[str]) -> Iterator[list[int]]:
    """The numbers in these columns, row by row."""
    try:
        text = regular_file.read(path, LARGEST).decode("utf-8-sig")
    except ValueError as error:
        raise InputError(f"--ids {path}: {error}") from error
    lines = enumerate(io.StringIO(text, newline=None), start=1)
    filled = (
        (number, line.rstrip("\n").split("\t")) for number, line in lines if line.strip(" \n")
    )
    _, header = next(filled, (1, []))
    if not header:
        raise InputError(f"--ids {path}: it is empty")
    for column in columns:
        if column not in header:
            raise InputError(
                f"--ids {path} has no column {column!r} (tab separated; it has "
                f"{', '.join(map(repr, header))[:SHOWN]})"
                + (": --target_type 8 needs it" if column == "target" else "")
            )
    places = {column: header.index(column) for column in columns}
    for number, fields in filled:
        if len(fields) > len(header):
            raise InputError(
                f"--ids {path}: line {number} has {len(fields)} columns, the first {len(header)}"
            )
        fields += [""] * (len(header) - len(fields))
        for column, place in places.items():
            if not NUMBER.fullmatch(fields[place]):
                raise InputError(
                    f"--ids {path}, line {number}: {column} {fields[place][:SHOWN]!r} is "
                    "not a number of 0 or more"
                )
        yield [int(fields[place]) for place in places.values()]

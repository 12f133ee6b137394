"""Which images are scored, and towards which classes: chosen by a seed, or named in a file."""

from __future__ import annotations

import codecs
import csv
import io
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from lipschitz.support import regular_file
from lipschitz.support.errors import InputError

TOP2, RANDOM, LEAST, USER, ALL = 1, 2, 4, 8, 16  # bits of a target type
UNTARGETED = "class"  # info of a target in an untargeted run: class0, class1, ...
NAMED_BY_USER = "user"  # info of a target that a file of ids names

LARGEST_FILE = 2**23  # bytes: a row for each photograph of ImageNet's validation set has a tenth
SHOWN = 80  # characters of what is wrong
NUMBER = re.compile(r"(\d{1,9})(?:\.0+)?", re.ASCII)  # 3, or 3.0 as some programs write it
SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons"}


@dataclass(frozen=True)
class SelectedImage:
    """An image and its targets; one that the network gets wrong has none."""

    image_id: int
    true_label: int
    predicted: int
    correct: bool
    largest_logit: float
    targets: list[int]
    info: list[str]


def choose(
    ids: list[int],
    logits: np.ndarray,
    labels: np.ndarray,
    target_type: int,
    generator: random.Random,
    lowest_random: int = 0,
    named: Sequence[Sequence[tuple[str, int]]] | None = None,
) -> Iterator[SelectedImage]:
    """Targets of the images `ids` that have these logits and one-hot labels (both (N, K)).

    A seed picks what it always picked: Python's own generator draws the random class, once for
    every image, used or not; of `lowest_random` and the K - 1 numbers that follow it. Targets that
    are `named` (the kind and class of each, for each image) take the place of all others, and
    nothing is drawn. An image whose largest logit is another class's too, or not finite, has no
    margin and counts as wrong.
    """
    for place, (row, label) in enumerate(zip(logits, labels, strict=True)):
        true_label, predicted = int(np.argmax(label)), int(np.argmax(row))
        others = np.delete(np.arange(len(row)), predicted)
        least, top2 = int(others[row[others].argmin()]), int(others[row[others].argmax()])
        if named is not None:
            pairs = named[place]
        else:
            drawn = _random_class(generator, lowest_random, len(row), {predicted, least, top2})
            if target_type & ALL:
                pairs = [(UNTARGETED + str(other), int(other)) for other in others]
            else:
                kinds = ((LEAST, "least", least), (TOP2, "top2", top2), (RANDOM, "random", drawn))
                pairs = [
                    (info, target)
                    for bit, info, target in kinds
                    if target_type & bit and target is not None
                ]
        finite = bool(np.isfinite(row).all())
        correct = finite and predicted == true_label and bool(row[predicted] > row[top2])
        if not correct:
            pairs = []
        info, targets = [info for info, _ in pairs], [target for _, target in pairs]
        largest = float(row[predicted])
        yield SelectedImage(ids[place], true_label, predicted, correct, largest, targets, info)


def _random_class(
    generator: random.Random, lowest: int, num_labels: int, taken: set[int]
) -> int | None:
    """A class that is not taken, drawn until there is one; None if all are taken."""
    free = set(range(lowest, num_labels)) - taken
    while free:
        drawn = generator.randint(lowest, lowest + num_labels - 1)
        if drawn in free:
            return drawn
    return None


class NoTargetsError(InputError):
    """A file of ids names no targets."""


class IdRow(NamedTuple):
    """An image that a file of ids names, and the targets in its rows."""

    image_id: int
    targets: list[int]


class IdFile(NamedTuple):
    """The rows of a file of ids, images in the order of their first row."""

    images: list[IdRow]
    taken: int  # rows
    rows: int  # in the file


def read_ids(
    path: Path, first: int, count: int, with_targets: bool, names: Sequence[str] = ()
) -> IdFile:
    """Read `count` rows from row `first` on of a file with columns `id`, and `target`.

    Tabs, commas or semicolons separate the columns. An id is the place of an image, or one of the
    `names` of the files that they come from; their folders may be left out. Rows of one image are
    put together. Raises InputError if the file cannot be used.
    """
    try:
        columns = ["id", "target"] if with_targets else ["id"]
        rows = list(_rows(path, columns, _places(names)))
    except csv.Error as error:
        raise InputError(f"{path} is no table of columns: {error}") from error
    if first >= len(rows):
        raise InputError(f"{path} has {len(rows)} rows: there is no row {first}")
    taken = rows[first : first + count]
    images: dict[int, IdRow] = {}
    for image_id, *targets in taken:
        image = images.setdefault(image_id, IdRow(image_id, []))
        image.targets.extend(target for target in targets if target not in image.targets)
    return IdFile(list(images.values()), len(taken), len(rows))


def _places(names: Sequence[str]) -> dict[str, int]:
    """The places of images by name, and by the name without its folder if only one has it."""
    without_folder = Counter(PurePath(name).name for name in names)
    short = {
        PurePath(name).name: place
        for place, name in enumerate(names)
        if without_folder[PurePath(name).name] == 1
    }
    return short | {name: place for place, name in enumerate(names)}


def _rows(path: Path, columns: list[str], named: dict[str, int]) -> Iterator[list[int]]:
    """The numbers in these columns, row by row; those of images may be `named`."""
    text = _text(path)
    separator = _separator(text.lstrip().partition("\n")[0])
    filled = _filled_lines(text, separator)
    _, header = next(filled, (1, []))
    if not header:
        raise InputError(f"{path}: it is empty")
    for column in columns:
        if column not in header:
            kind = NoTargetsError if column == "target" else InputError
            separated = SEPARATORS[separator] if len(header) > 1 else "tabs, commas or semicolons"
            raise kind(
                f"{path} has no column {column!r} (separated by {separated}; it has "
                f"{', '.join(map(repr, header))[:SHOWN]})"
            )
    places = {column: header.index(column) for column in columns}
    for number, fields in filled:
        if len(fields) > len(header):
            raise InputError(
                f"{path}: line {number} has {len(fields)} columns, the first {len(header)}"
            )
        fields += [""] * (len(header) - len(fields))
        yield [
            _number(
                fields[place], named if column == "id" else {}, f"{path}, line {number}: {column}"
            )
            for column, place in places.items()
        ]


def _number(field: str, named: dict[str, int], where: str) -> int:
    """The number that a field holds, or that is `named` by it."""
    if field in named:
        return named[field]
    if match := NUMBER.fullmatch(field):
        return int(match[1])
    wanted = "the name of an image or a number" if named else "a number"
    raise InputError(f"{where} {field[:SHOWN]!r} is not {wanted} of 0 or more")


def _text(path: Path) -> str:
    """The file's text, with the line ends of this system.

    Spreadsheets write UTF-16 or UTF-8 with a byte-order mark, or an encoding of their country,
    whose letters do not matter here: names of columns and numbers are ASCII.
    """
    try:
        content = regular_file.read(path, LARGEST_FILE)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    text = content.decode("utf-16" if content.startswith(marks) else "utf-8-sig", "replace")
    return io.StringIO(text, newline=None).read()


def _separator(header: str) -> str:
    """What separates the columns: with it the first line has a column `id`."""
    for separator in SEPARATORS:
        if "id" in map(_plain, header.split(separator)):
            return separator
    return next((separator for separator in SEPARATORS if separator in header), "\t")


def _filled_lines(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The fields of each line that is not blank, with its number."""
    quotes = {"quoting": csv.QUOTE_NONE} if _has_plain_quotes(text, separator) else {"strict": True}
    rows = csv.reader(io.StringIO(text), delimiter=separator, **quotes)
    for fields in rows:
        plain = [_plain(field) for field in fields]
        if any(plain):
            yield rows.line_num, plain


def _has_plain_quotes(text: str, separator: str) -> bool:
    """Whether quotes are characters like others: tab-separated notes have them for inches."""
    if separator != "\t":
        return False
    try:
        rows = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
        return any("\n" in field for fields in rows for field in fields)
    except csv.Error:
        return True


def _plain(field: str) -> str:
    """A field without blanks and quotes around it."""
    return field.strip().strip('"').strip()

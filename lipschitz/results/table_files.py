"""Tables of scores in files: CSV, JSON and parquet; each is read back as the same frame."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipschitz.results import tables
from lipschitz.results.tables import COLUMNS, NUMBER, TRUTH, WHOLE, WORD
from lipschitz.support import regular_file
from lipschitz.support.atomic import replacing
from lipschitz.support.errors import InputError, first_line

if TYPE_CHECKING:
    import pandas as pd

    Columns = Mapping[str, pd.Series]

SCHEMA = 1  # of JSON; it grows if a column is removed or means something else
FORMAT = "clever scores"
LARGEST = 2**30  # bytes: a million rows
MOST_ROWS = 10**6  # of a parquet file, which can repeat one without end
INFINITE = {np.inf: "inf", -np.inf: "-inf"}  # JSON has no such numbers
TRUTHS = {"True": True, "False": False, "": None}


def write(frame: pd.DataFrame, path: Path, form: str) -> None:
    """Write a frame of scores, whole or not at all, in a form of `WRITERS`."""
    with replacing(path) as unfinished:
        WRITERS[form](frame, unfinished)


def read(path: Path) -> pd.DataFrame:
    """The frame in a file, in the form that its ending names.

    Raises InputError if the file cannot be read, or is not of scores.
    """
    if ending(path) not in READERS:
        endings = ", ".join(f".{form}" for form in READERS)
        raise InputError(f"{path}: its ending does not tell what it holds: it is one of {endings}")
    if not path.exists():
        raise InputError(f"{path} does not exist")
    try:
        return tables.of_columns(READERS[ending(path)](regular_file.read(path, LARGEST)))
    except Exception as error:  # the readers raise what their parsing stumbles over
        raise InputError(f"{path} is no table of scores: {first_line(error)}") from error


def ending(path: Path) -> str:
    """The ending of a file's name, which tells the form: "csv", ..."""
    return path.suffix.lower().removeprefix(".")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write CSV, with a heading; what is missing is empty."""
    frame.to_csv(path, index=False)


def read_csv(content: bytes) -> Columns:
    """The columns in the content of a CSV file."""
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    heading, *rows = [*csv.reader(text, strict=True)] or [[]]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(heading):
            raise ValueError(f"row {number} has {len(row)} values, the heading {len(heading)}")
    return _typed(zip(heading, zip(*rows, strict=True), strict=False), OF_TEXT)


def write_json(frame: pd.DataFrame, path: Path) -> None:
    """Write JSON: an object with `format`, `schema` and `rows`, an object and a line each."""
    begin = json.dumps({"format": FORMAT, "schema": SCHEMA})[:-1]
    columns = [_plain(column) for _, column in frame.items()]
    named = (dict(zip(frame, row, strict=True)) for row in zip(*columns, strict=True))
    with path.open("w") as file:
        file.write(f'{begin}, "rows": [\n')
        for number, row in enumerate(named):
            file.write((",\n" if number else "") + json.dumps(row, allow_nan=False))
        file.write("\n]}\n")


def _plain(column: pd.Series) -> list[object]:
    """The values of a column as JSON has them: None for what is missing, words for infinities."""
    values = column.astype(object).where(column.notna(), None).tolist()
    return [INFINITE.get(value, value) if isinstance(value, float) else value for value in values]


def read_json(content: bytes) -> Columns:
    """The columns in the content of a JSON file."""
    contents = json.loads(content)
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    if contents.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {contents.get('schema')}, this version reads {SCHEMA}")
    names = contents["rows"][0] if contents["rows"] else ()
    columns = ((name, [row[name] for row in contents["rows"]]) for name in names)
    return _typed(columns, OF_VALUES)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write parquet. Raises InputError if pyarrow is not installed."""
    require_parquet()
    frame.to_parquet(path, index=False)


def read_parquet(content: bytes) -> Columns:
    """The columns in the content of a parquet file. Raises InputError without pyarrow."""
    require_parquet()
    from pyarrow.parquet import ParquetFile

    file = ParquetFile(io.BytesIO(content))
    if (rows := file.metadata.num_rows) > MOST_ROWS:
        raise ValueError(f"it declares {rows} rows, more than {MOST_ROWS}")
    there = [name for name in COLUMNS if name in file.schema_arrow.names]
    # a column at a time: its values as objects take a hundred times their room in the file
    columns = ((name, file.read(columns=[name])[name].to_pylist()) for name in there)
    return _typed(columns, OF_VALUES)


def require_parquet() -> None:
    """Raise InputError if pyarrow, which writes and reads parquet, is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError("parquet needs pyarrow: pip install pyarrow") from error


def _typed(
    columns: Iterable[tuple[str, Sequence]],
    of_dtype: Mapping[str, Callable[[object], object]],
) -> Columns:
    """Named columns with values of their types. Raises ValueError if one is absent."""
    found = {
        name: tables.column([*map(of_dtype[COLUMNS[name]], values)], COLUMNS[name])
        for name, values in columns
        if name in COLUMNS
    }
    if missing := [name for name in COLUMNS if name not in found]:
        raise ValueError(f"it lacks the column {missing[0]}")
    return found


def _truth(text: str) -> bool | None:
    word = text.capitalize()  # spreadsheets write TRUE
    if word not in TRUTHS:
        raise ValueError(f"{text[:80]!r} is neither True nor False")
    return TRUTHS[word]


def _of_type(kind: type, missing: object = None) -> Callable[[object], object]:
    """A function that returns values of a type; it raises ValueError for those of another."""

    def check(value: object) -> object:
        if value is not None and type(value) is not kind:
            raise ValueError(f"{str(value)[:80]!r} is of another type than its column")
        return missing if value is None else value

    return check


OF_TEXT = {
    WORD: str,
    WHOLE: lambda text: int(text) if text else None,
    NUMBER: lambda text: float(text) if text else None,
    TRUTH: _truth,
}
OF_VALUES = {
    WORD: _of_type(str, missing=""),
    WHOLE: _of_type(int),
    NUMBER: lambda value: None if value is None else float(value),  # or a word: INFINITE
    TRUTH: _of_type(bool),
}
WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "csv": write_csv,
    "json": write_json,
    "parquet": write_parquet,
}
READERS: dict[str, Callable[[bytes], Columns]] = {
    "csv": read_csv,
    "json": read_json,
    "parquet": read_parquet,
}

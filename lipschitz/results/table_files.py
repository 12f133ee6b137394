"""Tables of scores in files: CSV, JSON and parquet; each is read back as the same frame."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
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

SCHEMA = 1  # of JSON; it grows if a column is removed or means something else
FORMAT = "clever scores"
Row = dict[str, object]  # by column
LARGEST = 2**30  # bytes: ten million rows
MOST_ROWS = 10**7  # of a parquet file, which can repeat one without end
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
    try:
        return tables.of_rows(READERS[ending(path)](regular_file.read(path, LARGEST)))
    except Exception as error:  # the readers raise what their parsing stumbles over
        raise InputError(f"{path} is no table of scores: {first_line(error)}") from error


def ending(path: Path) -> str:
    """The ending of a file's name, which tells the form: "csv", ..."""
    return path.suffix.lower().removeprefix(".")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write CSV, with a heading; what is missing is empty."""
    frame.to_csv(path, index=False)


def read_csv(content: bytes) -> list[Row]:
    """The rows in the content of a CSV file."""
    import pandas as pd

    text = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    return _rows(text.to_dict("records"), OF_TEXT)


def write_json(frame: pd.DataFrame, path: Path) -> None:
    """Write JSON: an object with `format`, `schema` and `rows`, an object and a line each."""
    begin = json.dumps({"format": FORMAT, "schema": SCHEMA})[:-1]
    columns = [_plain(column) for _, column in frame.items()]
    named = (dict(zip(frame, row, strict=True)) for row in zip(*columns, strict=True))
    rows = ",\n".join(json.dumps(row, allow_nan=False) for row in named)
    path.write_text(f'{begin}, "rows": [\n{rows}\n]}}\n')


def _plain(column: pd.Series) -> list[object]:
    """The values of a column as JSON has them: None for what is missing, words for infinities."""
    values = column.astype(object).where(column.notna(), None).tolist()
    return [INFINITE.get(value, value) if isinstance(value, float) else value for value in values]


def read_json(content: bytes) -> list[Row]:
    """The rows in the content of a JSON file."""
    contents = json.loads(content)
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}")
    if contents.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {contents.get('schema')}, this version reads {SCHEMA}")
    return _rows(contents["rows"], OF_VALUES)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write parquet. Raises InputError if pyarrow is not installed."""
    require_parquet()
    frame.to_parquet(path, index=False)


def read_parquet(content: bytes) -> list[Row]:
    """The rows in the content of a parquet file. Raises InputError if pyarrow is not installed."""
    require_parquet()
    from pyarrow.parquet import ParquetFile

    file = ParquetFile(io.BytesIO(content))
    if (rows := file.metadata.num_rows) > MOST_ROWS:
        raise ValueError(f"it declares {rows} rows, more than {MOST_ROWS}")
    return _rows(file.read(columns=list(COLUMNS)).to_pylist(), OF_VALUES)


def require_parquet() -> None:
    """Raise InputError if pyarrow, which writes and reads parquet, is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError("parquet needs pyarrow: pip install pyarrow") from error


def _rows(rows: list[Row], of_dtype: Mapping[str, Callable[[object], object]]) -> list[Row]:
    """The rows with values of their columns' types. Raises ValueError if they lack a column."""
    if missing := [name for row in rows[:1] for name in COLUMNS if name not in row]:
        raise ValueError(f"it lacks the column {missing[0]}")
    return [{name: of_dtype[dtype](row[name]) for name, dtype in COLUMNS.items()} for row in rows]


def _truth(text: str) -> bool | None:
    if text not in TRUTHS:
        raise ValueError(f"{text[:80]!r} is neither True nor False")
    return TRUTHS[text]


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
READERS: dict[str, Callable[[bytes], list[Row]]] = {
    "csv": read_csv,
    "json": read_json,
    "parquet": read_parquet,
}

"""Files that name images, and perhaps target classes: tab separated, `id` and `target`."""

import csv
from dataclasses import dataclass
from pathlib import Path

from lipschitz.errors import InputError


@dataclass(frozen=True)
class Named:
    """An image, and the targets that its rows name."""

    image_id: int
    targets: list[int]


def read(path: Path, first: int, count: int, with_targets: bool) -> list[Named]:
    """The images that `count` rows from row `first` on name, in the order of the rows.

    Rows of one image are put together. Raises InputError where the file cannot be used.
    """
    import pandas as pd  # slow to import, and few runs have such a file

    columns = ["id", "target"] if with_targets else ["id"]
    try:
        rows = pd.read_csv(
            path,
            sep="\t",
            dtype=str,
            keep_default_na=False,
            quoting=csv.QUOTE_NONE,
            compression=None,  # whatever the name ends in
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InputError(f"--ids {path}: {reason}") from error
    for column in columns:
        if column not in rows:
            raise InputError(
                f"--ids {path} has no column {column!r} (tab separated; it has "
                f"{', '.join(map(repr, rows.columns))})"
                + (": --target_type 8 needs it" if column == "target" else "")
            )
        wrong = rows[~rows[column].str.fullmatch(r"\d{1,9}")]
        if len(wrong):
            raise InputError(
                f"--ids {path}, line {wrong.index[0] + 2}: {column} {wrong[column].iloc[0]!r} is "
                "not a number of 0 or more"
            )
    if first >= len(rows):
        raise InputError(f"--firstimg {first}: {path} has {len(rows)} rows")

    named: dict[int, Named] = {}
    for row in rows[first : first + count][columns].astype(int).itertuples(index=False):
        image = named.setdefault(row.id, Named(row.id, []))
        if with_targets and row.target not in image.targets:
            image.targets.append(row.target)
    return list(named.values())

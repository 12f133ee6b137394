"""Names that are nearly one that is not there."""

import os
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

MOST_FILES = 10_000  # of a folder that are looked at
MOST_SHOWN = 3


def files_alike(path: Path) -> list[Path]:
    """What is in the folder of a path and has nearly its name, or its name without the ending."""
    try:
        with os.scandir(path.parent) as entries:
            names = sorted(entry.name for entry in islice(entries, MOST_FILES))
    except OSError:
        return []
    stem = path.stem.casefold()
    same = [name for name in names if Path(name).stem.casefold() == stem]
    close = get_close_matches(path.name, names, MOST_SHOWN, cutoff=0.8)
    return [path.parent / name for name in dict.fromkeys(same + close)][:MOST_SHOWN]

"""Progress bars: at a terminal alone."""

import sys

from tqdm import tqdm


def progress(what: str, total: int, leave: bool = True) -> tqdm:
    """A progress bar at a terminal; one that does not `leave` its line vanishes at the end."""
    return tqdm(total=total, desc=what, leave=leave, disable=not sys.stderr.isatty())

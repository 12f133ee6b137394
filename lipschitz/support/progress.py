"""Progress bars: at a terminal alone."""

import contextlib
import sys

from tqdm import tqdm

from lipschitz.support.text import say

TELL_AGAIN = 600.0  # seconds between two lines in a log that say how far a run is, or waits


def progress(what: str, total: int, leave: bool = True) -> tqdm:
    """A progress bar at a terminal; one that does not `leave` its line vanishes at the end."""
    return tqdm(total=total, desc=what, leave=leave, disable=not sys.stderr.isatty())


def say_above(message: object) -> None:
    """Print a line on stderr, above a progress bar if there is one."""
    with contextlib.suppress(OSError), tqdm.external_write_mode(file=sys.stderr):
        say(message)

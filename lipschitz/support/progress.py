"""Progress bars: at a terminal alone."""

import sys

from tqdm import tqdm

from lipschitz.support.text import say


def progress(what: str, total: int, leave: bool = True) -> tqdm:
    """A progress bar at a terminal; one that does not `leave` its line vanishes at the end."""
    return tqdm(total=total, desc=what, leave=leave, disable=not sys.stderr.isatty())


def say_above(message: object) -> None:
    """Print a line on stderr, above a progress bar if there is one."""
    with tqdm.external_write_mode(file=sys.stderr):
        say(message)

"""The ways in which a command ends early; `command.py` turns them into exit codes."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from lipschitz.support.text import printable

LONGEST = 500  # characters of a library's message: some quote whole files
SIGNAL_WORDS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "the terminal was closed",
}


class InputError(Exception):
    """What the user gave cannot be used; the message says what to do. Exit code 2."""


class RunError(Exception):
    """The run itself failed; the message says how. Exit code 1."""


class ImageError(RunError):
    """One image cannot be scored; others can."""


class Interrupted(BaseException):
    """A signal asks the command to end; no Exception, so what handles errors lets it pass."""

    def __init__(self, number: int) -> None:
        super().__init__(SIGNAL_WORDS[number])
        self.exit_code = 128 + number


def first_line(error: object) -> str:
    """The first line of a library's message."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return printable(lines[0][:LONGEST])


@contextmanager
def concerning(
    before: str = "", after: str = "", kind: type[InputError] = InputError
) -> Iterator[None]:
    """Add to the block's InputErrors, or those of one kind, the option to change."""
    try:
        yield
    except kind as error:
        raise InputError(f"{before}{error}{after}") from error

"""The ways in which a command ends early, and how it says so."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable

from lipschitz.interruption import Interrupted, let_end, raise_interrupted
from lipschitz.lines import printable

LONGEST = 500  # characters of what a library said: some quote whole files


class InputError(Exception):
    """What the user gave cannot be used; the message says what to do. Exit code 2."""


class RunError(Exception):
    """The run itself failed; the message says how. Exit code 1."""


class ImageError(RunError):
    """One image cannot be scored; others can."""


def first_line(error: object) -> str:
    """What a library said, in one line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return printable(lines[0][:LONGEST])


def run(main: Callable[[], int | None]) -> None:
    """Run a command's `main` and exit: an error is one line on stderr, not a traceback."""
    raise_interrupted()
    try:
        code = main() or 0
        sys.stdout.flush()
    except InputError as error:
        code = _say(error, 2)
    except RunError as error:
        code = _say(error, 1)
    except Interrupted as ended:
        code = _say(f"{ended}: {SAVED}", ended.exit_code)
    except KeyboardInterrupt:  # raised by a library in our handler's place
        code = _say(f"interrupted: {SAVED}", 128 + signal.SIGINT)
    except MemoryError as error:
        code = _say(f"out of memory ({first_line(error)}): {SAVED}", 1)
    except BrokenPipeError:  # who read our output, `head` say, has gone: no more can be said
        code = 1
    except OSError as error:  # a full disk, a folder without permission
        what = error.strerror or first_line(error)
        code = _say(f"{error.filename or 'cannot go on'}: {what}", 1)
    _let_go_of_output()
    let_end()
    sys.exit(code)


SAVED = "what is saved is complete and stays"


def say(message: object) -> None:
    """Print a line on stderr, if anybody is there: words about an end must not change it."""
    with contextlib.suppress(OSError):  # a terminal that was closed
        print(printable(str(message)), file=sys.stderr, flush=True)


def _say(message: object, code: int) -> int:
    say(f"{sys.argv[0].rpartition('/')[2]}: {message}")
    return code


def _let_go_of_output() -> None:
    """Write what is buffered; where that fails it must not fail once more when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

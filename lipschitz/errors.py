"""The ways in which a command ends early, and how it says so."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable

from lipschitz.interruption import Interrupted, let_end, raise_interrupted
from lipschitz.lines import printable

SAVED = "what is saved is complete and stays"
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
    code, said = _outcome(main)
    if said:
        say(f"{sys.argv[0].rpartition('/')[2]}: {said}")
    _let_go_of_output()
    sys.exit(code)


def _outcome(main: Callable[[], int | None]) -> tuple[int, object]:
    """The exit code of a command, and what is to be said of its end."""
    try:
        code = main() or 0
        sys.stdout.flush()
        return code, ""
    except InputError as error:
        return 2, error
    except RunError as error:
        return 1, error
    except Interrupted as ended:
        return ended.exit_code, f"{ended}: {SAVED}"
    except KeyboardInterrupt:  # raised by a library in our handler's place
        return 128 + signal.SIGINT, f"interrupted: {SAVED}"
    except MemoryError as error:
        return 1, f"out of memory ({first_line(error)}): {SAVED}"
    except BrokenPipeError:  # who read our output, `head` say, has gone: no more can be said
        return 1, ""
    except OSError as error:  # a full disk, a folder without permission
        return 1, f"{error.filename or 'cannot go on'}: {error.strerror or first_line(error)}"
    finally:
        let_end()


def say(message: object) -> None:
    """Print a line on stderr, if anybody is there: words about an end must not change it."""
    with contextlib.suppress(OSError):  # a terminal that was closed
        print(printable(str(message)), file=sys.stderr, flush=True)


def _let_go_of_output() -> None:
    """Write what is buffered; where that fails it must not fail once more when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

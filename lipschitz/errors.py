"""The two ways in which a command ends early, and how it says so."""

import os
import signal
import sys
from collections.abc import Callable

from lipschitz.lines import printable

INTERRUPTED = 128 + signal.SIGINT
LONGEST = 500  # characters of what a library said: some quote whole files


class InputError(Exception):
    """What the user gave cannot be used; the message says what to do. Exit code 2."""


class RunError(Exception):
    """The run itself failed; the message says how. Exit code 1."""


def first_line(error: object) -> str:
    """What a library said, in one line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return printable(lines[0][:LONGEST])


def run(main: Callable[[], int | None]) -> None:
    """Run a command's `main` and exit: an error is one line on stderr, not a traceback."""
    try:
        code = main() or 0
        sys.stdout.flush()
    except InputError as error:
        code = _say(error, 2)
    except RunError as error:
        code = _say(error, 1)
    except BrokenPipeError:  # who read our output, `head` say, has gone: no more can be said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:  # a full disk, a folder without permission
        code = _say(f"{error.filename or 'cannot go on'}: {error.strerror or error}", 1)
    except KeyboardInterrupt:
        code = _say("interrupted: the files saved so far are complete and stay", INTERRUPTED)
    sys.exit(code)


def _say(message: object, code: int) -> int:
    print(printable(f"{sys.argv[0].rpartition('/')[2]}: {message}"), file=sys.stderr)
    return code

"""Running a command: its errors as one line, its exit codes, and the signals that end it."""

import io
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from lipschitz.support.errors import (
    SIGNAL_WORDS,
    InputError,
    Interrupted,
    RunError,
    first_line,
)
from lipschitz.support.text import say

STANDARD_ERROR = 2  # the last of the standard streams' numbers
SAVED = "what is saved is complete and stays"
GRACE = 1.0  # seconds
PATIENCE = 10.0  # seconds that a call may take after a signal, before another ends the process
_raised = -GRACE  # when the last signal was answered
_asked = 0  # the signal that was


def run(main: Callable[[], int | None]) -> None:
    """Run a command's `main` and exit: an error is one line on stderr, not a traceback."""
    _open_closed_streams()
    raise_interrupted()
    _print_any_text()
    code, reason = _outcome(main)
    if reason:
        say(f"{sys.argv[0].rpartition('/')[2]}: {reason}")
    _let_go_of_output()
    sys.exit(code)


def _open_closed_streams() -> None:
    """Let standard streams that are closed lead nowhere: other files would take their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERROR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _print_any_text() -> None:
    """What the output's encoding lacks is escaped: a file's name may hold anything."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _outcome(main: Callable[[], int | None]) -> tuple[int, object]:
    """The exit code of a command, and the reason if it did not succeed."""
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
    except KeyboardInterrupt:  # raised by a library in place of our handler
        return 128 + signal.SIGINT, f"interrupted: {SAVED}"
    except MemoryError as error:
        return 1, f"out of memory ({first_line(error)}): {SAVED}"
    except BrokenPipeError:  # the reader of our output, `head` say, has gone
        return 1, ""
    except OSError as error:  # a full disk, a folder without permission
        return 1, f"{error.filename or 'cannot continue'}: {error.strerror or first_line(error)}"
    finally:
        let_end()


def _let_go_of_output() -> None:
    """Write what is buffered; if that fails, it must not fail once more when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        let_output_go_nowhere()


def let_output_go_nowhere() -> None:
    """From here on what is printed, and what is buffered, is lost: nobody reads it any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def exit_at_once() -> None:
    """From here on a signal ends the process with one line: no work is begun that it could lose.

    For the seconds in which a command imports what it needs: libraries swallow exceptions there.
    """
    _open_closed_streams()
    _answer(_exit)


def raise_interrupted() -> None:
    """From here on a signal raises `Interrupted`.

    One that follows within `GRACE` is ignored: the same signal often comes twice, to a process and
    to its group, while finished work is being saved. Later ones raise again.
    """
    global _asked
    _asked = 0
    _answer(_raise)


def note_interrupted() -> None:
    """From here on a signal is noted, and `check_interrupted` raises `Interrupted`.

    For libraries in which an exception of a signal's handler breaks a call. If a call hangs, a
    signal that comes after `PATIENCE` ends the process.
    """
    _answer(_note)


def check_interrupted() -> None:
    """Raise `Interrupted` if a signal was noted, or was answered and something swallowed it.

    Python drops exceptions raised during garbage collection, for example.
    """
    if _asked:
        raise Interrupted(_asked)


def let_end() -> None:
    """From here on a signal ends the process without a word: nothing is left to lose."""
    _answer(signal.SIG_DFL)


def _answer(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in SIGNAL_WORDS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a job in the background
            signal.signal(number, handler)


def _exit(number: int, _: FrameType | None) -> None:
    command = sys.argv[0].rpartition("/")[2]
    try:
        os.write(2, f"{command}: {SIGNAL_WORDS[number]} before it began\n".encode())
    finally:
        os._exit(128 + number)


def _note(number: int, _: FrameType | None) -> None:
    global _asked, _raised
    if not _asked:
        _asked, _raised = number, time.monotonic()
    elif time.monotonic() - _raised > PATIENCE:
        os._exit(128 + number)


def _raise(number: int, _: FrameType | None) -> None:
    global _asked, _raised
    if time.monotonic() - _raised < GRACE:
        return
    _asked, _raised = number, time.monotonic()
    raise Interrupted(number)

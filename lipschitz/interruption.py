"""Signals that end a command: Ctrl-C, kill, and a terminal that closes."""

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

WORDS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "the terminal was closed",
}

GRACE = 1.0  # seconds
_raised = -GRACE  # when the last signal was answered
_asked = 0  # the signal that was


class Interrupted(BaseException):
    """A signal asks the command to end; no Exception, so what handles errors lets it pass."""

    def __init__(self, number: int) -> None:
        super().__init__(WORDS[number])
        self.exit_code = 128 + number


def exit_at_once() -> None:
    """From here on a signal ends the process with one line: nothing is begun that it could lose.

    For the seconds in which a command imports what it needs: libraries swallow exceptions there.
    """
    _answer(_exit)


def raise_interrupted() -> None:
    """From here on a signal raises `Interrupted`.

    One that follows within `GRACE` is ignored: the same end is often asked for twice, of a process
    and of its group, and what is finished is being kept. Later ones raise again.
    """
    global _asked
    _asked = 0
    _answer(_raise)


def check() -> None:
    """Raise `Interrupted` once more where a signal was answered, and something swallowed it.

    Python drops what is raised while it collects garbage, say.
    """
    if _asked:
        raise Interrupted(_asked)


def let_end() -> None:
    """From here on a signal ends the process without a word: nothing is left to lose."""
    _answer(signal.SIG_DFL)


def _answer(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in WORDS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a job in the background
            signal.signal(number, handler)


def _exit(number: int, _: FrameType | None) -> None:
    command = sys.argv[0].rpartition("/")[2]
    try:
        os.write(2, f"{command}: {WORDS[number]} before it began\n".encode())
    finally:
        os._exit(128 + number)


def _raise(number: int, _: FrameType | None) -> None:
    global _asked, _raised
    if time.monotonic() - _raised < GRACE:
        return
    _asked, _raised = number, time.monotonic()
    raise Interrupted(number)

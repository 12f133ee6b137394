"""A batch computed in slices, two at a time: while one waits for memory, the other computes."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from typing import TypeVar

import numpy as np

from lipschitz.tensorflow import gpus

STREAMS = 1 if gpus else 2  # a GPU is kept busy by one

Result = TypeVar("Result")
_threads = ThreadPoolExecutor(STREAMS)
_given_up = threading.Event()


def slices(batch: np.ndarray, largest: int) -> list[np.ndarray]:
    """The batch in equal parts of `largest` (even) samples or less, enough to keep streams busy.

    Parts are even: pairs of samples stay together. They follow from the sizes alone, so a rerun
    computes the same.
    """
    rounds = -(-len(batch) // (STREAMS * largest))
    size = -(-len(batch) // (STREAMS * rounds))
    size += size % 2
    return [batch[first : first + size] for first in range(0, len(batch), size)]


def of_slices(
    function: Callable[[np.ndarray], Result], batch: np.ndarray, largest: int
) -> list[Result]:
    """What `function` gives for each slice, in order.

    Nothing runs on when this ends with an error or with Ctrl-C: a function of many steps calls
    `go_on` before each.
    """
    parts = slices(batch, largest)
    _given_up.clear()
    if STREAMS == 1 or len(parts) == 1:
        return [function(part) for part in parts]
    running = []
    try:
        for part in parts:
            running.append(_threads.submit(function, part))
        ended, _ = wait(running, return_when=FIRST_EXCEPTION)
        for each in ended:
            each.result()  # raises what it ended with
        return [each.result() for each in running]
    except BaseException:
        _given_up.set()
        for each in running:
            each.cancel()
        wait(running)
        raise


def go_on() -> None:
    """Raise CancelledError where the batch, of which this is a slice, is given up."""
    if _given_up.is_set():
        raise CancelledError

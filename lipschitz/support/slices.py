"""A batch computed in slices, several at a time: while one waits for memory, another computes."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

import numpy as np

Result = TypeVar("Result")
_cancelled = threading.Event()


def slices(batch: np.ndarray, largest: int, streams: int) -> list[np.ndarray]:
    """The batch, or the places of its samples, in equal parts of `largest` (even) or less.

    There are enough to keep the streams busy. Parts are even: pairs of samples stay together. They
    follow from the sizes alone, so a rerun computes the same.
    """
    rounds = -(-len(batch) // (streams * largest))
    size = -(-len(batch) // (streams * rounds))
    size += size % 2
    return [batch[first : first + size] for first in range(0, len(batch), size)]


def map_slices(
    function: Callable[[np.ndarray], Result], batch: np.ndarray, largest: int, streams: int
) -> list[Result]:
    """The results of `function` for each slice, in order; `streams` of them run at a time.

    No slice runs on after an error or Ctrl-C: a function of many steps calls `raise_if_cancelled`
    before each.
    """
    parts = slices(batch, largest, streams)
    _cancelled.clear()
    if streams == 1 or len(parts) == 1:
        return [function(part) for part in parts]
    running = []
    try:
        for part in parts:
            running.append(_threads(streams).submit(function, part))
        ended, _ = wait(running, return_when=FIRST_EXCEPTION)
        for each in ended:
            each.result()  # raises what it ended with
        return [each.result() for each in running]
    except BaseException:
        _cancelled.set()
        for each in running:
            each.cancel()
        wait(running)
        _cancelled.clear()
        raise


def raise_if_cancelled() -> None:
    """Raise CancelledError if the batch of this slice is given up."""
    if _cancelled.is_set():
        raise CancelledError


@cache
def _threads(streams: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(streams)

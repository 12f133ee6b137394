"""A batch computed in slices, two at a time: while one waits for memory, the other computes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from lipschitz.tensorflow import gpus

STREAMS = 1 if gpus else 2  # a GPU is kept busy by one

Result = TypeVar("Result")
_threads = ThreadPoolExecutor(STREAMS)


def slices(batch: np.ndarray, largest: int) -> list[np.ndarray]:
    """The batch in equal parts of `largest` samples or less, as many as keep all streams busy.

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
    """What `function` gives for each slice, in order."""
    return list(_threads.map(function, slices(batch, largest)))

"""The published method as a plain loop of PyTorch, in a process of its own.

The toolkit's settings of PyTorch hold for its own process alone, so they do not help this one.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.plain_draw import draw
from lipschitz.settings import SEED

if TYPE_CHECKING:
    import torch

_iteration: Callable[[], np.ndarray]  # of the process that is timed


def gradient_maxima(
    module: torch.nn.Module, x_0: np.ndarray, true: int, target: int, batch: int
) -> Callable[[], np.ndarray]:
    """A function that makes one iteration: the largest L1, L2, Linf norm of dg/dx in a batch."""
    import torch

    generator = np.random.RandomState(SEED)
    module = module.eval()

    def iteration() -> np.ndarray:
        samples = draw(generator, x_0, batch).transpose(0, 3, 1, 2)
        x = torch.from_numpy(np.ascontiguousarray(samples)).requires_grad_()
        logits = module(x)
        margin = logits[:, true] - logits[:, target]
        (gradient,) = torch.autograd.grad(margin.sum(), x)
        flat = gradient.flatten(1)
        norms = [torch.linalg.vector_norm(flat, p, dim=1).max() for p in (1, 2, torch.inf)]
        return torch.stack(norms).numpy()

    return iteration


def process(*arguments: object) -> ProcessPoolExecutor:
    """A process for `seconds`, with the arguments of `gradient_maxima`."""
    apart = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=apart, initializer=_start, initargs=arguments)


def seconds(iterations: int) -> float:
    """What so many iterations take, in that process."""
    start = time.perf_counter()
    for _ in range(iterations):
        _iteration()
    return time.perf_counter() - start


def _start(*arguments: object) -> None:
    global _iteration
    _iteration = gradient_maxima(*arguments)

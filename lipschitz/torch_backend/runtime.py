"""PyTorch as this toolkit needs it: `from lipschitz.torch_backend.runtime import torch`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

# of cuBLAS, without which its products differ from run to run
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch

from lipschitz.support.machine import cores

GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if GPU else "cpu")
STREAMS = 1 if GPU else 2  # slices computed at a time; one keeps a GPU busy

__all__ = ["DEVICE", "GPU", "STREAMS", "computing", "device_name", "torch"]

_switching = Lock()
_inside = 0  # blocks of `computing` that run, in all threads
_before: tuple[object, ...] = ()  # what the first of them found


def device_name() -> str:
    """The device that computes, for people to read."""
    return torch.cuda.get_device_name() if GPU else f"CPU, {cores()} cores"


@contextmanager
def computing() -> Iterator[None]:
    """In this block a rerun is the same to the bit, and products are of full float32.

    The last block that ends restores what the user had set. Raises RuntimeError if an operation has
    no deterministic kernel.
    """
    global _inside, _before
    with _switching:
        if not _inside:
            _before = _settings()
            _set(True, False, False, False, "highest")
        _inside += 1
    try:
        yield
    finally:
        with _switching:
            _inside -= 1
            if not _inside:
                _set(*_before)


def _settings() -> tuple[object, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.allow_tf32,
        torch.get_float32_matmul_precision(),
    )


def _set(
    deterministic: bool, warn_only: bool, benchmark: bool, allow_tf32: bool, precision: str
) -> None:
    torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
    torch.backends.cudnn.benchmark = benchmark
    torch.backends.cudnn.allow_tf32 = allow_tf32
    torch.set_float32_matmul_precision(precision)

"""PyTorch as this toolkit needs it: `from lipschitz.torch_backend.runtime import torch`."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

# of cuBLAS, without which its products differ from run to run
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch

from lipschitz.support.machine import cpu_name
from lipschitz.torch_backend import memory

GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if GPU else "cpu")
STREAMS = 1 if GPU else 2  # slices computed at a time; one keeps a GPU busy

# kernels of attention that have no second derivative, and differ from device to device
ATTENTION = (
    (torch.backends.cuda.flash_sdp_enabled, torch.backends.cuda.enable_flash_sdp),
    (torch.backends.cuda.mem_efficient_sdp_enabled, torch.backends.cuda.enable_mem_efficient_sdp),
    (torch.backends.cuda.cudnn_sdp_enabled, torch.backends.cuda.enable_cudnn_sdp),
)
# in the warnings about operations that have no deterministic kernel, after their names
NOT_DETERMINISTIC = " does not have a deterministic implementation"

__all__ = ["DEVICE", "GPU", "STREAMS", "computing", "device_name", "not_deterministic", "torch"]

if not GPU:
    memory.keep_freed()

_switching = Lock()
_inside = 0  # blocks of `computing` that run, in all threads
_before: tuple[object, ...] = ()  # what the first of them found


def device_name() -> str:
    """The device that computes, for people to read."""
    return torch.cuda.get_device_name() if GPU else cpu_name()


@contextmanager
def computing() -> Iterator[None]:
    """In this block a rerun is the same to the bit, and products are of full float32.

    Operations that have no deterministic kernel are those of `not_deterministic`. The last block
    that ends restores what the user had set.
    """
    global _inside, _before
    with _switching:
        if not _inside:
            _before = _settings()
            _set(True, True, False, False, False, "highest", *[False] * len(ATTENTION))
        _inside += 1
    try:
        yield
    finally:
        with _switching:
            _inside -= 1
            if not _inside:
                _set(*_before)


def not_deterministic(call: Callable[[], object]) -> list[str]:
    """The operations of a call that have no deterministic kernel where they are computed.

    PyTorch's warnings about them are not shown again.
    """
    with computing(), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        call()
    messages = [str(each.message) for each in told]
    names = {text.split(NOT_DETERMINISTIC)[0] for text in messages if NOT_DETERMINISTIC in text}
    if names:
        warnings.filterwarnings("ignore", f".*{NOT_DETERMINISTIC}")
    return sorted(names)


def _settings() -> tuple[object, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.allow_tf32,
        torch.get_float32_matmul_precision(),
        *(is_enabled() for is_enabled, _ in ATTENTION),
    )


def _set(
    deterministic: bool,
    warn_only: bool,
    fill: bool,
    benchmark: bool,
    allow_tf32: bool,
    precision: str,
    *attention: bool,
) -> None:
    torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
    torch.utils.deterministic.fill_uninitialized_memory = fill
    torch.backends.cudnn.benchmark = benchmark
    torch.backends.cudnn.allow_tf32 = allow_tf32
    torch.set_float32_matmul_precision(precision)
    for (_, enable), enabled in zip(ATTENTION, attention, strict=True):
        enable(enabled)

"""Arrays in POSIX shared memory that leave nothing behind, whatever kills their processes."""

import contextlib
import errno
import mmap
import os
import secrets

import numpy as np
import posix_ipc

from lipschitz.errors import RunError


def create(shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """A float32 array in a new segment, and the segment's file descriptor for other processes.

    The segment's name is gone before this returns; its memory is freed with the last process
    that holds the descriptor or the array. Raises RunError where shared memory is too small.
    """
    size = int(np.prod(shape)) * np.float32().itemsize
    descriptor = _nameless_segment(size)
    try:
        with contextlib.suppress(AttributeError):  # macOS has no such call, and no need of it
            # take the memory now: later a page that is missing kills the process
            os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
            raise
        raise RunError(
            f"shared memory (/dev/shm) has no room for {size / 1e6:.0f} MB: "
            "enlarge it, or choose a smaller --batch_size or fewer --nthreads"
        ) from error
    return attach(descriptor, shape), descriptor


def _nameless_segment(size: int) -> int:
    """The file descriptor of a new segment that has lost its name."""
    name = f"/clever.{os.getpid()}.{secrets.token_hex(8)}"
    try:
        segment = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, size=size)
    finally:
        # the very next call, and no Python function before it: Ctrl-C cannot come between
        try:  # noqa: SIM105
            posix_ipc.unlink_shared_memory(name)
        except posix_ipc.ExistentialError:
            pass
    return segment.fd


def attach(descriptor: int, shape: tuple[int, ...]) -> np.ndarray:
    """The float32 array in the segment that a file descriptor stands for."""
    size = int(np.prod(shape)) * np.float32().itemsize
    return np.frombuffer(mmap.mmap(descriptor, size), np.float32).reshape(shape)

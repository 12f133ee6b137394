"""Arrays in POSIX shared memory that leave nothing behind, whatever kills their processes."""

import contextlib
import errno
import math
import mmap
import os
import secrets

import numpy as np
import posix_ipc

FOLDER = "/dev/shm"


class NoRoomError(Exception):
    """Shared memory is too small."""


def create(shape: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """A float32 array in a new segment, and the segment's file descriptor for other processes.

    The segment's name is gone before this returns; its memory is freed with the last process
    that holds the descriptor or the array. Raises NoRoomError if shared memory is too small.
    """
    try:
        descriptor = _nameless_segment(nbytes(shape))
        try:
            with contextlib.suppress(AttributeError):  # macOS has no such call, and no need of it
                # take the memory now: a page that is missing later kills the process
                os.posix_fallocate(descriptor, 0, nbytes(shape))
        except BaseException:
            os.close(descriptor)
            raise
    except (OverflowError, ValueError) as error:  # the size is impossible
        raise NoRoomError from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
            raise
        raise NoRoomError from error
    return attach(descriptor, shape), descriptor


def attach(descriptor: int, shape: tuple[int, ...]) -> np.ndarray:
    """The float32 array in the segment of a file descriptor."""
    return np.frombuffer(mmap.mmap(descriptor, nbytes(shape)), np.float32).reshape(shape)


def nbytes(shape: tuple[int, ...]) -> int:
    """The bytes of a float32 array."""
    return math.prod(shape) * np.float32().itemsize


def room() -> int:
    """The free bytes of shared memory."""
    try:
        there = os.statvfs(FOLDER)
    except OSError:  # not on this system
        return 0
    return there.f_bavail * there.f_frsize


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

"""The memory of tensors on a CPU: what is freed stays with the process.

PyTorch leaves memory to the C library, which gives large pieces back to the system at once. To get
them again, page by page, takes a third of the time of a run.
"""

import ctypes

# glibc's mallopt
M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -8, -3, -1
SETTINGS = (
    (M_ARENA_MAX, 1),  # a thread's own memory takes no piece above 64 MB
    (M_MMAP_THRESHOLD, 2**25),  # the most that an older glibc takes: it refuses the next
    (M_MMAP_THRESHOLD, 2**30),
    (M_TRIM_THRESHOLD, 2**31 - 1),
)


def keep_freed() -> None:
    """Have the C library keep what is freed, for all threads that start later."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # the library is not glibc
        return
    for parameter, value in SETTINGS:
        mallopt(parameter, value)

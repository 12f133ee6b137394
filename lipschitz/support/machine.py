"""The machine: the cores and the GPU that this process may use."""

import os
import re

from lipschitz.support.errors import InputError

CPU, GPU = "cpu", "gpu"
DEVICE = re.compile(rf"{CPU}|(?:{GPU}|cuda)(?::(\d+))?")  # how a user names one
VISIBLE = "CUDA_VISIBLE_DEVICES"  # which GPUs a process sees, for TensorFlow and PyTorch alike
NONE = "-1"
THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")  # of TensorFlow; of PyTorch
_share: int | None = None  # of the cores


def cores() -> int:
    """The cores that this process may use."""
    if _share is not None:
        return _share
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def use_cores(count: int) -> None:
    """Have this process, and frameworks that it imports later, use so many of the cores."""
    global _share
    _share = count
    for variable in THREADS:
        os.environ[variable] = str(count)


def cpu_name() -> str:
    """The processor as a device that computes, for people to read."""
    return f"CPU, {cores()} cores" if cores() > 1 else "CPU, 1 core"


def choose_device(name: str) -> None:
    """Have a framework that is imported later compute on "cpu", "gpu" or "gpu:N" ("cuda:N").

    N counts the GPUs that this process may use. Raises InputError if the name is none of these, or
    if there are fewer.
    """
    found = DEVICE.fullmatch(name)
    if found is None:
        raise InputError(f"{name}: give {CPU}, {GPU}, or {GPU}:N for the GPU of number N")
    number, allowed = int(found[1] or 0), os.environ.get(VISIBLE)
    if name == CPU:
        os.environ[VISIBLE] = NONE
    elif allowed is None:
        os.environ[VISIBLE] = str(number)
    else:
        gpus = [gpu for gpu in allowed.split(",") if gpu not in ("", NONE)]
        if number >= len(gpus):
            raise InputError(f"{name}: {VISIBLE}={allowed} leaves this process no such GPU")
        os.environ[VISIBLE] = gpus[number]

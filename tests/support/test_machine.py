"""Shared memory leaves nothing behind, and cores are those that the process may use."""

import os
import subprocess
import sys

import pytest

from lipschitz.support import machine
from tests.helpers import ROOT, shared_memory_of


def test_a_segment_has_no_name():
    array, descriptor = machine.create_shared((4, 1000))
    assert not shared_memory_of(os.getpid())
    array[:] = 7
    assert (machine.attach_shared(descriptor, (4, 1000)) == 7).all()
    os.close(descriptor)


def test_ctrl_c_while_a_segment_is_made_leaves_none(monkeypatch):
    make = machine.posix_ipc.SharedMemory

    def make_and_be_interrupted(*args, **settings):
        make(*args, **settings)
        assert shared_memory_of(os.getpid())
        raise KeyboardInterrupt

    monkeypatch.setattr(machine.posix_ipc, "SharedMemory", make_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        machine.create_shared((10,))
    assert not shared_memory_of(os.getpid())


@pytest.mark.parametrize("shape", [(2**40, 2**10), (2**70,)])
def test_a_segment_that_does_not_fit_is_an_error_and_leaves_nothing(shape):
    open_files = len(os.listdir("/proc/self/fd"))
    with pytest.raises(machine.NoRoomError):
        machine.create_shared(shape)
    assert not shared_memory_of(os.getpid())
    assert len(os.listdir("/proc/self/fd")) == open_files


def test_the_memory_is_taken_when_the_segment_is_made():
    before = machine.shared_room()
    array, descriptor = machine.create_shared((2**22,))
    assert os.fstat(descriptor).st_blocks * 512 >= array.nbytes == machine.nbytes((2**22,))
    assert before > 0
    os.close(descriptor)


def test_cores_are_those_that_the_process_may_use():
    """As in a container, or under taskset."""
    code = (
        "import os; from lipschitz.support.machine import cores; "
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); print(cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "1\n"

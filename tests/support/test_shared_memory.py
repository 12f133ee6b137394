"""Shared memory leaves nothing behind."""

import os

import pytest

from lipschitz.support import shared_memory
from tests.helpers import shared_memory_of


def test_a_segment_has_no_name():
    array, descriptor = shared_memory.create((4, 1000))
    assert not shared_memory_of(os.getpid())
    array[:] = 7
    assert (shared_memory.attach(descriptor, (4, 1000)) == 7).all()
    os.close(descriptor)


def test_ctrl_c_while_a_segment_is_made_leaves_none(monkeypatch):
    make = shared_memory.posix_ipc.SharedMemory

    def make_and_be_interrupted(*args, **settings):
        make(*args, **settings)
        assert shared_memory_of(os.getpid())
        raise KeyboardInterrupt

    monkeypatch.setattr(shared_memory.posix_ipc, "SharedMemory", make_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        shared_memory.create((10,))
    assert not shared_memory_of(os.getpid())


@pytest.mark.parametrize("shape", [(2**40, 2**10), (2**70,)])
def test_a_segment_that_does_not_fit_is_an_error_and_leaves_nothing(shape):
    open_files = len(os.listdir("/proc/self/fd"))
    with pytest.raises(shared_memory.NoRoomError):
        shared_memory.create(shape)
    assert not shared_memory_of(os.getpid())
    assert len(os.listdir("/proc/self/fd")) == open_files


def test_the_memory_is_taken_when_the_segment_is_made():
    before = shared_memory.room()
    array, descriptor = shared_memory.create((2**22,))
    assert os.fstat(descriptor).st_blocks * 512 >= array.nbytes == shared_memory.nbytes((2**22,))
    assert before > 0
    os.close(descriptor)

"""Workers draw the samples of the key, whatever happens to them, and leave nothing behind."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest

from lipschitz.maths.ball import ball
from lipschitz.sampling import pool
from lipschitz.sampling.pool import Workers
from lipschitz.sampling.worker import Batch, Neighbourhood, draw
from lipschitz.support import shared_memory
from lipschitz.support.errors import RunError
from tests.helpers import shared_memory_of

AROUND = Neighbourhood(np.zeros(10, np.float32), ball("l2"), 3, 1)
KILLED = "a sampling worker was killed by {}: another draws its samples again\n"


def drawn(iterations, per_iteration=1, first=0):
    """The samples of these batches of 32, drawn in this process."""
    batches = np.empty((iterations * per_iteration, 32, 10), np.float32)
    for k, out in enumerate(batches):
        draw(out, AROUND, Batch(0, k // per_iteration, k % per_iteration * 32))
    return batches[first * per_iteration :]


def test_batches_are_those_of_the_key_whoever_draws_them():
    with Workers(count=3, batch_size=32, values=10) as workers:
        got = [batch.copy() for batch in workers.batches(AROUND, 4, 2)]
        assert len(workers.drawn_by) == 3
    np.testing.assert_array_equal(got, drawn(4, 2))


def test_batches_begin_at_the_iteration_that_is_asked_for():
    with Workers(count=2, batch_size=32, values=10) as workers:
        rest = [batch.copy() for batch in workers.batches(AROUND, 5, 2, first=3)]
    np.testing.assert_array_equal(rest, drawn(5, 2, first=3))


def test_an_image_left_in_the_middle_does_not_reach_into_the_next():
    with Workers(count=2, batch_size=32, values=10) as workers:
        next(workers.batches(AROUND._replace(image=2), 10, 1))
        after = [batch.copy() for batch in workers.batches(AROUND, 3, 1)]
    np.testing.assert_array_equal(after, drawn(3))


def test_workers_end_with_their_block():
    with Workers(count=2, batch_size=32, values=10) as workers:
        assert sum(1 for _ in workers.batches(AROUND, 4, 1)) == 4
        assert not shared_memory_of(os.getpid())
        processes = list(workers.drawn_by)
    assert len(processes) == 2
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_what_a_killed_worker_owed_another_draws(capsys):
    got = []
    with Workers(count=2, batch_size=32, values=10) as workers:
        for batch in workers.batches(AROUND, 30, 1):
            got.append(batch.copy())
            if len(got) in (1, 7, 20):
                os.kill(list(workers.drawn_by)[-1], signal.SIGKILL)
    np.testing.assert_array_equal(got, drawn(30))
    assert capsys.readouterr().err == 3 * KILLED.format("SIGKILL")


@pytest.mark.parametrize("delay", [0, 0.001, 0.003, 0.006, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1])
def test_a_worker_that_is_interrupted_while_it_starts_is_replaced(monkeypatch, capsys, delay):
    """At each moment of the start: of Python itself, of its imports, and after them."""
    popen, started = subprocess.Popen, []

    def start_and_interrupt(*args, **settings):
        process = popen(*args, **settings)
        started.append(process)
        if len(started) <= pool.MOST_DEATHS:
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
        return process

    monkeypatch.setattr(pool.subprocess, "Popen", start_and_interrupt)
    with Workers(count=1, batch_size=32, values=10) as workers:
        got = [batch.copy() for batch in workers.batches(AROUND, 3, 1)]
    np.testing.assert_array_equal(got, drawn(3))
    assert len(started) == pool.MOST_DEATHS + 1
    assert capsys.readouterr().err == pool.MOST_DEATHS * KILLED.format("SIGINT")


def test_interrupts_are_held_back_from_the_start_of_workers_alone():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with Workers(count=1, batch_size=32, values=10):
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_workers_that_are_killed_again_and_again_end_the_run(monkeypatch):
    monkeypatch.setattr(pool, "START", "import os; os.kill(os.getpid(), 9)  # out of memory")
    with (
        Workers(count=1, batch_size=32, values=10) as workers,
        pytest.raises(RunError, match="killed by SIGKILL, the 4th in a row"),
    ):
        next(workers.batches(AROUND, 5, 1))


def test_a_worker_that_ends_by_itself_ends_the_run(monkeypatch):
    monkeypatch.setattr(pool, "START", "raise SystemExit(3)")
    with (
        Workers(count=1, batch_size=32, values=10) as workers,
        pytest.raises(RunError, match="ended by itself with exit code 3"),
    ):
        next(workers.batches(AROUND, 5, 1))


def test_shared_memory_that_is_too_small_is_said():
    open_files = len(os.listdir("/proc/self/fd"))
    with pytest.raises(RunError, match=r"has no room for a batch: it has [\d.]+ MB, 4398046.5 MB"):
        Workers(count=1, batch_size=2**30, values=2**10)
    assert not shared_memory_of(os.getpid())
    assert len(os.listdir("/proc/self/fd")) == open_files


def test_a_ring_that_does_not_fit_is_made_smaller(monkeypatch, capsys):
    create = shared_memory.create

    def with_room_for_two(shape):
        if shape[0] > 2:
            raise shared_memory.NoRoomError
        return create(shape)

    monkeypatch.setattr(shared_memory, "create", with_room_for_two)
    with Workers(count=3, batch_size=32, values=10) as workers:
        small = [batch.copy() for batch in workers.batches(AROUND, 6, 2)]
    np.testing.assert_array_equal(small, drawn(6, 2))
    assert "room for 2 batches in place of 5" in capsys.readouterr().err

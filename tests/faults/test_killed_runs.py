"""Runs that are killed at random moments leave nothing behind, and the next resumes from there."""

import os
import random
import signal
import time

import pytest

from tests.faults.runs import TARGETS

MANY = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8)]
EACH = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def moments(disturbed, reference, rng, starting, sampling):
    """Start runs, and yield each at a random moment: some that start up, then some that sample."""
    for _ in range(starting):
        process = disturbed.start()
        disturbed.answers(process, signal.SIGTERM)  # before, Python itself does
        time.sleep(rng.uniform(0, reference.start_up))
        yield process
    for _ in range(sampling):
        process = disturbed.start()
        disturbed.wait_for_iterations(process, rng.randint(1, 30))
        time.sleep(rng.uniform(0, 0.05))
        yield process


def end_and_resume(disturbed, reference, rng, starting, sampling):
    """End runs by these signals: one that is asked to end saves at most one more iteration."""
    each = moments(disturbed, reference, rng, len(starting), len(sampling))
    for process, number in zip(each, starting + sampling, strict=True):
        assert process.poll() is None, process.communicate()
        saved = disturbed.send(process, number)
        code = -number if number == signal.SIGKILL else 128 + number
        disturbed.ended(process, (code,))
        assert saved <= disturbed.saved() <= saved + TARGETS
    disturbed.finish()
    disturbed.check_same(reference)


@pytest.mark.slow
def test_a_run_that_is_ended_by_one_signal_and_another_is_resumed(disturbed, reference):
    sampling = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
    end_and_resume(disturbed, reference, random.Random(0), [signal.SIGTERM], sampling)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("number", EACH)
def test_a_run_that_is_ended_again_and_again_is_resumed(disturbed, reference, number, seed):
    rng = random.Random(f"{number} {seed}")
    end_and_resume(disturbed, reference, rng, [number], [number, number])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(7))
def test_a_process_group_that_is_killed_is_resumed(disturbed, reference, seed):
    for process in moments(disturbed, reference, random.Random(seed), 1, 2):
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        disturbed.ended(process, (-signal.SIGKILL,))
    disturbed.finish()
    disturbed.check_same(reference)


@pytest.mark.parametrize("seed", [0, *MANY])
def test_workers_that_are_killed_change_nothing(disturbed, reference, seed):
    """Three times each signal, in one run."""
    rng = random.Random(seed)
    process = disturbed.start()
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT] * 3
    rng.shuffle(signals)
    for number in signals:
        workers = []
        while len(workers) < 2:
            assert process.poll() is None, process.communicate()
            workers = disturbed.processes(drawing=True)
            time.sleep(0.001)
        os.kill(rng.choice(workers), number)
        # until they have answered again: one that is killed four times before is given up
        disturbed.wait_for(".*.checkpoint", process, since=time.time())
        time.sleep(rng.uniform(0, 0.1))
    said = disturbed.ended(process, (0,))
    # a signal may meet a worker that is dead already, and not yet replaced
    assert said.count("a sampling worker was killed by SIG") >= 6
    disturbed.check_same(reference)

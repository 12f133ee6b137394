"""Runs that are killed at random moments leave nothing behind, and the next goes on from there."""

import os
import random
import signal
import time

import pytest

MANY = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8)]
SIGNALS = [
    signal.SIGKILL,
    signal.SIGTERM,
    signal.SIGINT,
    pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
]
LONGEST = 3  # seconds until a run that is asked to end has ended


def moments(disturbed, reference, seed):
    """Start runs, and yield each at a random moment: one that starts up, two that sample."""
    rng = random.Random(seed)
    process = disturbed.start()
    disturbed.answers(process, signal.SIGTERM)  # before, Python itself does
    time.sleep(rng.uniform(0, reference.start_up))
    yield process
    for _ in range(2):
        began = time.time()
        process = disturbed.start()
        disturbed.wait_for(".*.checkpoint", process, since=began)
        time.sleep(rng.uniform(0, 0.3) * reference.sampling)
        yield process


@pytest.mark.parametrize("seed", [0, *MANY])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_run_that_is_ended_is_gone_on_from(disturbed, reference, number, seed):
    for process in moments(disturbed, reference, f"{number} {seed}"):
        assert process.poll() is None, process.communicate()
        process.send_signal(number)
        sent = time.monotonic()
        if number == signal.SIGKILL:
            disturbed.ended(process, (-number,))
        else:
            disturbed.ended(process, (128 + number,))
            assert time.monotonic() - sent < LONGEST
    disturbed.finish()
    disturbed.check_same(reference)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(7))
def test_a_process_group_that_is_killed_is_gone_on_from(disturbed, reference, seed):
    for process in moments(disturbed, reference, seed):
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

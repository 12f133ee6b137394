"""Runs that are killed or interrupted at any moment leave nothing behind."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lipschitz import matfile
from tests.conftest import ROOT

FEW = [0.1, 0.5, 0.9]
MANY = [moment / 20 for moment in range(1, 21)]
RUN_SECONDS = 12  # on a slow machine: start-up, then sampling that goes on

ARGUMENTS = "-d digits -m 2-layer -N 1024 -i 20 -n 257 --nthreads 2"


def moments(share):
    """Random moments from process start on, worker start-up included."""
    return random.Random(share).uniform(share - 0.05, share + 0.05) * RUN_SECONDS


def processes_of(workplace):
    """The processes that run in this folder: their process ids, and whether they draw."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").resolve(strict=True) == workplace:
                found[int(entry.name)] = b"lipschitz.worker" in (entry / "cmdline").read_bytes()
        except OSError:
            continue
    return found


@pytest.fixture
def start(workplace, ctrl_c):
    before = set(os.listdir("/dev/shm"))
    process = subprocess.Popen(
        [sys.executable, ROOT / "collect_gradients.py", *ARGUMENTS.split()],
        cwd=workplace,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield workplace, process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    end = time.monotonic() + 5
    while processes_of(workplace) and time.monotonic() < end:
        time.sleep(0.05)
    assert not processes_of(workplace)
    assert set(os.listdir("/dev/shm")) <= before
    for path in workplace.rglob("*.mat"):
        matfile.load(path)  # what is there is whole


with_moments = pytest.mark.parametrize(
    "share",
    [*FEW, *(pytest.param(moment, marks=pytest.mark.slow) for moment in MANY)],
)


@with_moments
def test_killing_the_main_process_ends_its_workers(start, share):
    _, process = start
    time.sleep(moments(share))
    assert process.poll() is None
    process.kill()


@with_moments
def test_killing_the_process_group(start, share):
    _, process = start
    time.sleep(moments(share))
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)


@with_moments
def test_killing_a_worker_ends_the_run_with_a_message(start, share):
    workplace, process = start
    deadline = time.monotonic() + 60
    while not (workers := [p for p, draws in processes_of(workplace).items() if draws]):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(moments(share) - 0.05 * RUN_SECONDS if share > 0.1 else 0)
    os.kill(random.Random(share).choice(workers), signal.SIGKILL)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "a sampling worker was killed by SIGKILL" in errors
    assert "Traceback" not in errors


@with_moments
def test_ctrl_c_ends_the_run_with_a_message(start, share):
    _, process = start
    time.sleep(moments(share))
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode in (130, -signal.SIGINT)
    if share >= 0.15:  # the modules that speak are loaded
        assert "Traceback" not in errors
        assert "interrupted" in errors

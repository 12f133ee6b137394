"""What the machine gives to a process."""

import os
import subprocess
import sys

import pytest

from lipschitz.support.errors import InputError
from lipschitz.support.machine import VISIBLE, choose_device
from tests.helpers import ROOT


def test_cores_are_those_that_the_process_may_use():
    """As in a container, or under taskset."""
    code = (
        "import os; from lipschitz.support.machine import cores; "
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); print(cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "1\n"


def test_a_share_of_the_cores_is_what_threads_are_made_for():
    """Workers of a cluster share a machine."""
    code = (
        "import os; from lipschitz.support.machine import cores, cpu_name, use_cores; "
        "use_cores(1); print(cores(), cpu_name(), os.environ['OMP_NUM_THREADS'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "1 CPU, 1 core 1\n"


@pytest.mark.parametrize(
    ("name", "allowed", "visible"),
    [
        ("cpu", None, "-1"),
        ("cpu", "0,1", "-1"),
        ("gpu", None, "0"),
        ("gpu:2", None, "2"),
        ("cuda:1", None, "1"),
        ("gpu", "3,5", "3"),  # a cluster gave the third and the fifth
        ("gpu:1", "3,5", "5"),
    ],
)
def test_the_frameworks_see_the_device_that_is_chosen(monkeypatch, name, allowed, visible):
    set_allowed(monkeypatch, allowed)
    choose_device(name)
    assert os.environ[VISIBLE] == visible


@pytest.mark.parametrize(
    ("name", "allowed", "told"),
    [
        ("tpu", None, "give cpu, gpu, or gpu:N"),
        ("gpu:x", None, "give cpu, gpu, or gpu:N"),
        ("gpu:2", "3,5", "CUDA_VISIBLE_DEVICES=3,5 leaves this process no such GPU"),
        ("gpu", "", "leaves this process no such GPU"),
        ("gpu", "-1", "leaves this process no such GPU"),
    ],
)
def test_a_device_that_is_not_there(monkeypatch, name, allowed, told):
    set_allowed(monkeypatch, allowed)
    with pytest.raises(InputError, match=told):
        choose_device(name)


def set_allowed(monkeypatch, allowed):
    monkeypatch.setenv(VISIBLE, allowed or "")  # is put back after the test
    if allowed is None:
        monkeypatch.delenv(VISIBLE)

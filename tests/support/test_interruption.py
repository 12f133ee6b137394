"""Signals that end a command, at each stage of it."""

import signal
import subprocess
import sys

import pytest

from tests.helpers import ROOT

BEFORE = "from lipschitz import interruption; command.exit_at_once(); {}"
WITHIN = """
import os, time
from lipschitz.support.command import run

def main():
    try:
        {}
        time.sleep(60)
    finally:
        print("kept")

run(main)
"""


def python(code, **settings):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **settings)


def kill(number):
    return f"os.kill(os.getpid(), {int(number)})"


NUMBERS = [
    (signal.SIGINT, "interrupted"),
    (signal.SIGTERM, "terminated"),
    (signal.SIGHUP, "closed"),
]


@pytest.mark.parametrize(("number", "word"), NUMBERS)
def test_before_a_command_begins_it_ends_in_one_line(ctrl_c, number, word):
    done = python(BEFORE.format(f"import os; {kill(number)}; import time; time.sleep(60)"))
    assert done.returncode == 128 + number
    (said,) = done.stderr.splitlines()
    assert word in said


@pytest.mark.parametrize(("number", "word"), NUMBERS)
@pytest.mark.parametrize("again", [False, True])
def test_within_a_command_what_is_finished_is_kept(ctrl_c, number, word, again):
    """Also where the same end is asked for twice, of a process and of its group."""
    code = WITHIN.format(kill(number))
    done = python(code.replace("finally:", f"finally:\n        {kill(number)}") if again else code)
    assert done.returncode == 128 + number
    assert done.stdout == "kept\n"
    (said,) = done.stderr.splitlines()
    assert word in said


def test_what_is_ignored_stays_ignored():
    """As under nohup, or in the background of a script."""
    code = f"import signal; signal.signal(1, signal.SIG_IGN)\n{WITHIN.format(kill(signal.SIGHUP))}"
    done = python(code.replace("time.sleep(60)", "pass"))
    assert done.returncode == 0
    assert done.stderr == ""


def test_a_closed_stderr_does_not_change_the_exit_code(ctrl_c):
    code = WITHIN.format("os.close(2); " + kill(signal.SIGTERM))
    assert python(code).returncode == 128 + signal.SIGTERM


def test_a_full_disk_under_stdout_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", WITHIN.format("return")],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == "-c: cannot go on: No space left on device\n"

"""What the machine gives to a process."""

import subprocess
import sys

from tests.helpers import ROOT


def test_cores_are_those_that_the_process_may_use():
    """As in a container, or under taskset."""
    code = (
        "import os; from lipschitz.support.machine import cores; "
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); print(cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "1\n"

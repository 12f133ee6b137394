"""Real runs that are disturbed, and what must hold after each."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from lipschitz.results import checkpoint, matfile
from tests.helpers import ROOT

OFTEN_KEPT = Path("tests", "faults", "collect_often_kept.py")
DIGITS = "-d digits -m 2-layer "
ONE_IMAGE = DIGITS + "-N 1024 -i 60 --nthreads 2"
ARGUMENTS = ONE_IMAGE + " -n 2"
FILES = 6  # two images with three targets each
MAXIMA = (
    *matfile.GRADIENT_KEYS.values(),
    *matfile.SLOPE_KEYS.values(),
    *matfile.CURVATURE_KEYS.values(),
    matfile.NON_FINITE_KEY,
)


class Run:
    """A run in a folder of its own, and the processes and files that it leaves."""

    def __init__(self, folder):
        self.folder = folder
        self.segments = set(os.listdir("/dev/shm"))
        self.running = []

    def start(self, arguments=ARGUMENTS, script=OFTEN_KEPT, before=()):
        """Start the command, in a session of its own; `before` are words in front of it."""
        process = subprocess.Popen(
            [*before, sys.executable, ROOT / script, *arguments.split()],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def finish(self, arguments=ARGUMENTS, script=OFTEN_KEPT, before=()):
        """Run the command to its end; what it printed."""
        return self.ended(self.start(arguments, script, before), (0,))

    def ended(self, process, codes, seconds=120):
        """Wait for the end of a run, and see that it ended with one of these; what it printed."""
        try:
            printed, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # its stack is printed
            raise AssertionError(f"it does not end:\n{process.communicate()[1]}") from None
        assert process.returncode in codes, errors
        assert "Traceback" not in errors
        self.check_nothing_is_left()
        return printed + errors

    def check_nothing_is_left(self):
        """No process, no shared memory, no .mat that is not whole."""
        end = time.monotonic() + 5
        while self.processes() and time.monotonic() < end:
            time.sleep(0.02)
        assert not self.processes()
        assert set(os.listdir("/dev/shm")) <= self.segments
        for path in self.folder.rglob("*.mat"):
            matfile.load(path)

    def processes(self, drawing=False):
        """The processes that run in this folder, or of them those that draw."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                here = entry.name.isdigit() and (entry / "cwd").resolve(True) == self.folder
                draws = here and b"lipschitz.worker" in (entry / "cmdline").read_bytes()
                if here and (draws or not drawing):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def wait_for(self, pattern, process, since=0):
        """Wait until the process has written a file whose name fits, and name it."""
        end = time.monotonic() + 60
        while True:
            for path in sorted(self.folder.rglob(pattern)):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime > since:
                        return path
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)

    def check_same(self, reference, files=FILES):
        """The files are those of an undisturbed run, to the bit, and no checkpoint is left."""
        expected_files = sorted(reference.folder.rglob("*.mat"))[:files]
        assert len(expected_files) == files
        for path in expected_files:
            expected = loadmat(path)
            found = loadmat(self.folder / path.relative_to(reference.folder))
            for key in expected.keys() & MAXIMA:
                np.testing.assert_array_equal(found[key], expected[key], err_msg=f"{path} {key}")
        assert not list(self.folder.rglob("*" + checkpoint.EXTENSION))

    def answers(self, process, number):
        """Wait until the process has an answer of its own to a signal."""
        status = Path(f"/proc/{process.pid}/status")
        end = time.monotonic() + 60
        while True:
            (caught,) = re.findall(r"SigCgt:\s*(\w+)", status.read_text())
            if int(caught, 16) >> (number - 1) & 1:
                return
            assert time.monotonic() < end
            time.sleep(0.001)

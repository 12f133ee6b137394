"""Real runs that are disturbed, and what must hold after each."""

import contextlib
import json
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
from tests.helpers import LONG, ROOT, shared_memory_of

OFTEN_KEPT = Path("tests", "faults", "collect_often_kept.py")
WITHOUT_FRAMEWORK = Path("tests", "faults", "collect_without_framework.py")
DIGITS = "-d digits -m 2-layer "
ONE_IMAGE = DIGITS + "-N 512 -b 512 -i 60 --nthreads 2"
ARGUMENTS = ONE_IMAGE + " -n 2"
FILES = 6  # two images with three targets each
TARGETS = 3
MAXIMA = (
    *matfile.GRADIENT_KEYS.values(),
    *matfile.SLOPE_KEYS.values(),
    *matfile.CURVATURE_KEYS.values(),
    matfile.NON_FINITE_KEY,
)


class Run:
    """A run in a folder of its own, and the processes and files that it leaves."""

    def __init__(self, folder, script=OFTEN_KEPT):
        self.folder, self.script = folder, script
        self.running = []

    def start(self, arguments=ARGUMENTS, before=()):
        """Start the command, in a session of its own; `before` are words in front of it."""
        process = subprocess.Popen(
            [*before, sys.executable, ROOT / self.script, *arguments.split()],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def finish(self, arguments=ARGUMENTS, before=()):
        """Run the command to its end; what it printed."""
        return self.ended(self.start(arguments, before), (0,))

    def ended(self, process, codes, seconds=LONG):
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
        end = time.monotonic() + LONG
        while self.processes() and time.monotonic() < end:
            time.sleep(0.02)
        assert not self.processes()
        for process in self.running:
            assert not shared_memory_of(process.pid)
        for path in self.folder.rglob("*.mat"):
            matfile.load(path)

    def processes(self, drawing=False):
        """The processes that run in this folder, or of them those that draw."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                here = entry.name.isdigit() and (entry / "cwd").resolve(True) == self.folder
                draws = here and b"lipschitz.sampling.worker" in (entry / "cmdline").read_bytes()
                if here and (draws or not drawing):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def wait_for(self, pattern, process, since=0):
        """Wait until the process has written a file whose name fits, and name it."""
        end = time.monotonic() + LONG
        while True:
            for path in sorted(self.folder.rglob(pattern)):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime > since:
                        return path
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)

    def saved(self):
        """The iterations in files, of all targets together: where the next run resumes."""
        counts = {path: len(loadmat(path)["G2_max"].T) for path in self.folder.rglob("*.mat")}
        for path in self.folder.rglob("*" + checkpoint.EXTENSION):
            with contextlib.suppress(FileNotFoundError, ValueError):  # it is being replaced
                found = json.loads(path.read_bytes().partition(b"\n")[2])["found"]
                file = path.with_name(path.name.removesuffix(checkpoint.EXTENSION)[1:])
                counts.setdefault(file, len(found))
        return sum(counts.values())

    def wait_for_iterations(self, process, count):
        """Wait until so many more iterations are saved, or until the process has ended."""
        enough = self.saved() + count * TARGETS
        while self.saved() < enough and process.poll() is None:
            time.sleep(0.01)

    def send(self, process, number):
        """Send a signal; what had been saved when it came."""
        process.send_signal(signal.SIGSTOP)  # nothing more is saved between the look and the signal
        saved = self.saved()
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        return saved

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
        end = time.monotonic() + LONG
        while True:
            (caught,) = re.findall(r"SigCgt:\s*(\w+)", status.read_text())
            if int(caught, 16) >> (number - 1) & 1:
                return
            assert time.monotonic() < end
            time.sleep(0.001)


def fill_disk(ballast):
    """Write a file until its disk is full."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1000))

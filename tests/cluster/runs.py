"""Runs on a Ray cluster that are disturbed, and what must hold after each."""

import contextlib
import os
import re
import time
from pathlib import Path
from unittest import mock

from lipschitz.results import checkpoint, matfile
from tests.faults.runs import Run
from tests.sampling.same_files import check_same_files

SLOWLY = Path("tests", "cluster", "collect_slowly.py")
ARGUMENTS = "-d digits -m 2-layer -n 6 -N 256 -b 256 -i 20 --nthreads 1"
ON_CLUSTER = " --ray auto --cores_per_worker 1"
HERE = " --ray local --cores_per_worker 1"
MARK = "CLEVER_TEST_RUN"  # in the environment of all that a run starts
SHARED_MEMORY = "/dev/shm"
SOON = 60  # seconds


class ClusterRun(Run):
    """A run, and all that it leaves in processes, shared memory and Ray's folders."""

    def __init__(self, folder, script=SLOWLY, arguments=ARGUMENTS):
        super().__init__(folder, script)
        self.arguments = arguments
        self.segments = segments()

    def start(self, where="", before=(), **environment):
        """Start the command, on a cluster if one is given; its environment marks its processes."""
        with mock.patch.dict(os.environ, environment | {MARK: str(self.folder)}):
            return super().start(self.arguments + where, before)

    def finish(self, where=""):
        """Run the command to its end; what it printed."""
        return self.ended(self.start(where), (0,))

    def processes(self, drawing=False):
        """The processes that work in this folder, on a cluster too, or that the run started."""
        found = set(super().processes(drawing))
        mark = f"{MARK}={self.folder}".encode()
        for entry in () if drawing else Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
        return sorted(found)

    def workers(self):
        """The actors of the run."""
        return [each for each in self.processes() if title(each).startswith("ray::NodeActor")]

    def check_nothing_is_left(self):
        """No process, no shared memory, no .mat that is not whole, here and on the cluster."""
        super().check_nothing_is_left()
        end = time.monotonic() + SOON
        while new := segments() - self.segments:  # tests beside this have some for a moment
            assert time.monotonic() < end, new
            time.sleep(0.1)

    def finished(self):
        """The files that are done, attack and all: which they are and when they were written."""
        return {
            path: (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in self.folder.rglob("*.mat")
            if matfile.attacked(path) is not None
        }

    def check_same(self, reference):
        """The files are those of an undisturbed run, to the bit, and no checkpoint is left."""
        assert not list(self.folder.rglob("*" + checkpoint.EXTENSION))
        check_same_files(self.folder / "lipschitz_mat", reference.folder / "lipschitz_mat")


def segments():
    """The names in shared memory; semaphores are of other programs."""
    return {name for name in os.listdir(SHARED_MEMORY) if not name.startswith("sem.")}


def title(process):
    """What a process calls itself; nothing if it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode().strip("\0")
    except OSError:
        return ""


def ray_folder(said):
    """The folder that a run has said Ray's files are in."""
    return Path(re.search(r"its files are in (\S+) until", said)[1])

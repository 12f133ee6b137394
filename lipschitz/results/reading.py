"""Many .mat files, read by several processes: parsing one holds Python's lock.

They give the same records and errors as one, in the same order. They are started here, and end
when their connections close, however this process ends.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

from lipschitz.results import matfile
from lipschitz.results.matfile import FormatError, Record
from lipschitz.support.machine import cores

Outcome = Record | FormatError

ROOT = Path(__file__).resolve().parents[2]
# a signal ends a reader without a word: it holds nothing
START = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "from lipschitz.results.reading import main; main()"
)

FEWEST = 1000  # files that are worth the start of processes
MOST_READERS = 8  # each takes 70 MB, and the fits take longer than they do
PART = 64  # files that a reader is sent at a time
AHEAD = 2  # parts that a reader has, so that it never waits


def read(paths: Sequence[Path], slope: bool = False) -> Iterator[Outcome]:
    """What each file holds, or why it cannot be used, in the order of the paths."""
    count = min(cores(), MOST_READERS) if len(paths) >= FEWEST else 1
    return by_processes(count, paths, slope) if count > 1 else one_by_one(paths, slope)


def by_processes(count: int, paths: Sequence[Path], slope: bool = False) -> Iterator[Outcome]:
    """The same, by `count` processes; the files of one that is killed are read here."""
    parts = [paths[first : first + PART] for first in range(0, len(paths), PART)]
    wrong_images = {}  # of a run: its files hold the same, which can be thousands
    with ExitStack() as stack:
        readers = [stack.enter_context(_reader(slope)) for _ in range(count)]
        for k, part in enumerate(parts[: AHEAD * count]):
            _send(readers[k % count], part)
        for k, part in enumerate(parts):
            outcomes = _received(readers[k % count])
            for later in parts[k + AHEAD * count : k + AHEAD * count + 1]:
                _send(readers[k % count], later)
            for path, found in zip(part, outcomes or one_by_one(part, slope), strict=True):
                if isinstance(found, Record):
                    wrong = wrong_images.setdefault(found.wrong_images, found.wrong_images)
                    shown = found.picture and path
                    yield replace(found, path=path, picture=shown, wrong_images=wrong)
                else:
                    yield found


def one_by_one(paths: Sequence[Path], slope: bool = False) -> Iterator[Outcome]:
    """What the files hold, read one by one."""
    for path in paths:
        try:
            yield matfile.load(path, slope)
        except FormatError as error:
            yield error


@contextmanager
def _reader(slope: bool) -> Iterator[Connection]:
    """A connection to a new process that reads."""
    ours, theirs = Pipe()
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", START, str(theirs.fileno()), str(int(slope))],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
                process_group=0,  # Ctrl-C is the parent's to answer
            )
        try:
            yield ours
        finally:
            process.kill()  # it holds nothing that would need an orderly end
            process.wait()


def _send(reader: Connection, paths: Sequence[Path]) -> None:
    with suppress(ConnectionError):  # it was killed: its files are read here
        reader.send(paths)


def _received(reader: Connection) -> list[Outcome]:
    """What a reader found in the first of the parts that it has; nothing if it was killed."""
    try:
        return reader.recv()
    except (EOFError, OSError):
        return []


def main() -> None:
    """Read the files whose paths come, until the other side is gone."""
    connection, slope = Connection(int(sys.argv[1])), sys.argv[2] == "1"
    with suppress(Exception):  # of an error in reading the parent process learns when it reads
        while True:
            connection.send(list(one_by_one(connection.recv(), slope)))

"""Processes that draw batches ahead of the accelerator, in a ring of shared memory."""

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

import numpy as np

from lipschitz.sampling.worker import Batch, Neighbourhood
from lipschitz.support import shared_memory
from lipschitz.support.errors import RunError
from lipschitz.support.machine import cores
from lipschitz.support.progress import say_above
from lipschitz.support.text import say

ROOT = Path(__file__).resolve().parents[2]
# a signal ends a worker without a word: it holds nothing
START = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT]); "
    "from lipschitz.sampling.worker import main; main()"
)

MOST_PER_CORE = 4  # beyond that they only wait for each other
MOST_DEATHS = 3  # of a worker in a row
SPARE_SLOTS = 2  # one that the consumer holds, one that is ready


def default_count() -> int:
    """Half the cores, at least one."""
    return max(1, cores() // 2)


class Workers(AbstractContextManager):
    """A ring of batches (slots, batch size, n) and the processes that fill it.

    While the consumer holds one slot, each worker draws into another and one more is ready.
    Batch k is drawn by worker k % count into slot k % slots, so batches arrive in order and
    no process needs to know of another. The only ties are a socket a worker and the segment:
    when this process ends, however it ends, the sockets close and the workers end too. Samples
    follow from their place alone: if a worker is killed, another draws its batches.
    """

    def __init__(self, count: int, batch_size: int, values: int) -> None:
        """Start `count` workers for batches of images of `values` numbers each.

        If shared memory is too small for all, the ring is as large as it can be, with as many
        workers as it has slots. Raises RunError if there is no room for one batch.
        """
        self._ring, self._segment = _largest_ring(count + SPARE_SLOTS, batch_size, values)
        self._connections: list[Connection] = []
        self._processes: list[subprocess.Popen] = []
        self._around: Neighbourhood | None = None
        self._pending: list[deque[Batch]] = []  # by worker: told and not answered
        self._deaths: list[int] = []  # by worker: in a row
        self.drawn_by: Counter[int] = Counter()  # batches by the worker's process id
        try:
            self._start(min(count, len(self._ring)))
        except BaseException:
            self.close()
            raise

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers and free the ring."""
        self._end()
        if self._segment is not None:
            os.close(self._segment)
        self._ring = self._segment = None

    def _end(self) -> None:
        for process in self._processes:
            process.kill()  # it holds nothing that would need an orderly end
            process.wait()
        for connection in self._connections:
            connection.close()
        self._connections, self._processes = [], []

    def _start(self, count: int) -> None:
        self._pending, self._deaths = [deque() for _ in range(count)], [0] * count
        for _ in range(count):
            connection, process = self._new_worker()
            self._connections.append(connection)
            self._processes.append(process)

    def _new_worker(self) -> tuple[Connection, subprocess.Popen]:
        ours, theirs = Pipe()
        with theirs:
            shared = [theirs.fileno(), self._segment]
            arguments = [*shared, *self._ring.shape]
            path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            with _interrupts_blocked():
                process = subprocess.Popen(
                    [sys.executable, "-P", "-c", START, *map(str, arguments)],
                    pass_fds=shared,
                    stdin=subprocess.DEVNULL,
                    env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
                    process_group=0,  # Ctrl-C is the parent's to answer
                )
        return ours, process

    def batches(
        self, around: Neighbourhood, iterations: int, per_iteration: int, first: int = 0
    ) -> Iterator[np.ndarray]:
        """Yield the batches (batch size, n) of each iteration in turn, from iteration `first` on.

        A batch is valid until the next one is requested. Raises RunError if a worker ended by
        itself, or was killed so often that another try makes no sense.
        """
        slots, batch_size, _ = self._ring.shape
        count = len(self._connections)
        begin, end = first * per_iteration, iterations * per_iteration

        def tell(k: int) -> None:
            iteration, place = divmod(k, per_iteration)
            batch = Batch(k % slots, iteration, place * batch_size)
            self._pending[k % count].append(batch)
            self._send(k % count, batch)

        if any(self._pending):  # an image was left in the middle: nothing of it may come now
            self._end()
            self._start(count)
        self._around = around
        for worker in range(count):
            self._send(worker, around)
        for k in range(begin, min(begin + slots, end)):
            tell(k)
        for k in range(begin, end):
            self._receive(k % count)
            yield self._ring[k % slots]
            if k + slots < end:
                tell(k + slots)

    def _send(self, worker: int, message: Neighbourhood | Batch) -> None:
        try:
            self._connections[worker].send(message)
        except ConnectionError:
            self._replace(worker)

    def _receive(self, worker: int) -> None:
        """Wait for the first of a worker's pending batches."""
        while True:
            try:
                self.drawn_by[self._connections[worker].recv()] += 1
            except (EOFError, ConnectionError):
                self._replace(worker)
            else:
                self._pending[worker].popleft()
                self._deaths[worker] = 0
                return

    def _replace(self, worker: int) -> None:
        """Start a worker in place of one that was killed, and give it the pending batches."""
        code = self._processes[worker].wait()
        if code >= 0:
            raise RunError(f"a sampling worker ended by itself with exit code {code} (see above)")
        names = {number.value: number.name for number in signal.Signals}
        how = f"a sampling worker was killed by {names.get(-code, f'signal {-code}')}"
        self._deaths[worker] += 1
        if self._deaths[worker] > MOST_DEATHS:
            raise RunError(
                f"{how}, the {self._deaths[worker]}th in a row: is there memory for them? "
                "Try fewer sampling workers or smaller batches"
            )
        say_above(f"{how}: another draws its samples again")
        self._connections[worker].close()
        self._connections[worker], self._processes[worker] = self._new_worker()
        try:
            for message in (self._around, *self._pending[worker]):
                self._connections[worker].send(message)
        except ConnectionError:
            self._replace(worker)


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """What starts in this block has SIGINT held back until it unblocks it.

    While Python starts up, it answers SIGINT with an exit code as if it had ended by itself.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _largest_ring(slots: int, batch_size: int, values: int) -> tuple[np.ndarray, int]:
    """A ring of `slots` batches, or of as many as shared memory has room for; its descriptor."""
    wanted = shared_memory.nbytes((slots, batch_size, values))
    room = shared_memory.room()
    for fewer in range(slots, 0, -1):
        try:
            ring = shared_memory.create((fewer, batch_size, values))
        except shared_memory.NoRoomError:
            continue
        if fewer < slots:
            say(
                f"shared memory ({shared_memory.FOLDER}) has {_megabytes(room)} of "
                f"{_megabytes(wanted)}: room for {fewer} batches in place of {slots}, which is "
                "slower; the samples are the same",
            )
        return ring
    raise RunError(
        f"shared memory ({shared_memory.FOLDER}) has no room for a batch: it has "
        f"{_megabytes(room)}, {_megabytes(wanted // slots)} are needed and {_megabytes(wanted)} "
        "wanted. Enlarge it (docker run --shm-size), or choose a smaller batch size"
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"

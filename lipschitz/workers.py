"""Processes that draw batches ahead of the accelerator, in a ring of shared memory."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

import numpy as np

from lipschitz import shared_memory
from lipschitz.errors import RunError
from lipschitz.worker import Batch, Neighbourhood

ROOT = Path(__file__).resolve().parent.parent
START = "from lipschitz.worker import main; main()"


MOST_PER_CORE = 4  # beyond that they only wait for each other


def cores() -> int:
    """The cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def default_count() -> int:
    """Half the cores, at least one."""
    return max(1, cores() // 2)


class Workers(AbstractContextManager):
    """A ring of batches (slots, batch size, n) and the processes that fill it.

    While the consumer holds one slot, each worker draws into another and one more is ready.
    Batch k is drawn by worker k % count into slot k % slots, so batches arrive in order and
    no process needs to know of another. The only ties are a socket a worker and the segment:
    when this process ends, however it ends, the sockets close and the workers end too.
    """

    def __init__(self, count: int, batch_size: int, values: int) -> None:
        """Start `count` workers for batches of images of `values` numbers each."""
        self._ring, self._segment = shared_memory.create((count + 2, batch_size, values))
        self._connections: list[Connection] = []
        self._processes: list[subprocess.Popen] = []
        self._answers_due = False
        self.drawn_by: Counter[int] = Counter()  # batches by the worker's process id
        try:
            self._start(count)
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
        for _ in range(count):
            self._start_one()

    def _start_one(self) -> None:
        ours, theirs = Pipe()
        with theirs:
            self._connections.append(ours)
            shared = [theirs.fileno(), self._segment]
            arguments = [*shared, *self._ring.shape]
            path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, "-P", "-c", START, *map(str, arguments)],
                    pass_fds=shared,
                    stdin=subprocess.DEVNULL,
                    env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
                    process_group=0,  # Ctrl-C is the parent's to answer
                )
            )

    def batches(
        self, around: Neighbourhood, iterations: int, per_iteration: int
    ) -> Iterator[np.ndarray]:
        """Yield the batches (batch size, n) of each iteration in turn.

        A batch is valid until the next one is asked for. Raises RunError where a worker died.
        """
        slots, batch_size, _ = self._ring.shape
        count = len(self._connections)
        total = iterations * per_iteration

        def tell(k: int) -> None:
            iteration, place = divmod(k, per_iteration)
            self._send(k % count, Batch(k % slots, iteration, place * batch_size))

        if self._answers_due:  # an image was left in the middle: nothing of it may come now
            self._end()
            self._start(count)
        self._answers_due = True
        for worker in range(count):
            self._send(worker, around)
        for k in range(min(slots, total)):
            tell(k)
        for k in range(total):
            self._receive(k % count)
            self._answers_due = k + 1 < total
            yield self._ring[k % slots]
            if k + slots < total:
                tell(k + slots)

    def _send(self, worker: int, message: Neighbourhood | Batch) -> None:
        try:
            self._connections[worker].send(message)
        except ConnectionError as error:
            raise self._death(worker) from error

    def _receive(self, worker: int) -> None:
        try:
            self.drawn_by[self._connections[worker].recv()] += 1
        except (EOFError, ConnectionError) as error:
            raise self._death(worker) from error

    def _death(self, worker: int) -> RunError:
        """What became of a worker that answers no more."""
        code = self._processes[worker].wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return RunError(f"a sampling worker {how}: the files saved so far are complete and stay")

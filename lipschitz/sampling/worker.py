"""A sampling worker: it draws the batches that it is sent into the shared ring.

Started by `pool.py` as a process of its own; it imports no framework and no main script.
"""

import argparse
import os
import pickle
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np

from lipschitz.maths.ball import BLOCK, Ball, draw_block
from lipschitz.network import Box
from lipschitz.sampling.transformation import Transformation, transform_all
from lipschitz.support.shared_memory import attach


class Neighbourhood(NamedTuple):
    """Where samples are drawn: around one image, in one ball and the box, from one seed.

    `transform` maps images (H, W, C) in [0, 1]; it is pickled by its name, so it must be a
    function of a module.
    """

    x_0: np.ndarray  # of any shape, float32
    ball: Ball
    seed: int
    image: int
    transform: Transformation | None = None
    box: Box = Box()


class Batch(NamedTuple):
    """One batch: its slot in the ring, and its place among an iteration's samples."""

    slot: int
    iteration: int
    first: int


def draw(out: np.ndarray, around: Neighbourhood, batch: Batch) -> None:
    """Fill `out` (batch size, n), float32, with samples of the iteration from `first` on."""
    points = np.empty((BLOCK, out.shape[1]), np.float32)
    x_0, shape = around.x_0.ravel(), around.x_0.shape
    lower, upper = _flat(around.box.lower, shape), _flat(around.box.upper, shape)
    last = batch.first + len(out)
    for block in range(batch.first // BLOCK, -(-last // BLOCK)):
        draw_block(points, around.ball, around.seed, around.image, batch.iteration, block)
        begin, end = max(batch.first, block * BLOCK), min(last, (block + 1) * BLOCK)
        samples = out[begin - batch.first : end - batch.first]
        np.add(x_0, points[begin - block * BLOCK : end - block * BLOCK], out=samples)
        np.clip(samples, lower, upper, out=samples)
    if around.transform is not None:
        transform_all(out.reshape(-1, *around.x_0.shape), around.transform, around.box)


def _flat(end: float | np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An end of the box: a number, or one for each value of a sample."""
    end = np.asarray(end, np.float32)
    return np.broadcast_to(end, shape).ravel() if end.ndim else end


def serve(connection: Connection, ring: np.ndarray) -> None:
    """Draw the batches that come, answer with the process id, end when the other side is gone."""
    around = None
    while message := _received(connection):
        if isinstance(message, Neighbourhood):
            around = message
            continue
        draw(ring[message.slot], around, message)
        try:
            connection.send(os.getpid())
        except ConnectionError:
            return


def _received(connection: Connection) -> Neighbourhood | Batch | None:
    """The next message, or None if the other side is gone, even in the middle of a message."""
    try:
        content = connection.recv_bytes()
    except (EOFError, OSError):
        return None
    return pickle.loads(content)  # noqa: S301, the parent process pickled it


def main() -> None:
    """Serve on the descriptors that the parent process passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("connection", type=int, help="file descriptor of a socket")
    parser.add_argument("segment", type=int, help="file descriptor of the shared memory")
    parser.add_argument("shape", type=int, nargs=3, help="slots, batch size, values per image")
    args = parser.parse_args()
    serve(Connection(args.connection), attach(args.segment, tuple(args.shape)))

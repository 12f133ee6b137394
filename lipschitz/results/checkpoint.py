"""The iterations of an image that is being sampled, kept beside its files in case the run ends.

One hidden file a target, `.NAME.mat.checkpoint`: a line with the SHA-256 of the rest, then JSON.
"""

import hashlib
import json
import time
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from lipschitz.results.estimate import Iteration
from lipschitz.settings import Provenance, difference
from lipschitz.support import regular_file
from lipschitz.support.atomic import replacing
from lipschitz.support.errors import ImageError, InputError
from lipschitz.support.text import say

EXTENSION = ".checkpoint"
INTERVAL = 30  # seconds between two writes, at least
LARGEST = 2**28  # bytes: a million iterations


class Unusable(Exception):
    """A checkpoint cannot be resumed from; the message says why."""


class Checkpoint(AbstractContextManager):
    """The iterations of one image so far, and their checkpoints beside its targets' `files`.

    A block that is ended, by a signal or a full disk, leaves what is done for the next run.
    """

    def __init__(self, files: list[Path], provenance: Provenance, needed: int) -> None:
        """The image needs `needed` iterations."""
        self._paths = {target: checkpoint_path(file) for target, file in enumerate(files)}
        self._provenance, self._needed = provenance, needed
        self._written, self._failed = time.monotonic(), False
        self.saved = 0  # iterations that are in the files
        self.iterations: list[Iteration] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: object
    ) -> None:
        # after these errors the same command would only meet them again
        if isinstance(error, ImageError):
            for target in list(self._paths):
                self.remove(target)
        elif error is not None and not isinstance(error, InputError):
            self.write()
            if self.saved:
                say(
                    f"{self.saved} of {self._needed} iterations are saved: rerun the same "
                    "command to resume"
                )

    def restore(self, columns: int) -> None:
        """Begin with the iterations that every target has, of `columns` numbers each.

        A checkpoint of other settings, or a damaged one, is named and not used.
        """
        parts = []
        for path in self._paths.values():
            try:
                parts.append(read(path, self._provenance, columns))
            except FileNotFoundError:
                return
            except Unusable as error:
                say(f"{path} is not used: {error}")
                return
        found, times = zip(*parts, strict=True)
        self.saved = min(map(len, found))
        shared = np.stack([each[: self.saved] for each in found], axis=1)
        self.iterations = [
            Iteration(of_targets, *seconds)
            for of_targets, seconds in zip(shared, times[0].tolist(), strict=False)
        ]

    def add(self, iteration: Iteration) -> None:
        """Take one more iteration, and write if the last time was long enough ago."""
        self.iterations.append(iteration)
        self.write_if_due()

    def write_if_due(self, interval: float | None = None) -> None:
        """Write if the last time was so many seconds ago, by default `INTERVAL`."""
        if time.monotonic() - self._written >= (INTERVAL if interval is None else interval):
            self.write()

    def write(self) -> None:
        """Write what is new. A failure is reported, and does not end the run."""
        if len(self.iterations) == self.saved:
            return
        times = np.array([(each.ended, each.waited) for each in self.iterations])
        try:
            for target, path in self._paths.items():
                found = np.array([each.found[target] for each in self.iterations])
                write(path, self._provenance, found, times)
        except OSError as error:
            if not self._failed:
                say(f"{error.filename}: {error.strerror or error}: the run continues without it")
            self._failed = True
        else:
            self.saved, self._failed = len(times), False
        self._written = time.monotonic()

    def remove(self, target: int) -> None:
        """The file of a target (its place among `files`) is finished."""
        self._paths.pop(target).unlink(missing_ok=True)


def checkpoint_path(file: Path) -> Path:
    """The checkpoint of a target's file."""
    return file.with_name(f".{file.name}{EXTENSION}")


def write(path: Path, provenance: Provenance, found: np.ndarray, times: np.ndarray) -> None:
    """Write one target's findings (iterations, columns), and the times (iterations, 2)."""
    contents = {"settings": provenance, "found": found.tolist(), "times": times.tolist()}
    text = json.dumps(contents).encode()
    with replacing(path, durable=False) as unfinished:  # its checksum tells of a power cut
        unfinished.write_bytes(checksum(text) + b"\n" + text)


def read(path: Path, provenance: Provenance, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """One target's findings (iterations, columns), and the times (iterations, 2); float64.

    Raises Unusable if the file is damaged or of other settings, FileNotFoundError.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        stored, _, text = regular_file.read(path, LARGEST).partition(b"\n")
    except ValueError as error:
        raise Unusable(str(error)) from error
    if stored != checksum(text):
        raise Unusable("it is damaged")
    try:
        contents = json.loads(text)
        settings = dict(contents["settings"])
        found = np.array(contents["found"], float).reshape(-1, columns)
        times = np.array(contents["times"], float).reshape(-1, 2)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise Unusable("it is damaged") from error
    if not (len(found) == len(times) and np.isfinite(found).all() and np.isfinite(times).all()):
        raise Unusable("it is damaged")
    if different := difference(settings, provenance):
        raise Unusable(different)
    return found, times


def checksum(text: bytes) -> bytes:
    """The first line of a checkpoint, which tells whether the rest is whole."""
    return hashlib.sha256(text).hexdigest().encode()

"""What an image that is being sampled has so far, kept beside its files in case the run ends.

One hidden file a target, `.NAME.mat.checkpoint`: a line with the SHA-256 of the rest, then JSON.
"""

import hashlib
import json
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lipschitz import regular_file
from lipschitz.atomic import replacing
from lipschitz.errors import ImageError, InputError, say
from lipschitz.provenance import Settings, difference

EXTENSION = ".checkpoint"
INTERVAL = 30  # seconds between two writes, at least
LARGEST = 2**28  # bytes: a million iterations


class Unusable(Exception):
    """A checkpoint cannot be gone on from; the message says why."""


class Iteration(NamedTuple):
    """What one iteration found."""

    found: np.ndarray  # (targets, columns)
    ended: float  # seconds of sampling until its end
    waited: float  # seconds of it without samples


class Checkpoint(AbstractContextManager):
    """The checkpoints of the targets of one image, whose files will be `files`.

    A block that is ended, by a signal or a full disk, leaves what is done for the next run.
    """

    def __init__(self, files: list[Path], settings: Settings, needed: int) -> None:
        """The image needs so many iterations."""
        self._paths = {target: beside(file) for target, file in enumerate(files)}
        self._settings, self._needed = settings, needed
        self._written, self._kept, self._failed = time.monotonic(), 0, False
        self.done: list[Iteration] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: object
    ) -> None:
        # after these errors the same command would only meet them again
        if isinstance(error, ImageError):
            for target in list(self._paths):
                self.remove(target)
        elif error is not None and not isinstance(error, InputError):
            self.write()
            if self._kept:
                say(f"{self._kept} of {self._needed} iterations are kept: the same command goes on")

    def restore(self, columns: int) -> None:
        """Begin with what every target has, of `columns` numbers an iteration.

        A checkpoint of other settings, or a damaged one, is named and not used.
        """
        parts = []
        for path in self._paths.values():
            try:
                parts.append(read(path, self._settings, columns))
            except FileNotFoundError:
                return
            except Unusable as error:
                say(f"{path} is not used: {error}")
                return
        found, times = zip(*parts, strict=True)
        self._kept = min(map(len, found))
        shared = np.stack([each[: self._kept] for each in found], axis=1)
        self.done = [
            Iteration(of_targets, *seconds)
            for of_targets, seconds in zip(shared, times[0].tolist(), strict=False)
        ]

    def keep(self) -> None:
        """Write, where the last time was long enough ago."""
        if time.monotonic() - self._written >= INTERVAL:
            self.write()

    def write(self) -> None:
        """Write what is new. A checkpoint that cannot be written is said, and ends no run."""
        if len(self.done) == self._kept:
            return
        times = np.array([(each.ended, each.waited) for each in self.done])
        try:
            for target, path in self._paths.items():
                found = np.array([each.found[target] for each in self.done])
                write(path, self._settings, found, times)
        except OSError as error:
            if not self._failed:
                say(f"{error.filename}: {error.strerror or error}: the run goes on without it")
            self._failed = True
        else:
            self._kept, self._failed = len(times), False
        self._written = time.monotonic()

    def remove(self, target: int) -> None:
        """The file of a target (its place among `files`) is there."""
        self._paths.pop(target).unlink(missing_ok=True)


def beside(file: Path) -> Path:
    """The checkpoint of a target's file."""
    return file.with_name(f".{file.name}{EXTENSION}")


def write(path: Path, settings: Settings, found: np.ndarray, times: np.ndarray) -> None:
    """Write what one target found (iterations, columns), and the times (iterations, 2)."""
    contents = {"settings": settings, "found": found.tolist(), "times": times.tolist()}
    text = json.dumps(contents).encode()
    with replacing(path, durable=False) as unfinished:  # its checksum tells of a power cut
        unfinished.write_bytes(_checksum(text) + b"\n" + text)


def read(path: Path, settings: Settings, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """What one target found (iterations, columns), and the times (iterations, 2); float64.

    Raises Unusable where the file is damaged or of other settings, FileNotFoundError.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        checksum, _, text = regular_file.read(path, LARGEST).partition(b"\n")
    except ValueError as error:
        raise Unusable(str(error)) from error
    if checksum != _checksum(text):
        raise Unusable("it is damaged")
    try:
        contents = json.loads(text)
        stored = dict(contents["settings"])
        found = np.array(contents["found"], float).reshape(-1, columns)
        times = np.array(contents["times"], float).reshape(-1, 2)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise Unusable("it is damaged") from error
    if not (len(found) == len(times) and np.isfinite(found).all() and np.isfinite(times).all()):
        raise Unusable("it is damaged")
    if different := difference(stored, settings):
        raise Unusable(different)
    return found, times


def _checksum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()

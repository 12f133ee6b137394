"""What an image that is being sampled has so far, kept beside its files in case the run ends.

One hidden file a target, `.NAME.mat.checkpoint`: a line with the SHA-256 of the rest, then JSON.
"""

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lipschitz import regular_file
from lipschitz.atomic import replacing
from lipschitz.errors import say
from lipschitz.provenance import Settings, difference

EXTENSION = ".checkpoint"
INTERVAL = 30  # seconds between two writes, at least
LARGEST = 2**28  # bytes: a million iterations


class Unusable(Exception):
    """A checkpoint cannot be gone on from; the message says why."""


@dataclass
class Progress:
    """The iterations of an image that are done, for all of its targets that are sampled."""

    found: list[np.ndarray] = field(default_factory=list)  # (targets, columns) an iteration
    ended: list[float] = field(default_factory=list)  # seconds of sampling until its end
    waited: list[float] = field(default_factory=list)  # seconds of it without samples

    def __len__(self) -> int:
        return len(self.found)

    def add(self, found: np.ndarray, ended: float, waited: float) -> None:
        """One iteration more."""
        self.found.append(found)
        self.ended.append(ended)
        self.waited.append(waited)


class Checkpoint:
    """The checkpoints of the targets of one image, whose files will be `files`."""

    def __init__(self, files: list[Path], settings: Settings) -> None:
        self._paths = [beside(file) for file in files]
        self._settings = settings
        self._written, self._kept, self._failed = time.monotonic(), 0, False

    def restore(self, columns: int) -> Progress:
        """What every target has, of `columns` numbers an iteration.

        A checkpoint of other settings, or a damaged one, is named and not used.
        """
        parts = []
        for path in self._paths:
            try:
                parts.append(read(path, self._settings, columns))
            except FileNotFoundError:
                return Progress()
            except Unusable as error:
                say(f"{path} is not used: {error}")
                return Progress()
        found, times = zip(*parts, strict=True)
        self._kept = min(map(len, found))
        shared = np.stack([each[: self._kept] for each in found], axis=1)
        return Progress(list(shared), *times[0][: self._kept].T.tolist())

    def keep(self, progress: Progress) -> None:
        """Write, where the last time was long enough ago."""
        if time.monotonic() - self._written >= INTERVAL:
            self.write(progress)

    def write(self, progress: Progress) -> None:
        """Write what is new. A checkpoint that cannot be written is said, and ends no run."""
        self._written = time.monotonic()
        if len(progress) == self._kept:
            return
        times = np.stack([progress.ended, progress.waited], axis=1)
        try:
            for target, path in enumerate(self._paths):
                found = np.array([iteration[target] for iteration in progress.found])
                write(path, self._settings, found, times)
        except OSError as error:
            if not self._failed:
                say(f"{error.filename}: {error.strerror or error}: the run goes on without it")
            self._failed = True
        else:
            self._kept, self._failed = len(progress), False

    def leave(self, progress: Progress, iterations: int) -> None:
        """Write before the run ends in the middle of the image, and say how much is kept."""
        self.write(progress)
        if self._kept:
            say(f"{self._kept} of {iterations} iterations are kept: the same command goes on")

    def remove(self) -> None:
        """The image is done, and its files are there."""
        for path in self._paths:
            path.unlink(missing_ok=True)


def beside(file: Path) -> Path:
    """The checkpoint of a target's file."""
    return file.with_name(f".{file.name}{EXTENSION}")


def write(path: Path, settings: Settings, found: np.ndarray, times: np.ndarray) -> None:
    """Write what one target found (iterations, columns), and the times (iterations, 2)."""
    contents = {"settings": settings, "found": found.tolist(), "times": times.tolist()}
    text = json.dumps(contents).encode()
    with replacing(path) as unfinished:
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

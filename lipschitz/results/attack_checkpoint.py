"""The state of an attack that is under way, kept beside a target's file in case the run ends.

A hidden file, `.NAME.mat.attack`: an archive of arrays, and what they are of as JSON.
"""

import io
import json
import time
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from lipschitz.results.checkpoint import INTERVAL
from lipschitz.settings import Provenance
from lipschitz.support import regular_file
from lipschitz.support.atomic import replacing
from lipschitz.support.text import say

EXTENSION = ".attack"
LARGEST = 2**31  # bytes
OF_KEY = "of"


class AttackCheckpoint(AbstractContextManager):
    """The newest state of an attack, a mapping from names to arrays.

    A block that is ended leaves its state for the next run.
    """

    def __init__(self, file: Path, provenance: Provenance) -> None:
        """The state is kept beside the target's `file`."""
        self._path = attack_checkpoint_path(file)
        self._of = json.dumps(dict(provenance), sort_keys=True)
        self._written, self._state = time.monotonic(), None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: object
    ) -> None:
        if error is not None and self._state is not None:
            self._write()

    def restored(self) -> dict[str, np.ndarray] | None:
        """The state that an earlier run left, if it is of the same attack."""
        if not self._path.exists():
            return None
        try:
            content = io.BytesIO(regular_file.read(self._path, LARGEST))
            with np.load(content, allow_pickle=False) as archive:
                arrays = dict(archive)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            say(f"{self._path} is not used: {error}")
            return None
        if str(arrays.pop(OF_KEY, "")) != self._of:
            return None
        return arrays

    def keep(self, state: Mapping[str, np.ndarray]) -> None:
        """Take a newer state, and write it if the last time was long enough ago."""
        self._state = state
        if time.monotonic() - self._written >= INTERVAL:
            self._write()

    def _write(self) -> None:
        """A failure is reported, and does not end the run."""
        try:
            with replacing(self._path, durable=False) as unfinished, unfinished.open("wb") as file:
                np.savez(file, **{OF_KEY: np.array(self._of)}, **self._state)
        except OSError as error:
            say(f"{self._path}: {error.strerror or error}: the run continues without it")
        self._written = time.monotonic()


def attack_checkpoint_path(file: Path) -> Path:
    """The checkpoint of the attack on a target, and on others with it."""
    return file.with_name(f".{file.name}{EXTENSION}")

"""The state of an attack that is under way, kept beside a target's file in case the run ends.

A hidden file, `.NAME.mat.attack`: a line with the SHA-256 of the rest, then an archive of arrays
with what they are of as JSON.
"""

import io
import json
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from lipschitz.results.checkpoint import INTERVAL, checksum
from lipschitz.settings import Provenance, difference
from lipschitz.support import regular_file
from lipschitz.support.atomic import replacing
from lipschitz.support.errors import first_line
from lipschitz.support.text import say

EXTENSION = ".attack"
LARGEST = 2**31  # bytes
PROVENANCE_KEY = "provenance"


class AttackCheckpoint(AbstractContextManager):
    """The newest state of an attack on a group of targets: a mapping from names to arrays.

    A block that is ended leaves its state for the next run.
    """

    def __init__(self, file: Path, provenance: Provenance) -> None:
        """The state is kept beside the `file` of the first target."""
        self._path = attack_checkpoint_path(file)
        self._provenance = provenance
        self._written, self._state = time.monotonic(), None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: object
    ) -> None:
        if error is not None and self._state is not None:
            self._write()
            say("the steps of the attack are saved: rerun the same command to resume")

    def arrays(self) -> dict[str, np.ndarray] | None:
        """The state that an earlier run left, if it is of the same attack."""
        if not self._path.exists():
            return None
        try:
            stored, _, content = regular_file.read(self._path, LARGEST).partition(b"\n")
            if stored != checksum(content):
                raise ValueError("it is damaged")
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                arrays = dict(archive)
            provenance = dict(json.loads(str(arrays.pop(PROVENANCE_KEY))))
        except Exception as error:  # NumPy's reader raises what its parsing stumbles over
            say(f"{self._path} is not used: {first_line(error)}")
            return None
        if different := difference(provenance, self._provenance):
            say(f"{self._path} is not used: {different}")
            return None
        return arrays

    def keep(self, state: Mapping[str, np.ndarray]) -> bool:
        """Take a newer state, and write it if the last time was long enough ago; whether it was."""
        self._state = state
        is_due = time.monotonic() - self._written >= INTERVAL
        if is_due:
            self._write()
        return is_due

    def _write(self) -> None:
        """A failure is reported, and does not end the run."""
        archive = io.BytesIO()
        text = json.dumps(dict(self._provenance), sort_keys=True)
        np.savez(archive, **{PROVENANCE_KEY: np.array(text)}, **self._state)
        content = archive.getvalue()
        try:
            with replacing(self._path, durable=False) as unfinished:
                unfinished.write_bytes(checksum(content) + b"\n" + content)
        except OSError as error:
            say(f"{self._path}: {error.strerror or error}: the run continues without it")
        self._written = time.monotonic()


def attack_checkpoint_path(file: Path) -> Path:
    """The checkpoint of the attack on a target, and on others with it."""
    return file.with_name(f".{file.name}{EXTENSION}")

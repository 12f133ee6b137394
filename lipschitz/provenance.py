"""What a file's numbers come from: the settings, the network, the image."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

SHOWN = 12  # digits of a fingerprint in print

Settings = Mapping[str, object]  # option -> value; "network" and "image" -> fingerprint


def fingerprint(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 of arrays, in their order: of the weights of a network, or of an image."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def file_fingerprint(path: Path) -> str:
    """SHA-256 of a file, such as a graph that holds its weights."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_text(settings: Settings) -> str:
    """The settings as they are kept in a file."""
    return json.dumps(settings, sort_keys=True)


def difference(stored: Settings, wanted: Settings) -> str:
    """The first setting that is not the same, for people to read; empty where all are."""
    for name, value in wanted.items():
        there = stored.get(name)
        if there == value:
            continue
        if name in ("network", "image"):
            return f"it is of another {name} ({str(there)[:SHOWN]}, now {str(value)[:SHOWN]})"
        return f"its {name} is {there}, now {value}"
    return ""

"""What a file's numbers come from: the settings, the network, the image."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping

import numpy as np

SHOWN = 12  # digits of a fingerprint in print

# option -> value; "network" and "image" -> fingerprint; "logit" -> the image's largest
Settings = Mapping[str, object]
LOGIT_ERROR = 1e-3  # relative or absolute: devices and batches differ in less


def fingerprint(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 of arrays, in their order: of the weights of a network, or of an image."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def as_text(settings: Settings) -> str:
    """The settings as they are kept in a file."""
    return json.dumps(settings, sort_keys=True)


def difference(stored: Settings, wanted: Settings) -> str:
    """The first setting that is not the same, for people to read; empty where all are."""
    for name, value in wanted.items():
        there = stored.get(name)
        if there == value or (name == "logit" and _close(there, value)):
            continue
        shown = f"{str(there)[:SHOWN]}, now {str(value)[:SHOWN]}"
        if name == "logit":
            return f"it is of another network, of the same weights (largest logit {shown})"
        if name in ("network", "image"):
            return f"it is of another {name} ({shown})"
        return f"its {name} is {shown}"
    return ""


def _close(there: object, value: object) -> bool:
    """Whether two logits are those of one network; weights do not tell its activations."""
    numbers = isinstance(there, float) and isinstance(value, float)
    return numbers and math.isclose(there, value, rel_tol=LOGIT_ERROR, abs_tol=LOGIT_ERROR)

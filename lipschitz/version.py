"""The version of the toolkit: as it is installed, and as its sources are."""

import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parent
DIGITS = 8  # of a hash


@functools.cache
def version() -> str:
    """The version, or "unknown" in a clone without its environment."""
    from importlib import metadata  # takes a tenth of a second to import

    try:
        return metadata.version("clever-toolkit")
    except metadata.PackageNotFoundError:
        return "unknown"


@functools.cache
def of_sources() -> str:
    """A hash of the library's sources: in a clone they change without a new version."""
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        found.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:DIGITS]

"""The version of the toolkit: as it is installed, and as its sources are."""

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterable
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


def sources_hash(functions: Iterable[Callable] = ()) -> str:
    """A hash of the library's sources, which in a clone change without a new version.

    The files that define the `functions` are part of it.
    """
    files = {str(path.relative_to(PACKAGE)): path for path in PACKAGE.rglob("*.py")}
    for function in functions:
        path = Path(inspect.getsourcefile(function))
        files[path.name] = path
    found = hashlib.sha256()
    for name, path in sorted(files.items()):
        found.update(f"{name}\0".encode() + path.read_bytes())
    return found.hexdigest()[:DIGITS]

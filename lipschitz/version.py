"""The version of the toolkit, as it is installed."""

import functools


@functools.cache
def version() -> str:
    """The version, or "unknown" in a clone without its environment."""
    from importlib import metadata  # takes a tenth of a second to import

    try:
        return metadata.version("clever-toolkit")
    except metadata.PackageNotFoundError:
        return "unknown"

"""Numbers and names in the lines that users read."""

from collections.abc import Sequence

SHOWN = 3  # names


def counted(number: int, noun: str) -> str:
    """So many of them: 1 image, 2 images."""
    return f"{number} {noun}{'s' if number != 1 else ''}"


def some(names: Sequence[str], shown: int = SHOWN) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more

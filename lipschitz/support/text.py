"""Printed lines: the form that other programs parse, and text that is safe to print."""

import contextlib
import re
import sys

DOUBT = "warning (from sampling): "  # begins what is repeated wherever the scores are printed


def line(kind: str, level: int, /, **fields: object) -> str:
    """One line, `[STATS][L1] name = value, name = value`; without a kind `[L0] name = ...`.

    Floats are printed with five digits, all else as it is. Level 0 is the summary, 1 an image or
    a file, 2 an iteration.
    """
    return (
        (f"[{kind}]" if kind else "")
        + f"[L{level}] "
        + ", ".join(
            f"{name} = {value:.5g}" if isinstance(value, float) else f"{name} = {value}"
            for name, value in fields.items()
        )
    )


def read_fields(text: str) -> dict[str, str]:
    """The fields of such a line, as they are printed; a value may be a list with commas in it."""
    return dict(re.findall(r"\b(\w+) = (.*?)(?=, \w+ = |$)", text.rstrip()))


def printable(text: str) -> str:
    """Text of others as one line: line ends and what a terminal obeys are escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def say(message: object) -> None:
    """Print a line on stderr, if anybody is there: a closed terminal does not end a run."""
    with contextlib.suppress(OSError):
        print(printable(str(message)), file=sys.stderr, flush=True)

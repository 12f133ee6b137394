"""The form of the lines that other programs parse: `[STATS][L1] name = value, name = value`."""

import re


def line(kind: str, level: int, **fields: object) -> str:
    """One printed line: numbers that are not whole have five digits, all else prints as it is.

    Level 0 is the summary, 1 an image or a file, 2 an iteration. Without a kind: `[L0] name = ...`.
    """
    return (
        (f"[{kind}]" if kind else "")
        + f"[L{level}] "
        + ", ".join(
            f"{name} = {value:.5g}" if isinstance(value, float) else f"{name} = {value}"
            for name, value in fields.items()
        )
    )


def printable(text: str) -> str:
    """Text of others as one line: what ends lines, or what a terminal obeys, is escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def read(text: str) -> dict[str, str]:
    """The fields of such a line, as they are printed; a value may be a list with commas in it."""
    return dict(re.findall(r"\b(\w+) = (.*?)(?=, \w+ = |$)", text.rstrip()))

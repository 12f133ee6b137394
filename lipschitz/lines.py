"""The form of the lines that other programs parse: `[STATS][L1] name = value, name = value`."""


def line(kind: str, level: int, **fields: object) -> str:
    """One printed line: numbers that are not whole have five digits, all else prints as it is.

    Level 0 is the summary, 1 an image or a file, 2 an iteration.
    """
    return f"[{kind}][L{level}] " + ", ".join(
        f"{name} = {value:.5g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in fields.items()
    )

"""What the commands' options have in common: help with defaults, one-line errors, ranges."""

import argparse
from collections.abc import Callable, Sequence
from math import isfinite
from typing import NoReturn

from lipschitz.support.errors import InputError

SILENT = (None, "", False, argparse.SUPPRESS)  # defaults that say nothing


class Parser(argparse.ArgumentParser):
    """A parser whose help keeps the description's lines and shows defaults.

    An option that cannot be used is an InputError.
    """

    def __init__(self, description: str) -> None:
        super().__init__(description=description, formatter_class=_HelpFormatter)

    def error(self, message: str) -> NoReturn:
        """Raise the message in place of printing the usage and exiting."""
        raise InputError(f"{message} (--help lists the options)")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str:
        shown = action.help or ""
        default = action.default
        if any(default is silent for silent in SILENT) or "default" in shown:
            return shown
        if isinstance(default, Sequence) and not isinstance(default, str):
            default = " ".join(map(str, default))
        return f"{shown} (default {default})".lstrip()


def number(
    least: float, *, below: float | None = None, above: bool = False, kind: type = int
) -> Callable[[str], float]:
    """An argparse type: a number of at least, or `above`, `least`, and below `below`."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            whole = "whole " if kind is int else ""
            raise argparse.ArgumentTypeError(f"{text}: give a {whole}number") from None
        if not (value > least if above else value >= least):
            wanted = f"a number above {least}" if above else f"{least} or more"
            raise argparse.ArgumentTypeError(f"{text}: give {wanted}")
        if kind is float and not isfinite(value):
            raise argparse.ArgumentTypeError(f"{text}: give a finite number")
        if below is not None and not value < below:
            raise argparse.ArgumentTypeError(f"{text}: give a number below {below:,}")
        return value

    return parse

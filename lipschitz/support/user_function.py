"""Functions that the user names as MODULE:FUNCTION: their own code, run because they name it."""

import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from lipschitz.support.errors import InputError, first_line

NAME = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


def is_name(text: str) -> bool:
    """Whether a text has the form MODULE:FUNCTION; a module may be in packages."""
    return NAME.fullmatch(text) is not None


def result(name: str) -> object:
    """What the function or class gives if it is called without arguments; other objects as such.

    Its module is looked for in the current folder first. Raises InputError if it is not there or
    fails.
    """
    module, function = NAME.fullmatch(name).groups()
    with _current_folder_first():
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise InputError(_failed(name, error)) from error
            raise InputError(
                f"{name}: there is no module {error.name!r} in {os.getcwd()}, nor where Python "
                "looks for modules"
            ) from error
        except (Exception, SystemExit) as error:
            raise InputError(_failed(name, error)) from error
        if not callable(call := getattr(found, function, None)):
            raise InputError(f"{name}: {found.__file__} has no function {function!r}")
        if not (inspect.isroutine(call) or inspect.isclass(call) or isinstance(call, partial)):
            return call  # a network that was made when the module was imported
        try:
            return call()
        except (Exception, SystemExit) as error:
            if isinstance(error, TypeError) and _last_line(error).filename == __file__:
                raise InputError(
                    f"{name} cannot be called without arguments: name a function of yours that "
                    f"calls it ({first_line(error)})"
                ) from error
            raise InputError(_failed(name, error)) from error


@contextmanager
def _current_folder_first() -> Iterator[None]:
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _last_line(error: BaseException) -> traceback.FrameSummary:
    return traceback.extract_tb(error.__traceback__)[-1]


def _failed(name: str, error: BaseException) -> str:
    """What went wrong in the user's code, and in which of its lines."""
    last = _last_line(error)
    return (
        f"{name} fails: {type(error).__name__}: {first_line(error)} "
        f"({last.filename}, line {last.lineno})"
    )

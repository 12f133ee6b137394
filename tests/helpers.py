"""What several tests share: the clone's folders, the files of 2018, running the commands."""

import contextlib
import importlib
import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from lipschitz.support import command

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "data" / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
SHARED = ROOT.parent / "shared"
LONG = 900  # seconds: who waits so long waits for nothing, on a slow and busy machine too


def run(script, *args, cwd, **environment):
    """Run a command of the toolkit in the folder `cwd`, as a process of its own."""
    return subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, args)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=LONG,
    )


def run_here(script, *args, cwd, **environment):
    """Run a command in this process: it starts in no time, for its libraries are loaded.

    Enough if a test needs the command's words and files; signals stay pytest's own.
    """
    module = importlib.import_module(Path(script).stem)
    printed, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", [script, *map(str, args)]),
        mock.patch.object(command, "_answer"),
        mock.patch.object(command, "_let_go_of_output"),
        mock.patch.dict(os.environ, environment),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(errors),
        pytest.raises(SystemExit) as ended,
    ):
        command.run(module.main)
    return subprocess.CompletedProcess(
        args, ended.value.code, printed.getvalue(), errors.getvalue()
    )


def lines(output, start):
    """The printed lines that start so."""
    return [line for line in output.splitlines() if line.startswith(start)]


def shared_memory_of(process):
    """The segments of shared memory that a process made, by their names: none has one for long."""
    return {name for name in os.listdir("/dev/shm") if name.startswith(f"clever.{process}.")}


def peak_memory():
    """In bytes, since the process began."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

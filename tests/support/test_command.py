"""A command ends early in one line, and with the exit code that says why."""

import os
import signal
import subprocess
import sys

import pytest

from tests.helpers import ROOT

BEFORE = "from lipschitz.support import command; command.exit_at_once(); {}"
WITHIN = """
import os, time
from lipschitz.support.command import run

def main():
    try:
        {}
        time.sleep(600)
    finally:
        print("kept")

run(main)
"""
QUOTED = "--ids a\nb\x1b[2J\udc80: no such file"


def python(code, **settings):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=settings.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


def kill(number):
    return f"os.kill(os.getpid(), {int(number)})"


NOTED = """
import os
from lipschitz.support import command

def main():
    command.note_interrupted()
    {}
    print("the call ends")
    command.check_interrupted()

command.run(main)
"""
NUMBERS = [
    (signal.SIGINT, "interrupted"),
    (signal.SIGTERM, "terminated"),
    (signal.SIGHUP, "closed"),
]


@pytest.mark.parametrize(("number", "word"), NUMBERS)
def test_before_a_command_begins_it_ends_in_one_line(ctrl_c, number, word):
    done = python(BEFORE.format(f"import os; {kill(number)}; import time; time.sleep(600)"))
    assert done.returncode == 128 + number
    (said,) = done.stderr.splitlines()
    assert word in said


@pytest.mark.parametrize(("number", "word"), NUMBERS)
@pytest.mark.parametrize("again", [False, True])
def test_within_a_command_what_is_finished_is_kept(ctrl_c, number, word, again):
    """Also if the same end is asked for twice, of a process and of its group."""
    code = WITHIN.format(kill(number))
    done = python(code.replace("finally:", f"finally:\n        {kill(number)}") if again else code)
    assert done.returncode == 128 + number
    assert done.stdout == "kept\n"
    (said,) = done.stderr.splitlines()
    assert word in said


def test_what_is_ignored_stays_ignored():
    """As under nohup, or in the background of a script."""
    code = f"import signal; signal.signal(1, signal.SIG_IGN)\n{WITHIN.format(kill(signal.SIGHUP))}"
    done = python(code.replace("time.sleep(600)", "pass"))
    assert done.returncode == 0
    assert done.stderr == ""


def test_a_closed_stderr_does_not_change_the_exit_code(ctrl_c):
    code = WITHIN.format("os.close(2); " + kill(signal.SIGTERM))
    assert python(code).returncode == 128 + signal.SIGTERM


def test_a_full_disk_under_stdout_is_one_line():
    with open("/dev/full", "w") as full:
        done = python(WITHIN.format("return"), stdout=full)
    assert done.returncode == 1
    assert done.stderr == "-c: cannot continue: No space left on device\n"


def test_a_reader_that_goes_away_is_no_traceback():
    """As `head` does."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as pipe:
        done = python(WITHIN.format("return"), stdout=pipe)
    assert done.returncode == 1
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        ("InputError('no such file')", 2, "-c: no such file\n"),
        ("RunError('it failed')", 1, "-c: it failed\n"),
        ("MemoryError('1 TB')", 1, "-c: out of memory (1 TB): what is saved "),
        ("PermissionError(13, 'Permission denied', 'out')", 1, "-c: out: Permission denied\n"),
        (f"InputError({QUOTED!r})", 2, "-c: --ids a\\nb\\x1b[2J\\udc80: no such file\n"),
    ],
)
def test_an_error_is_one_line_whatever_it_quotes(error, code, said):
    imports = "from lipschitz.support.errors import InputError, RunError"
    done = python(WITHIN.format(f"{imports}; raise {error}"))
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_text_that_the_output_cannot_show_is_escaped(encoding):
    code = "from lipschitz.support.command import run; run(lambda: print('\\u2603 \\udcff'))"
    done = python(code, env=os.environ | {"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\\udcff\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(tmp_path, closed):
    """Else a file that the command opens takes their place."""
    code = (
        "from lipschitz.support.command import run; import pathlib, sys; file = sys.argv[1]; "
        "run(lambda: (print('said'), pathlib.Path(file).open('w').write('whole'), None)[-1])"
    )
    command = f'exec "$0" -c "$1" "$2" {closed}'
    file = tmp_path / "file"
    done = subprocess.run(["sh", "-c", command, sys.executable, code, file], cwd=ROOT)
    assert done.returncode == 0
    assert file.read_text() == "whole"


@pytest.mark.parametrize(("number", "word"), NUMBERS)
def test_a_signal_that_is_noted_breaks_no_call_and_ends_the_command_after_it(ctrl_c, number, word):
    done = python(NOTED.format(kill(number)))
    assert done.stdout == "the call ends\n"
    assert done.returncode == 128 + number
    assert word in done.stderr

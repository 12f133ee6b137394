"""run.sh: one experiment from the command line to its log."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers import LONG, ROOT, lines, run_here

RUN = ROOT / "run.sh"
TINY = ("digits", "2-layer", 32, 3, "relu", 1, "all")


def experiment(*args, cwd, **environment):
    """Run run.sh with this interpreter."""
    return subprocess.run(
        [RUN, *map(str, args)],
        cwd=cwd,
        env=os.environ | {"PYTHON": sys.executable} | environment,
        capture_output=True,
        text=True,
        timeout=LONG,
    )


def only_log(folder):
    (log,) = (folder / "logs").rglob("*.log")
    return log


def interpreter(folder, does):
    """The path of an interpreter that does this in place of each step."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{does}\n")
    python.chmod(0o755)
    return str(python)


def begin(*args, cwd, python):
    """Start run.sh, at the head of a process group of its own."""
    return subprocess.Popen(
        [RUN, *map(str, args)],
        cwd=cwd,
        env=os.environ | {"PYTHON": python},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_until(start, process):
    """Read what run.sh prints up to a line that starts so."""
    for line in process.stdout:
        if line.startswith(start):
            return
    raise AssertionError(process.stderr.read())


def wait_until(happened):
    """Wait until `happened()`, but not for ever."""
    until = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_an_experiment_is_sampled_scored_and_logged(workplace):
    """In a folder with a space in its name, beside a spoiled file that another run left."""
    folder = workplace / "a b"
    left = folder / "lipschitz_mat/digits_2-layer/32_9_0_0_1_least_relu_order1.mat"
    left.parent.mkdir(parents=True)
    left.touch()
    (workplace / "models").rename(folder / "models")
    (workplace / "tmp").mkdir()
    done = experiment(*TINY, 1, cwd=folder, TMPDIR=str(workplace / "tmp"))
    assert done.returncode == 0, done.stderr

    log = only_log(folder)
    name = str(log.relative_to(folder))
    assert re.fullmatch(
        r"logs/digits/2-layer/digits_2-layer_relu_ord1_ns32_nit3_all_\d{4}_\d{6}\.log", name
    )
    printed = done.stdout.splitlines()
    assert printed[:2] == ["Using GPU 1", name]
    assert "collect_gradients.py --dataset digits --model_name 2-layer" in printed[2]
    assert printed[-1] == f"Done {name}"

    text = log.read_text()
    saved = lines(text, "saved to ")
    assert len(lines(text, "[DATAGEN]")) == 20
    assert [line.split()[-1] for line in lines(text, "[Filename]")] == sorted(
        (line.removeprefix("saved to ") for line in saved), key=by_image_and_kind
    )
    assert len(lines(text, "[DEBUG][L1]")) == 3 * len(saved) > 0
    assert printed[-4:-1] == lines(text, "[STATS][L0]")
    assert len(lines(done.stderr, "to score what is saved: ")) == 1
    assert sorted(text.splitlines()) == sorted(printed + done.stderr.splitlines())
    assert [line for line in text.splitlines() if line in printed] == printed
    assert not list((workplace / "tmp").iterdir())

    tables = run_here("process_log.py", "logs", cwd=folder)
    assert tables.returncode == 0, tables.stderr
    assert "\ndigits 2-layer & " in tables.stdout


def by_image_and_kind(path):
    """How clever.py sorts files."""
    _, _, image, _, _, info, *_ = path.rpartition("/")[2].split("_")
    return int(image), info


def test_the_first_failure_ends_it_with_its_exit_code(workplace):
    done = experiment("digits", "normal", *TINY[2:], cwd=workplace)
    assert done.returncode == 2
    log = only_log(workplace)
    missing, failed = done.stderr.splitlines()
    assert "models/digits not found: train it" in missing
    assert failed == (
        "run.sh: collect_gradients.py failed with exit code 2: see "
        + str(log.relative_to(workplace))
    )
    text = log.read_text()
    assert lines(text, missing) == [missing]
    assert lines(text, failed) == [failed]
    assert "clever.py" not in text
    assert "Done" not in done.stdout


def test_a_failure_of_scoring_has_its_exit_code_too(tmp_path):
    """With an interpreter that samples, and cannot score."""
    python = interpreter(
        tmp_path,
        'case $1 in */clever.py) echo "$2 $3"; exit 7 ;; esac\n'
        'echo "saved to a b.mat"; echo "kept c.mat"',
    )
    done = experiment(*TINY, cwd=tmp_path, PYTHON=python)
    assert done.returncode == 7
    assert "clever.py failed with exit code 7" in done.stderr
    assert only_log(tmp_path).read_text().splitlines()[-2] == "a b.mat c.mat"


def test_a_signal_between_the_steps_ends_it(tmp_path):
    """With an interpreter that is done when the signal comes."""
    does = 'trap "" TERM; kill -TERM $PPID; sleep 0.3; echo "saved to $1.mat"'
    done = experiment(*TINY, cwd=tmp_path, PYTHON=interpreter(tmp_path, does))
    assert done.returncode == 143
    text = only_log(tmp_path).read_text()
    assert "collect_gradients.py.mat" in text
    assert "clever.py" not in text
    assert "Done" not in done.stdout


@pytest.mark.parametrize(
    ("target", "target_type"), [("top2", 1), ("rand", 2), ("least", 4), ("all", 15)]
)
def test_the_options_of_sampling(tmp_path, target, target_type):
    """As an interpreter that only repeats them is given them."""
    python = interpreter(tmp_path, 'echo "$CUDA_VISIBLE_DEVICES $*"; exit 3')
    gpu = [] if target == "all" else ["0,1"]
    done = experiment(
        "cifar", "3,256,tanh", 64, 9, "tanh", 2, target, *gpu, cwd=tmp_path, PYTHON=python
    )
    assert done.returncode == 3
    text = only_log(tmp_path).read_text()
    given, _, options = text.splitlines()[3].partition(f" {ROOT}/collect_gradients.py ")
    assert given == ("0" if target == "all" else "0,1")
    assert options == (
        "--dataset cifar --model_name 3,256,tanh --activation tanh --order 2 --Nsamps 64 "
        f"--Niters 9 --batch_size 64 --numimg 20 --target_type {target_type}"
    )


def test_gpu_minus_1_is_the_cpu(tmp_path):
    python = interpreter(tmp_path, 'echo "devices: $CUDA_VISIBLE_DEVICES"')
    done = experiment(*TINY, -1, cwd=tmp_path, PYTHON=python)
    assert done.returncode == 0
    assert done.stdout.startswith("Using GPU -1 (the CPU)\n")
    assert lines(done.stdout, "devices: ") == ["devices: -1"] * 2


def test_arguments_after_the_eighth_are_named_and_ignored(tmp_path):
    done = experiment(*TINY, 0, "more", "a\nb", cwd=tmp_path, PYTHON=interpreter(tmp_path, ""))
    assert done.returncode == 0
    (ignored,) = done.stderr.splitlines()
    assert ignored == "run.sh: ignored, for there is no ninth argument: more $'a\\nb'"
    assert done.stdout.startswith("Using GPU 0\n")
    assert ignored in only_log(tmp_path).read_text().splitlines()


def test_lines_are_printed_and_logged_as_they_come(tmp_path):
    """With an interpreter that goes on when the test has read its first line."""
    does = 'echo "first $PYTHONUNBUFFERED"; while [ ! -e read ]; do sleep 0.1; done'
    with begin(*TINY, cwd=tmp_path, python=interpreter(tmp_path, does)) as process:
        read_until("first 1\n", process)
        logged = only_log(tmp_path).read_text()
        (tmp_path / "read").touch()
        assert process.stdout.read().count("first 1\n") == 1  # of scoring
    assert process.returncode == 0
    assert logged.endswith("\nfirst 1\n")


def test_a_line_of_the_log_is_not_cut_by_another(tmp_path):
    """Printed in pieces, as print() does, while an error comes."""
    python = interpreter(tmp_path, "printf one; echo error >&2; sleep 0.3; echo ' line'")
    done = experiment(*TINY, cwd=tmp_path, PYTHON=python)
    text = only_log(tmp_path).read_text()
    for line in ("one line", "error"):
        assert lines(text, line) == [line] * 2
    assert done.stderr == "error\nerror\n"


@pytest.mark.parametrize("reader", ["| head -1", "> /dev/full", ">&-", "2>&-", ">&- 2>&-"])
def test_a_run_that_nobody_reads_goes_on_and_the_log_is_whole(tmp_path, reader):
    python = interpreter(tmp_path, "seq -f 'output %g' 6000; seq -f 'error %g' 6000 >&2")
    command = f'set -o pipefail; "$0" "$@" {reader}'
    done = subprocess.run(
        ["bash", "-c", command, RUN, *map(str, TINY)],
        cwd=tmp_path,
        env=os.environ | {"PYTHON": python},
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert done.returncode == 0, done.stderr
    text = only_log(tmp_path).read_text()
    for stream in ("output", "error"):
        assert lines(text, stream) == [f"{stream} {n}" for n in range(1, 6001)] * 2
    assert len(text.splitlines()) == 5 + 4 * 6000
    assert text.splitlines()[-1].startswith("Done logs/")
    assert set(done.stderr.splitlines()) <= set(text.splitlines())


def test_a_reader_that_does_not_read_cannot_hold_a_run_that_is_to_end(tmp_path, ctrl_c):
    python = interpreter(tmp_path, "echo begun; exec seq 200000")
    with begin(*TINY, cwd=tmp_path, python=python) as process:
        read_until("begun\n", process)
        time.sleep(1)  # until the pipe is full
        process.terminate()
        assert process.wait(timeout=LONG) == 143
        assert "failed with exit code 143" in process.stderr.readline()
        process.stdout.close()  # now nobody reads, and what is left goes to the log
        wait_until(lambda: not is_there(process.pid))
    text = only_log(tmp_path).read_text()
    assert len(lines(text, "run.sh: ")) == 1
    numbers = [line for line in text.splitlines()[4:] if not line.startswith("run.sh: ")]
    assert numbers[:-1] == [str(n) for n in range(1, len(numbers))]  # the signal may cut the last
    assert 10000 < len(numbers) < 200000


def test_a_log_that_cannot_be_written_ends_the_run(tmp_path):
    does = 'for log in logs/*/*/*.log; do rm "$log"; mkdir "$log"; done; echo more'
    done = experiment(*TINY, cwd=tmp_path, PYTHON=interpreter(tmp_path, does))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"run.sh: {only_log(tmp_path).relative_to(tmp_path)} cannot be written"
    )
    assert "clever.py" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "7 or 8 arguments are needed, 0 were given"),
        (TINY[:6], "7 or 8 arguments are needed, 6 were given"),
        ((*TINY[:6], "every"), "target 'every'"),
        ((*TINY[:5], 3, "all"), "order '3'"),
        ((*TINY[:2], 0, *TINY[3:]), "nsamp '0'"),
        ((*TINY[:3], "1.5", *TINY[4:]), "niters '1.5'"),
        ((*TINY, "gpu"), "gpuNum 'gpu'"),
        ((*TINY, -2), "gpuNum '-2'"),
        ((*TINY, "0,-1"), "gpuNum '0,-1'"),
        ((*TINY, "-1,0"), "gpuNum '-1,0'"),
        (("../digits", *TINY[1:]), "'../digits' is not the name of"),
    ],
)
def test_wrong_arguments_are_answered_with_the_usage(tmp_path, arguments, message):
    done = experiment(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"run.sh: {message}")
    assert "\nusage: run.sh model modeltype nsamp niters activation order target" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "to", "word"),
    [
        (signal.SIGINT, os.killpg, "interrupted"),
        (signal.SIGTERM, os.kill, "terminated"),
        pytest.param(signal.SIGTERM, os.killpg, "terminated", marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_it_and_what_runs(workplace, ctrl_c, number, to, word):
    with begin(*TINY[:3], 1000000, *TINY[4:], cwd=workplace, python=sys.executable) as process:
        read_until("top-1 accuracy", process)
        to(process.pid, number)
        _, said = process.communicate(timeout=LONG)  # stderr ends when the last of them has gone
    assert process.returncode == 128 + number
    assert word in said
    assert word in only_log(workplace).read_text()
    wait_until(lambda: not is_there(process.pid))


def is_there(group):
    """Whether a process of this group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True

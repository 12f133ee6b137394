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


def test_an_experiment_is_sampled_scored_and_logged(workplace):
    """In a folder with a space in its name, beside a spoiled file that another run left."""
    folder = workplace / "a b"
    left = folder / "lipschitz_mat/digits_2-layer/32_9_0_0_1_least_relu_order1.mat"
    left.parent.mkdir(parents=True)
    left.touch()
    (workplace / "models").rename(folder / "models")
    done = experiment(*TINY, 1, cwd=folder)
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
    assert printed[3:-1] == lines(text, "[STATS][L0]")
    assert len(printed[3:-1]) == 3
    assert set(done.stderr.splitlines()) <= set(text.splitlines())  # the device, what to do next

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
    assert done.stderr in log.read_text()
    assert "clever.py" not in log.read_text()
    assert "Done" not in done.stdout


def test_a_failure_of_scoring_has_its_exit_code_too(tmp_path):
    """With an interpreter that samples, and cannot score."""
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\ncase $1 in */clever.py) echo "$2 $3"; exit 7 ;; esac\n'
        'echo "saved to a b.mat"; echo "kept c.mat"\n'
    )
    python.chmod(0o755)
    done = experiment(*TINY, cwd=tmp_path, PYTHON=str(python))
    assert done.returncode == 7
    assert "clever.py failed with exit code 7" in done.stderr
    assert only_log(tmp_path).read_text().splitlines()[-2] == "a b.mat c.mat"


def test_a_signal_between_the_steps_ends_it(tmp_path):
    """With an interpreter that is done when the signal comes."""
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\ntrap "" TERM; kill -TERM $PPID; sleep 0.3; echo "saved to $1.mat"\n'
    )
    python.chmod(0o755)
    done = experiment(*TINY, cwd=tmp_path, PYTHON=str(python))
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
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$CUDA_VISIBLE_DEVICES $*"; exit 3\n')
    python.chmod(0o755)
    gpu = [] if target == "all" else ["0,1"]
    done = experiment(
        "cifar", "3,256,tanh", 64, 9, "tanh", 2, target, *gpu, cwd=tmp_path, PYTHON=str(python)
    )
    assert done.returncode == 3
    text = only_log(tmp_path).read_text()
    given, _, options = text.splitlines()[3].partition(f" {ROOT}/collect_gradients.py ")
    assert given == ("0" if target == "all" else "0,1")
    assert options == (
        "--dataset cifar --model_name 3,256,tanh --activation tanh --order 2 --Nsamps 64 "
        f"--Niters 9 --batch_size 64 --numimg 20 --target_type {target_type}"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "7 or 8 arguments are needed, 0 were given"),
        (TINY[:6], "7 or 8 arguments are needed, 6 were given"),
        ((*TINY, 0, 1), "7 or 8 arguments are needed, 9 were given"),
        ((*TINY[:6], "every"), "target 'every'"),
        ((*TINY[:5], 3, "all"), "order '3'"),
        ((*TINY[:2], 0, *TINY[3:]), "nsamp '0'"),
        ((*TINY[:3], "1.5", *TINY[4:]), "niters '1.5'"),
        ((*TINY, "gpu"), "gpuNum 'gpu'"),
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
    process = subprocess.Popen(
        [RUN, *map(str, TINY[:3]), "1000000", *map(str, TINY[4:])],
        cwd=workplace,
        env=os.environ | {"PYTHON": sys.executable},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and "top-1 accuracy" not in "".join(
        log.read_text() for log in (workplace / "logs").rglob("*.log")
    ):
        time.sleep(0.1)
    to(process.pid, number)
    _, said = process.communicate(timeout=LONG)  # stderr ends when the last of them has gone
    assert process.returncode == 128 + number
    assert word in said
    assert word in only_log(workplace).read_text()
    until = time.monotonic() + LONG
    while is_there(process.pid):
        assert time.monotonic() < until
        time.sleep(0.01)


def is_there(group):
    """Whether a process of this group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True

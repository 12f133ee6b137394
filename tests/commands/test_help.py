"""--help of each command: what it does, reads and writes, and every option with its default."""

import argparse
import importlib
import subprocess
import sys

import pytest

from lipschitz.support.options import Parser
from tests.helpers import ROOT, run_here

COMMANDS = {
    "clever.py": "(default mle_reg)",
    "collect_gradients.py": "(default 1024)",
    "process_log.py": "--save_pickle",
    "setup_cifar.py": "cifar-10-batches-bin",
    "setup_digits.py": "uci_digits/digits.npz",
    "setup_imagenet.py": "(default resnet_v2_101)",
    "setup_mnist.py": "data/",
    "setup_photographs.py": "LOC_synset_mapping.txt",
    "train_2layer.py": "(default mnist cifar)",
    "train_models.py": "(default normal distilled brelu)",
    "train_nlayer.py": "(default models)",
}


@pytest.mark.parametrize("script", COMMANDS)
def test_help_says_what_a_command_reads_and_writes_and_its_defaults(script, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = run_here(script, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "reads " in done.stdout.lower()
    assert "writes " in done.stdout.lower()
    assert COMMANDS[script] in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", COMMANDS)
def test_every_option_has_a_help_text(script, monkeypatch):
    shown = []
    monkeypatch.setattr(Parser, "print_help", lambda self, file=None: shown.append(self))
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit):
        importlib.import_module(script.removesuffix(".py")).main()
    (parser,) = shown
    for action in parser._actions:
        assert action.help, action.dest
        assert action.help is argparse.SUPPRESS or len(action.help) > 5, action.dest


@pytest.mark.parametrize("script", COMMANDS)
def test_an_unknown_option_is_one_line(script, tmp_path):
    done = run_here(script, "--nothing", "x", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"{script}: ")
    assert said.endswith("(--help lists the options)")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_of_the_script(tmp_path, option):
    done = subprocess.run([ROOT / "run.sh", option], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: run.sh model modeltype nsamp niters activation order")
    assert "Reads" in done.stdout
    assert "writes" in done.stdout
    assert list(tmp_path.iterdir()) == []

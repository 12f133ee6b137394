"""What train_nlayer.py trains, the sampler finds without moving a file."""

import sys

import pytest

import collect_gradients
import train_nlayer
from lipschitz.support.errors import InputError
from tests.helpers import lines, run


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; what it prints."""
    monkeypatch.chdir(tmp_path)

    def run_here(module, arguments):
        monkeypatch.setattr(sys, "argv", [f"{module.__name__}.py", *arguments.split()])
        module.main()
        return capsys.readouterr().out

    return run_here


COLLECT = "-d digits -i 1 -b 32 -N 32 --numimg 5"


def test_an_mlp_is_found_by_its_numbers(command):
    train = "--model digits --activation arctan --optimizer adam --epochs 15 48 48"
    printed = command(train_nlayer, train)
    assert "saved models/digits_mlp_3layer_arctan_48.keras: 9" in printed  # 90 % and more
    printed = command(collect_gradients, f"{COLLECT} -m 3,48,arctan --order 2 --target_type 1")
    assert len(lines(printed, "[STATS][L1] bnd_H2_max = ")) >= 4
    with pytest.raises(InputError, match=r"digits_mlp_3layer_arctan_48.keras exists: --overwrite"):
        command(train_nlayer, train)


def test_a_cnn_is_found_by_its_activation(command, tmp_path):
    command(train_nlayer, "--model digits --modeltype cnn --activation tanh --epochs 1 --lr 0.05")
    assert (tmp_path / "models" / "digits_cnn_7layer_tanh.keras").exists()
    printed = command(collect_gradients, f"{COLLECT} --activation tanh")
    assert "_tanh_order1.mat" in lines(printed, "saved to")[0]


def test_modelfile_replaces_the_whole_path(command, tmp_path):
    command(train_nlayer, "--model digits --modelfile mine/net --epochs 1 4")
    assert [path.name for path in tmp_path.rglob("*.keras")] == ["net.keras"]
    assert (tmp_path / "mine" / "net.keras").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--model digits", "an MLP needs the sizes of its hidden layers"),
        ("--model digits 0", "an MLP needs the sizes of its hidden layers, 1 or more"),
        ("--model digits --modeltype cnn 20", "layer sizes [20] are for --modeltype mlp"),
        ("--model digits --lr 0 20", "--lr 0, --wd -1: give numbers above 0"),
        ("--model digits --lr inf 20", "--lr inf, --wd -1: give numbers above 0"),
        ("--model digits --modelfile . 20", ". is a folder: name a file"),
        ("--model digits 20 --epochs 0 20", "--epochs 0: train for 1 epoch or more"),
    ],
)
def test_bad_input_gets_one_line(tmp_path, arguments, message):
    done = run("train_nlayer.py", *arguments.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1

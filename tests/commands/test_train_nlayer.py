"""What train_nlayer.py trains, the sampler finds without moving a file."""

import h5py
import keras
import pytest

from tests.helpers import lines, run_here

COLLECT = "-d digits -i 1 -b 32 -N 32 --numimg 5"


def command(script, arguments, cwd):
    """What a command prints, which succeeds."""
    done = run_here(script, *arguments.split(), cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_mlp_is_found_by_its_numbers(tmp_path):
    train = "--model digits --activation arctan --optimizer adam --epochs 15 48 48"
    printed = command("train_nlayer.py", train, tmp_path)
    assert "saved models/digits_mlp_3layer_arctan_48.keras: 9" in printed  # 90 % and more
    collect = f"{COLLECT} -m 3,48,arctan --order 2 --target_type 1"
    printed = command("collect_gradients.py", collect, tmp_path)
    assert len(lines(printed, "[STATS][L1] bnd_H2_max = ")) >= 4
    again = run_here("train_nlayer.py", *train.split(), cwd=tmp_path)
    assert again.returncode == 2
    assert "digits_mlp_3layer_arctan_48.keras exists: --overwrite replaces it" in again.stderr


@pytest.mark.slow
def test_a_cnn_is_found_by_its_activation(tmp_path):
    train = "--model digits --modeltype cnn --activation tanh --epochs 1 --lr 0.05"
    command("train_nlayer.py", train, tmp_path)
    assert (tmp_path / "models" / "digits_cnn_7layer_tanh.keras").exists()
    printed = command("collect_gradients.py", f"{COLLECT} --activation tanh", tmp_path)
    assert "_tanh_order1.mat" in lines(printed, "saved to")[0]


def test_modelfile_replaces_the_whole_path(tmp_path):
    """With the sizes between options, and the usual rate asked for by its number of 2018."""
    command(
        "train_nlayer.py", "--model digits --modelfile mine/net 4 --epochs 1 --lr -1 3", tmp_path
    )
    assert [path.name for path in tmp_path.rglob("*.keras")] == ["net.keras"]
    assert (tmp_path / "mine" / "net.keras").exists()


def test_a_cnn_of_other_sizes_has_a_file_of_its_own_that_can_be_scored(tmp_path):
    train = "--model digits --modeltype cnn --activation tanh --epochs 1 --lr 0.1 8 4 8 4 20 10"
    *_, told = command("train_nlayer.py", train, tmp_path).splitlines()
    model = keras.models.load_model(tmp_path / "models/digits_cnn_7layer_tanh_8_4_8_4_20_10.keras")
    assert [weight.shape[-1] for weight in model.weights[::2]] == [8, 4, 8, 4, 20, 10, 10]
    place = told.removeprefix("to score it: ")
    printed = command("collect_gradients.py", f"-i 1 -b 32 -N 32 --numimg 20 {place}", tmp_path)
    assert lines(printed, "saved to lipschitz_mat/digits_digits_cnn_7layer_tanh_8_4_8_4_20_10/")


def test_a_file_of_keras_2s_format_keeps_its_ending(tmp_path):
    command("train_nlayer.py", "--model digits --modelfile my.h5 --epochs 1 4", tmp_path)
    with h5py.File(tmp_path / "my.h5") as file:
        assert "model_config" in file.attrs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--model digits", "an MLP needs the sizes of its hidden layers, 1 or more each: 256 256"),
        ("--model digits 0", "argument layer_sizes: 0: give 1 or more"),
        ("--model digits 20 --wd 0 wide", "argument layer_sizes: wide: give a whole number"),
        (
            "--model digits --modeltype cnn 20",
            "a CNN has 6 layer sizes, not 1: 32 32 64 64 200 200",
        ),
        ("--model digits --lr 0 20", "argument --lr: 0: give a number above 0"),
        ("--model digits --lr inf 20", "argument --lr: inf: give a finite number"),
        ("--model digits --wd -0.1 20", "argument --wd: -0.1: give 0 or more"),
        ("--model digits --modelfile . 20", ". is a folder: name a file"),
        ("--model digits 20 --epochs 0 20", "argument --epochs: 0: give 1 or more"),
    ],
)
def test_bad_input_gets_one_line(tmp_path, arguments, message):
    done = run_here("train_nlayer.py", *arguments.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []

"""What train_nlayer.py trains, the sampler finds without moving a file."""

import pytest

from tests.conftest import lines, run


def collect(folder, *args):
    return run(
        "collect_gradients.py", "-d", "digits", "-i", 1, "-b", 32, "-N", 32, *args, cwd=folder
    )


def test_an_mlp_is_found_by_its_numbers(tmp_path):
    trained = run("train_nlayer.py", "--model", "digits", "--activation", "arctan", "--epochs", 15,
                  "--optimizer", "adam", 48, 48, cwd=tmp_path)  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert "saved models/digits_mlp_3layer_arctan_48.keras: 9" in trained.stdout  # 90 % and more
    first = collect(tmp_path, "-m", "3,48,arctan")
    assert first.returncode == 0, first.stderr
    second = collect(tmp_path, "-m", "3,48,arctan", "--order", 2, "--target_type", 1)
    assert second.returncode == 0, second.stderr
    assert len(lines(second.stdout, "[STATS][L1] g_x0 = ")) == 1
    again = run(
        "train_nlayer.py", "--model", "digits", "--activation", "arctan", 48, 48, cwd=tmp_path
    )
    assert again.returncode == 2
    assert "models/digits_mlp_3layer_arctan_48.keras exists: --overwrite" in again.stderr


def test_a_cnn_is_found_by_its_activation(tmp_path):
    trained = run("train_nlayer.py", "--model", "digits", "--modeltype", "cnn", "--activation",
                  "tanh", "--epochs", 1, "--optimizer", "adam", cwd=tmp_path)  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "models" / "digits_cnn_7layer_tanh.keras").exists()
    done = collect(tmp_path, "--activation", "tanh", "--numimg", 5)
    assert done.returncode == 0, done.stderr
    assert "_tanh_order1.mat" in lines(done.stdout, "saved to")[0]


def test_modelfile_replaces_the_whole_path(tmp_path):
    done = run("train_nlayer.py", "--model", "digits", "--modelfile", "mine/net", "--epochs", 1, 4,
               cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.keras")] == [
        "mine/net.keras"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--model digits", "an MLP needs the sizes of its hidden layers"),
        ("--model digits 0", "an MLP needs the sizes of its hidden layers, 1 or more"),
        ("--model digits --modeltype cnn 20", "layer sizes [20] are for --modeltype mlp"),
        ("--model digits --lr 0 20", "--lr 0, --wd -1: give numbers above 0"),
        ("--model digits --epochs 0 20", "--epochs 0: train for 1 epoch or more"),
    ],
)
def test_bad_input_gets_one_line(tmp_path, arguments, message):
    done = run("train_nlayer.py", *arguments.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1

"""train_2layer.py and train_models.py: which networks they train, and which they keep."""

import pytest

from tests.helpers import run_here


def test_a_network_that_exists_is_kept_unless_overwritten(tmp_path):
    arguments = ["train_2layer.py", "--dataset", "digits", "--epochs", 1]
    path = tmp_path / "models" / "digits_2layer.keras"
    path.parent.mkdir()
    path.write_text("a network")
    done = run_here(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "kept models/digits_2layer.keras (--overwrite trains it again)\n"
    assert path.read_text() == "a network"
    done = run_here(*arguments, "--overwrite", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "saved models/digits_2layer.keras: " in done.stdout
    assert path.stat().st_size > 10**6


def test_each_network_is_looked_for_by_its_own_name(tmp_path):
    """And files of 2018, without an extension, are kept too."""
    names = ["digits.keras", "digits-distilled-100", "digits_brelu.keras"]
    (tmp_path / "models").mkdir()
    for name in names:
        (tmp_path / "models" / name).touch()
    done = run_here("train_models.py", "--dataset", "digits", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"kept models/{name} (--overwrite trains it again)" for name in names
    ]


@pytest.mark.parametrize("script", ["train_2layer.py", "train_models.py"])
def test_no_epochs_and_no_data_set_are_refused(tmp_path, script):
    done = run_here(script, "--dataset", "digits", "--epochs", 0, cwd=tmp_path)
    assert done.returncode == 2
    assert "argument --epochs: 0: give 1 or more" in done.stderr
    done = run_here(script, "--dataset", "imagenet", cwd=tmp_path)
    assert done.returncode == 2
    assert "argument --dataset: invalid choice: 'imagenet'" in done.stderr
    assert list(tmp_path.iterdir()) == []

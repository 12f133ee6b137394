"""The same command again: what is finished is kept, and what does not match is an error."""

import shutil
import signal
import sys

import numpy as np
import pytest
from scipy.io import loadmat, savemat

import collect_gradients
import setup_digits
from estimate_gradient_norm import EstimateLipschitz
from lipschitz import model_file
from lipschitz.checkpoint import beside
from lipschitz.errors import ImageError, InputError, RunError
from lipschitz.interruption import Interrupted
from tests.conftest import GOLDEN

ARGUMENTS = "-d digits -m 2-layer -N 32 -b 32 -i 4"
MAXIMA = ("G2_max", "G1_max", "Gi_max", "non_finite")


@pytest.fixture
def collect(workplace, monkeypatch, capsys):
    """A function that runs the command in a folder of its own: its lines `kept` and `saved to`."""
    monkeypatch.chdir(workplace)

    def run(more=""):
        monkeypatch.setattr(
            sys, "argv", ["collect_gradients.py", *ARGUMENTS.split(), *more.split()]
        )
        capsys.readouterr()  # of a run that ended with an error
        collect_gradients.main()
        printed = capsys.readouterr().out.splitlines()
        return [line.replace("saved to ", "saved ") for line in printed if is_of_a_file(line)]

    return run


def is_of_a_file(line):
    return line.startswith(("kept ", "saved to "))


def files(lines, word):
    return [line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} ")]


def train_again():
    """Other weights in the network's file, as another training would give."""
    path = model_file.find("digits_2layer")
    network = model_file.load(path, setup_digits.FAMILY.named("2-layer").build)
    network.set_weights([1.01 * weight for weight in network.get_weights()])
    model_file.save(network, path)


def test_finished_files_are_kept_and_the_rest_is_sampled(collect):
    first = files(collect(), "saved")
    assert len(first) == 3
    lines = collect("-n 2 --nthreads 2 -s ./lipschitz_mat")
    assert files(lines, "kept") == first
    assert len(files(lines, "saved")) == 3
    assert collect("-n 2") == [f"kept {path}" for path in first + files(lines, "saved")]


def test_a_target_that_is_sampled_later_is_the_same_to_the_bit(collect, workplace):
    whole = {path: loadmat(path) for path in files(collect(), "saved")}
    shutil.rmtree(workplace / "lipschitz_mat")
    collect("--target_type 2")
    lines = collect()
    assert len(files(lines, "kept")) == 1
    for path, expected in whole.items():
        for key in MAXIMA:
            np.testing.assert_array_equal(loadmat(path)[key], expected[key])


def test_a_network_that_was_trained_again_is_an_error_unless_overwritten(collect):
    (path, *_) = files(collect(), "saved")
    before = loadmat(path)["G2_max"]
    train_again()
    with pytest.raises(InputError, match=r"it is of another network \(\w{12}, now \w{12}\).*--ov"):
        collect()
    np.testing.assert_array_equal(loadmat(path)["G2_max"], before)
    assert len(files(collect("--overwrite"), "saved")) == 3
    assert (loadmat(path)["G2_max"] != before).all()
    assert len(files(collect("--overwrite"), "kept")) == 3  # these are this network's


def test_another_image_under_the_same_number_is_an_error(collect, monkeypatch):
    collect()
    read = setup_digits._read

    def darker(places):
        images, labels = read(places)
        return np.float32(0.99) * images, labels

    monkeypatch.setattr(setup_digits, "_read", darker)
    with pytest.raises(InputError, match="it is of another image"):
        collect()


def test_a_file_of_2018_counts_as_different(collect, workplace):
    (path, *_) = files(collect("--target_type 4"), "saved")
    old = next((GOLDEN / "l2/mnist_2-layer").glob("*_least_*"))
    shutil.copy(old, workplace / path)
    with pytest.raises(InputError, match="does not say which network it is of, as files of 2018"):
        collect("--target_type 4")


def test_a_damaged_file_is_an_error_unless_overwritten(collect, workplace):
    (path, *_) = files(collect("--target_type 4"), "saved")
    (workplace / path).write_bytes((workplace / path).read_bytes()[:500])
    with pytest.raises(InputError, match=r"it is not a whole MATLAB file.*--overwrite"):
        collect("--target_type 4")
    assert files(collect("--target_type 4 --overwrite"), "saved") == [path]


def test_settings_that_the_file_was_not_sampled_with_are_named(collect, workplace):
    """A file that was moved here from the folder of another seed, say."""
    (path,) = files(collect("--target_type 4 --seed 7"), "saved")
    (workplace / path).rename(workplace / path.replace("/seed7", ""))
    with pytest.raises(InputError, match="its seed is 7, now 1215"):
        collect("--target_type 4")


def test_settings_of_a_file_that_nothing_can_read_are_an_error(collect, workplace):
    (path,) = files(collect("--target_type 4"), "saved")
    contents = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    savemat(path, contents | {"settings": "[" * 10**5})
    with pytest.raises(InputError, match="its settings cannot be read"):
        collect("--target_type 4")


def interrupt_at(collect, monkeypatch, iteration):
    """Run the command until Ctrl-C comes in the middle of an image."""

    def keep(_, progress):
        if len(progress) == iteration:
            raise Interrupted(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(collect_gradients.Checkpoint, "keep", keep)
        with pytest.raises(Interrupted):
            collect()


def test_an_interrupted_image_is_gone_on_from_also_for_some_of_its_targets(
    collect, workplace, monkeypatch, capsys
):
    whole = {path: loadmat(path) for path in files(collect(), "saved")}
    for path in whole:
        (workplace / path).unlink()
    interrupt_at(collect, monkeypatch, 3)
    checkpoints = [beside(workplace / path) for path in whole]
    assert all(path.exists() for path in checkpoints)
    assert "3 of 4 iterations are kept" in capsys.readouterr().err

    sampled = []
    draw = collect_gradients.Progress.add
    monkeypatch.setattr(
        collect_gradients.Progress,
        "add",
        lambda *args, **fields: (sampled.append(1), draw(*args, **fields)),
    )
    collect("--target_type 2")
    assert len(sampled) == 1  # the fourth iteration
    assert [path.exists() for path in checkpoints].count(True) == 2
    collect()
    assert len(sampled) == 2
    assert not any(path.exists() for path in checkpoints)
    for path, expected in whole.items():
        for key in MAXIMA:
            np.testing.assert_array_equal(loadmat(path)[key], expected[key])


def test_a_checkpoint_of_another_batch_size_is_not_gone_on_from(collect, monkeypatch, capsys):
    """Batches show in the last bits of a maximum."""
    interrupt_at(collect, monkeypatch, 2)
    capsys.readouterr()
    monkeypatch.setattr(
        sys, "argv", ["collect_gradients.py", *ARGUMENTS.replace("-b 32", "-b 16").split()]
    )
    collect_gradients.main()
    assert "is not used: its batch_size is 32, now 16" in capsys.readouterr().err


def test_an_image_that_cannot_be_scored_does_not_end_the_run(collect, monkeypatch):
    estimate = EstimateLipschitz.estimate

    def without_the_first(*args, image_id, **more):
        if image_id == 0:
            raise ImageError("image 0: g(x0) = 0")
        return estimate(*args, image_id=image_id, **more)

    with monkeypatch.context() as patch:
        patch.setattr(EstimateLipschitz, "estimate", without_the_first)
        with pytest.raises(RunError, match="1 of 2 images have no score"):
            collect("-n 2")
    lines = collect("-n 2")
    assert len(files(lines, "kept")) == len(files(lines, "saved")) == 3

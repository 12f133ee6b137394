"""The same command again: what is finished is kept, and what does not match is an error."""

import itertools
import re
import shutil
import signal

import numpy as np
import pytest
from scipy.io import loadmat, savemat

import setup_digits
from lipschitz.builtin import model_file
from lipschitz.network import Maxima
from lipschitz.results.checkpoint import Checkpoint, checkpoint_path
from lipschitz.sampling.run_files import RunFiles
from lipschitz.sampling.sampler import Sampler
from lipschitz.support.errors import ImageError, Interrupted
from lipschitz.tf_backend.network import TensorFlowNetwork
from lipschitz.tf_backend.runtime import keras
from tests.helpers import GOLDEN, lines, run_here

ARGUMENTS = "-d digits -m 2-layer -N 32 -b 32 -i 4"
MAXIMA = ("G2_max", "G1_max", "Gi_max", "non_finite")


@pytest.fixture
def again(workplace):
    """A function that runs the command once more in one folder."""

    def run(more="", code=0):
        options = [*ARGUMENTS.split(), *more.split()]
        done = run_here("collect_gradients.py", *options, cwd=workplace)
        assert done.returncode == code, done.stderr
        return done

    return run


def saved(done):
    """The files that a run wrote."""
    return [line.removeprefix("saved to ") for line in lines(done.stdout, "saved to ")]


def kept(done):
    """The files that a run found finished."""
    return [line.removeprefix("kept ") for line in lines(done.stdout, "kept ")]


def contents(workplace, done):
    """The files that a run wrote, by their paths."""
    return {workplace / path: loadmat(workplace / path) for path in saved(done)}


def check_same(whole):
    """The files are, to the bit, those that stood there."""
    for path, expected in whole.items():
        found = loadmat(path)
        for key in MAXIMA:
            np.testing.assert_array_equal(found[key], expected[key])


def train_again(workplace):
    """Other weights in the network's file, as another training would give."""
    path = workplace / "models" / "digits_2layer.keras"
    network = model_file.load(path, setup_digits.FAMILY.named("2-layer").build)
    network.set_weights([1.01 * weight for weight in network.get_weights()])
    model_file.save(network, path)


def test_finished_files_are_kept_and_the_rest_is_sampled(again):
    first = saved(again())
    assert len(first) == 3
    second = again("-n 2 --nthreads 2 -s ./lipschitz_mat")
    assert kept(second) == first
    assert len(saved(second)) == 3
    third = again("-n 2")
    assert kept(third) == first + saved(second)
    assert not saved(third)


@pytest.mark.slow
def test_a_target_that_is_sampled_later_is_the_same_to_the_bit(again, workplace):
    whole = contents(workplace, again())
    shutil.rmtree(workplace / "lipschitz_mat")
    again("--target_type 2")
    assert len(kept(again())) == 1
    check_same(whole)


def test_a_network_that_was_trained_again_is_an_error_unless_overwritten(again, workplace):
    (path, *_) = contents(workplace, again())
    before = loadmat(path)["G2_max"]
    train_again(workplace)
    assert re.search(r"it is of another network \(\w{12}, now \w{12}\).*--ov", again(code=2).stderr)
    np.testing.assert_array_equal(loadmat(path)["G2_max"], before)
    assert len(saved(again("--overwrite"))) == 3
    assert (loadmat(path)["G2_max"] != before).all()
    assert len(kept(again("--overwrite"))) == 3  # these are this network's


def test_another_image_under_the_same_number_is_an_error(again, monkeypatch):
    again()
    read = setup_digits._read

    def darker(places):
        images, labels = read(places)
        return np.float32(0.99) * images, labels

    monkeypatch.setattr(setup_digits, "_read", darker)
    assert "it is of another image" in again(code=2).stderr


def test_a_file_of_2018_counts_as_different(again, workplace):
    (path, *_) = saved(again("--target_type 4"))
    old = next((GOLDEN / "l2/mnist_2-layer").glob("*_least_*"))
    shutil.copy(old, workplace / path)
    said = again("--target_type 4", code=2).stderr
    assert "it does not say which network it is of, as files of 2018 do not" in said


def test_a_damaged_file_is_an_error_unless_overwritten(again, workplace):
    (path, *_) = saved(again("--target_type 4"))
    (workplace / path).write_bytes((workplace / path).read_bytes()[:500])
    said = again("--target_type 4", code=2).stderr
    assert re.search("it is not a whole MATLAB file.*--overwrite", said)
    assert saved(again("--target_type 4 --overwrite")) == [path]


def test_settings_that_the_file_was_not_sampled_with_are_named(again, workplace):
    """A file that was moved here from the folder of another seed, say."""
    (path,) = saved(again("--target_type 4 --seed 7"))
    (workplace / path).rename(workplace / path.replace("/seed7", ""))
    assert "its seed is 7, now 1215" in again("--target_type 4", code=2).stderr


def test_settings_of_a_file_that_nothing_can_read_are_an_error(again, workplace):
    ((path, found),) = contents(workplace, again("--target_type 4")).items()
    values = {k: v for k, v in found.items() if not k.startswith("__")}
    savemat(path, values | {"settings": "[" * 10**5})
    assert re.search(r"its settings cannot be read", again("--target_type 4", code=2).stderr)


def interrupt_at(again, monkeypatch, iteration):
    """Run the command until Ctrl-C comes in the middle of an image."""

    def interrupt(checkpoint):
        if len(checkpoint.iterations) == iteration:
            raise Interrupted(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write_if_due", interrupt)
        return again(code=130)


def test_an_interrupted_image_is_resumed_also_for_some_of_its_targets(
    again, workplace, monkeypatch
):
    whole = contents(workplace, again())
    for path in whole:
        path.unlink()
    assert "3 of 4 iterations are saved" in interrupt_at(again, monkeypatch, 3).stderr
    checkpoints = [checkpoint_path(path) for path in whole]
    assert all(path.exists() for path in checkpoints)

    sampled = []
    monkeypatch.setattr(Checkpoint, "write_if_due", lambda _: sampled.append(1))
    again("--target_type 2")
    assert len(sampled) == 1  # the fourth iteration
    assert [path.exists() for path in checkpoints].count(True) == 2
    again()
    assert len(sampled) == 2
    assert not any(path.exists() for path in checkpoints)
    check_same(whole)


@pytest.mark.slow
def test_a_checkpoint_of_another_batch_size_is_not_resumed_from(again, monkeypatch):
    """Batches show in the last bits of a maximum."""
    interrupt_at(again, monkeypatch, 2)
    assert "is not used: its batch_size is 32, now 16" in again("-b 16").stderr


def test_a_truncated_checkpoint_is_named_and_not_used(again, workplace, monkeypatch):
    whole = contents(workplace, again())
    for path in whole:
        path.unlink()
    interrupt_at(again, monkeypatch, 2)
    path = checkpoint_path(next(iter(whole)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    said = again().stderr
    assert f"{path.relative_to(workplace)} is not used: it is damaged" in said
    check_same(whole)


def test_an_image_that_cannot_be_scored_does_not_end_the_run(again, monkeypatch):
    at_image = Sampler.at_image

    def without_the_first(*args):
        if args[-1] == 0:
            raise ImageError("image 0: g(x0) = 0")
        return at_image(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Sampler, "at_image", without_the_first)
        done = again("-n 2", code=1)
    assert "image 0: g(x0) = 0" in done.stderr
    assert "3 of 6 targets have no score" in done.stderr
    assert kept(again("-n 2")) == saved(done)


@pytest.mark.slow
def test_another_network_of_the_same_weights_is_an_error(again, workplace):
    """One that gives probabilities, and whose warning led the user to give its logits."""
    path = workplace / "models" / "digits_2layer.keras"
    network = model_file.load(path, setup_digits.FAMILY.named("2-layer").build)
    softmaxes = [keras.layers.Softmax()(network.output) for _ in range(2)]
    soft = keras.Model(network.input, keras.layers.Average()(softmaxes))
    model_file.save(soft, path)
    assert "look like probabilities" in again().stderr
    model_file.save(network, path)
    assert "it is of another network, of the same weights" in again(code=2).stderr


def test_a_target_without_a_finite_sample_costs_no_other(again, monkeypatch):
    """As if the kernel had found none in the first target's second iteration."""
    gradient_maxima, calls = TensorFlowNetwork.gradient_maxima, itertools.count()

    def spoiled(network, batch, weights, slopes):
        found = gradient_maxima(network, batch, weights, slopes)
        if next(calls) == 1:
            found = Maxima(found.largest * [[0], [1], [1]], np.array([len(batch), 0, 0]))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(TensorFlowNetwork, "gradient_maxima", spoiled)
        done = again(code=1)
    assert "_least_relu_order1.mat is not saved: an iteration has no finite sample" in done.stderr
    assert "1 of 3 targets have no score" in done.stderr
    assert len(saved(done)) == 2
    assert kept(again()) == saved(done)


def test_a_signal_between_the_files_of_an_image_leaves_no_checkpoint_behind(
    again, workplace, monkeypatch
):
    whole = contents(workplace, again())
    for path in whole:
        path.unlink()
    save = RunFiles.save

    def save_and_be_interrupted(files, task, file, *rest):
        save(files, task, file, *rest)
        if file.number == 1:
            raise Interrupted(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunFiles, "save", save_and_be_interrupted)
        again(code=143)
    assert len(kept(again())) == 2
    assert not list(workplace.rglob("*.checkpoint"))
    check_same(whole)

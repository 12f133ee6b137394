"""The same command again: what is finished is kept, and what does not match is an error."""

import itertools
import re
import shutil
import signal

import numpy as np
import pytest
from scipy.io import loadmat, savemat

import collect_gradients
import estimate_gradient_norm
import setup_digits
from estimate_gradient_norm import EstimateLipschitz
from lipschitz.builtin import model_file
from lipschitz.results.checkpoint import checkpoint_path
from lipschitz.support.errors import ImageError, Interrupted
from lipschitz.tf_backend.runtime import keras
from tests.helpers import GOLDEN, lines

ARGUMENTS = "-d digits -m 2-layer -N 32 -b 32 -i 4"
MAXIMA = ("G2_max", "G1_max", "Gi_max", "non_finite")


@pytest.fixture
def again(workplace, run_here):
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


def check_same(whole):
    """The files are, to the bit, those that stood there."""
    for path, expected in whole.items():
        found = loadmat(path)
        for key in MAXIMA:
            np.testing.assert_array_equal(found[key], expected[key])


def train_again():
    """Other weights in the network's file, as another training would give."""
    path = model_file.find("digits_2layer")
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


def test_a_target_that_is_sampled_later_is_the_same_to_the_bit(again, workplace):
    whole = {path: loadmat(path) for path in saved(again())}
    shutil.rmtree(workplace / "lipschitz_mat")
    again("--target_type 2")
    assert len(kept(again())) == 1
    check_same(whole)


def test_a_network_that_was_trained_again_is_an_error_unless_overwritten(again):
    (path, *_) = saved(again())
    before = loadmat(path)["G2_max"]
    train_again()
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
    (path,) = saved(again("--target_type 4"))
    contents = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    savemat(path, contents | {"settings": "[" * 10**5})
    assert re.search(r"its settings cannot be read", again("--target_type 4", code=2).stderr)


def interrupt_at(again, monkeypatch, iteration):
    """Run the command until Ctrl-C comes in the middle of an image."""

    def keep(checkpoint):
        if len(checkpoint.done) == iteration:
            raise Interrupted(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(collect_gradients.Checkpoint, "keep", keep)
        return again(code=130)


def test_an_interrupted_image_is_gone_on_from_also_for_some_of_its_targets(
    again, workplace, monkeypatch
):
    whole = {path: loadmat(path) for path in saved(again())}
    for path in whole:
        (workplace / path).unlink()
    assert "3 of 4 iterations are kept" in interrupt_at(again, monkeypatch, 3).stderr
    checkpoints = [checkpoint_path(workplace / path) for path in whole]
    assert all(path.exists() for path in checkpoints)

    sampled = []
    monkeypatch.setattr(collect_gradients.Checkpoint, "keep", lambda _: sampled.append(1))
    again("--target_type 2")
    assert len(sampled) == 1  # the fourth iteration
    assert [path.exists() for path in checkpoints].count(True) == 2
    again()
    assert len(sampled) == 2
    assert not any(path.exists() for path in checkpoints)
    for path, expected in whole.items():
        for key in MAXIMA:
            np.testing.assert_array_equal(loadmat(path)[key], expected[key])


def test_a_checkpoint_of_another_batch_size_is_not_gone_on_from(again, monkeypatch):
    """Batches show in the last bits of a maximum."""
    interrupt_at(again, monkeypatch, 2)
    assert "is not used: its batch_size is 32, now 16" in again("-b 16").stderr


def test_an_image_that_cannot_be_scored_does_not_end_the_run(again, monkeypatch):
    estimate = EstimateLipschitz.estimate

    def without_the_first(*args, image_id, **more):
        if image_id == 0:
            raise ImageError("image 0: g(x0) = 0")
        return estimate(*args, image_id=image_id, **more)

    with monkeypatch.context() as patch:
        patch.setattr(EstimateLipschitz, "estimate", without_the_first)
        done = again("-n 2", code=1)
    assert "image 0: g(x0) = 0" in done.stderr
    assert "3 of 6 targets have no score" in done.stderr
    assert kept(again("-n 2")) == saved(done)


def test_another_network_of_the_same_weights_is_an_error(again, workplace):
    """One that ends in a softmax, and whose warning led the user to take it away."""
    path = workplace / "models" / "digits_2layer.keras"
    network = model_file.load(path, setup_digits.FAMILY.named("2-layer").build)
    soft = keras.Model(network.input, keras.layers.Softmax()(network.output))
    model_file.save(soft, path)
    assert "look like probabilities" in again().stderr
    model_file.save(network, path)
    assert "it is of another network, of the same weights" in again(code=2).stderr


def test_a_target_without_a_finite_sample_costs_no_other(again, monkeypatch):
    """As if the kernel had found none in the first target's second iteration."""
    gradient_maxima = estimate_gradient_norm.gradient_maxima

    def spoiled(predict, slopes):
        measure, calls = gradient_maxima(predict, slopes), itertools.count()

        def call(batch, weights):
            found = measure(batch, weights)
            if next(calls) == 1:
                found[0] = [0, 0, 0, len(batch)]
            return found

        return call

    with monkeypatch.context() as patch:
        patch.setattr(estimate_gradient_norm, "gradient_maxima", spoiled)
        done = again(code=1)
    assert "_least_relu_order1.mat is not saved: an iteration has no finite sample" in done.stderr
    assert "1 of 3 targets have no score" in done.stderr
    assert len(saved(done)) == 2
    assert kept(again()) == saved(done)


def test_a_signal_between_the_files_of_an_image_leaves_no_checkpoint_behind(
    again, workplace, monkeypatch
):
    whole = {path: loadmat(path) for path in saved(again())}
    for path in whole:
        (workplace / path).unlink()
    save = collect_gradients.save

    def save_and_be_interrupted(image, pair, *rest):
        save(image, pair, *rest)
        if pair.number == 1:
            raise Interrupted(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(collect_gradients, "save", save_and_be_interrupted)
        again(code=143)
    assert len(kept(again())) == 2
    assert not list(workplace.rglob("*.checkpoint"))
    check_same(whole)

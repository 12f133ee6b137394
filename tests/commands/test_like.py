"""collect_gradients.py --like: the images and targets of an earlier run, for another network."""

import re
import sys

import numpy as np
import pytest

import collect_gradients
import setup_digits
from lipschitz.results import scoring
from lipschitz.results.comparison import compare
from lipschitz.results.scored import Scoring, scored
from tests.helpers import lines, run_here

SIZES = "-i", 5, "-N", 32, "-b", 32, "--nthreads", 1, "--attack", 0
TWO_LAYER, MLP = ("-d", "digits", "-m", "2-layer"), ("-d", "digits", "-m", "2,20,relu")
OF_TWO_LAYER, OF_MLP = "lipschitz_mat/digits_2-layer", "lipschitz_mat/digits_2,20,relu"


def collect(here, *arguments):
    return run_here("collect_gradients.py", *arguments, *SIZES, cwd=here)


@pytest.fixture(scope="module")
def two_networks(digits_folder):
    """A folder with two networks of the digits, and a run of the first."""
    trained = run_here("train_nlayer.py", "--model", "digits", 20, "--epochs", 3, cwd=digits_folder)
    assert trained.returncode == 0, trained.stderr
    done = collect(digits_folder, *TWO_LAYER, "-n", 12, "--seed", 1215)
    assert done.returncode == 0, done.stderr
    return digits_folder


def scores(folder):
    records = scoring.load(scoring.find_files([folder])).records
    return scored(records, how=Scoring(method="maxsamp"))


def pairs(folder):
    """The images, targets and kinds of a run."""
    return {
        (each.name.image_id, each.name.target_label, each.name.info)
        for each in scoring.load(scoring.find_files([folder])).records
    }


def test_every_pair_is_found_in_both(two_networks):
    done = collect(two_networks, *MLP, "--like", OF_TWO_LAYER)
    assert done.returncode == 0, done.stderr
    first, second = (scores(two_networks / folder) for folder in (OF_TWO_LAYER, OF_MLP))
    found = compare(first, second)
    right = set(map(int, re.findall(r"true_id = (\d+), .*correct = True", done.stdout)))
    assert second.images == right
    assert found.only_second == 0
    assert found.only_first == 3 * len(first.images - right)  # which the MLP gets wrong
    assert {each.pairs for each in found.comparisons} == {len(right)}
    assert found.other_images == 0
    (warning,) = found.warnings
    assert warning.startswith("least and top2 targets are chosen by the logits of one network")


def test_a_part_of_the_images_is_taken(two_networks, tmp_path):
    options = "--like", OF_TWO_LAYER, "-s", tmp_path, "-f", 2, "-n", 3
    done = collect(two_networks, *MLP, *options)
    assert done.returncode == 0, done.stderr
    ids = sorted(scores(two_networks / OF_TWO_LAYER).images)
    taken = [int(each) for each in re.findall(r"true_id = (\d+)", done.stdout)]
    assert taken == ids[2:5]
    (said,) = lines(done.stdout, "--like")
    assert said == f"--like {OF_TWO_LAYER}: 3 of {len(ids)} images taken, with 9 targets"


def test_targets_of_an_untargeted_run_are_every_class_again(two_networks, tmp_path):
    first = collect(two_networks, *TWO_LAYER, "-n", 1, "--target_type", 16, "-s", tmp_path / "one")
    assert first.returncode == 0, first.stderr
    then = collect(two_networks, *MLP, "--like", tmp_path / "one", "-s", tmp_path / "two")
    assert then.returncode == 0, then.stderr
    assert pairs(tmp_path / "one") == pairs(tmp_path / "two")
    assert {info for _, _, info in pairs(tmp_path / "two")} == {f"class{n}" for n in range(1, 10)}


def test_another_data_set_is_refused(two_networks, tmp_path):
    digits = setup_digits.load()
    other = tmp_path / "other.npz"
    np.savez(other, x=digits.test_data[::-1], y=digits.test_labels[::-1])
    options = "-m", "models/digits_2layer.keras", "--input_range", -0.5, 0.5
    done = collect(two_networks, "-d", other, *options, "--like", OF_TWO_LAYER)
    assert done.returncode == 2
    assert re.search(r"--like \S+: image 0 is of class 0 there, and of class \d here", done.stderr)


def test_an_image_that_the_data_set_lacks_is_refused(two_networks, tmp_path):
    digits = setup_digits.load()
    np.savez(tmp_path / "few.npz", x=digits.test_data[:5], y=digits.test_labels[:5])
    options = "-m", "models/digits_2layer.keras", "--input_range", -0.5, 0.5
    done = collect(two_networks, "-d", tmp_path / "few.npz", *options, "--like", OF_TWO_LAYER)
    assert done.returncode == 2
    assert re.search(r"--like \S+: no image \d+, there are 5 images", done.stderr)


def test_images_without_labels_keep_the_classes_of_the_earlier_run(two_networks, tmp_path):
    """They are those that the earlier network predicts; what another takes otherwise is left."""
    np.save(tmp_path / "unlabelled.npy", setup_digits.load().test_data[:40])
    images = "-d", tmp_path / "unlabelled.npy", "--input_range", -0.5, 0.5
    model, mlp = "models/digits_2layer.keras", "models/digits_mlp_2layer_relu_20.keras"
    one, two = tmp_path / "one", tmp_path / "two"
    first = collect(two_networks, "-m", model, *images, "-n", 40, "--target_type", 1, "-s", one)
    assert first.returncode == 0, first.stderr
    then = collect(two_networks, "-m", mlp, *images, "--like", one, "-s", two)
    assert then.returncode == 0, then.stderr
    skipped = set(map(int, re.findall(r"image (\d+) is taken as another class", then.stderr)))
    assert skipped
    assert pairs(two) == {pair for pair in pairs(one) if pair[0] not in skipped}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--like here --ids ids.txt", "--like names the images and their targets: leave --ids out"),
        ("--like here --target_type 1", "leave --target_type out"),
        ("--like nowhere", "--like: nowhere does not exist"),
        (f"--like {OF_TWO_LAYER} -f 99", r"--firstimg 99: .* has \d+ images"),
    ],
)
def test_what_cannot_work_is_refused_before_the_network_is_read(two_networks, arguments, said):
    done = run_here("collect_gradients.py", *MLP, *arguments.split(), cwd=two_networks)
    assert done.returncode == 2
    assert re.search(said, done.stderr)


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ("--l x -d my.npz -m my.keras", "label", "x"),
        ("--li folder", "like", "folder"),
        ("--like folder -n 3", "numimg", 3),
        ("--like folder", "numimg", None),
        ("", "numimg", 1),
        ("", "target_type", 15),
    ],
)
def test_options_that_are_left_out_or_abbreviated(monkeypatch, arguments, name, value):
    monkeypatch.setattr(sys, "argv", ["collect_gradients.py", *arguments.split()])
    assert getattr(collect_gradients.parse(), name) == value

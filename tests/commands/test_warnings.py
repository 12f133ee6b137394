"""What makes scores worth less is said before sampling, and again wherever they are printed."""

import argparse
import json
import random
import re
import shutil

import numpy as np
import pytest
from scipy.io import loadmat, savemat

import collect_gradients
import setup_digits
from lipschitz.data.targets import choose
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.runtime import keras
from tests.helpers import GOLDEN, lines, run_here

NORMAL = GOLDEN / "l2/mnist_normal"
NETWORK = {"network": "aaaabbbbcccc0000-1111222233334444", "seed": 1215, "logit": 9.5}


@pytest.fixture
def folder(tmp_path):
    """Six files of 2018, of two images, in a folder of its own."""
    shutil.copytree(NORMAL, tmp_path / "mnist_normal")
    return tmp_path / "mnist_normal"


def add(paths, **variables):
    """Add variables to files, as sampling writes them."""
    for path in paths:
        contents = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
        savemat(path, contents | variables)


def clever(folder, *options):
    """Score a folder; the log is kept beside it for process_log.py."""
    done = run_here("clever.py", folder, *options, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    (folder.parent / "scores.log").write_text(done.stdout)
    return done.stdout


def tabulate(folder):
    return run_here("process_log.py", "scores.log", cwd=folder.parent).stdout


def test_two_networks_of_one_name_have_no_mean_in_common(folder):
    first, second = (sorted(folder.glob(f"1024_50_{image}_*")) for image in (0, 1))
    add(first, settings=json.dumps(NETWORK))
    add(second, settings=json.dumps(NETWORK | {"network": "ddddeeeeffff0000-1111222233334444"}))
    printed = clever(folder)
    assert [heading.split("network ")[1] for heading in lines(printed, "===")] == [
        "aaaabbbbcccc-111122223333 ===",
        "ddddeeeeffff-111122223333 ===",
    ]
    apart = [*lines(clever(first[0]), "[STATS][L0]"), *lines(clever(second[0]), "[STATS][L0]")]
    assert set(apart) < set(lines(printed, "[STATS][L0]"))
    clever(folder)
    rows = {re.search(r"model = (.*?),", text)[1] for text in lines(tabulate(folder), "[L0]")}
    assert rows == {
        "mnist normal network=aaaabbbbcccc-111122223333",
        "mnist normal network=ddddeeeeffff-111122223333",
    }


def test_scores_beyond_what_was_sampled_or_is_possible_are_marked_and_counted(folder):
    limits = {f"{kind}_L{p}": 1e9 for kind in ("farthest", "sampled") for p in "12i"}
    add(folder.glob("*"), **limits | {"sampled_L1": 3.0, "farthest_L2": 1.5, "sampled_L2": 1.5})
    printed = clever(folder).splitlines()
    counted = [text for text in printed if text.startswith("warning: ") and "grow" not in text]
    fits = lines("\n".join(printed), "[DEBUG]")
    above_1, above_2 = (
        sum(float(re.search(r"bnd = (\S+),", text)[1]) > limit for text in fits if found in text)
        for found, limit in (("bnd_norm = 1,", 3.0), ("bnd_norm = 2,", 1.5))
    )
    assert above_1 == len(lines("\n".join(printed), "bnd_norm 1: outside: sampled up to the dist"))
    impossible = "bnd_norm 2: impossible: no valid input is farther than 1.5"
    assert printed.count(impossible) == above_2 > 0
    assert counted == [
        f"warning: {above_1 + above_2} of 18 scores are larger than the distances that were "
        "sampled",
        f"warning: {above_2} of 18 scores are impossible: no valid input is so far away",
    ]
    assert printed[-1].startswith("[STATS][L0]")  # these lines stay the last


def test_what_is_said_against_scores_is_counted_in_tables_too(folder):
    limits = {f"{kind}_L{p}": 1e9 for kind in ("farthest", "sampled") for p in "12i"}
    add(folder.glob("*_least_*"), **limits | {"sampled_L1": 0.1, "farthest_L2": 0.1})
    clever(folder)
    printed = [
        text.partition("info = least, bnd_norm = ") for text in lines(tabulate(folder), "[L0]")
    ]
    assert {after for _, least, after in printed if least} == {
        "1, outside = 2",
        "2, impossible = 2",
        "i",
    }


def test_an_image_and_target_that_are_there_twice_count_once(folder):
    before = lines(clever(folder), "[STATS][L0]")
    file = next(folder.glob("*_0_7_6_least_*"))
    shutil.copy(file, folder / "1024_50_0_7_6_least.mat")  # an older name of the same
    shutil.copy(file, folder / "1024_50_9_7_6_least_relu_order1.mat")  # a wrong name
    done = run_here("clever.py", folder, cwd=folder.parent)
    assert lines(done.stdout, "[STATS][L0]") == before
    assert len(lines(done.stdout, "warning: left out")) == 2
    assert "order1.mat: its name tells something else than its contents, which count" in done.stderr


def test_files_of_2018_of_different_balls_are_scored_apart(tmp_path):
    both = tmp_path / "mnist_2-layer"
    both.mkdir()
    for ball, image in (("l1", "0_7"), ("li", "1_2")):
        for path in (GOLDEN / ball / "mnist_2-layer").glob(f"*_{image}_*"):
            shutil.copy(path, both)
    headings = lines(clever(both), "===")
    assert [heading.rpartition(", ")[2] for heading in headings] == [
        "sample_norm l1 ===",
        "sample_norm li ===",
    ]


def test_a_name_of_other_targets_is_no_name_for_the_users(folder):
    done = run_here("clever.py", folder, "--user_type", "least", cwd=folder.parent)
    assert done.returncode == 2
    assert "--user_type least: there are other targets of this kind" in done.stderr


def test_files_in_the_current_folder_are_printed_with_it(folder):
    done = run_here("clever.py", ".", cwd=folder)
    assert lines(done.stdout, "[Filename]")[0].startswith(f"[Filename] {folder}/1024_50_0_7_")


def test_a_log_that_ends_early_is_named(folder):
    add(folder.glob("*"), settings=json.dumps(NETWORK))
    whole = clever(folder)
    assert "ends before its summary" not in tabulate(folder)
    log = folder.parent / "scores.log"
    log.write_text("".join(whole.splitlines(keepends=True)[:20]))
    assert "warning: scores.log ends before its summary: scores may be" in tabulate(folder)


def test_a_log_in_utf_16_is_read(folder):
    clever(folder)
    plain, log = tabulate(folder), folder.parent / "scores.log"
    log.write_text(log.read_text(), encoding="utf-16")
    assert tabulate(folder) == plain


def test_the_summary_says_of_how_many_images_it_is(folder):
    assert "scored: 2 images" in clever(folder)  # files of 2018 do not tell more
    add(folder.glob("*"), wrong_images=np.arange(2, 10))
    assert "scored: 2 of 10 images; 8 are classified wrongly" in clever(folder)
    assert "scored: 1 of 10 images; 8 are" in clever(folder, "--num_images", 3)
    add(folder.glob("*"), wrong_images=np.arange(2, 200))
    printed = clever(folder)
    assert "scored: 2 of 200 images; 198 are classified wrongly" in printed
    assert "warning: 2 of 200 images are classified correctly, no more than guessing" in printed


def test_fits_of_few_maxima_are_warned_of(folder):
    few = "warning: 18 of 18 fits are of fewer than 20 maxima, too few for three parameters"
    assert few in clever(folder, "--num_samples", 3)
    assert "fewer than 20" not in clever(folder, "--num_samples", 20)
    assert "fewer than 20" not in clever(folder, "--num_samples", 3, "--method", "maxsamp")


def test_fits_that_are_replaced_are_counted(folder):
    printed = clever(folder, "--num_samples", 5)
    replaced = printed.count("scored by the maximum")
    assert replaced > 0
    assert f"warning: {replaced} of 18 fits are replaced by the largest maximum" in printed


@pytest.mark.parametrize("kind", ["probabilities", "sigmoids"])
def test_outputs_that_are_no_logits_are_named_beside_the_scores(folder, kind):
    add(folder.glob("*"), outputs=kind)
    warning = "the network's outputs "
    assert lines(clever(folder), f"warning (from sampling): {warning}")
    table = tabulate(folder)
    assert lines(table, f"warning: mnist normal: {warning}")
    assert all(text.endswith(f", outputs = {kind}") for text in lines(table, "[L0]"))


def test_older_files_tell_the_outputs_by_those_of_their_image(folder):
    add(folder.glob("*"), pred=np.float32([[0.9, 0.1, 0, 0, 0, 0, 0, 0, 0, 0]]))
    assert "the network's outputs look like probabilities" in clever(folder)


def test_doubts_of_the_sampling_run_are_repeated(folder):
    add(folder.glob("*_0_7_*"), doubts="the range is\nlabels look")
    printed = clever(folder)
    assert (
        "warning (from sampling): the range is\nwarning (from sampling): labels look\n" in printed
    )
    assert lines(tabulate(folder), "warning: mnist normal: the range is")


@pytest.fixture(scope="module")
def network():
    """An MLP for the digits in [0, 1], trained in seconds."""
    data = setup_digits.load()
    keras.utils.set_random_seed(1)
    layers = [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(32, "tanh")]
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss)
    model.fit(data.train_data + 0.5, data.train_labels, epochs=8, verbose=0)
    return model


def sample(tmp_path, model, *options):
    """Sample with the model in place of the 2-layer network."""
    (tmp_path / "models").mkdir(exist_ok=True)
    model.save(tmp_path / "models" / "digits_2layer.keras")
    arguments = ["-d", "digits", "-m", "2-layer", "-N", "32", "-b", "32", "-i", "3", *options]
    return run_here("collect_gradients.py", *arguments, cwd=tmp_path)


def scored(tmp_path):
    return run_here("clever.py", "lipschitz_mat", cwd=tmp_path).stdout


def test_a_network_of_another_range_is_told_the_layer_to_add(tmp_path, network):
    done = sample(tmp_path, network, "-n", "10")
    assert done.returncode == 0, done.stderr
    warning = re.search(r"warning: (the network is better on values in \[0, 1\]: .*)", done.stderr)
    assert "put keras.layers.Rescaling(1.0, offset=0.5) in front of its layers" in warning[1]
    assert warning[1] in scored(tmp_path)


@pytest.fixture(scope="module")
def mended(network):
    """The same network, with the layer that it lacks."""
    layers = [keras.layers.Rescaling(1.0, offset=0.5), *network.layers]
    return keras.Sequential([keras.Input((28, 28, 1)), *layers])


def test_with_that_layer_nothing_is_warned_of(tmp_path, mended):
    done = sample(tmp_path, mended)
    assert "warning" not in done.stderr
    right, number = re.search(r"classified correctly: (\d+) of (\d+)", done.stderr).groups()
    assert int(number) == 257
    assert int(right) > 0.9 * 257


def test_a_second_network_in_the_folder_is_warned_of_before_sampling(tmp_path, mended):
    assert sample(tmp_path, mended, "--target_type", "1", "-n", "3").returncode == 0
    model = keras.models.clone_model(mended)
    model.set_weights([1.01 * weight for weight in mended.get_weights()])
    done = sample(tmp_path, model, "--target_type", "1", "-f", "20", "-n", "3")
    assert re.search(
        r"warning: lipschitz_mat/digits_2-layer also holds \d files that do not go with this "
        r"run's. Of each: it is of another network \(\w{12}, now \w{12}\). "
        r"clever.py scores them apart; --save takes another folder",
        done.stderr,
    )
    assert len(lines(scored(tmp_path), "===")) == 2


def test_a_ball_that_is_larger_than_the_box_is_warned_of(tmp_path, mended):
    done = sample(tmp_path, mended, "--sample_norm", "li", "--radius", "8")  # 8 / 255 was meant
    warning = (
        "the radius 8 is larger than the range of valid inputs, where no two are farther apart "
    )
    assert f"warning: {warning}than 1 in this norm" in done.stderr
    assert f"warning (from sampling): {warning}" in scored(tmp_path)


def test_a_network_of_equal_logits_takes_an_image_for_no_class(tmp_path, mended):
    model = keras.models.clone_model(mended)
    model.set_weights([0 * weight for weight in mended.get_weights()])
    done = sample(tmp_path, model)
    assert done.returncode == 1
    assert "it takes image 0 (class 0) as no class (largest logits equal or not" in done.stderr


def test_a_network_without_a_gradient_is_told_where_it_ends(tmp_path, mended):
    images = keras.Input((28, 28, 1))
    done = sample(tmp_path, keras.Model(images, mended(keras.ops.round(16 * images) / 16)))
    assert done.returncode == 2
    (said,) = lines(done.stderr, "collect_gradients.py: ")
    assert re.search(
        r"the network has no gradient: none passes through \S*\bRound\S* \(Round\)$", said
    )


def test_two_classes_leave_none_for_a_random_target(capsys):
    """Besides the predicted one there is only the runner-up, which is the least likely one, too."""

    def chosen(target_type):
        logits, label = np.array([[2.0, 1.0]]), np.eye(2)[[0]]
        images = list(choose([0], logits, label, target_type, random.Random(1)))
        options = argparse.Namespace(target_type=target_type, ids="", like="")
        collect_gradients.check_targets(images, 2, options)
        return images[0].info

    with pytest.raises(InputError, match="--target_type 2: the network has 2 classes: besides"):
        chosen(2)
    assert chosen(7) == ["least", "top2"]
    assert "none is left for the random target" in capsys.readouterr().err
    assert chosen(1) == ["top2"]
    assert not capsys.readouterr().err

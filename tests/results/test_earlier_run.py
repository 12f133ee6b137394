"""The images and targets that an earlier run's files hold."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from lipschitz.results import earlier_run
from lipschitz.results.earlier_run import EarlierImage, EarlierRun
from lipschitz.support.errors import InputError
from tests.helpers import GOLDEN

NORMAL = GOLDEN / "l2/mnist_normal"  # image 0 of class 7 and image 1 of class 2


def one_hot(*labels, classes=10):
    return np.eye(classes)[list(labels)]


def test_images_and_targets_are_those_of_the_files():
    assert earlier_run.read(NORMAL) == EarlierRun(
        [
            EarlierImage(0, 7, [("least", 6), ("random", 8), ("top2", 9)]),
            EarlierImage(1, 2, [("least", 5), ("random", 6), ("top2", 1)]),
        ],
        num_labels=10,
    )


def test_experiments_with_other_targets_are_refused_by_name(tmp_path):
    shutil.copytree(NORMAL, tmp_path / "one")
    shutil.copytree(GOLDEN / "untargeted/mnist_2-layer", tmp_path / "two")
    with pytest.raises(InputError, match=r"2 experiments whose .*/one: N = .*/two: N = .*folder"):
        earlier_run.read(tmp_path)


def test_experiments_with_the_same_images_and_targets_are_one_run(tmp_path):
    shutil.copytree(NORMAL, tmp_path / "one")
    shutil.copytree(NORMAL, tmp_path / "two")
    assert earlier_run.read(tmp_path) == earlier_run.read(NORMAL)


def test_a_folder_without_files_that_can_be_read_is_refused(tmp_path, capsys):
    (tmp_path / "1024_50_0_7_6_least_relu_order1.mat").write_bytes(b"half")
    with pytest.raises(InputError, match=r"none of the files in .* can be read"):
        earlier_run.read(tmp_path)
    assert "skipped" in capsys.readouterr().err


def test_targets_are_the_same_for_a_network_of_as_many_classes():
    run = earlier_run.read(NORMAL)
    assert earlier_run.targets(run, one_hot(7, 2)) == [image.targets for image in run.images]


def test_another_label_is_another_data_set():
    run = earlier_run.read(NORMAL)
    with pytest.raises(InputError, match="image 1 is of class 2 there, and of class 3 here: it is"):
        earlier_run.targets(run, one_hot(7, 3))


def test_without_labels_an_image_that_is_taken_as_another_class_has_no_targets():
    run = earlier_run.read(NORMAL)
    first, second = earlier_run.targets(run, one_hot(7, 3), has_labels=False)
    assert (first, second) == (run.images[0].targets, [])


def test_a_target_that_the_network_lacks_is_refused():
    run = earlier_run.read(NORMAL)
    with pytest.raises(InputError, match="target 9 of image 0 is a class that this network lacks"):
        earlier_run.targets(run, one_hot(7, 2, classes=9))


def test_classes_of_imagenet_move_by_one_without_the_background():
    run = EarlierRun([EarlierImage(4, 8, [("top2", 1), ("least", 1000)])], 1001)
    labels = one_hot(7, classes=1000)
    assert earlier_run.targets(run, labels) == [[("top2", 0), ("least", 999)]]
    back = EarlierRun([EarlierImage(4, 7, [("top2", 0)])], 1000)
    assert earlier_run.targets(back, one_hot(8, classes=1001)) == [[("top2", 1)]]
    background = replace(run, images=[EarlierImage(4, 8, [("least", 0)])])
    with pytest.raises(InputError, match="target 0 of image 4 is a class that this network lacks"):
        earlier_run.targets(background, labels)

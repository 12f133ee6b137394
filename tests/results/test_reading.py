"""Many files, read by several processes: the same records and errors, in the same order."""

import json
import pickle
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from lipschitz.network import Box
from lipschitz.results import matfile, reading
from lipschitz.results.matfile import FormatError, NoSlopesError, Record
from tests.helpers import GOLDEN

TIMES = 15  # that each file is read: parts for several rounds of two processes


@pytest.fixture
def paths(attacked_folder):
    """Files with attacks and pictures, of second order, misnamed and damaged, many times."""
    shutil.copytree(GOLDEN / "order2/mnist_normal", attacked_folder, dirs_exist_ok=True)
    some = sorted(attacked_folder.iterdir())[0]
    shutil.copy(some, attacked_folder / "1024_50_77_7_6_least_relu_order1.mat")
    (attacked_folder / "1024_50_78_7_6_least_relu_order1.mat").write_bytes(b"half")
    (attacked_folder / "results.mat").touch()
    return sorted(attacked_folder.iterdir()) * TIMES


@pytest.fixture
def processes(monkeypatch):
    """The processes that were started."""
    started = []

    class Started(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Started)
    return started


def assert_same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        if isinstance(other, Record):
            assert replace(one, maxima={}) == replace(other, maxima={})
            for norm, maxima in other.maxima.items():
                np.testing.assert_array_equal(one.maxima[norm], maxima, strict=True)
        else:
            assert (type(one), str(one)) == (type(other), str(other))


@pytest.mark.parametrize("slope", [False, True])
def test_several_processes_find_what_one_finds_in_the_same_order(paths, slope):
    wanted = list(reading.one_by_one(paths, slope))
    kinds = {type(each) for each in wanted}
    assert kinds == ({NoSlopesError, FormatError} if slope else {Record, FormatError})
    assert_same(reading.by_processes(2, paths, slope), wanted)


def test_files_of_a_process_that_is_killed_are_read_all_the_same(paths, processes):
    found = reading.by_processes(2, paths)
    first = next(found)
    processes[0].kill()
    assert_same([first, *found], reading.one_by_one(paths))


def test_an_end_in_the_middle_leaves_no_process(paths, processes):
    found = reading.by_processes(2, paths)
    next(found)
    found.close()
    assert [each.poll() for each in processes] == [-9, -9]


def save_like_imagenet(folder, target):
    """A file as a run of the toolkit saves it, of 1,000 classes, with a picture."""
    settings = {"model_name": "two", "radius": 3.0, "box": "[0.0, 1.0]", "image": "a" * 64}
    x_0 = np.random.default_rng(0).random((224, 224, 3), np.float32)
    contents = {
        "id": 0,
        "true_label": 7,
        "target_label": target,
        "info": "random",
        "g_x0": 1.5,
        "pred": np.zeros(1000, np.float32),
        **dict.fromkeys(matfile.GRADIENT_KEYS.values(), np.arange(50.0)),
        matfile.SETTINGS_KEY: json.dumps(settings),
        matfile.WRONG_KEY: np.arange(10_000, dtype=np.int32),
        **matfile.description(x_0, Box(0.0, 1.0), "an image.png", "one", "another"),
    }
    path = folder / f"1024_50_0_7_{target}_random_relu_order1.mat"
    matfile.save(path, contents)
    return path


def test_a_record_holds_little_but_its_maxima_and_what_records_share(tmp_path):
    paths = [save_like_imagenet(tmp_path, target) for target in range(100)]
    for read in (reading.one_by_one(paths), reading.by_processes(2, paths)):
        first, *others = read
        assert all(each.wrong_images is first.wrong_images for each in others)
        own = [replace(each, maxima={}, wrong_images=None) for each in others]
        assert len(pickle.dumps(own)) / len(own) < 1000  # bytes


def test_settings_of_an_image_are_one_object(tmp_path):
    first, second = (matfile.load(save_like_imagenet(tmp_path, target)) for target in (1, 2))
    assert first.provenance is second.provenance

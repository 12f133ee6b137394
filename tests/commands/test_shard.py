"""collect_gradients.py --shard: processes that share a run give what the whole run gives."""

import re
from collections import Counter

import numpy as np
import pytest
from scipy.io import loadmat

from tests.helpers import lines, run_here

NETWORK = "-d", "digits", "-m", "2-layer"
SIZES = "-i", 2, "-N", 32, "-b", 32, "--nthreads", 1
IMAGES, SHARDS = 25, 10
OF_PROCESS = {"args", "path"}  # what a file tells of the command that wrote it
MAXIMA = {"G1_max", "G2_max", "Gi_max"}


def collect(here, *arguments):
    """What a process prints."""
    done = run_here("collect_gradients.py", *NETWORK, *SIZES, *arguments, cwd=here)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shards(here, folder, number, *arguments):
    """What each process of a run prints."""
    return [
        collect(here, *arguments, "-s", folder, "--shard", f"{part}/{number}")
        for part in range(1, number + 1)
    ]


def contents(folder, only=None):
    """The bytes of a folder's arrays, or of those with these names only, file by file."""
    return {
        path.name: {
            key: np.asarray(value).tobytes()
            for key, value in loadmat(path).items()
            if not key.startswith("__") and key not in OF_PROCESS and key in (only or {key})
        }
        for path in folder.rglob("*.mat")
    }


def places(output):
    """The places of the images that a process takes, in the whole run."""
    return [int(re.search(r"no = (\d+)", each)[1]) for each in lines(output, "[DATAGEN]")]


def test_ten_shards_are_the_whole_run(workplace):
    whole = collect(workplace, "-n", IMAGES, "--attack", 0, "-s", "whole")
    outputs = shards(workplace, "shared", SHARDS, "-n", IMAGES, "--attack", 0)
    assert contents(workplace / "shared") == contents(workplace / "whole")

    assert [places(each) for each in outputs] == [
        list(range(part, IMAGES + 1, SHARDS)) for part in range(1, SHARDS + 1)
    ]
    for start in "[DATAGEN]", "top-1 accuracy":
        printed = {each for output in outputs for each in lines(output, start)}
        assert printed == set(lines(whole, start))
    assert sum("'random'" in each for each in lines(whole, "[DATAGEN]")) > IMAGES / 2

    saved = Counter(each for output in outputs for each in lines(output, "saved to "))
    assert set(saved.values()) == {1}
    assert len(saved) == len(lines(whole, "saved to "))


def test_shards_attack_as_the_whole_run_does(workplace):
    shards(workplace, "shared", 2, "-n", 4)
    collect(workplace, "-n", 4, "-s", "whole")
    assert contents(workplace / "shared") == contents(workplace / "whole")


def test_files_are_kept_whoever_made_them(workplace):
    first, second = shards(workplace, "shared", 2, "-n", 3, "--attack", 0)
    again = collect(workplace, "-n", 3, "--attack", 0, "-s", "shared", "--shard", "1/2")
    assert len(lines(again, "kept ")) == len(lines(first, "saved to ")) == 6
    assert not lines(again, "saved to ")

    whole = collect(workplace, "-n", 4, "--attack", 0, "-s", "shared")
    assert len(lines(whole, "kept ")) == 6 + len(lines(second, "saved to "))
    assert len(lines(whole, "saved to ")) == 3


def test_a_shard_without_an_image_samples_nothing(workplace):
    assert not places(collect(workplace, "-n", 2, "--shard", "3/3"))
    assert not list(workplace.rglob("*.mat"))


def test_shards_of_a_file_of_ids_share_its_images(workplace):
    ids = workplace / "ids.csv"
    ids.write_text("id,target\n7,1\n3,2\n3,5\n20,0\n11,8\n4,9\n")
    options = "--ids", ids, "-n", 6, "--target_type", 10, "--attack", 0
    outputs = shards(workplace, "shared", 2, *options)
    collect(workplace, *options, "-s", "whole")
    assert contents(workplace / "shared") == contents(workplace / "whole")
    ids_of = [re.findall(r"true_id = (\d+)", output) for output in outputs]
    assert ids_of == [["7", "20", "4"], ["3", "11"]]


def test_shards_of_an_earlier_run_and_from_a_first_image_on(workplace):
    options = "-f", 2, "-n", 3, "--attack", 0
    shards(workplace, "shared", 2, *options)
    collect(workplace, *options, "-s", "whole")
    assert contents(workplace / "shared") == contents(workplace / "whole")

    like = "--like", "whole/digits_2-layer", "--attack", 0
    shards(workplace, "again", 2, *like)
    assert contents(workplace / "again", MAXIMA) == contents(workplace / "whole", MAXIMA)


@pytest.mark.parametrize("text", ["0/3", "4/3", "x", "3", "/3", "1.5/3", "1/0"])
def test_what_is_no_part_of_a_run_is_refused(tmp_path, text):
    done = run_here("collect_gradients.py", "--shard", text, cwd=tmp_path)
    assert done.returncode == 2
    assert f"argument --shard: {text}: give K/N with 1 <= K <= N, such as 3/10" in done.stderr

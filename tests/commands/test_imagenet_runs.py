"""collect_gradients.py on ImageNet: numbering, shuffle and random draws as in 2018."""

import random
import re

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from setup_imagenet import ENTRIES
from tests.helpers import lines, run_here
from tests.tf_backend.readers.test_frozen_graph import write_graph

COUNT = 6
SCALE = {"mobilenet_v1_025": 0.3, "vgg_16": 0.001}  # keeps tanh from its ends


def preprocessed(name, pixels):
    """What the network gets of a grey image of these pixels."""
    if name == "vgg_16":
        return pixels - np.array([123.68, 116.78, 103.94])
    return 2 * (pixels / 255 - 0.5)


def lay_out(folder, name):
    """A graph, and images of one colour each that are named by what it makes of them."""
    entry = ENTRIES[name]
    weights = np.random.default_rng(0).normal(size=(3, entry.classes)).astype(np.float32)
    write_graph(
        folder / "tmp" / "imagenet" / entry.model_filename,
        entry.input,
        entry.logit,
        entry.prob,
        entry.shape,
        entry.image_size,
        weights,
        SCALE[name],
    )
    (folder / "imgs").mkdir()
    for number in range(COUNT):
        colour = np.random.default_rng(number).integers(0, 256, 3)
        logits = np.tanh(SCALE[name] * (preprocessed(name, colour) @ weights))
        CLASS = logits.argmax() + (entry.classes == 1000)
        size = (entry.image_size, entry.image_size + 9)
        image = Image.new("RGB", size, tuple(map(int, colour)))
        image.save(folder / "imgs" / f"{CLASS}.{number:08}.png")


@pytest.mark.parametrize("name", SCALE)
def test_images_and_targets_are_those_of_2018(tmp_path, name):
    lay_out(tmp_path, name)
    arguments = ["-d", "imagenet", "-m", name, "-N", 2, "-b", 2, "-i", 2, "-n", 3]
    where = {"cwd": tmp_path, "CLEVER_IMAGENET": str(tmp_path / "imgs")}
    done = run_here("collect_gradients.py", *arguments, **where)
    assert done.returncode == 0, done.stderr
    lacks_background = ENTRIES[name].classes == 1000
    K, first = ENTRIES[name].classes, 0 if lacks_background else 1
    chosen = lines(done.stdout, "[DATAGEN]")

    random.seed(1215)
    files = sorted(path.name for path in (tmp_path / "imgs").iterdir())
    random.shuffle(files)
    for text, file in zip(chosen, files[:3], strict=True):
        CLASS = int(file.split(".")[0])
        assert f"true_label = {CLASS}, predicted = {CLASS}, correct = True" in text
        least, top2, drawn = map(int, re.search(r"seq = \[(.*?)\]", text)[1].split(", "))
        while (label := random.randint(first, first + K - 1)) in (
            CLASS - lacks_background,
            least,
            top2,
            K,
        ):
            pass
        assert drawn == label
    for path in (tmp_path / "lipschitz_mat" / f"imagenet_{name}").glob("*_random_*"):
        contents = loadmat(path, squeeze_me=True)
        pred, true = contents["pred"], int(contents["true_label"])
        assert pred.argmax() == true  # counted from 0 if there is no background
        assert float(contents["g_x0"]) == pytest.approx(
            float(pred[true] - pred[int(contents["target_label"])]), rel=1e-5
        )
    scored = run_here("clever.py", "lipschitz_mat", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr


@pytest.mark.parametrize("content", [None, b"no image"])
def test_a_folder_without_photographs_is_one_line(tmp_path, content):
    lay_out(tmp_path, "mobilenet_v1_025")
    for path in (tmp_path / "imgs").iterdir():
        path.unlink()
    if content:
        (tmp_path / "imgs" / "1.00000001.jpg").write_bytes(content)
    arguments = ["-d", "imagenet", "-m", "mobilenet_v1_025"]
    where = {"cwd": tmp_path, "CLEVER_IMAGENET": str(tmp_path / "imgs")}
    done = run_here("collect_gradients.py", *arguments, **where)
    assert done.returncode == 2
    assert "imgs has no readable photograph named CLASS.NUMBER.jpg" in done.stderr
    assert len(done.stderr.splitlines()) == 1

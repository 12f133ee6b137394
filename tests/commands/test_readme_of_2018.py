"""Every command line of the 2018 README, word for word, and what it promises there.

Options that are added at the end make a run shorter or name a folder; run.sh is run with smaller
numbers as well. The images are UCI digits in the form of MNIST's and CIFAR-10's files; that these
are downloaded if they are missing is shown in test_setup_mnist.py and test_setup_cifar.py.

These lines are not run, for they are not the toolkit's:
- `apt-get`, `pip`, `git clone` and `cd`: the set-up, which pyproject.toml and the Makefile replace.
- `mkdir imagenetdata`, `wget` and `tar`: they fetch photographs, which a test makes in that place.
- `rm -f /dev/shm/*...`: they could remove what others use; a test shows that nothing is left there.
- `systemctl restart systemd-logind.service`: it changes the machine, and nothing needs it now.
"""

import gzip
import io
import os
import re
import shlex
import subprocess
import sys
import tarfile
from collections import defaultdict
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

import setup_cifar
import setup_digits
import setup_imagenet
import setup_mnist
from tests.helpers import LONG, ROOT, lines, run_here, shared_memory_of
from tests.tf_backend.readers.test_frozen_graph import write_graph

MNIST, CIFAR = "data", "cifar-10-batches-bin"  # folders
WRONG = 3  # the test image that has a wrong label
NUMBER = 10  # of --numimg
KINDS = ("least", "random", "top2")
SHORT = "-N 32 -b 32 -i 3"
COLOUR = np.array([0.6, -0.2, -0.6])  # of a photograph, as networks that take [-1, 1] get it

# The files that the lines read ------------------------------------------------


def again_and_again(images, labels, count):
    """`count` images as bytes (count, 28, 28), and their labels."""
    pixels = np.rint(255 * (images[..., 0] + 0.5)).astype(np.uint8)
    classes = labels.argmax(axis=1).astype(np.uint8)
    return np.resize(pixels, (count, *pixels.shape[1:])), np.resize(classes, count)


def training_images(count):
    data = setup_digits.load()
    return again_and_again(data.train_data, data.train_labels, count)


def images_to_score(count):
    """One of them has a wrong label."""
    data = setup_digits.load()
    pixels, labels = again_and_again(data.test_data, data.test_labels, count)
    labels[WRONG] = (labels[WRONG] + 1) % 10
    return pixels, labels


def write_mnist(folder, part, images):
    """Compressed idx files: 0, 0, 8 for bytes, the number of dimensions, their sizes, the bytes."""
    for kind, array in zip(("images-idx3", "labels-idx1"), images, strict=True):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        packed = gzip.compress(header + array.tobytes(), compresslevel=1)
        (folder / f"{part}-{kind}-ubyte.gz").write_bytes(packed)


def write_cifar(folder, name, images):
    """Records of a label and three planes: the digits in a black frame."""
    pixels, labels = images
    plane = np.pad(pixels, ((0, 0), (2, 2), (2, 2))).reshape(len(pixels), -1)
    (folder / name).write_bytes(np.c_[labels, plane, plane, plane].tobytes())


def fitted(model, data):
    """The model with its first weights, and a last layer that fits 600 labels by least squares."""
    images, labels = data.train_data[:600], data.train_labels[:600]
    if model.input_shape[1:] == (32, 32, 3):
        framed = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-0.5)
        images = np.repeat(framed, 3, axis=-1)
    last = model.layers[-1]
    features = keras.Model(model.input, last.input).predict(images, verbose=0)
    features = np.c_[features, np.ones(len(features))]
    *weights, bias = np.linalg.lstsq(features, labels, rcond=0.01)[0]
    last.set_weights([np.array(weights), bias])
    return model


def write_networks(folder):
    folder.mkdir()
    keras.utils.set_random_seed(0)
    mnist, cifar = setup_mnist.FAMILY, setup_cifar.FAMILY
    architectures = {
        "mnist": mnist.named("normal"),
        "mnist_2layer": mnist.named("2-layer"),
        # 2,000,000 samples of second order: hours with the usual CNN, minutes with four units
        "mnist_cnn_7layer_tanh": mnist.mlp([4], "tanh"),
        "cifar": cifar.cnn("relu", (8, 8, 16, 16, 256, 256)),  # the usual one is slow
    }
    data = setup_digits.load()
    for name, architecture in architectures.items():
        fitted(architecture.build(), data).save(folder / f"{name}.keras")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of networks, and of images to score."""
    folder = tmp_path_factory.mktemp("files")
    for name in (MNIST, CIFAR):
        (folder / name).mkdir()
    write_mnist(folder / MNIST, "t10k", images_to_score(10000))
    write_cifar(folder / CIFAR, "test_batch.bin", images_to_score(10000))
    write_networks(folder / "models")
    return folder


@pytest.fixture(scope="module")
def training_files(files):
    """The images to train on, in that folder; CIFAR's five batches are the same."""
    write_mnist(files / MNIST, "train", training_images(60000))
    first, *others = [files / CIFAR / f"data_batch_{number}.bin" for number in range(1, 6)]
    write_cifar(files / CIFAR, first.name, training_images(10000))
    for batch in others:
        batch.hardlink_to(first)


@pytest.fixture
def clone(files, tmp_path, monkeypatch):
    """A folder where the lines find the images, but no network; photographs belong beside it."""
    for variable in ("CLEVER_DATA", "CLEVER_IMAGENET"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "CLEVER"
    folder.mkdir()
    (folder / "run.sh").symlink_to(ROOT / "run.sh")
    for name in (MNIST, CIFAR):
        (folder / name).symlink_to(files / name)
    return folder


@pytest.fixture
def trained(clone, files):
    """Such a folder with the networks."""
    (clone / "models").symlink_to(files / "models")
    return clone


# What they print and save -----------------------------------------------------


def run_line(line, at_the_end="", *, cwd):
    """Run a line of the README with more options."""
    python3, script, *arguments = shlex.split(f"{line} {at_the_end}")
    assert python3 == "python3"
    return run_here(script, *arguments, cwd=cwd)


def printed(line, at_the_end="", *, cwd):
    """What such a line prints, which succeeds."""
    done = run_line(line, at_the_end, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def saved(folder):
    """(image, true class, kind of target) of each file."""
    fields = [path.stem.split("_") for path in folder.glob("*.mat")]
    return sorted((int(image), int(true), kind) for _, _, image, true, _, kind, *_ in fields)


def right(output):
    """The images that the network classifies correctly, with their classes."""
    found = re.findall(r"true_id = (\d+), true_label = (\d+), .* correct = True", output)
    return [(int(image), int(label)) for image, label in found]


def fits(output):
    """(image, kind of target, norm, score) of each fit."""
    pattern = r"id = (\d+), .* info = (\w+), .* bnd_norm = (\w), bnd = ([^,]+),"
    found = [re.search(pattern, line).groups() for line in lines(output, "[DEBUG][L1]")]
    return [(image, kind, norm, float(score)) for image, kind, norm, score in found]


def summary(output):
    """The scores of the last lines, by kind of target and norm."""
    found = re.findall(r"(\w+)_clever_L(\w) = ([^,\s]+)", "\n".join(lines(output, "[STATS][L0]")))
    return {(kind, norm): float(score) for kind, norm, score in found}


def means(scores):
    """The mean of the scores of each kind of target and norm."""
    together = defaultdict(list)
    for *_, kind, norm, score in scores:
        together[kind, norm].append(score)
    return {key: np.mean(values) for key, values in together.items()}


# The lines --------------------------------------------------------------------

TRAIN_MODELS = "python3 train_models.py"
TRAIN_2LAYER = "python3 train_2layer.py"
TRAIN_TANH = {
    "mnist": "python3 train_nlayer.py --model mnist --modeltype cnn --activation tanh "
    "32 32 64 64 200 200",
    "cifar": "python3 train_nlayer.py --model cifar --modeltype cnn --activation tanh "
    "64 64 128 128 256 256",
}
TRAINED = {
    TRAIN_MODELS: [
        f"{dataset}{name}"
        for dataset in ("cifar", "mnist")
        for name in ("", "-distilled-100", "_brelu")
    ],
    TRAIN_2LAYER: ["mnist_2layer", "cifar_2layer"],
    TRAIN_TANH["mnist"]: ["mnist_cnn_7layer_tanh"],
    TRAIN_TANH["cifar"]: ["cifar_cnn_7layer_tanh"],
}


@pytest.mark.slow
@pytest.mark.parametrize("line", TRAINED)
def test_training_saves_networks_that_learned_something(clone, training_files, line):
    output = printed(line, "--epochs 1", cwd=clone)
    for name in TRAINED[line]:
        assert (clone / "models" / f"{name}.keras").is_file()
        (accuracy,) = re.findall(rf"saved models/{name}.keras: ([\d.]+)%", output)
        assert float(accuracy) > 20  # one of ten classes is right by chance


@pytest.mark.parametrize("line", [TRAIN_MODELS, TRAIN_2LAYER])
def test_training_again_keeps_what_is_there(clone, line):
    (clone / "models").mkdir()
    for name in TRAINED[line]:
        (clone / "models" / f"{name}.keras").touch()
    assert printed(line, cwd=clone).splitlines() == [
        f"kept models/{name}.keras (--overwrite trains it again)" for name in TRAINED[line]
    ]


@pytest.mark.parametrize("line", TRAIN_TANH.values())
def test_training_another_activation_again_is_refused(clone, line):
    """Also with these sizes: they are the usual ones, which the file's name does not repeat."""
    (name,) = TRAINED[line]
    (clone / "models").mkdir()
    (clone / "models" / f"{name}.keras").touch()
    done = run_line(line, cwd=clone)
    assert done.returncode == 2
    assert f"models/{name}.keras exists: --overwrite replaces it" in done.stderr


def test_mean_scores_of_ten_images(trained):
    """The least likely, a random and the top-2 class of each that is classified correctly."""
    output = printed("python3 collect_gradients.py --dataset mnist --numimg 10", SHORT, cwd=trained)
    assert len(lines(output, "[DATAGEN]")) == NUMBER
    correct = right(output)
    assert WRONG not in dict(correct)
    assert len(correct) >= NUMBER // 2
    assert saved(trained / "lipschitz_mat" / "mnist_normal") == [
        (image, label, kind) for image, label in correct for kind in KINDS
    ]

    output = printed("python3 clever.py lipschitz_mat/mnist_normal", cwd=trained)
    for line, kind in zip(output.splitlines()[-3:], KINDS, strict=True):
        assert line.startswith(f"[STATS][L0] info = {kind}, {kind}_clever_L1 = ")
    assert len(fits(output)) == 3 * 3 * len(correct)
    assert summary(output) == pytest.approx(means(fits(output)), rel=1e-3)
    assert min(summary(output).values()) > 0


@pytest.mark.parametrize("line", ["python3 collect_gradients.py -h", "python3 clever.py -h"])
def test_help(clone, line):
    _, script, _ = line.split()
    assert printed(line, cwd=clone).startswith(f"usage: {script} [-h]")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["defend_jpeg", "defend_reduce", "defend_png"])
def test_a_transformation_changes_scores_little(trained, name):
    line = "python3 collect_gradients.py --dataset cifar --numimg 10"
    scores = []
    for options, folder in (("", "plain"), (f" --transform {name}", "transformed")):
        printed(line + options, f"-N 8 -b 8 -i 4 --numimg 2 --save {folder}", cwd=trained)
        output = printed(f"python3 clever.py {folder} --method maxsamp", cwd=trained)
        scores.append(summary(output))
    plain, transformed = scores
    assert transformed == pytest.approx(plain, rel=0.2)
    assert transformed != plain


@pytest.mark.slow
@pytest.mark.parametrize("line", ["./run.sh mnist normal 1000 100 tanh 2 rand"])
def test_second_order_scores_in_one_line(trained, line):
    done = subprocess.run(
        line.split(),
        cwd=trained,
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=4 * LONG,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("Done logs/mnist/normal/mnist_normal_tanh_ord2_")
    (log,) = (trained / "logs").rglob("*.log")
    (score,) = lines(log.read_text(), "[STATS][L0] info = random, random_clever_L2 = ")
    assert score in done.stdout
    assert float(score.split()[-1]) > 0


@pytest.fixture
def archive(server, monkeypatch, tmp_path):
    """The frozen graphs on a server; that of resnet_v2_50 takes nearly all for class 139."""
    entry = setup_imagenet.ENTRIES["resnet_v2_50"]
    weights = np.random.default_rng(0).normal(0, 0.05, (3, 1001)).astype(np.float32)
    weights[:, 139] = COLOUR
    graph = tmp_path / "graph.pb"
    facts = entry.input, entry.logit, entry.prob, entry.shape, entry.image_size
    write_graph(graph, *facts, weights)
    entries = {
        name: replace(entry, url=f"{server}/graphs.tar.gz")
        for name, entry in setup_imagenet.ENTRIES.items()
    }
    monkeypatch.setattr(setup_imagenet, "ENTRIES", entries)
    with tarfile.open(tmp_path / "served" / "graphs.tar.gz", "w:gz") as packed:
        for each in entries.values():
            content = graph.read_bytes() if each.name == "resnet_v2_50" else b"another graph"
            member = tarfile.TarInfo(each.model_filename)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))


def write_photograph(path):
    """Noise around a colour."""
    noise = np.random.default_rng(1).normal(0, 9, (320, 400, 3))
    pixels = 255 * (COLOUR + 1) / 2 + noise
    path.parent.mkdir(parents=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def test_a_photograph(clone, archive):
    """From the download of the networks to the scores."""
    files = lines(printed("python3 setup_imagenet.py", cwd=clone), "tmp/imagenet/")
    assert len(files) == 18
    assert not [line for line in files if line.endswith("absent")]

    write_photograph(clone / "../imagenetdata/imgs/139.00029510.jpg")
    line = "python3 collect_gradients.py --dataset imagenet --model_name resnet_v2_50 -N 512 -i 100"
    printed(line, "-N 32 -i 2", cwd=clone)
    expected = [(0, 139, kind) for kind in KINDS]
    assert saved(clone / "lipschitz_mat" / "imagenet_resnet_v2_50") == expected
    output = printed("python3 clever.py lipschitz_mat/imagenet_resnet_v2_50/", cwd=clone)
    assert summary(output).keys() == {(kind, norm) for kind in KINDS for norm in "12i"}


def test_scores_without_a_target(trained):
    """Of each image the least score over all other classes, then the mean."""
    line = "python3 collect_gradients.py --data mnist --model_name 2-layer --target_type 16"
    output = printed(f"{line} --numimg 10", SHORT, cwd=trained)
    correct = right(output)
    assert len(saved(trained / "lipschitz_mat" / "mnist_2-layer")) == 9 * len(correct) > 0

    line = "python3 clever.py --untargeted ./lipschitz_mat/mnist_2-layer/"
    output = printed(line, cwd=trained)
    assert len(lines(output, "[STATS][L0] info = untargeted, ")) == 1
    least = {}
    for image, _, norm, score in fits(output):
        least[image, norm] = min(score, least.get((image, norm), np.inf))
    expected = means([("untargeted", norm, score) for (_, norm), score in least.items()])
    assert summary(output) == pytest.approx(expected, rel=1e-3)


def test_another_folder_is_filled_and_no_shared_memory_is_left_to_remove(trained):
    """Neither by today's names nor by those that the README removes."""
    line = "python3 collect_gradients.py --dataset mnist --numimg 10 --saved elsewhere"
    output = printed(line, "-N 8 -b 8 -i 1", cwd=trained)
    assert len(saved(trained / "elsewhere" / "mnist_normal")) == 3 * len(right(output)) > 0
    assert not (trained / "lipschitz_mat").exists()

    assert not shared_memory_of(os.getpid())
    names = ("all_inputs", "input_example", "randsphere", "scale")
    assert not {f"{os.getpid()}_{name}" for name in names} & set(os.listdir("/dev/shm"))

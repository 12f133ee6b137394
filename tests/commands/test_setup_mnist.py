"""MNIST's files: mirrors, checks and what is said when they fail."""

import gzip
import hashlib
import os
import shutil

import numpy as np
import pytest

import setup_mnist
from lipschitz.support.errors import InputError
from setup_mnist import IdxFile
from tests.helpers import run_here

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 4), dtype=np.uint8)
CONTENT = bytes([0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 4]) + PIXELS.tobytes()
FILE = IdxFile("tiny-idx3-ubyte.gz", PIXELS.shape, hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data folder, named by the environment."""
    monkeypatch.setenv("CLEVER_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def mirrors(server, tmp_path, monkeypatch):
    """Two mirrors on this machine, `bad` and `good`, as folders of files."""
    for name in ("bad", "good"):
        (tmp_path / "served" / name).mkdir()
    monkeypatch.setattr(setup_mnist, "MIRRORS", (f"{server}/bad/", f"{server}/good/"))
    return tmp_path / "served"


def compressed(content, level=9):
    """Without the time: a test's name holds this, and each process must give it the same."""
    return gzip.compress(content, level, mtime=0)


@pytest.mark.parametrize(
    "bad", [None, b"not found", compressed(CONTENT[:-1] + b"x"), compressed(CONTENT)[:40]]
)
def test_the_next_mirror_is_asked_when_one_fails(data, mirrors, bad):
    if bad is not None:
        (mirrors / "bad" / FILE.name).write_bytes(bad)
    (mirrors / "good" / FILE.name).write_bytes(compressed(CONTENT))
    np.testing.assert_array_equal(setup_mnist.read(FILE), PIXELS)
    assert os.listdir(data) == [FILE.name]


def test_without_a_mirror_the_four_files_and_the_folder_are_named(data, mirrors):
    with pytest.raises(InputError) as error:
        setup_mnist.read(FILE)
    assert all(file.name in str(error.value) for file in setup_mnist.FILES)
    assert str(data) in str(error.value)
    assert "CLEVER_DATA" in str(error.value)
    assert os.listdir(data) == []


def test_a_file_placed_by_hand_may_differ_but_it_is_said(data, capsys):
    other = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    (data / FILE.name).write_bytes(compressed(other))
    assert setup_mnist.read(FILE).shape == PIXELS.shape
    assert "not the published content" in capsys.readouterr().err


def test_the_same_content_compressed_otherwise_is_the_published_one(data, capsys):
    (data / FILE.name).write_bytes(compressed(CONTENT, level=1))
    setup_mnist.read(FILE)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"text", "cannot be unpacked"),
        (compressed(CONTENT)[:60], "cannot be unpacked"),
        (compressed(CONTENT[:-1]), "less than"),
        (compressed(CONTENT + b"x"), "more than"),
        (compressed(b"\1" + CONTENT[1:]), "header"),
        (compressed(bytes(10**7)), "header"),
    ],
)
def test_a_file_of_another_form_is_refused(data, content, reason):
    (data / FILE.name).write_bytes(content)
    with pytest.raises(InputError, match=reason) as error:
        setup_mnist.read(FILE)
    assert FILE.name in str(error.value)


def test_the_published_files_are_mnist(mnist_data, monkeypatch, capsys):
    monkeypatch.setenv("CLEVER_DATA", str(mnist_data))
    data = setup_mnist.load()
    assert data.train_data.shape == (55000, 28, 28, 1)
    assert data.validation_data.shape == (5000, 28, 28, 1)
    assert data.test_data.shape == (10000, 28, 28, 1)
    assert data.test_labels[:5].argmax(axis=1).tolist() == [7, 2, 1, 0, 4]
    assert data.validation_labels[:5].argmax(axis=1).tolist() == [5, 0, 4, 1, 9]
    assert (data.test_data.min(), data.test_data.max()) == (-0.5, 0.5)
    assert capsys.readouterr().err == ""


def test_the_command_checks_all_four(tmp_path, mnist_data):
    shutil.copytree(mnist_data, tmp_path / "data")
    done = run_here("setup_mnist.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4
    (tmp_path / "data" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"x")
    spoiled = run_here("setup_mnist.py", cwd=tmp_path)
    assert spoiled.returncode == 2
    assert "t10k-labels-idx1-ubyte.gz" in spoiled.stderr


def test_what_is_no_regular_file_is_refused(data):
    os.mkfifo(data / FILE.name)
    with pytest.raises(InputError, match="no regular file; remove it"):
        setup_mnist.read(FILE)


@pytest.mark.parametrize("folder", ["x" * 5000, "$(touch evil)", "a\nb", "/dev/null"])
def test_a_data_folder_that_cannot_be_is_answered_in_words(mirrors, monkeypatch, tmp_path, folder):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEVER_DATA", folder)
    with pytest.raises(InputError, match="could not be downloaded"):
        setup_mnist.read(FILE)
    assert not (tmp_path / "evil").exists()

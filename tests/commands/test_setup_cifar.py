"""CIFAR-10's batches: the archive, its checks, and what is said when they fail."""

import hashlib
import io
import os
import tarfile

import numpy as np
import pytest

import setup_cifar
from lipschitz.support.errors import InputError
from setup_cifar import BATCHES, FOLDER
from tests.helpers import SHARED, run, run_here

COUNT = 4  # images of a batch
RNG = np.random.default_rng(0)
CONTENT = {
    batch: np.c_[RNG.integers(0, 10, COUNT), RNG.integers(0, 256, (COUNT, 3072))]
    .astype(np.uint8)
    .tobytes()
    for batch in BATCHES
}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """An empty data folder, named by the environment; batches are of 4 images."""
    monkeypatch.setenv("CLEVER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(setup_cifar, "IMAGES_PER_BATCH", COUNT)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def by_hand(data):
    """The folder with all batches, placed by hand."""
    (data / FOLDER).mkdir()
    for batch, content in CONTENT.items():
        (data / FOLDER / batch).write_bytes(content)
    return data / FOLDER


@pytest.fixture
def archive(tmp_path, server, monkeypatch):
    """An archive of the batches on a mirror of this machine, behind one that has none."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        for batch, content in CONTENT.items():
            member = tarfile.TarInfo(f"{FOLDER}/{batch}")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    (tmp_path / "served" / "good").write_bytes(packed.getvalue())
    monkeypatch.setattr(setup_cifar, "MIRRORS", (f"{server}/bad", f"{server}/good"))
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    monkeypatch.setattr(setup_cifar, "ARCHIVE_SHA256", digest)
    return tmp_path / "served" / "good"


def test_records_are_a_label_and_three_planes(by_hand):
    data = setup_cifar.load()
    record = CONTENT["test_batch.bin"][3073 : 2 * 3073]
    assert data.test_data.shape == (COUNT, 32, 32, 3)
    assert data.test_labels[1].argmax() == record[0]
    row, column = 5, 7
    pixel = [record[1 + 1024 * channel + 32 * row + column] for channel in range(3)]
    np.testing.assert_allclose(data.test_data[1, row, column], np.array(pixel) / 255 - 0.5, 1e-6)


def test_training_images_are_the_five_batches_in_turn(by_hand, monkeypatch):
    monkeypatch.setattr("lipschitz.data.dataset.VALIDATION_SIZE", 6)
    data = setup_cifar.load()
    assert len(data.validation_data) == 6
    assert len(data.train_data) == 5 * COUNT - 6
    labels = [CONTENT[batch][3073 * i] for batch in BATCHES[:5] for i in range(COUNT)]
    assert data.train_labels.argmax(axis=1).tolist() == labels[6:]


def test_the_archive_is_fetched_checked_and_unpacked_whole(data, archive, capsys):
    for batch, content in CONTENT.items():
        assert setup_cifar.read(batch).tobytes() == content
    assert os.listdir(data) == [FOLDER]
    assert capsys.readouterr().err == ""


def test_another_archive_is_refused(data, archive):
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(InputError, match="SHA-256 is not the published archive's") as error:
        setup_cifar.read("test_batch.bin")
    assert all(batch in str(error.value) for batch in BATCHES)
    assert str(data / FOLDER) in str(error.value)
    assert os.listdir(data) == []


def test_batches_placed_by_hand_are_taken_and_it_is_said(by_hand, capsys):
    setup_cifar.read("test_batch.bin")
    assert "test_batch.bin: not known to be the published content" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "has 0 B"),
        (CONTENT["test_batch.bin"][:-1], f"has {COUNT * 3073 - 1} B, CIFAR-10's {COUNT * 3073} B"),
        (b"\x0a" + CONTENT["test_batch.bin"][1:], "holds labels above 9"),
        (None, "is missing: place it there, or remove"),
    ],
)
def test_a_batch_that_cannot_be_used_is_named(by_hand, content, reason):
    (by_hand / "test_batch.bin").unlink()
    if content is not None:
        (by_hand / "test_batch.bin").write_bytes(content)
    with pytest.raises(InputError, match=f"test_batch.bin .*{reason}"):
        setup_cifar.read("test_batch.bin")


@pytest.mark.parametrize("checksums", [b"\xff\0", bytes(2**17), None])
def test_checksums_that_are_none_of_ours_verify_nothing(by_hand, capsys, checksums):
    if checksums is None:
        (by_hand / "SHA256SUMS").mkdir()
    else:
        (by_hand / "SHA256SUMS").write_bytes(checksums)
    setup_cifar.read("test_batch.bin")
    assert "not known to be the published content" in capsys.readouterr().err


def test_what_is_no_regular_file_is_refused(by_hand):
    (by_hand / "test_batch.bin").unlink()
    os.mkfifo(by_hand / "test_batch.bin")
    with pytest.raises(InputError, match="no regular file; remove it"):
        setup_cifar.read("test_batch.bin")


@pytest.mark.parametrize("folder", ["x" * 5000, "$(touch evil)", "/dev/null"])
def test_a_data_folder_that_cannot_be_is_answered_in_words(monkeypatch, tmp_path, folder):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(setup_cifar, "MIRRORS", ())
    monkeypatch.setenv("CLEVER_DATA", folder)
    with pytest.raises(InputError, match="could not be downloaded"):
        setup_cifar.read("test_batch.bin")
    assert not (tmp_path / "evil").exists()


@pytest.fixture(scope="session")
def real_batches(tmp_path_factory):
    """The supplied images, laid out by their own tool."""
    tool = SHARED / "tools" / "unpack_data.py"
    if not tool.is_file():
        pytest.skip("CIFAR-10 is not here")
    folder = tmp_path_factory.mktemp("cifar")
    assert run(tool, folder, cwd=folder).returncode == 0
    return folder


@pytest.mark.slow
def test_real_images_load(real_batches):
    done = run_here("setup_cifar.py", cwd=real_batches)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{FOLDER}/{batch}: 10000 images" for batch in BATCHES]

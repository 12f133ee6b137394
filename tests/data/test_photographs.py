"""Photographs: which are taken, in which order, and how their pixels reach the box."""

import os
import random
import warnings

import numpy as np
import pytest
from PIL import Image

from lipschitz.data import photographs
from lipschitz.support.errors import InputError
from tests.helpers import SHARED

rng = np.random.default_rng(0)


def noise(width, height, *channels):
    return Image.fromarray(rng.integers(0, 256, (height, width, *channels), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path):
    """Fifteen photographs of 40 x 30 pixels, of the classes 1, 3, 5, ..."""
    for number in range(15):
        noise(40, 30, 3).save(tmp_path / f"{2 * number + 1}.{number:08}.jpg")
    return tmp_path


def names(data):
    return [path.name for path in data.test_data.paths]


def load(folder, seed=1215, size=16, num_labels=1001):
    return photographs.load(folder, size, num_labels, random.Random(seed))


def test_a_seed_picks_the_order_that_pythons_shuffle_gives(folder):
    expected = sorted(path.name for path in folder.iterdir())
    random.seed(1215)
    random.shuffle(expected)
    generator = random.Random(1215)
    data = photographs.load(folder, 16, 1001, generator)
    assert names(data) == expected
    assert generator.randint(1, 1001) == random.randint(1, 1001)
    assert names(load(folder, seed=7)) != expected


def test_labels_count_from_the_background_or_from_the_first_class(folder):
    for num_labels, first in ((1001, 0), (1000, 1)):
        data = load(folder, num_labels=num_labels)
        classes = [int(name.partition(".")[0]) for name in names(data)]
        assert data.test_labels.shape == (15, num_labels)
        assert (data.test_labels.sum(axis=1) == 1).all()
        assert data.test_labels.argmax(axis=1).tolist() == [c - first for c in classes]


@pytest.mark.parametrize(("width", "height"), [(41, 30), (30, 47), (33, 33), (100, 37), (16, 16)])
@pytest.mark.parametrize("size", [15, 16])
def test_the_centre_of_the_resized_image_reaches_the_box(tmp_path, width, height, size):
    image = noise(width, height, 3)
    image.save(tmp_path / "1.1.png")
    scale = size / min(width, height)
    if width < height:
        resized = image.resize((size, int(height * scale + 1e-9)), Image.Resampling.LANCZOS)
    else:
        resized = image.resize((int(width * scale + 1e-9), size), Image.Resampling.LANCZOS)
    pixels = np.array(resized, np.float64)
    top, left = pixels.shape[0] // 2 - size // 2, pixels.shape[1] // 2 - size // 2
    expected = pixels[top : top + size, left : left + size] / 255 - 0.5
    found = load(tmp_path, size=size).test_data[0]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_grey_becomes_rgb(tmp_path):
    noise(20, 20).save(tmp_path / "1.1.jpg")
    image = load(tmp_path).test_data[0]
    assert image.shape == (16, 16, 3)
    assert (image == image[..., :1]).all()


def test_images_come_one_by_one_or_in_slices(folder):
    data = load(folder).test_data
    assert len(data) == 15
    assert data[2:5].shape == (3, 16, 16, 3)
    assert data[2:5].dtype == np.float32
    np.testing.assert_array_equal(data[2:5][1], data[3])
    np.testing.assert_array_equal(data[-1], data[14])
    assert data[15:20].shape == (0, 16, 16, 3)
    with pytest.raises(IndexError):
        data[15]


def test_only_grey_and_rgb_images_are_numbered(folder, capsys):
    before = set(names(load(folder)))
    noise(20, 20, 3).convert("CMYK").save(folder / "2.1.jpg")
    noise(20, 20, 3).convert("P").save(folder / "2.2.png")
    noise(20, 20, 4).save(folder / "2.3.png")
    noise(20, 20, 2).save(folder / "2.4.png")
    noise(20, 20).save(folder / "2.5.jpg")
    data = load(folder)
    assert set(names(data)) == before | {"2.5.jpg"}
    assert data.test_labels.shape == (16, 1001)
    assert capsys.readouterr().err == ""


def test_what_is_no_photograph_of_a_class_is_counted_and_skipped(folder, capsys):
    before = set(names(load(folder)))
    (folder / "2.1.jpg").write_bytes(b"no image")
    (folder / "README").write_text("photographs")
    (folder / "2.2.jpg").mkdir()
    noise(20, 20, 3).save(folder / "1001.1.jpg")
    assert set(names(load(folder))) == before
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "3 files skipped" in error


def test_the_background_is_no_class_of_a_network_of_1000(folder):
    noise(20, 20, 3).save(folder / "0.1.jpg")
    assert "0.1.jpg" in names(load(folder))
    assert "0.1.jpg" not in names(load(folder, num_labels=1000))


def test_the_first_thousand_files_are_taken(tmp_path):
    noise(2, 2).save(tmp_path / "1.0.png")
    for number in range(1, 1003):
        (tmp_path / f"1.{number}.png").hardlink_to(tmp_path / "1.0.png")
    assert len(load(tmp_path, size=2).test_data) == 1000


def test_pixels_are_read_when_they_are_asked_for(folder):
    path = folder / "1.00000000.jpg"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    data = load(folder)
    with pytest.raises(InputError, match=r"1\.00000000\.jpg: not a readable image"):
        data.test_data[names(data).index(path.name)]


def test_a_folder_with_none_readable_or_absent_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no readable photograph named CLASS\.NUMBER\.jpg"):
        load(tmp_path)
    (tmp_path / "1.1.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"1\.1\.jpg \(not a readable image"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"absent not found: place photographs .* CLEVER_IMAGENET"):
        load(tmp_path / "absent")


def test_images_of_absurd_size_are_refused(folder, monkeypatch, capsys):
    noise(1, 4000, 3).save(folder / "2.1.png")  # 16 x 64000 when resized
    noise(500, 401, 3).save(folder / "2.2.png")
    noise(500, 800, 3).save(folder / "2.3.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200_000)
    with warnings.catch_warnings(action="error"):
        data = load(folder)
        assert len(data.test_data) == 15
        assert "3 files skipped" in capsys.readouterr().err
        with pytest.raises(InputError, match="exceeds limit"):
            photographs.decode(folder / "2.2.png", 16)


@pytest.mark.parametrize("name", ["x" * 5000, "$(touch evil)", "a\nb", "/dev/null"])
def test_a_folder_that_cannot_be_is_answered_in_words(monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEVER_IMAGENET", name)
    with pytest.raises(InputError, match="not found: place photographs"):
        load(photographs.folder())
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "1.1.jpg")
    with pytest.raises(InputError, match="no regular file"):
        photographs.decode(tmp_path / "1.1.jpg", 16)


def test_the_photographs_are_known_by_their_environment_variable(monkeypatch, tmp_path):
    monkeypatch.delenv("CLEVER_IMAGENET", raising=False)
    assert str(photographs.folder()) == "../imagenetdata/imgs"
    monkeypatch.setenv("CLEVER_IMAGENET", str(tmp_path))
    assert photographs.folder() == tmp_path


def test_real_photographs_load(capsys):
    folder = SHARED / "data" / "imagenet" / "imgs"
    if not folder.is_dir():
        pytest.skip("the photographs are not here")
    data = load(folder, size=299)
    assert len(data.test_data) == len(data.test_labels) == len(list(folder.iterdir()))
    images = data.test_data[:5]
    assert images.shape == (5, 299, 299, 3)
    assert -0.5 <= images.min() < images.max() <= 0.5
    assert capsys.readouterr().err == ""

"""Pictures of the user's: which are found, of which class, and what a network sees of them."""

import os
import warnings

import numpy as np
import pytest
from PIL import Image

from lipschitz.data import picture_folder
from lipschitz.data.own_images import load
from lipschitz.data.photographs import decode
from lipschitz.support.errors import InputError

rng = np.random.default_rng(0)
ORIENTATION = 0x0112


def noise(height, width, *channels, dtype=np.uint8):
    pixels = rng.integers(0, np.iinfo(dtype).max, (height, width, *channels), dtype, True)
    return Image.fromarray(pixels)


def colour(height, width, *values):
    return Image.fromarray(np.full((height, width, 3), values, np.uint8))


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


@pytest.fixture
def classes(tmp_path):
    """Two pictures of each of the classes b, a and c."""
    for name in "bac":
        for number in (2, 1):
            save(noise(6, 8, 3), tmp_path / name / f"{number}.png")
    return tmp_path


# Finding ---------------------------------------------------------------------


def test_a_folder_of_pictures_is_taken_in_sorted_order(tmp_path, capsys):
    for name in ("b.png", "a.JPG", "C.jpeg", ".hidden.png"):
        save(noise(6, 8, 3), tmp_path / name)
    (tmp_path / "notes.txt").write_text("about")
    (tmp_path / "empty").mkdir()
    images = load(tmp_path)
    assert images.names == ("C.jpeg", "a.JPG", "b.png")
    assert images.labels is images.labels_for(10) is None
    assert len(images) == 3
    assert capsys.readouterr().err == ""


def test_a_single_picture_is_taken(tmp_path):
    images = load(save(noise(6, 8, 3), tmp_path / "a.webp"))
    assert images.names == ("a.webp",)
    assert (
        images.fitted((6, 8, 3), 0, 1).described == "1 picture of 6x8 as 6x8x3 (0 to 255 as 0 to 1)"
    )


def test_class_folders_count_in_sorted_order(classes, capsys):
    images = load(classes)
    assert images.names == ("a/1.png", "a/2.png", "b/1.png", "b/2.png", "c/1.png", "c/2.png")
    assert images.labels_for(3).tolist() == [0, 0, 1, 1, 2, 2]
    assert images.classes == ("a", "b", "c")
    assert capsys.readouterr().err == ""
    with pytest.raises(InputError, match=r"3 names \(a, b, c\), the network has 2 classes"):
        images.labels_for(2)


def test_a_text_file_gives_the_classes_another_order(classes):
    (classes / "classes.txt").write_text("\ufeffc\r\nother\r\n a \r\nb\r\n\r\n", "utf-8")
    images = load(classes)
    labels = {
        name[0]: label for name, label in zip(images.names, images.labels_for(4), strict=True)
    }
    assert labels == {"c": 0, "a": 2, "b": 3}


@pytest.mark.parametrize(
    ("text", "said"), [("a\nb", "has no line for c"), ("a\nb\nc\na", "has a name twice")]
)
def test_a_text_file_that_does_not_fit_is_told(classes, text, said):
    (classes / "classes.txt").write_text(text)
    with pytest.raises(InputError, match=f"classes.txt {said}"):
        load(classes)


def test_what_is_left_out_is_told(classes, capsys):
    save(noise(6, 8, 3), classes / "beside.png")
    save(noise(6, 8, 3), classes / "a" / "deeper" / "1.png")
    (classes / "b" / "0.png").write_bytes(b"no picture")
    (classes / "d").mkdir()
    images = load(classes)
    assert images.classes == ("a", "b", "c", "d")
    assert images.labels_for(4).tolist() == [0, 0, 1, 1, 2, 2]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4
    for text, line in zip(("beside.png", "a/deeper", "pictures: d", "b/0.png"), said, strict=True):
        assert text in line


def test_numbers_as_names_of_classes_count_as_text(tmp_path, capsys):
    for number in range(11):
        save(colour(2, 2, number), tmp_path / str(number) / "x.png")
    images = load(tmp_path)
    assert "order of text: 0, 1, 10, 2 and 7 more" in capsys.readouterr().err
    shades = images.fitted((2, 2, 3), 0, 255)[:][:, 0, 0, 0]
    assert images.labels_for(11)[shades == 10] == [2]


def test_folders_in_folders_are_pointed_at(classes, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    classes.rename(outer / "test")
    (outer / "README").write_text("")
    with pytest.raises(InputError, match=f"its pictures lie deeper: give {outer / 'test'}"):
        load(outer)


def test_a_folder_without_pictures_is_told(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(InputError, match=r"there are no pictures .* other files: 1"):
        load(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").symlink_to("absent")
    os.mkfifo(tmp_path / "c.png")
    with pytest.raises(InputError, match=r"no picture can be read: a\.png .* b\.png .* c\.png"):
        load(tmp_path)


def test_links_out_of_the_folder_are_followed(classes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("links")
    (folder / "a").symlink_to(classes / "c")
    assert load(folder).names == ("a/1.png", "a/2.png")


def test_too_many_pictures_are_refused(classes, monkeypatch):
    monkeypatch.setattr(picture_folder, "MOST", 5)
    with pytest.raises(InputError, match="there are 6 pictures, more than 5"):
        load(classes)


def test_names_that_cannot_be_printed_are_escaped(tmp_path):
    save(noise(6, 8, 3), tmp_path / "a\n\x1b.png")
    assert load(tmp_path).names == ("a\\n\\x1b.png",)


# Decoding --------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "bmp", "gif", "tif", "webp"])
def test_formats_without_loss_give_their_pixels(tmp_path, ending):
    pixels = np.repeat(rng.integers(0, 256, (6, 8, 1), np.uint8), 3, axis=2)
    path = save(Image.fromarray(pixels), tmp_path / f"a.{ending}", lossless=True)
    image = load(path).fitted((6, 8, 3), 0, 1)[0]
    np.testing.assert_array_equal(image, pixels.astype(np.float32) / 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_any_kind_of_pixels_becomes_grey_or_rgb(tmp_path, mode):
    path = save(colour(6, 8, 255).convert(mode), tmp_path / "a.tif")
    images = load(path)
    for shape in ((6, 8, 1), (6, 8, 3)):
        np.testing.assert_array_equal(images.fitted(shape, 0, 1)[0], np.ones(shape))
    assert images.shape == (6, 8, 1 if mode in ("1", "L", "LA") else 3)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_grey_of_16_bits_is_scaled(tmp_path, ending):
    image = noise(6, 8, dtype=np.uint16)
    found = load(save(image, tmp_path / f"a.{ending}")).fitted((6, 8, 1), 0, 1)[0]
    np.testing.assert_allclose(found[..., 0], np.asarray(image) / 65535, atol=0.51 / 255)


def test_pixels_without_a_known_white_are_refused(tmp_path, capsys):
    save(Image.fromarray(np.ones((6, 8), np.float32)), tmp_path / "float.tif")
    save(Image.fromarray(np.ones((6, 8), np.int32)), tmp_path / "int.tif")
    save(noise(6, 8), tmp_path / "grey.png")
    assert load(tmp_path).names == ("grey.png",)
    assert "float.tif (not a readable image: pixels of the kind F" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_orientations_are_applied(tmp_path, ending):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the camera was turned: the first row is the right side
    lying = np.zeros((32, 64, 3), np.uint8)
    lying[:16] = 255
    images = load(save(Image.fromarray(lying), tmp_path / f"a.{ending}", exif=exif))
    assert images.shape == (64, 32, 3)
    found = images.fitted((64, 32, 3), 0, 1)[0]
    assert found[:, 20:].min() > 0.9
    assert found[:, :12].max() < 0.1


def test_one_colour_stays_the_same_in_any_size(tmp_path):
    save(colour(90, 40, 10, 128, 255), tmp_path / "a.png")
    save(colour(30, 140, 10, 128, 255), tmp_path / "b.png")
    images = load(tmp_path)
    assert images.shape is None
    fitted = images.fitted((32, 48, 3), -0.5, 0.5)
    expected = np.broadcast_to(np.array([10, 128, 255]) / 255 - 0.5, (2, 32, 48, 3))
    np.testing.assert_allclose(fitted[:], expected, atol=1e-7)
    assert fitted.described == "2 pictures of 90x40 to 30x140 as 32x48x3 (0 to 255 as -0.5 to 0.5)"


@pytest.mark.parametrize("shape", [(20, 10), (10, 20), (20, 20), (40, 20), (7, 13)])
def test_the_centre_is_kept(tmp_path, shape):
    """White with black borders: the border of the side that is cut off is cut in equal parts."""
    pixels = np.zeros((80, 80, 3), np.uint8)
    pixels[16:64, 16:64] = 255
    found = load(save(Image.fromarray(pixels), tmp_path / "a.png")).fitted((*shape, 1), 0, 1)[0]
    scale = max(shape) / 80
    for size, axis in zip(shape, (1, 0), strict=True):
        white = (found[..., 0] > 0.5).max(axis=axis)
        assert abs(white.sum() - min(size, 48 * scale)) <= 1
        assert abs(white[: size // 2].sum() - white[size // 2 :].sum()) <= 1


def test_the_pixels_are_those_that_photographs_have(tmp_path):
    path = save(noise(47, 30, 3), tmp_path / "a.jpg")
    np.testing.assert_array_equal(load(path).fitted((16, 16, 3), -0.5, 0.5)[0], decode(path, 16))


def test_networks_take_pictures_in_their_own_form(tmp_path):
    path = save(noise(6, 8, 3), tmp_path / "a.png")
    images = load(path)
    last = images.fitted((6, 8, 3), 0, 1)[0]
    np.testing.assert_array_equal(images.fitted((3, 6, 8), 0, 1)[0], last.transpose(2, 0, 1))
    np.testing.assert_array_equal(images.fitted((144,), 0, 1)[0], last.ravel())
    grey = images.fitted((6, 8, 1), 0, 1)[0]
    np.testing.assert_array_equal(images.fitted((6, 8), 0, 1)[0], grey[..., 0])
    np.testing.assert_array_equal(images.fitted((48,), 0, 1)[0], grey.ravel())
    for shape in ((50,), (6, 8, 2), (4, 6, 8, 3)):
        with pytest.raises(InputError, match="the pictures of 6x8 do not fit, the network takes"):
            images.fitted(shape, 0, 1)


def test_a_picture_is_decoded_when_it_is_asked_for(tmp_path):
    path = save(noise(60, 80, 3), tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes()[:-2000])
    images = load(tmp_path).fitted((60, 80, 3), 0, 1)
    with pytest.raises(InputError, match=r"a\.jpg: not a readable image"):
        images[0]


def test_other_formats_are_not_opened(tmp_path):
    save(noise(6, 8, 3), tmp_path / "a.ppm").rename(tmp_path / "a.png")
    with pytest.raises(
        InputError, match=r"a\.png \(not a readable image: it is damaged or no JPEG"
    ):
        load(tmp_path)


def test_pictures_of_absurd_size_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    save(noise(30, 30, 3), tmp_path / "good.png")
    save(noise(20, 60, 3), tmp_path / "large.png")
    save(noise(1, 100, 3), tmp_path / "long.png")
    with warnings.catch_warnings(action="error"):
        images = load(tmp_path)
    assert images.names == ("good.png", "long.png")
    assert "large.png" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"long\.png: .* resized it has 1600 x 16 pixels"):
        images.fitted((16, 16, 3), 0, 1)[1]

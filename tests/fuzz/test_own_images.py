"""The user's own images in spoiled files: an InputError in one line, or images that can be used."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lipschitz.data.own_images import load
from tests.fuzz.cases import cases, edited, loaded, spoiled

rng = np.random.default_rng(0)
PIXELS = rng.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all cases."""
    return tmp_path_factory.mktemp("images")


def check(path, shape):
    """Load the file; if it has images that fit, all have the shape and lie in the range."""
    images = loaded(load, path)
    if images is None:
        return
    loaded(images.labels_for, 10)
    fitted = loaded(images.fitted, shape, 0, 1)
    for number in range(len(fitted or ())):
        image = loaded(fitted.__getitem__, number)
        if image is not None:
            assert image.shape == shape
            assert image.dtype == np.float32
            assert 0 <= image.min() <= image.max() <= 1


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(save=np.savez, **arrays):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


ARRAYS = [npy(PIXELS), npy(PIXELS / 255), npy(np.asfortranarray(PIXELS).astype(">i8"))]
ARRAYS.append(npy(np.array([[{}, 1]] * 5, object), allow_pickle=True))
ARCHIVES = [
    npz(x=PIXELS, y=np.arange(5)),
    npz(np.savez_compressed, x_test=PIXELS, y_test=np.eye(5, dtype=np.float32)),
    npz(arr_0=PIXELS, arr_1=np.array(list("abcde"))),
]


@cases(40)
@given(spoiled(ARRAYS))
def test_npy(folder, content):
    (folder / "x.npy").write_bytes(content)
    check(folder / "x.npy", (4, 4, 3))


@cases(40)
@given(spoiled(ARCHIVES))
def test_npz(folder, content):
    (folder / "x.npz").write_bytes(content)
    check(folder / "x.npz", (4, 4, 3))


@cases(40)
@given(edited(ARRAYS))
def test_arrays_in_whole_archives(folder, content):
    """The check of an archive's sums does not come first."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.npy", content)
        archive.writestr("y.npy", npy(np.arange(5)))
    (folder / "x.npz").write_bytes(packed.getvalue())
    check(folder / "x.npz", (4, 4, 3))


FORMS = {"PNG": (12, 16), "JPEG": (12, 16, 3), "GIF": (12, 16), "TIFF": (12, 16, 3)}
FORMS |= {"BMP": (12, 16, 3), "WEBP": (12, 16, 4)}


def picture(form, shape):
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # turned
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(file, form, exif=exif)
    return file.getvalue()


@cases(40)
@given(spoiled([picture(form, shape) for form, shape in FORMS.items()]))
def test_pictures(folder, content):
    (folder / "x.png").write_bytes(content)
    check(folder / "x.png", (8, 6, 3))


@pytest.fixture(scope="module")
def class_folders(folder):
    for name in "abc":
        (folder / "classes" / name).mkdir(parents=True)
        Image.new("L", (2, 2)).save(folder / "classes" / name / "x.png")
    return folder / "classes"


@cases(40)
@given(spoiled([b"a\nb\nc\n", "\ufeffc\r\n\r\na\r\nb".encode()]))
def test_names_of_classes(class_folders, content):
    (class_folders / "classes.txt").write_bytes(content)
    images = loaded(load, class_folders)
    if images is not None:
        named = {images.classes[label] for label in images.labels}
        assert named == {"a", "b", "c"}


TABLES = [
    b"a,b,label\n0.5,1e-3,7\n0,1,8\n",
    b"label;a;b\r\ncat;0.5;1\r\ndog;0;1\r\n",
    "a\tb\n0.5\t1\n".encode("utf-16"),
    b'"a","b"\n"0.5",\n1,"0"',
    b"7,0,1\n8,1,0\n",
]


@cases(40)
@given(content=spoiled(TABLES), ending=st.sampled_from(["csv", "tsv"]))
def test_tables(folder, content, ending):
    path = folder / f"x.{ending}"
    path.write_bytes(content)
    check(path, (2,))

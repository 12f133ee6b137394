"""NumPy's files: which arrays are taken, and what is refused before memory is."""

import io
import zipfile

import numpy as np
import pytest

from lipschitz.data import numpy_files
from lipschitz.data.numpy_files import NamesError
from lipschitz.data.own_images import load
from lipschitz.support.errors import InputError

rng = np.random.default_rng(0)
X = rng.integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)
Y = np.array([3, 1, 4, 1, 5, 9, 2])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "images.npz"


def encoded(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), **options)
    return file.getvalue()


def packed(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def assert_same(images, x=X, y=Y):
    np.testing.assert_array_equal(images.values, x)
    np.testing.assert_array_equal(images.labels, y)


@pytest.mark.parametrize(
    ("images", "labels"),
    [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"), ("arr_0", "arr_1")],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_usual_names_are_known(path, save, images, labels):
    save(path, **{labels: Y, images: X, "other": np.array(["a"])})
    assert_same(load(path))


def test_test_images_come_before_training_images(path):
    np.savez(path, x_train=X[::-1], y_train=Y[::-1], x_test=X, y_test=Y)
    assert_same(load(path))


def test_other_names_are_listed_and_can_be_given(path):
    np.savez(path, pixels=X, digits=Y)
    with pytest.raises(NamesError, match=r"pixels \(uint8 7x4x5x3\), digits \(int64 7\)"):
        load(path)
    with pytest.raises(NamesError, match="there is no array digit; it has pixels"):
        load(path, ("pixels", "digit"))
    assert_same(load(path, ("pixels", "digits")))
    assert load(path, ("pixels", "")).labels is None


def test_a_single_array_is_images(path):
    np.savez(path, anything=X)
    assert load(path).labels is None
    np.savez(path)
    with pytest.raises(InputError, match="it has none"):
        load(path)


@pytest.mark.parametrize("array", [np.asfortranarray(X / 255), (X / 255).astype(">f4"), X > 9])
def test_any_order_of_values_and_bytes_is_read(path, array):
    np.savez(path, x=array, y=Y)
    assert_same(load(path), array)
    np.save(path.with_suffix(".npy"), array)
    np.testing.assert_array_equal(load(path.with_suffix(".npy")).values, array)


def test_an_npy_file_stays_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", X)
    images = load(tmp_path / "x.npy")
    assert isinstance(images.values.base, np.memmap)
    assert images.labels is None
    np.testing.assert_array_equal(images.fitted((4, 5, 3), 0, 255)[:], X)


def test_pickles_are_not_read(path):
    np.savez(path, x=np.array([{"a": 1}, None], object), y=Y[:2])
    with pytest.raises(InputError, match="Python objects, which are not read"):
        load(path)
    np.savez(path, x=X, y=Y, notes=np.array({"a": 1}, object))
    assert_same(load(path))  # for they are not asked for
    np.save(path.with_suffix(".npy"), np.array([{}], object))
    with pytest.raises(InputError, match="Python objects, which are not read"):
        load(path.with_suffix(".npy"))


@pytest.mark.parametrize(
    "array", [np.zeros(3, [("a", "f4")]), np.zeros((2, 2), "V4"), np.zeros((2, 2), "c8")]
)
def test_what_is_not_numbers_is_refused(path, array):
    np.savez(path, x=array, y=Y[: len(array)])
    with pytest.raises(InputError, match="not numbers"):
        load(path)


def declared(shape, dtype="<f8", content=bytes(64)):
    header = io.BytesIO()
    described = {"shape": shape, "fortran_order": False, "descr": dtype}
    np.lib.format.write_array_header_1_0(header, described)
    return header.getvalue() + content


@pytest.mark.parametrize("shape", [(2**40, 8), (9,), (7,), (-8,), (2**62, 2**62), (2**40, 0)])
def test_a_size_that_is_not_there_is_refused_before_memory_is_taken(path, shape):
    packed(path, x=declared(shape), y=encoded(Y))
    with pytest.raises(InputError, match=r"cannot be read: an array of .* declares"):
        load(path)
    path.with_suffix(".npy").write_bytes(declared(shape))
    with pytest.raises(InputError, match=r"cannot be read: an array of .* declares"):
        load(path.with_suffix(".npy"))


def test_text_of_no_length_has_no_size(path):
    packed(path, x=encoded(X), y=declared((2**50,), "<U0", b""))
    with pytest.raises(InputError, match="declares"):
        load(path)


@pytest.mark.parametrize("limit", ["SMALL", "LARGEST"])
def test_archives_that_unpack_to_absurd_sizes_are_refused(path, monkeypatch, limit):
    np.savez_compressed(path, x=np.zeros((100, 1000)), y=np.zeros(100))
    assert len(load(path)) == 100
    monkeypatch.setattr(numpy_files, limit, 10_000)
    with pytest.raises(InputError, match=r"its x.npy unpacks from \d+ B to 800128 B"):
        load(path)


def test_damaged_files_are_told_in_a_line(path):
    np.savez_compressed(path, x=X, y=Y)
    whole = path.read_bytes()
    for content in (b"", b"no zip", whole[:200], whole[:90] + bytes(40) + whole[130:]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"images\.npz cannot be read: ") as error:
            load(path)
        assert "\n" not in str(error.value)
    path.with_suffix(".npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"images\.npy cannot be read: "):
        load(path.with_suffix(".npy"))


def test_an_array_twice_is_refused(path):
    packed(path, x=encoded(X), z=encoded(Y))
    path.write_bytes(path.read_bytes().replace(b"z.npy", b"x.npy"))
    with pytest.raises(InputError, match="two arrays x"):
        load(path)

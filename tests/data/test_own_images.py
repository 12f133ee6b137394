"""The user's own images: by the endings of files, or as values from Python."""

import numpy as np
import pandas as pd
import pytest

import setup_digits
from lipschitz.data import own_images
from lipschitz.data.own_images import load, of_values
from lipschitz.support.errors import InputError

X = np.arange(48, dtype=np.uint8).reshape(8, 2, 3, 1)
Y = np.arange(8) % 3


def assert_same(images, x=X, y=Y):
    np.testing.assert_array_equal(images.values, x)
    if y is None:
        assert images.labels is None
    else:
        np.testing.assert_array_equal(images.labels_for(3), y)


def test_a_data_set_in_a_file_is_the_data_set(tmp_path):
    data = setup_digits.load()
    np.savez(tmp_path / "digits.npz", x=data.test_data, y=data.test_labels)
    images = load(tmp_path / "digits.npz")
    fitted = images.fitted((28, 28, 1), -0.5, 0.5)
    np.testing.assert_array_equal(fitted[:20], data.test_data[:20])
    np.testing.assert_array_equal(images.labels_for(10), data.test_labels.argmax(axis=1))
    assert fitted.described == "257 images 28x28x1 (float32, -0.5 to 0.5)"


@pytest.mark.parametrize("name", ["absent", "x" * 5000 + ".npz", "a\nb.csv", "\0.png"])
def test_what_is_not_there_is_told_in_a_line(tmp_path, name):
    with pytest.raises(InputError, match="not found") as error:
        load(tmp_path / name)
    assert str(error.value).isprintable()


def test_other_files_are_told_what_is_read(tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"")
    with pytest.raises(InputError, match=r"ending is not known: give .* \.npz, \.npy, \.csv"):
        load(tmp_path / "x.pkl")


def test_names_are_only_for_the_files_that_have_them(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(InputError, match=r"names of arrays are for \.npz files"):
        load(tmp_path / "x.npy", names=("x", "y"))
    with pytest.raises(InputError, match="a column of labels is for tables"):
        load(tmp_path / "x.npy", label="class")


def test_arrays_and_lists_are_taken():
    assert_same(of_values(X, Y))
    assert_same(of_values(X.tolist(), Y.tolist()))
    assert_same(of_values(list(X), np.eye(3)[Y]))
    assert_same(of_values(X), y=None)


def test_tensors_are_taken():
    tf = pytest.importorskip("tensorflow")
    assert_same(of_values(tf.constant(X), tf.constant(Y)))


def test_data_frames_are_taken():
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    assert of_values(frame.assign(label=[0, 2])).labels.tolist() == [0, 2]
    images = of_values(frame, [0, 2])
    assert images.is_table
    assert images.labels.tolist() == [0, 2]


class Numbered:
    """Batches as Keras's data sets have them."""

    def __len__(self):
        return 3

    def __getitem__(self, number):
        return X[3 * number : 3 * number + 3], Y[3 * number : 3 * number + 3]


def test_batches_are_joined():
    batches = [(X[:3], Y[:3]), (X[3:], Y[3:])]
    assert_same(of_values(iter(batches)))
    assert_same(of_values([x, y, np.ones(len(y))] for x, y in batches))  # with weights
    assert_same(of_values(x for x, _ in batches), y=None)
    assert_same(of_values(zip(X, Y, strict=True)))  # one by one
    assert_same(of_values(Numbered()))


def test_data_sets_of_tensorflow_are_taken():
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((X, Y))
    assert_same(of_values(data.batch(3)))
    assert_same(of_values(data))


def test_data_sets_without_end_are_cut(monkeypatch, capsys):
    def endless():
        while True:
            yield X, Y

    monkeypatch.setattr(own_images, "MOST_TAKEN", 20)
    assert_same(of_values(endless()), np.tile(X, (3, 1, 1, 1))[:20], np.tile(Y, 3)[:20])
    assert "the first 20 images are taken" in capsys.readouterr().err
    monkeypatch.setattr(own_images, "LARGEST_TAKEN", X.nbytes + 1)
    assert len(of_values(endless())) == 16


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        ([[1, 2], [3]], None, "the images are no array of one shape"),
        (X, [[1], [2, 3]], "the labels are no array of one shape"),
        (X, Y[:3], "there are 8 images and 3 labels"),
        ({"x": X}, None, "not numbers"),
        ("images.npz", None, "not numbers"),
        (3, None, "the images have the shape"),
        (iter([]), None, "gives no images"),
        (iter([{"x": X}]), None, r"gives no batches of images: give \(images, labels\)"),
        (iter([(X, Y[:3])]), None, "gives 8 images with 3 labels: is it in batches"),
        (iter([X, X[:, 1:]]), None, "the batches of the data set differ"),
    ],
)
def test_what_are_no_images_is_told(images, labels, said):
    with pytest.raises(InputError, match=said):
        of_values(images, labels)

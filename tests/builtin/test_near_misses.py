"""Files that are nearly the one of a name: what is said of them."""

import h5py
import pytest

import catalogue
from lipschitz.builtin import model_file
from lipschitz.support.errors import InputError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of its own, with an empty models/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def write(path, kind):
    if kind == "hdf5":
        h5py.File(path, "w").close()
    elif kind == "savedmodel":
        path.mkdir()
        (path / "saved_model.pb").touch()
    else:
        path.write_bytes({"zip": b"PK\3\4", "text": b"text"}[kind])


def said():
    with pytest.raises(InputError) as error:
        catalogue.find("digits", "2-layer")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "kind", "command"),
    [
        ("digits_2layer.h5", "hdf5", "mv models/digits_2layer.h5 models/digits_2layer"),
        ("digits_2layer.HDF5", "hdf5", "mv models/digits_2layer.HDF5 models/digits_2layer"),
        ("digits_2layer.kears", "zip", "mv models/digits_2layer.kears models/digits_2layer.keras"),
        ("Digits_2layer.keras", "zip", "mv models/Digits_2layer.keras models/digits_2layer.keras"),
        ("digits-2layer.keras", "zip", "mv models/digits-2layer.keras models/digits_2layer.keras"),
        ("digits 2layer", "zip", "mv 'models/digits 2layer' models/digits_2layer.keras"),
        (
            "digits_2layer.keras.zip",
            "zip",
            "mv models/digits_2layer.keras.zip models/digits_2layer",
        ),
        ("digits_2layer", "savedmodel", 'model.save("models/digits_2layer.keras")'),
        ("digits_2layer.keras", "savedmodel", "is a folder (a SavedModel), which holds no layers"),
        ("digits_2layer.weights.h5", "hdf5", 'weights alone: save the model with model.save("mo'),
        ("digits_2layer.pth", "text", "models/digits_2layer.pth is neither a .keras nor an HDF5"),
    ],
)
def test_what_is_there_is_named_with_what_makes_it_usable(here, name, kind, command):
    write(here / name, kind)
    assert f"models/digits_2layer not found, but models/{name} " in said()
    assert command in said()
    assert 'or train it with "python3 train_2layer.py --dataset digits"' in said()


@pytest.mark.parametrize(
    ("name", "kind"), [("digits_2layer.h5", "hdf5"), ("digits_2layer", "savedmodel")]
)
def test_what_can_be_read_as_it_is_is_named_with_the_option_that_does(here, name, kind):
    write(here / name, kind)
    assert f"; or read it with its own layers, -m models/{name}; or train it" in said()


def test_a_link_to_nothing_is_named(here):
    (here / "digits_2layer.keras").symlink_to("nowhere")
    assert "models/digits_2layer.keras cannot be read (No such file" in said()


@pytest.mark.parametrize("name", ["digits.h5", "digits_2layer_old.keras", "mnist_2layer.h5"])
def test_the_files_of_other_names_are_not(here, name):
    write(here / name, "hdf5")
    assert said().startswith("models/digits_2layer not found: train it")


def test_names_are_safe_to_print_and_to_run(here):
    write(here / "digits_2layer.\x1b[2J$(touch x)", "hdf5")
    assert "\x1b" not in said()
    assert "mv 'models/digits_2layer.\\x1b[2J$(touch x)' models/" in said()


def test_a_folder_of_many_files_is_not_read_to_its_end(here, monkeypatch):
    monkeypatch.setattr("lipschitz.builtin.near_misses.MOST_FILES", 2)
    for number in range(9):
        write(here / f"digits_2layer.{number}", "hdf5")
    assert said().count(" is there: ") == 2


@pytest.mark.parametrize(
    ("name", "kind", "command"),
    [
        ("net.keras", "hdf5", r"it is an HDF5 file: \"mv models/net.keras models/net\"$"),
        ("net", "zip", r"it looks like a .keras file: \"mv models/net models/net.keras\"$"),
    ],
)
def test_a_file_with_the_ending_of_the_other_format_is_named(here, name, kind, command):
    write(here / name, kind)
    with pytest.raises(InputError, match=f"^models/{name} is not read: {command}"):
        model_file.load(model_file.MODELS / name, None)

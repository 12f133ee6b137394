"""HDF5 files that reach out of themselves, declare what they do not have, or loop."""

import h5py
import numpy as np
import pytest

from lipschitz.tf_backend.readers import hdf5


def check(path):
    with path.open("rb") as file:
        hdf5.check(file)


def write(path, fill):
    with h5py.File(path, "w") as file:
        file["weights"] = np.ones((4, 3), np.float32)
        fill(file)
    return path


def test_arrays_text_and_an_object_of_two_names_pass(tmp_path):
    def fill(file):
        file.attrs["layer_names"] = [b"dense", b"relu"]
        file.attrs["version"] = "2.1"
        file.create_group("group/inner").attrs["empty"] = []
        file["group/again"] = file["weights"]
        file["group/inner/itself"] = file["group"]
        file.create_dataset("packed", data=np.ones((50, 50)), chunks=(10, 10), compression="gzip")
        file["enough"] = np.zeros(9999)
        file["bfloat16"] = np.zeros(9, "V2")  # as Keras writes it

    check(write(tmp_path / "file.h5", fill))


def virtual(file):
    layout = h5py.VirtualLayout(3, "f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", 3)
    file.create_virtual_dataset("virtual", layout)


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (lambda f: f.update({"soft": h5py.SoftLink("/weights")}), "soft is a link"),
        (lambda f: f.update({"out": h5py.ExternalLink("other.h5", "/x")}), "out is a link"),
        (virtual, "is in other files"),
        (
            lambda f: f.create_dataset("raw", 8, "u1", external=[("/etc/hostname", 0, 8)]),
            "is in other files",
        ),
        (lambda f: f.create_dataset("fill", (2**20, 2**20), fillvalue=1), "declares 1048576 x"),
        (
            lambda f: f.create_dataset("zeros", data=np.zeros(2**20), compression="gzip"),
            "declares 1048576 of 8 B",
        ),
        (lambda f: f.update({"text": "words"}), "is not an array of numbers"),
        (lambda f: f.update({"bytes": np.zeros(9, "V3")}), "is not an array of numbers"),
        (lambda f: f.update({"pairs": np.zeros(9, "u1,u1")}), "is not an array of numbers"),
        (lambda f: f.update({"type": np.dtype("f4")}), "is neither a group nor a data set"),
    ],
)
def test_what_is_not_in_the_file_is_refused(tmp_path, fill, said):
    with pytest.raises(ValueError, match=said):
        check(write(tmp_path / "file.h5", fill))


def test_what_is_no_hdf5_is_refused(tmp_path):
    (tmp_path / "file.h5").write_bytes(b"text")
    with pytest.raises(ValueError, match="signature"):
        check(tmp_path / "file.h5")


def test_a_file_that_keeps_the_library_busy_is_given_up(tmp_path):
    path = write(tmp_path / "file.h5", lambda file: file.attrs.update(layers=["act"]))
    content = bytearray(path.read_bytes())
    size_of_first_text = content.index(b"GCOL") + 24
    assert content[size_of_first_text] == 3
    content[size_of_first_text] = 73
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot finish reading it"):
        check(path)

"""Names that are nearly one that is not there."""

import pytest

from lipschitz.support.alike import files_alike


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("my_model.kears", ["my_model.keras"]),
        ("my_model", ["my_model.keras"]),
        ("My_Model.keras", ["my_model.keras"]),
        ("my_modle.keras", ["my_model.keras"]),
        ("images.npy", ["images.npz"]),
        ("something.else", []),
    ],
)
def test_another_ending_and_slips_are_seen(tmp_path, asked, found):
    for name in ("my_model.keras", "images.npz", "notes.txt"):
        (tmp_path / name).touch()
    assert files_alike(tmp_path / asked) == [tmp_path / name for name in found]


def test_a_folder_that_is_not_there_has_none(tmp_path):
    assert files_alike(tmp_path / "nowhere" / "x.keras") == []

"""Files of two runs that must be alike."""

import numpy as np
from scipy.io import loadmat

OF_THE_RUN = {"time", "overhead", "args", "path", "__header__"}  # when, how and where it ran


def check_same_files(folder, expected):
    """The files below a folder are those below another, to the bit, and nothing else is there."""
    names = files(folder)
    assert names == files(expected)
    assert any(name.suffix == ".mat" for name in names)
    for name in names:
        if name.suffix != ".mat":
            continue
        found, wanted = loadmat(folder / name), loadmat(expected / name)
        assert found.keys() == wanted.keys()
        for key in wanted.keys() - OF_THE_RUN:
            np.testing.assert_array_equal(found[key], wanted[key], err_msg=f"{name} {key}")


def files(folder):
    """The files below a folder, by their places in it."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())

"""What the spoiled files share."""

import pytest

from lipschitz.tf_backend.readers import hdf5
from tests.fuzz.trials import in_one_process


@pytest.fixture(scope="module")
def quick_trials():
    """HDF5 files are tried by forks of one process."""
    with pytest.MonkeyPatch.context() as patch, in_one_process() as check:
        patch.setattr(hdf5, "check", check)
        yield

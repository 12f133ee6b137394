"""HDF5 files from elsewhere: tried in a process of their own before this one reads them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from lipschitz.support.errors import first_line

LARGEST = 2**31  # bytes: the largest networks of keras.applications have a quarter
TRIAL = Path(__file__).with_name("hdf5_probe.py")
NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each takes address space


def check(file: BinaryIO) -> None:
    """Raise ValueError if the file, open on disk, cannot be read or refers to other files.

    A file that passes has only groups, attributes, and arrays of numbers no larger than itself;
    HDF5's library neither crashes nor loops on it.
    """
    # Python itself, on a file of this toolkit; -P: modules beside it share names with others
    trial = subprocess.run(  # noqa: S603
        [sys.executable, "-P", TRIAL],
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | NO_THREADS,
        check=False,
    )
    if trial.returncode:
        said = trial.stdout.decode(errors="replace")
        raise ValueError(
            first_line(said) if said.strip() else "HDF5's library cannot finish reading it"
        )

"""Read all of the HDF5 file on standard input, in a process that may be killed.

A damaged file can crash HDF5's library or keep it busy for ever, so hdf5.py runs this program
first, by its path. It prints what is wrong with the file; the exit code is then 1.
"""

import math
import os
import resource
import sys

import h5py
import numpy as np

LARGEST_OVERHEAD = 2**30  # bytes of address space: Python's, NumPy's and HDF5's own
SECONDS, BYTES_A_SECOND = 3, 2**25  # of processor time: for any file, and more for large ones
NUMBERS, BFLOAT16 = "biuf", np.dtype("V2")  # h5py does not know bfloat16
MOST_OBJECTS = 100_000


def main() -> int:
    """Limit this process, read the file, say what is wrong with it."""
    size = os.fstat(0).st_size
    seconds = SECONDS + size // BYTES_A_SECOND
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (LARGEST_OVERHEAD + 4 * size,) * 2)
    try:
        read_all(size)
    except Exception as error:  # h5py has no common class for what can be wrong in a file
        print(str(error) or type(error).__name__)
        return 1
    return 0


def read_all(size: int) -> None:
    """Read the groups, data sets and attributes of the file, which has `size` bytes.

    Raises ValueError if it has links to names or other files, data in other files, arrays of
    anything but numbers, or arrays that declare more bytes than the file has.
    """
    with open(0, "rb", closefd=False) as content, h5py.File(content) as file:
        seen, waiting = set(), [file["/"]]
        while waiting:
            found = waiting.pop()
            if found in seen:  # an object with two names, or one that contains itself
                continue
            seen.add(found)
            if len(seen) > MOST_OBJECTS:
                raise ValueError(f"it has more than {MOST_OBJECTS} groups and data sets")
            read_attributes(found, size)
            if isinstance(found, h5py.Dataset):
                read_data(found, size)
            else:
                waiting += members(found)


def members(group: h5py.Group) -> list[h5py.Group | h5py.Dataset]:
    """The groups and data sets of a group, without those in its groups."""
    found = []
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"its {name} is a link to another place")
        found.append(group[name])
        if not isinstance(found[-1], (h5py.Group, h5py.Dataset)):
            raise ValueError(f"its {name} is neither a group nor a data set")
    return found


def read_attributes(found: h5py.Group | h5py.Dataset, size: int) -> None:
    """Read the attributes of an object: numbers and text."""
    for name in found.attrs:
        attribute = found.attrs.get_id(name)
        check_size(f"attribute {name}", attribute.shape, attribute.dtype.itemsize, size)
        found.attrs[name]


def read_data(found: h5py.Dataset, size: int) -> None:
    """Read an array of numbers that is in the file itself."""
    if found.is_virtual or found.external:
        raise ValueError(f"its {found.name} is in other files")
    known = found.dtype == BFLOAT16 or (found.dtype.kind in NUMBERS and not found.dtype.subdtype)
    if not known or found.shape is None:
        raise ValueError(f"its {found.name} is not an array of numbers")
    check_size(found.name, found.shape, found.dtype.itemsize, size)
    found[()]


def check_size(name: str, shape: tuple[int, ...] | None, item: int, size: int) -> None:
    """Raise ValueError if an array of this shape has more bytes than the file."""
    if shape and math.prod(shape) * item > size:
        raise ValueError(f"its {name} declares {' x '.join(map(str, shape))} of {item} B")


if __name__ == "__main__":
    sys.exit(main())

"""Read all of the HDF5 file on standard input, in a process that may be killed.

A spoiled file can keep HDF5's library busy for ever, or crash it: `lipschitz.hdf5` runs this
beforehand, by its path. What is wrong with the file is printed; the exit code is then 1.
"""

import math
import os
import resource
import sys

import h5py

LARGEST_OVERHEAD = 2**30  # bytes of address space: Python's, NumPy's and HDF5's own
SECONDS, BYTES_A_SECOND = 3, 2**25  # of the processor: at least, and for files that are large
NUMBERS = "biuf"
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
    except Exception as error:  # h5py raises what the library stumbles over, of many classes
        print(str(error) or type(error).__name__)
        return 1
    return 0


def read_all(size: int) -> None:
    """Read the groups, data sets and attributes of the file, which has `size` bytes.

    Raises ValueError for links out of the file or to names, data outside of it, what is no
    array of numbers, and what declares more bytes than the file has.
    """
    with open(0, "rb", closefd=False) as content, h5py.File(content) as file:
        seen, waiting = set(), [file["/"]]
        while waiting:
            found = waiting.pop()
            if found in seen:  # an object of two names, or one that holds itself
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
    """What the group holds itself."""
    found = []
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"its {name} is a link to another place")
        found.append(group[name])
        if not isinstance(found[-1], (h5py.Group, h5py.Dataset)):
            raise ValueError(f"its {name} is no group and no data set")
    return found


def read_attributes(found: h5py.Group | h5py.Dataset, size: int) -> None:
    """Numbers and text that are written beside an object."""
    for name in found.attrs:
        attribute = found.attrs.get_id(name)
        check_size(f"attribute {name}", attribute.shape, attribute.dtype.itemsize, size)
        found.attrs[name]


def read_data(found: h5py.Dataset, size: int) -> None:
    """An array of numbers that lies in the file."""
    if found.is_virtual or found.external:
        raise ValueError(f"its {found.name} lies in other files")
    if found.dtype.kind not in NUMBERS or found.dtype.subdtype or found.shape is None:
        raise ValueError(f"its {found.name} is no array of numbers")
    check_size(found.name, found.shape, found.dtype.itemsize, size)
    found[()]


def check_size(name: str, shape: tuple[int, ...] | None, item: int, size: int) -> None:
    """Raise ValueError where an array of this shape has more bytes than the file."""
    if shape and math.prod(shape) * item > size:
        raise ValueError(f"its {name} declares {' x '.join(map(str, shape))} of {item} B")


if __name__ == "__main__":
    sys.exit(main())

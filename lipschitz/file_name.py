"""The names of the .mat files: NSAMP_NITERS_ID_TRUE_TARGET_INFO_ACTIVATION_orderO.mat.

Names of 2018 are read too: the first had no activation and order (relu and 1 are meant), and with
some versions of SciPy the files had no ending.
"""

import re
from pathlib import Path
from typing import NamedTuple

EXTENSION = ".mat"
# what a name may hold: it is printed in lines, and part of the names of plots
NUMBER, LARGEST_IN_NAME = r"\d{1,9}", 10**9  # the latter is too large
INFO = r"[A-Za-z][A-Za-z0-9-]{0,31}"
ACTIVATION = r"\w[\w.-]{0,63}"  # may contain "_" (hard_sigmoid), an info does not
FILE_NAME = re.compile(
    "_".join([f"({NUMBER})"] * 5)
    + f"_({INFO})(?:_({ACTIVATION})_order({NUMBER}))?(?i:{re.escape(EXTENSION)})?",
    re.ASCII,
)


def has_ending(text: str) -> bool:
    """Whether a file's name ends in .mat, or .MAT."""
    return text.lower().endswith(EXTENSION)


class FileName(NamedTuple):
    """The facts in a file's name."""

    nsamp: int
    niters: int
    image_id: int
    true_label: int
    target_label: int
    info: str
    activation: str
    order: int

    def __str__(self) -> str:
        return "_".join(map(str, self[:-1])) + f"_order{self.order}{EXTENSION}"

    @classmethod
    def parse(cls, text: str) -> "FileName":
        """Read a name. Raises ValueError if it has another form."""
        found = FILE_NAME.fullmatch(text)
        if not found:
            raise ValueError("its name is not NSAMP_NITERS_ID_TRUE_TARGET_INFO_ACTIVATION_orderO")
        *numbers, info, activation, order = found.groups()
        return cls(*map(int, numbers), info, activation or "relu", int(order or 1))

    @classmethod
    def lacks_ending(cls, text: str) -> bool:
        """Whether this would be the name of a file of maxima if it ended in .mat."""
        return not has_ending(text) and FILE_NAME.fullmatch(text) is not None

    @property
    def experiment(self) -> tuple[int, int, str, int]:
        """What the files of one experiment in a folder share: N, iterations, activation, order."""
        return self.nsamp, self.niters, self.activation, self.order

    def heading(self, folder: Path) -> str:
        """The experiment that this file of the folder belongs to, for people to read."""
        return (
            f"{folder}: N = {self.nsamp}, {self.niters} iterations, {self.activation}, "
            f"order {self.order}"
        )

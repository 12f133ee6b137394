"""What decides a result, and what follows from it: folder, file name, JSON, comparison, heading.

A file is `SAVE/DATASET_MODEL[/DIFFERENT]/NAME` (file_name.py); DIFFERENT lists the settings that
are not the default and not in the file's name.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lipschitz.file_name import FileName
from lipschitz.maths.ball import DEFAULT_NORM, RADII, Ball, ball, radii_inside
from lipschitz.network import SHOWN, STRUCTURE, Box, Network, fingerprint, short_fingerprint
from lipschitz.support.text import printable

SEED = 1215
NSAMPS, NITERS = 1024, 500
BATCH_SIZE, IMAGENET_BATCH_SIZE = 1024, 32

# settings by name, then "network" and "image": fingerprints, and "logit": the image's largest
Provenance = Mapping[str, object]
IF_ABSENT = {"box": str(Box())}  # of files from before there was a choice
OF_IMAGE = ("image", "logit")  # in which the files of one experiment differ
IN_NAME = ("Nsamps", "Niters", "order", "activation")  # that a file's name tells
LONGEST = 80  # characters of other settings in print: a file may hold any text
LARGEST_RADIUS = float(np.finfo(np.float32).max)
LOGIT_ERROR = 1e-3  # relative or absolute: devices and batches differ in less


class Limits(NamedTuple):
    """Distances from an image, by norm "1", "2" and "i"."""

    farthest: Mapping[str, float]  # to the box's farthest point: no score can be larger
    sampled: Mapping[str, float]  # the radius of the largest ball inside the sampled one


@dataclass(frozen=True)
class Settings:
    """All that decides the maxima of an image and a target, but the network and the image.

    The fields are named after the options that set them.
    """

    dataset: str = "mnist"
    model_name: str = "normal"
    activation: str = "relu"
    Nsamps: int = NSAMPS  # samples per iteration as requested; `drawn` is rounded to batches
    Niters: int = NITERS
    order: int = 1
    sample_norm: str = DEFAULT_NORM
    radius: float | None = None  # the largest; None: that of 2018, times the box's width
    transform: str = ""  # its name in defense.py
    compute_slope: bool = False
    seed: int = SEED
    batch_size: int = BATCH_SIZE
    box: Box = field(default_factory=Box)

    def __post_init__(self) -> None:
        if self.sample_norm not in RADII or self.order not in (1, 2):
            raise ValueError(f"no norm {self.sample_norm!r}, or no order {self.order}")
        if min(self.Nsamps, self.Niters, self.batch_size) < 1 or self.seed < 0:
            raise ValueError(
                f"Nsamps {self.Nsamps}, Niters {self.Niters}, batch size {self.batch_size}: give 1 "
                f"or more; seed {self.seed}: 0 or more"
            )
        if self.radius is not None and not 0 < self.radius < math.inf:
            raise ValueError(f"radius {self.radius}: give a finite number above 0")

    @property
    def drawn(self) -> int:
        """Samples that an iteration draws: whole batches, at least one."""
        return max(self.Nsamps // self.batch_size, 1) * self.batch_size

    @property
    def ball(self) -> Ball:
        """Where samples are drawn. Raises InputError if a radius has to be given and is not."""
        return ball(self.sample_norm, self.radius, self.box.width)

    def folder(self, save: Path) -> Path:
        """The folder of this experiment's files; what is not the default is a sub-folder."""
        different = []
        if self.sample_norm != DEFAULT_NORM:
            different.append(self.sample_norm)
        if self.radius is not None and not self._has_default_radius():
            different.append(f"radius{self.radius!r}")
        if self.transform:
            different.append(self.transform)
        if self.compute_slope:
            different.append("slope")
        if self.seed != SEED:
            different.append(f"seed{self.seed}")
        if self.drawn != self.Nsamps:
            different.append(f"drawn{self.drawn}")
        return save / f"{self.dataset}_{self.model_name}" / "_".join(different)

    def limits(self, x_0: np.ndarray) -> Limits:
        """How far scores of the image x_0 can reach."""
        return Limits(self.box.farthest(x_0), radii_inside(self.ball, x_0.size))

    def file_name(self, image_id: int, true_label: int, target_label: int, info: str) -> FileName:
        """The name of the file of an image and a target."""
        image_and_target = (image_id, true_label, target_label, info)
        return FileName(self.Nsamps, self.Niters, *image_and_target, self.activation, self.order)

    def provenance(self, network: Network, x_0: np.ndarray, logit: float) -> Provenance:
        """What the numbers of one image come from, as its files keep it; logit: its largest.

        The batch size is left out: it changes only the last bits of a maximum.
        """
        named = {name: value for name, value in vars(self).items() if name != "batch_size"}
        named |= {
            "radius": self.ball.high,
            "drawn": self.drawn,
            "box": str(self.box),
            "network": network.fingerprint,
            "image": fingerprint([x_0]),
            "logit": logit,
        }
        return {name: _plain(value) for name, value in named.items()}

    def _has_default_radius(self) -> bool:
        one_width = np.ndim(self.box.width) == 0
        return one_width and self.ball == ball(self.sample_norm, None, self.box.width)


def as_json(provenance: Provenance) -> str:
    """The text that a file keeps."""
    return json.dumps(provenance, sort_keys=True)


def difference(stored: Provenance, wanted: Provenance) -> str:
    """The first thing that is not the same, for people to read; empty if all is."""
    for name, value in wanted.items():
        there = stored.get(name, IF_ABSENT.get(name))
        if SAME.get(name, _equal)(there, value):
            continue
        longest = SHOWN if name in ("network", "image") else LONGEST
        shown = f"{str(there)[:longest]}, now {str(value)[:longest]}"
        if name == "logit":
            return f"it is of another network, of the same weights (largest logit {shown})"
        if name == "network" and _weights(there) == _weights(value):
            return "it is of another network, of the same weights"
        if name in ("network", "image"):
            return f"it is of another {name} ({shown})"
        return f"its {name} is {shown}"
    return ""


def experiment_of(provenance: Provenance) -> Provenance:
    """What the files of one experiment share: all but what is of their image."""
    return {name: value for name, value in provenance.items() if name not in OF_IMAGE}


def radius_of(provenance: Provenance) -> float | None:
    """The radius that a file tells; None if it tells none above 0."""
    radius = provenance.get("radius")
    is_number = isinstance(radius, int | float) and not isinstance(radius, bool)
    return float(radius) if is_number and 0 < radius <= LARGEST_RADIUS else None


def in_print(provenance: Provenance) -> dict[str, str]:
    """What an experiment comes from, for people to read, but what is in the names of its files."""
    return {
        name: short_fingerprint(value) if name == "network" else printable(str(value)[:LONGEST])
        for name, value in sorted(experiment_of(provenance).items())
        if name not in IN_NAME
    }


def _plain(value: object) -> object:
    """A number of NumPy's as one of Python's, which JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _equal(there: object, value: object) -> bool:
    return there == value


def _same_network(there: object, value: object) -> bool:
    """Whether two fingerprints are of one network; older ones are of the weights alone."""
    return there == value or there == _weights(value) or _weights(there) == value


def _weights(network: object) -> str:
    return str(network).partition(STRUCTURE)[0]


def _close(there: object, value: object) -> bool:
    """Whether two logits can be those of one network on two devices."""
    numbers = isinstance(there, float) and isinstance(value, float)
    return numbers and math.isclose(there, value, rel_tol=LOGIT_ERROR, abs_tol=LOGIT_ERROR)


def _same_device(there: object, value: object) -> bool:
    """Whether two devices are of one kind: processors of more or fewer cores are."""
    kinds = (str(each).partition(",")[0] for each in (there, value))
    return next(kinds) == next(kinds)


SAME = {"network": _same_network, "logit": _close, "device": _same_device}

"""The result of the attack on the margin of one image and target."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lipschitz.maths.scores import PRINTED_NORMS
from lipschitz.network import fingerprint
from lipschitz.support import regular_file
from lipschitz.support.atomic import replacing
from lipschitz.support.text import line

SHOWN = {norm: f"L{printed}" for norm, printed in PRINTED_NORMS.items()}
ORDERS = {"1": 1, "2": 2, "i": np.inf}
LARGEST_IMAGES = 2**30  # bytes
HEADER = 4096  # bytes, of an array in an archive: it has fewer
IMAGE = "x_0"  # the image itself, among them


@dataclass(frozen=True)
class Attacked:
    """The nearest inputs found at which the margin is 0 or less, by norm "1", "2" and "i".

    `settings` are those of the attack, for people to read.
    """

    distances: Mapping[str, float]  # infinite: none was found
    predicted: Mapping[str, bool]  # whether the target is the predicted class there
    images: Mapping[str, np.ndarray] = field(default_factory=dict)  # float32; of norms with one
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def found(self) -> set[str]:
        """The norms in which an input was found."""
        return {norm for norm, distance in self.distances.items() if np.isfinite(distance)}

    @property
    def work(self) -> float:
        """The gradients that the attack took for a target; 0 if that is not told."""
        gradients = self.settings.get("gradients")
        return gradients if isinstance(gradients, int | float) else 0

    def better(self, other: "Attacked") -> "Attacked":
        """The nearer input of both in each norm, with the settings of the longer attack."""
        nearer = {norm: self.distances[norm] <= other.distances[norm] for norm in self.distances}
        of_norm = {norm: self if is_nearer else other for norm, is_nearer in nearer.items()}
        return Attacked(
            {norm: each.distances[norm] for norm, each in of_norm.items()},
            {norm: each.predicted[norm] for norm, each in of_norm.items()},
            {norm: each.images[norm] for norm, each in of_norm.items() if norm in each.images},
            max(self, other, key=lambda each: each.work).settings,
        )

    def summary_line(self) -> str:
        """The distances, as sampling prints them."""
        found = {f"attack_{SHOWN[norm]}": each for norm, each in self.distances.items()}
        return line("STATS", 1, **found)


def images_path(file: Path) -> Path:
    """Where the inputs that an attack found are kept: beside a target's file."""
    return file.with_suffix(".npz")


def save_images(file: Path, attacked: Attacked, x_0: np.ndarray) -> None:
    """Keep the inputs that were found, by norm, and the image, in the network's units."""
    found = {SHOWN[norm]: image for norm, image in attacked.images.items()}
    with replacing(images_path(file)) as unfinished, unfinished.open("wb") as opened:
        np.savez_compressed(opened, **{IMAGE: x_0}, **found)


def load_images(file: Path, attacked: Attacked, x_0: np.ndarray) -> dict[str, np.ndarray]:
    """The inputs that are kept beside a target's file, by norm, if they are those of the attack."""
    return _of_attack(_kept(file), attacked, x_0)


def load_shown(
    file: Path, attacked: Attacked, image: object, shape: tuple[int, ...] | None
) -> dict[str, np.ndarray]:
    """The same if the image is not at hand but kept beside them.

    `image` is its fingerprint, `shape` that of the arrays: of another size none is read.
    """
    if shape is None:
        return {}
    kept = _kept(file, (len(ORDERS) + 1) * (4 * math.prod(shape) + HEADER))
    x_0 = kept.get(IMAGE)
    if x_0 is None or x_0.dtype != np.float32 or fingerprint([x_0]) != image:
        return {}
    return _of_attack(kept, attacked, x_0)


def _kept(file: Path, largest: int = LARGEST_IMAGES) -> dict[str, np.ndarray]:
    """The arrays that are kept beside a target's file, by norm, and the image; none if none are.

    Arrays of more than `largest` bytes together are not read.
    """
    names = {SHOWN[norm]: norm for norm in ORDERS} | {IMAGE: IMAGE}
    try:
        content = io.BytesIO(regular_file.read(images_path(file), LARGEST_IMAGES))
        with np.load(content, allow_pickle=False) as archive:
            if sum(each.file_size for each in archive.zip.infolist()) > largest:
                return {}
            return {names[name]: archive[name] for name in archive.files if name in names}
    except Exception:  # NumPy's reader raises what its parsing stumbles over: as if none were kept
        return {}


def _of_attack(
    kept: Mapping[str, np.ndarray], attacked: Attacked, x_0: np.ndarray
) -> dict[str, np.ndarray]:
    """Those of the arrays that the attack found."""
    images = {}
    for norm, order in ORDERS.items():
        image = kept.get(norm)
        if image is not None and image.shape == x_0.shape and image.dtype == np.float32:
            distance = np.linalg.norm(np.ravel(image.astype(float) - x_0), order)
            if np.isclose(distance, attacked.distances[norm], rtol=1e-9, atol=0):
                images[norm] = image
    return images

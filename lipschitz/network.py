"""The seam between frameworks: what the toolkit asks of a network. NumPy arrays in and out.

A back end (`tf_backend/`) answers it; nothing above the seam knows which one does.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from lipschitz.support.text import say

STRUCTURE = "-"  # in a fingerprint: between the hash of the weights and that of the structure
SHOWN = 12  # digits of a hash in print
ROUNDING = 1e-6  # of a box's width: what float32 may add to a value at its end

# kinds of outputs
LOGITS, PROBABILITIES, SIGMOIDS, RECTIFIED = "logits", "probabilities", "sigmoids", "rectified"
MANY = 20  # images: the outputs of fewer can lie in [0, 1] by chance
SUM_ERROR, SUM_ERROR_OF_MANY = 1e-3, 1e-2  # of probabilities; the latter in bfloat16
NOT_LOGITS = {
    PROBABILITIES: "the network's outputs look like probabilities (in [0, 1], with a sum of 1). "
    "CLEVER is defined on logits: scores of a softmax output do not compare. Take the layer before "
    "the softmax, or have their logarithms scored (outputs: probabilities)",
    SIGMOIDS: "the network's outputs all lie in [0, 1], like those of a sigmoid per class. CLEVER "
    "is defined on logits: scores of such outputs do not compare. Take the layer before the "
    "sigmoid",
    RECTIFIED: "the network's outputs are never negative and often exactly 0, like those of a "
    "ReLU. A class that is cut off at 0 has no gradient, so the margin to it is that of the true "
    "class alone, and its score may be too large. Take the outputs before the ReLU",
}

# H v (len(active), n) for the samples `active` of a batch and one vector each, v (len(active), n)
Products = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Box:
    """The valid inputs: each value lies in [lower, upper]; the default is the box of 2018.

    An end is a number, or an array that broadcasts to the network's input shape.
    """

    lower: float | np.ndarray = -0.5
    upper: float | np.ndarray = 0.5

    def __post_init__(self) -> None:
        if not (np.isfinite(self.lower).all() and np.isfinite(self.upper).all()):
            raise ValueError("a box has finite ends")
        if (
            not np.less_equal(self.lower, self.upper).all()
            or np.equal(self.lower, self.upper).all()
        ):
            raise ValueError("the lower end of a box lies below its upper end")

    @property
    def width(self) -> float | np.ndarray:
        """Upper - lower: a number if it is the same for all values."""
        widths = np.subtract(self.upper, self.lower)
        return float(widths.flat[0]) if np.allclose(widths, widths.flat[0]) else widths

    def contains(self, x: np.ndarray) -> bool:
        """Whether all values of x, of the input's shape, lie in the box, but for rounding."""
        room = ROUNDING * np.maximum(self.width, np.maximum(np.abs(self.lower), np.abs(self.upper)))
        return bool(np.all((x >= self.lower - room) & (x <= self.upper + room)))

    def farthest(self, x_0: np.ndarray) -> dict[str, float]:
        """The distance from x_0 to the farthest point of the box in the norms "1", "2" and "i"."""
        return _norms(np.maximum(np.float64(x_0) - self.lower, self.upper - np.float64(x_0)))

    def diameter(self, shape: tuple[int, ...]) -> dict[str, float]:
        """The distance of opposite corners of the box in the norms "1", "2" and "i"."""
        return _norms(np.broadcast_to(np.float64(self.width), shape))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        ends = np.broadcast_arrays(np.float64(self.lower), np.float64(self.upper))
        lowest, highest = float(ends[0].min()), float(ends[1].max())
        if np.ptp(ends[0]) == np.ptp(ends[1]) == 0:
            return f"[{lowest!r}, {highest!r}]"
        return f"[{lowest!r}, {highest!r}], one interval per value ({fingerprint(ends)[:SHOWN]})"


@dataclass(frozen=True)
class Convention:
    """What a network takes and gives, which its file does not tell.

    `box` has the values of black and white at its ends. `mean` and `std`, a number or one for each
    channel, come before the first layer, (x - mean) / std, and are part of the network: scores stay
    in units of the box. Outputs that are `probabilities` are scored by their logarithms, whose
    margins are those of logits.
    """

    box: Box = field(default_factory=lambda: Box(0.0, 1.0))
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    probabilities: bool = False

    def __post_init__(self) -> None:
        if not np.isfinite([*self.mean, *self.std]).all() or min(self.std) <= 0:
            raise ValueError(f"mean {self.mean}, std {self.std}: give finite numbers, std above 0")
        if len(self.mean) != len(self.std):
            raise ValueError(f"{len(self.mean)} means and {len(self.std)} stds: give as many")

    @property
    def is_normalized(self) -> bool:
        """Whether mean and std change anything."""
        return any(self.mean) or any(each != 1 for each in self.std)

    def structure(self) -> list[object]:
        """What of it changes the logits, for the fingerprint; empty if nothing does."""
        normalization = [list(self.mean), list(self.std)] if self.is_normalized else []
        return normalization + (["probabilities"] if self.probabilities else [])


def _norms(x: np.ndarray) -> dict[str, float]:
    orders = {"1": 1, "2": 2, "i": np.inf}
    return {norm: float(np.linalg.norm(x.ravel(), order)) for norm, order in orders.items()}


class Maxima(NamedTuple):
    """What a batch gives for T targets."""

    largest: np.ndarray  # (T, 3 or 6): L2, L1, L-infinity norm of dg/dx, then the slopes if any
    left_out: np.ndarray  # (T,): samples without finite logits, gradients or slopes

    def merged(self, other: "Maxima") -> "Maxima":
        """The maxima of two batches together."""
        return Maxima(np.maximum(self.largest, other.largest), self.left_out + other.left_out)

    def columns(self) -> np.ndarray:
        """(T, 4 or 7): the maxima, then the count."""
        return np.column_stack([self.largest, self.left_out])


class Gradients(NamedTuple):
    """The logits f(x) of a batch, and the gradient of a margin at each image."""

    logits: np.ndarray  # (B, num_labels)
    of_margins: np.ndarray  # (B, *input_shape)


@runtime_checkable
class Network(Protocol):
    """A classifier. Images x are (B, *input_shape) float32, channels last; margins are g = w . f.

    `weights` are rows w of `margin_weights`. The methods are called from several threads.
    """

    input_shape: tuple[int, ...]  # (H, W, C), (n,), (L, C), (D, H, W, C), ...
    box: Box
    num_labels: int
    fingerprint: str  # of weights and structure
    device: str  # the name of what computes, for people to read
    streams: int  # calls at the same time that keep the device busy

    def logits(self, x: np.ndarray) -> np.ndarray:
        """f(x), (B, num_labels)."""

    def gradient_maxima(self, x: np.ndarray, weights: np.ndarray, slopes: bool = False) -> Maxima:
        """The largest norms of dg/dx over the batch, for each of the rows (T, num_labels).

        With `slopes` also the largest slopes of g between samples 0 and 1, 2 and 3, ...
        """

    def gradients(self, x: np.ndarray, weights: np.ndarray) -> Gradients:
        """f(x) and dg/dx at each image, with a row (B, num_labels) for each."""

    def hessian_products(self, x: np.ndarray, weights: np.ndarray) -> Products:
        """Products with the Hessians of g at x, for one row (num_labels,).

        Those of a sample whose logits are not finite are nan.
        """

    def is_piecewise_linear(self) -> bool:
        """Whether the Hessian is zero wherever it exists; False if that is not known."""


def fits(shape: tuple[int | None, ...], needed: tuple[int, ...]) -> bool:
    """Whether a shape, whose sizes that are left open are None, is the needed one."""
    return len(shape) == len(needed) and all(
        size in (None, other) for size, other in zip(shape, needed, strict=True)
    )


def completed(shape: tuple[int | None, ...], image: tuple[int, ...]) -> tuple[int, ...]:
    """A shape whose sizes that are left open (None) are those of an image.

    The image may have an axis of one channel more or fewer, or its channels first. Raises
    ValueError if it has another number of axes.
    """
    if None not in shape:
        return shape
    candidates = [image, (*image, 1), (*image[-1:], *image[:-1])]
    if image[-1] == 1:
        candidates.append(image[:-1])
    alike = [each for each in candidates if len(each) == len(shape)]
    if not alike:
        raise ValueError(
            f"the network leaves sizes of its input open, {shape}, and an image has {image}"
        )
    closest = next((each for each in alike if fits(shape, each)), alike[0])
    return tuple(size or other for size, other in zip(shape, closest, strict=True))


def margin_weights(num_labels: int, true_label: int, targets: list[int]) -> np.ndarray:
    """Rows w (targets, num_labels) with w . f(x) = f_true(x) - f_target(x), the margin g(x)."""
    identity = np.eye(num_labels, dtype=np.float32)
    return identity[true_label] - identity[targets]


def are_probabilities(outputs: np.ndarray) -> bool:
    """Whether outputs (N, K) look like those of a softmax: in [0, 1], with a sum of 1 each.

    Not those of a single number, which are 0 and z: z may be nearly 1.
    """
    if outputs.shape[1] == 2 and not outputs[:, 0].any() and (outputs[:, 1] != 1).any():
        return False
    inside = (outputs >= 0).all() and (outputs <= 1).all()
    error = SUM_ERROR if len(outputs) < MANY else SUM_ERROR_OF_MANY
    return bool(inside and np.allclose(outputs.sum(axis=1), 1, atol=error))


def check_outputs(outputs: np.ndarray, probabilities: bool, ending: str) -> None:
    """Say what is made of a network's outputs (N, K), of grey images, and of its `ending`.

    That is the softmax or sigmoid that is taken off, or "". Raises ValueError if the outputs cannot
    be scored, or are not the `probabilities` that they should be.
    """
    if probabilities and not _may_be_probabilities(outputs):
        raise ValueError(
            f"its outputs are no probabilities: for grey images they are {outputs.min():.3g} to "
            f"{outputs.max():.3g}, with a sum of {outputs[0].sum():.3g}; logits are scored as they "
            "are"
        )
    if outputs.shape[1] == 1 and ending == "softmax":
        raise ValueError(
            "the network ends with a softmax of one number, which is always 1: let it end with a "
            "sigmoid, or with a number for each class"
        )
    if ending:
        say(f"the {ending} at the network's end is taken off: its logits are scored")
    if outputs.shape[1] == 1:
        what = "probability" if probabilities else "logit"
        say(f"the network gives one number: it is taken as the {what} of class 1 of two classes")


def _may_be_probabilities(outputs: np.ndarray) -> bool:
    """Whether outputs (N, K) are those of a softmax, or of a sigmoid if K = 1, in any precision."""
    inside = (outputs >= 0).all() and (outputs <= 1).all()
    totals = outputs.sum(axis=1)
    return bool(
        inside and (outputs.shape[1] == 1 or np.allclose(totals, 1, atol=SUM_ERROR_OF_MANY))
    )


def kind_of_outputs(outputs: np.ndarray) -> str:
    """What outputs (N, K) look like: one of `NOT_LOGITS`, or `LOGITS`.

    Few of them tell no more than whether they are probabilities.
    """
    if are_probabilities(outputs):
        return PROBABILITIES
    # logits that are all zero are those of a dead network
    if len(outputs) < MANY or not outputs.any() or not (outputs >= 0).all():
        return LOGITS
    if (outputs <= 1).all():
        return SIGMOIDS
    zero = outputs == 0
    return RECTIFIED if (zero.any(axis=0) & ~zero.all(axis=0)).any() else LOGITS


def fingerprint(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 of arrays in their order: of the weights of a network, or of an image."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def network_fingerprint(weights: str, structure: object) -> str:
    """The fingerprint of a network: the hash of its weights, then that of its structure.

    `structure` is what JSON can hold; other objects in it count by their class.
    """
    text = json.dumps(structure, sort_keys=True, default=lambda found: type(found).__name__)
    return weights + STRUCTURE + hashlib.sha256(text.encode()).hexdigest()


def short_fingerprint(network: object) -> str:
    """A fingerprint for people to read: the first digits of its two hashes."""
    return STRUCTURE.join(part[:SHOWN] for part in str(network).split(STRUCTURE, 1))

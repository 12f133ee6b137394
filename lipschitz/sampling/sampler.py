"""Sampling around one image: workers draw, the network measures, iterations come out.

The unit of work is one image with all its target classes. They share the samples and the
forward pass: each target's maxima have the distribution that samples of its own would give.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import reduce

import numpy as np

from lipschitz.network import LOGITS, NOT_LOGITS, Network, kind_of_outputs, margin_weights
from lipschitz.results.estimate import Estimate, FirstOrder, Iteration, SecondOrder
from lipschitz.results.matfile import GRADIENT_KEYS, SLOPE_KEYS
from lipschitz.sampling.curvature import Extremes, hessian_extremes
from lipschitz.sampling.pool import Workers, default_count
from lipschitz.sampling.transformation import Transformation
from lipschitz.sampling.worker import Neighbourhood
from lipschitz.settings import Settings
from lipschitz.support.errors import ImageError, InputError
from lipschitz.support.text import say

SMOOTH_ACTIVATIONS = ("tanh", "sigmoid", "softplus", "arctan", "elu", "2-layer's own")
RANDOM_OUTPUTS = (
    "the network gives the same image other logits when it is called again (dropout or noise in "
    "prediction, or layers that keep a state): a rerun has other scores"
)
LOGIT_ERROR = 1e-2  # of the largest logit: batches of float16 differ in less


@dataclass(frozen=True)
class AtImage:
    """An image with its targets: what the network makes of it, and how it is to be sampled."""

    settings: Settings
    x_0: np.ndarray
    true_label: int
    targets: list[int]
    image_id: int  # part of the key of its samples
    pred: np.ndarray  # (K,) float32: logits
    margins: list[float]  # g(x_0) of each target
    gradient_norms: np.ndarray | None  # of g at x_0 (targets, 3), L2, L1, L-infinity; second order


class Sampler(AbstractContextManager):
    """A network, and the workers that draw around its images. Use it in a `with` block.

    The workers start when the first image is sampled, or with `start`.
    """

    def __init__(self, network: Network, batch_size: int, nthreads: int = 0) -> None:
        """There will be `nthreads` workers; 0: half the cores.

        Raises ValueError if the box does not have the shape of the inputs.
        """
        for end in (network.box.lower, network.box.upper):
            if np.broadcast_shapes(np.shape(end), network.input_shape) != network.input_shape:
                raise ValueError(
                    f"the box has the shape {np.shape(end)}, the inputs {network.input_shape}"
                )
        self.network, self.batch_size = network, batch_size
        self.nthreads = nthreads or default_count()
        self.outputs = LOGITS  # what the network's outputs look like, by those that were seen
        self.doubts: list[str] = []  # what is suspicious in them
        self._tried = False
        self._workers: Workers | None = None

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def start(self) -> None:
        """Start the workers, unless they run. Raises RunError if there is no shared memory."""
        if self._workers is None:
            values = int(np.prod(self.network.input_shape))
            self._workers = Workers(self.nthreads, self.batch_size, values)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (N, K); outputs that do not look like logits are warned of, once."""
        found = self.network.logits(images)
        if self.outputs == LOGITS:
            self.outputs = kind_of_outputs(found)
            if self.outputs != LOGITS:
                say(f"warning: {NOT_LOGITS[self.outputs]}")
        return found

    def at_image(
        self,
        settings: Settings,
        x_0: np.ndarray,
        true_label: int,
        targets: Sequence[int],
        image_id: int = 0,
    ) -> AtImage:
        """The margins f_true - f_target of an image, and for the second order their gradients.

        Raises ValueError if settings, shape or classes are not the network's, ImageError if a
        margin is not above 0 or a gradient is not finite.
        """
        x_0, targets = np.asarray(x_0, np.float32), list(targets)
        self._check(settings, x_0, true_label, targets)
        if image_id < 0:
            raise ValueError(f"image_id {image_id}: give 0 or more")
        pred = self.logits(x_0[None])[0]
        self._try_network(x_0, pred)
        margins = _margins(pred, true_label, targets, image_id)
        norms = None
        if settings.order == 2:
            norms = self._gradient_norms(x_0, true_label, targets, image_id)
        return AtImage(settings, x_0, true_label, targets, image_id, pred, margins, norms)

    def iterations(
        self,
        image: AtImage,
        transform: Transformation | None = None,
        done: Sequence[Iteration] = (),
    ) -> Iterator[Iteration]:
        """Sample around an image; yield the findings of one iteration after the other.

        Samples are those of (seed, image_id, iteration), each put through the transformation,
        which x_0 is not. Iterations that are `done` already are not drawn again. Raises
        ImageError once every target has an iteration without a finite sample, RunError if there
        is no shared memory, or if workers are killed again and again.
        """
        settings, network = image.settings, self.network
        self.start()
        drawn = settings.drawn
        around = Neighbourhood(
            image.x_0, settings.ball, settings.seed, image.image_id, transform, network.box
        )
        weights = margin_weights(network.num_labels, image.true_label, image.targets)
        lost = np.zeros(len(image.targets), bool)
        for iteration in done:
            lost |= iteration.found[:, -1] == drawn
        per_iteration = drawn // self.batch_size
        batches = self._workers.batches(around, settings.Niters, per_iteration, first=len(done))
        start = time.perf_counter() - (done[-1].ended if done else 0)
        for number in range(len(done), settings.Niters):
            of_batches, waited = [], 0.0
            for _ in range(per_iteration):
                asked = time.perf_counter()
                batch = next(batches).reshape(-1, *image.x_0.shape)
                waited += time.perf_counter() - asked
                if settings.order == 2:
                    of_batches.append(hessian_extremes(network, batch, weights))
                else:
                    slopes = settings.compute_slope
                    of_batches.append(network.gradient_maxima(batch, weights, slopes))
            found = reduce(type(of_batches[0]).merged, of_batches).columns().astype(float)
            none_finite = found[:, -1] == drawn
            lost |= none_finite
            if lost.all() and none_finite.any():
                raise ImageError(
                    f"image {image.image_id}, iteration {number}: no logits or no derivatives of "
                    f"all {drawn} samples are finite; the network overflows near this image"
                )
            yield Iteration(found, time.perf_counter() - start, waited)

    def _try_network(self, x_0: np.ndarray, pred: np.ndarray) -> None:
        """See once whether the network computes each image by itself, and always the same.

        Raises InputError if the logits of an image depend on the images beside it: its gradient
        would be that of a batch.
        """
        if self._tried:
            return
        self._tried = True
        if not _are_close(self.network.logits(x_0[None])[0], pred):
            self.doubts.append(RANDOM_OUTPUTS)
            say(f"warning: {RANDOM_OUTPUTS}")
            return
        corner = np.broadcast_to(np.float32(self.network.box.lower), x_0.shape)
        if not _are_close(self.network.logits(np.stack([x_0, corner]))[0], pred):
            raise InputError(
                "the network gives an image other logits if another image stands beside it, so its "
                "gradients mix images (batch normalization in training mode, say): build it for "
                "prediction"
            )

    def _gradient_norms(
        self, x_0: np.ndarray, true_label: int, targets: list[int], image_id: int
    ) -> np.ndarray:
        """L2, L1 and L-infinity norm (targets, 3) of the margins' gradients at x_0."""
        weights = margin_weights(self.network.num_labels, true_label, targets)
        found = self.network.gradient_maxima(x_0[None], weights)
        if found.left_out.any():
            raise ImageError(f"image {image_id}: its gradient is not finite")
        return found.largest

    def _check(
        self, settings: Settings, x_0: np.ndarray, true_label: int, targets: list[int]
    ) -> None:
        network = self.network
        if (settings.batch_size, settings.box) != (self.batch_size, network.box):
            raise ValueError(
                f"the settings are for batches of {settings.batch_size} in the box {settings.box}; "
                f"the sampler has batches of {self.batch_size}, the network the box {network.box}"
            )
        if x_0.shape != tuple(network.input_shape):
            raise ValueError(
                f"x_0 has the shape {x_0.shape}, the network takes {tuple(network.input_shape)}"
            )
        if not network.box.contains(x_0):
            raise ValueError(
                f"x_0 has values from {x_0.min():.5g} to {x_0.max():.5g}, outside the range of the "
                f"network's inputs, {network.box}: bring the image to that range, or give the "
                "network the Box of its own range (load_model: input_range)"
            )
        labels = range(network.num_labels)
        if not targets or true_label in targets or not {true_label, *targets} <= set(labels):
            raise ValueError(
                f"targets {targets} for class {true_label}: give other classes, in {labels}"
            )


def require_measurable(network: Network, settings: Settings) -> None:
    """Raise InputError if the network cannot be sampled with these settings.

    Second-order scores of a piecewise linear network mean nothing: its Hessian is zero.
    """
    if settings.order == 2 and network.is_piecewise_linear():
        raise InputError(
            "this network is piecewise linear (ReLU, bounded ReLU, hard_sigmoid), so its "
            f"Hessian is zero; activations that work: {', '.join(SMOOTH_ACTIVATIONS)}"
        )
    if settings.compute_slope and settings.batch_size % 2:
        raise InputError("slopes take pairs of samples: give an even batch size")


def columns(settings: Settings) -> int:
    """Numbers in an iteration's findings for a target."""
    if settings.order == 2:
        return len(Extremes._fields)
    return len(GRADIENT_KEYS) + (len(SLOPE_KEYS) if settings.compute_slope else 0) + 1


def estimates(image: AtImage, iterations: Sequence[Iteration]) -> list[Estimate]:
    """Each target's estimate from all iterations; a maximum without a finite sample is nan."""
    settings = image.settings
    found = np.stack([iteration.found for iteration in iterations], axis=-1)
    found[:, :-1] = np.where(found[:, -1:] == settings.drawn, np.nan, found[:, :-1])
    shared = {
        "pred": image.pred,
        "time": np.array([iteration.ended for iteration in iterations]),
        "overhead": np.array([iteration.waited for iteration in iterations]),
        "drawn": settings.drawn,
    }
    norms = image.gradient_norms
    return [
        _second_order(found[place], norms[place], target_label=target, g_x0=margin, **shared)
        if settings.order == 2
        else _first_order(found[place], target_label=target, g_x0=margin, **shared)
        for place, (target, margin) in enumerate(zip(image.targets, image.margins, strict=True))
    ]


def _first_order(found: np.ndarray, **shared: object) -> FirstOrder:
    """The estimate of findings (columns, Niters)."""
    keys = [*GRADIENT_KEYS.values(), *SLOPE_KEYS.values()]
    *maxima, non_finite = found
    with_slopes = len(maxima) == len(keys)
    absent = [] if with_slopes else list(np.zeros((len(SLOPE_KEYS), len(non_finite))))
    return FirstOrder(
        **shared,
        **dict(zip(keys, [*maxima, *absent], strict=True)),
        non_finite=non_finite,
        with_slopes=with_slopes,
    )


def _second_order(found: np.ndarray, norms: np.ndarray, **shared: object) -> SecondOrder:
    """The estimate of findings (columns, Niters), and of the gradient's norms at x_0."""
    eigenvalues, capped, products, non_finite = found
    l2, l1, linf = map(float, norms)
    return SecondOrder(
        **shared,
        H2_max=eigenvalues,
        capped=int(capped.sum()),
        products=int(products.sum()),
        non_finite=non_finite,
        g_x0_grad_2_norm=l2,
        g_x0_grad_1_norm=l1,
        g_x0_grad_inf_norm=linf,
    )


def _margins(pred: np.ndarray, true_label: int, targets: list[int], image_id: int) -> list[float]:
    """g(x_0) = f_true(x_0) - f_target(x_0) of each target. Raises ImageError if one is not above 0.

    A misclassified image has no distance to the boundary: a score would be a wrong number.
    """
    margins = [float(pred[true_label] - pred[target]) for target in targets]
    for target, margin in zip(targets, margins, strict=True):
        if not 0 < margin < np.inf:
            raise ImageError(
                f"image {image_id}: g(x0) = {margin:.5g} for the classes {true_label} and "
                f"{target}: only an image that is classified correctly has a score"
            )
    return margins


def _are_close(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether logits (K,) are the same but for rounding; those that are not finite count as so."""
    largest = np.abs(expected).max()
    return not np.abs(found - expected).max() > LOGIT_ERROR * largest

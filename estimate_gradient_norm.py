"""The sampler: joins the workers, who draw, and TensorFlow, which takes gradients.

The unit of work is one image with all its target classes. They share the samples and the
forward pass: each target's maxima have the distribution that samples of its own would give.
"""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import reduce

import numpy as np

import catalogue
from defense import TRANSFORMATIONS
from lipschitz import curvature, gradients
from lipschitz.ball import DEFAULT_NORM, ball
from lipschitz.checkpoint import Iteration
from lipschitz.curvature import hessian_extremes
from lipschitz.dataset import DataSet
from lipschitz.errors import ImageError, InputError, say
from lipschitz.estimate import Estimate, FirstOrder, SecondOrder
from lipschitz.gradients import gradient_maxima, logits, margin_weights
from lipschitz.matfile import GRADIENT_KEYS, SLOPE_KEYS
from lipschitz.networks import Network, are_probabilities
from lipschitz.piecewise_linear import check_curved
from lipschitz.sampling import SEED, samples_drawn
from lipschitz.tensorflow import device_name
from lipschitz.worker import Neighbourhood
from lipschitz.workers import Workers, default_count


class EstimateLipschitz(AbstractContextManager):
    """Gradient norms around images. Use it in a `with` block, or `close()` it."""

    def __init__(self, seed: int = SEED, nthreads: int = 0) -> None:
        """`nthreads` workers draw; 0: half the cores. The same seed draws the same samples."""
        self.seed = seed
        self.nthreads = nthreads or default_count()
        self._workers: Workers | None = None

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def load_model(
        self,
        dataset: str = "mnist",
        model_name: str = "2-layer",
        activation: str = "relu",
        model: Network | None = None,
        batch_size: int = 0,
        compute_slope: bool = False,
        order: int = 1,
        *,
        weights: str = "",
    ) -> tuple[DataSet, Network]:
        """Load a data set and its network (or take `model`), and start the workers.

        Raises InputError where the network cannot be loaded, or has no second order and `order`
        is 2. Random choices that follow from the seed are drawn from `generator`, set here.
        """
        self.close()
        self.device = device_name()
        network = model or catalogue.network(dataset, model_name, activation, weights)
        if order == 2:
            check_curved(network)
        self.generator = random.Random(self.seed)
        data = catalogue.data_set(dataset, network, self.generator)
        self.batch_size = batch_size or catalogue.batch_size(dataset)
        if compute_slope and self.batch_size % 2:
            raise InputError("--compute_slope takes pairs of samples: give an even --batch_size")
        values = network.image_size**2 * network.num_channels
        self._workers = Workers(self.nthreads, self.batch_size, values)
        self._network, self._order, self._warned = network, order, False
        self._slopes = compute_slope and order == 1
        self._gradient_maxima = gradient_maxima(network.predict, self._slopes)
        if order == 2:
            self._measure, self._merge = hessian_extremes(network.predict), curvature.merge
            self.columns = curvature.COLUMNS
        else:
            self._measure, self._merge = self._gradient_maxima, gradients.merge
            self.columns = gradients.COLUMNS + (len(SLOPE_KEYS) if self._slopes else 0)
        return data, network

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (N, K) of images (N, H, W, C); what look like probabilities is warned of, once."""
        found = logits(self._network.predict, images)
        if not self._warned and are_probabilities(found):
            self._warned = True
            say(
                "warning: the network's outputs look like probabilities (in [0, 1], with a sum of "
                "1). CLEVER is defined on logits: scores of a softmax output do not compare. "
                "Take the layer before the softmax"
            )
        return found

    def estimate(
        self,
        x_0: np.ndarray,
        true_label: int,
        target_label: int | Sequence[int],
        Nsamp: int,
        Niters: int,
        sample_norm: str = DEFAULT_NORM,
        transform: str = "",
        order: int = 1,
        *,
        radius: float | None = None,
        image_id: int = 0,
        done: list[Iteration] | None = None,
        on_iteration: Callable[[], object] = lambda: None,
    ) -> Estimate | list[Estimate]:
        """Sample around x_0 (H, W, C) for the margins f_true - f_target.

        One target gives one estimate, several give a list; `order` is that of `load_model`.
        `Nsamp` becomes a multiple of the batch size; samples are those of (seed, image_id), each
        put through the transformation (defense.py), which x_0 is not. Iterations are added to
        `done`, behind those that are in it already, and `on_iteration` is called after each. Where
        an iteration has no finite sample for a target, its maximum is nan. Raises ValueError where
        an argument does not fit the network, ImageError where a margin is not above 0 at x_0, its
        gradient there is not finite, or all targets have such an iteration, and RunError where
        workers are killed again and again.
        """
        targets = [target_label] if np.ndim(target_label) == 0 else list(target_label)
        self._check(x_0, true_label, targets, Nsamp, Niters, transform, order)
        weights = margin_weights(self._network.num_labels, true_label, targets)
        pred = self.logits(x_0[None])[0]
        margins = _margins(pred, true_label, targets, image_id)
        at_image = self._gradient_norms(x_0, weights, image_id) if order == 2 else None

        around = Neighbourhood(
            np.asarray(x_0, np.float32),
            ball(sample_norm, radius),
            self.seed,
            image_id,
            TRANSFORMATIONS[transform] if transform else None,
        )
        done = [] if done is None else done
        drawn = samples_drawn(Nsamp, self.batch_size)
        per_iteration = drawn // self.batch_size
        batches = self._workers.batches(around, Niters, per_iteration, first=len(done))
        start = time.perf_counter() - (done[-1].ended if done else 0)
        while len(done) < Niters:
            of_batches, waited = [], 0.0
            for _ in range(per_iteration):
                asked = time.perf_counter()
                batch = next(batches)
                waited += time.perf_counter() - asked
                of_batches.append(self._measure(batch.reshape(-1, *x_0.shape), weights))
            found = reduce(self._merge, of_batches).astype(float)
            done.append(Iteration(found, time.perf_counter() - start, waited))
            _check_some_finite(done, drawn, image_id)
            on_iteration()

        shared = [
            {
                "target_label": target,
                "pred": pred,
                "g_x0": margin,
                "time": np.array([iteration.ended for iteration in done]),
                "overhead": np.array([iteration.waited for iteration in done]),
                "drawn": drawn,
            }
            for target, margin in zip(targets, margins, strict=True)
        ]
        columns = np.stack([iteration.found for iteration in done], axis=-1)
        of_order = self._first_order if order == 1 else self._second_order
        estimates = of_order(shared, _without_maximum(columns, drawn), at_image)
        return estimates[0] if np.ndim(target_label) == 0 else estimates

    def _gradient_norms(self, x_0: np.ndarray, weights: np.ndarray, image_id: int) -> np.ndarray:
        """L2, L1 and L-infinity norm (targets, 3) of the margins' gradients at x_0."""
        at_image = self._gradient_maxima(x_0[None].astype(np.float32), weights)
        if at_image[:, -1].any():
            raise ImageError(f"image {image_id}: its gradient is not finite")
        return at_image[:, :3]

    def _first_order(self, shared: list[dict], columns: np.ndarray, _: None) -> list[Estimate]:
        """The estimates of columns (targets, columns, Niters)."""
        keys = [*GRADIENT_KEYS.values(), *SLOPE_KEYS.values()]
        absent = () if self._slopes else np.zeros((3, columns.shape[2]))
        return [
            FirstOrder(
                **fields,
                **dict(zip(keys, [*maxima, *absent], strict=True)),
                non_finite=non_finite,
                with_slopes=self._slopes,
            )
            for fields, (*maxima, non_finite) in zip(shared, columns, strict=True)
        ]

    def _second_order(
        self, shared: list[dict], columns: np.ndarray, at_image: np.ndarray
    ) -> list[Estimate]:
        """The estimates of columns (targets, columns, Niters), and of the gradients at x_0."""
        return [
            SecondOrder(
                **fields,
                H2_max=eigenvalues,
                capped=int(capped.sum()),
                products=int(products.sum()),
                non_finite=non_finite,
                g_x0_grad_2_norm=float(l2),
                g_x0_grad_1_norm=float(l1),
                g_x0_grad_inf_norm=float(linf),
            )
            for fields, (eigenvalues, capped, products, non_finite), (l2, l1, linf) in zip(
                shared, columns, at_image, strict=True
            )
        ]

    def _check(
        self,
        x_0: np.ndarray,
        true_label: int,
        targets: list[int],
        Nsamp: int,
        Niters: int,
        transform: str,
        order: int,
    ) -> None:
        if self._workers is None:
            raise ValueError("no model: call load_model first, and estimate before close")
        network = self._network
        shape = (network.image_size, network.image_size, network.num_channels)
        if x_0.shape != shape:
            raise ValueError(f"x_0 has the shape {x_0.shape}, the network takes {shape}")
        labels = range(network.num_labels)
        if not targets or true_label in targets or not {true_label, *targets} <= set(labels):
            raise ValueError(
                f"targets {targets} for class {true_label}: give other classes, in {labels}"
            )
        if Nsamp < 1 or Niters < 1:
            raise ValueError(f"Nsamp {Nsamp}, Niters {Niters}: give 1 or more")
        if transform and transform not in TRANSFORMATIONS:
            raise ValueError(f"no transformation {transform!r}: {', '.join(TRANSFORMATIONS)}")
        if order != self._order:
            raise ValueError(f"order {order}: the model was loaded for order {self._order}")


def _margins(pred: np.ndarray, true_label: int, targets: list[int], image_id: int) -> list[float]:
    """g(x0) = f_true(x0) - f_target(x0) of each target. Raises ImageError where one is not above 0.

    The score of an image that the network gets wrong would be a distance that is none.
    """
    margins = [float(pred[true_label] - pred[target]) for target in targets]
    for target, margin in zip(targets, margins, strict=True):
        if not 0 < margin < np.inf:
            raise ImageError(
                f"image {image_id}: g(x0) = {margin:.5g} for the classes {true_label} and "
                f"{target}: only an image that is classified correctly has a score"
            )
    return margins


def _check_some_finite(done: list[Iteration], drawn: int, image_id: int) -> None:
    """Raise ImageError where no target can have a score any more, at the last iteration."""
    if (done[-1].found[:, -1] < drawn).all():
        return
    none_finite = [iteration.found[:, -1] == drawn for iteration in done]
    if np.any(none_finite, axis=0).all():
        raise ImageError(
            f"image {image_id}, iteration {len(done) - 1}: no logits or no derivatives of all "
            f"{drawn} samples are finite; the network overflows near this image"
        )


def _without_maximum(columns: np.ndarray, drawn: int) -> np.ndarray:
    """Columns (targets, columns, Niters), nan where an iteration had no finite sample."""
    none = columns[:, -1:] == drawn
    columns[:, :-1] = np.where(none, np.nan, columns[:, :-1])
    return columns

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
from lipschitz import curvature
from lipschitz.ball import DEFAULT_NORM, ball
from lipschitz.curvature import hessian_extremes
from lipschitz.dataset import DataSet
from lipschitz.errors import InputError, RunError
from lipschitz.estimate import Estimate, FirstOrder, SecondOrder
from lipschitz.gradients import gradient_maxima, logits, margin_weights
from lipschitz.matfile import GRADIENT_KEYS, SLOPE_KEYS
from lipschitz.networks import Network
from lipschitz.piecewise_linear import check_curved
from lipschitz.sampling import SEED, samples_drawn
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
        self._network, self._order = network, order
        self._slopes = compute_slope and order == 1
        self._gradient_maxima = gradient_maxima(network.predict, self._slopes)
        if order == 2:
            self._measure, self._merge = hessian_extremes(network.predict), curvature.merge
        else:
            self._measure, self._merge = self._gradient_maxima, np.maximum
        return data, network

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (N, K) of images (N, H, W, C)."""
        return logits(self._network.predict, images)

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
        on_iteration: Callable[[], object] = lambda: None,
    ) -> Estimate | list[Estimate]:
        """Sample around x_0 (H, W, C) for the margins f_true - f_target.

        One target gives one estimate, several give a list; `order` is that of `load_model`.
        `Nsamp` becomes a multiple of the batch size; samples are those of (seed, image_id), each
        put through the transformation (defense.py), which x_0 is not. `on_iteration` is called
        after each iteration. Raises ValueError where an argument does not fit the network,
        RunError where a derivative is not finite or a worker died.
        """
        targets = [target_label] if np.ndim(target_label) == 0 else list(target_label)
        self._check(x_0, true_label, targets, Nsamp, Niters, transform, order)
        weights = margin_weights(self._network.num_labels, true_label, targets)

        around = Neighbourhood(
            np.asarray(x_0, np.float32),
            ball(sample_norm, radius),
            self.seed,
            image_id,
            TRANSFORMATIONS[transform] if transform else None,
        )
        found = []
        ended, waited = np.zeros((2, Niters))
        drawn = samples_drawn(Nsamp, self.batch_size)
        per_iteration = drawn // self.batch_size
        batches = self._workers.batches(around, Niters, per_iteration)
        start = time.perf_counter()
        for iteration in range(Niters):
            of_batches = []
            for _ in range(per_iteration):
                asked = time.perf_counter()
                batch = next(batches)
                waited[iteration] += time.perf_counter() - asked
                of_batches.append(self._measure(batch.reshape(-1, *x_0.shape), weights))
            of_iteration = reduce(self._merge, of_batches)
            if not np.isfinite(of_iteration).all():
                raise RunError(
                    f"image {image_id}, iteration {iteration}: a derivative is not finite; "
                    "the network overflows near this image"
                )
            found.append(of_iteration)
            ended[iteration] = time.perf_counter() - start
            on_iteration()

        estimates = self._estimates(
            x_0, targets, weights, np.array(found, float), Niters * drawn, ended, waited
        )
        return estimates[0] if np.ndim(target_label) == 0 else estimates

    def _estimates(
        self,
        x_0: np.ndarray,
        targets: list[int],
        weights: np.ndarray,
        found: np.ndarray,
        samples: int,
        ended: np.ndarray,
        waited: np.ndarray,
    ) -> list[Estimate]:
        """What was `found` (Niters, targets, columns) for each target."""
        pred = self.logits(x_0[None])[0]
        shared = [
            {
                "target_label": target,
                "pred": pred,
                "g_x0": float(margin @ pred),
                "time": ended,
                "overhead": waited,
            }
            for target, margin in zip(targets, weights, strict=True)
        ]
        columns = found.transpose(1, 2, 0)
        if self._order == 1:
            keys = [*GRADIENT_KEYS.values(), *SLOPE_KEYS.values()]
            absent = () if self._slopes else np.zeros((3, len(found)))
            return [
                FirstOrder(
                    **fields,
                    **dict(zip(keys, [*maxima, *absent], strict=True)),
                    with_slopes=self._slopes,
                )
                for fields, maxima in zip(shared, columns, strict=True)
            ]
        at_image = self._gradient_maxima(x_0[None].astype(np.float32), weights)
        return [
            SecondOrder(
                **fields,
                H2_max=eigenvalues,
                samples=samples,
                capped=int(capped.sum()),
                products=int(products.sum()),
                g_x0_grad_2_norm=float(l2),
                g_x0_grad_1_norm=float(l1),
                g_x0_grad_inf_norm=float(linf),
            )
            for fields, (eigenvalues, capped, products), (l2, l1, linf) in zip(
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

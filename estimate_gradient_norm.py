"""The sampler: joins the workers, who draw, and TensorFlow, which takes gradients.

The unit of work is one image with all its target classes. They share the samples and the
forward pass: each target's maxima have the distribution that samples of its own would give.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

import catalogue
from lipschitz.ball import DEFAULT_NORM, ball
from lipschitz.dataset import DataSet
from lipschitz.errors import InputError, RunError
from lipschitz.gradients import gradient_maxima, logits, margin_weights
from lipschitz.networks import Network
from lipschitz.sampling import BATCH_SIZE, SEED, samples_drawn
from lipschitz.worker import Neighbourhood
from lipschitz.workers import Workers, default_count


@dataclass(frozen=True)
class Estimate:
    """What sampling around one image found for one target; arrays are (Niters,)."""

    target_label: int
    pred: np.ndarray  # logits of the image, (K,) float32
    g_x0: float  # the margin f_true - f_target at the image
    G2_max: np.ndarray  # largest L2, L1 and L-infinity norm of dg/dx in each iteration
    G1_max: np.ndarray
    Gi_max: np.ndarray
    time: np.ndarray  # seconds from the image's start to the end of each iteration
    overhead: np.ndarray  # seconds of each iteration spent waiting for samples


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
    ) -> tuple[DataSet, Network]:
        """Load a data set and its network (or take `model`), and start the workers."""
        if compute_slope or order != 1:
            raise InputError("only first-order scores are supported yet")
        self.close()
        data = catalogue.data_set(dataset)
        network = model or catalogue.network(dataset, model_name, activation)
        self.batch_size = batch_size or BATCH_SIZE
        values = network.image_size**2 * network.num_channels
        self._workers = Workers(self.nthreads, self.batch_size, values)
        self._network = network
        self._maxima = gradient_maxima(network.predict)
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
        """Maxima of the gradient norms of f_true - f_target around x_0 (H, W, C).

        One target gives one estimate, several give a list. `Nsamp` becomes a multiple of the
        batch size; samples are those of (seed, image_id). `on_iteration` is called after each
        iteration. Raises ValueError where an argument does not fit the network, RunError where
        a gradient is not finite or a worker died.
        """
        if transform or order != 1:
            raise InputError("transformations and second order are not supported yet")
        targets = [target_label] if np.ndim(target_label) == 0 else list(target_label)
        self._check(x_0, true_label, targets, Nsamp, Niters)
        weights = margin_weights(self._network.num_labels, true_label, targets)
        pred = self.logits(x_0[None])[0]

        around = Neighbourhood(
            np.ravel(x_0).astype(np.float32), ball(sample_norm, radius), self.seed, image_id
        )
        maxima = np.zeros((Niters, len(targets), 3))
        ended, waited = np.zeros((2, Niters))
        per_iteration = samples_drawn(Nsamp, self.batch_size) // self.batch_size
        batches = self._workers.batches(around, Niters, per_iteration)
        start = time.perf_counter()
        for iteration in range(Niters):
            for _ in range(per_iteration):
                asked = time.perf_counter()
                batch = next(batches)
                waited[iteration] += time.perf_counter() - asked
                found = self._maxima(batch.reshape(-1, *x_0.shape), weights)
                np.maximum(maxima[iteration], found, out=maxima[iteration])
            if not np.isfinite(maxima[iteration]).all():
                raise RunError(
                    f"image {image_id}, iteration {iteration}: a gradient is not finite; "
                    "the network overflows near this image"
                )
            ended[iteration] = time.perf_counter() - start
            on_iteration()

        estimates = [
            Estimate(target, pred, float(weights[i] @ pred), *maxima[:, i].T, ended, waited)
            for i, target in enumerate(targets)
        ]
        return estimates[0] if np.ndim(target_label) == 0 else estimates

    def _check(
        self, x_0: np.ndarray, true_label: int, targets: list[int], Nsamp: int, Niters: int
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

"""The sampler for scripts and notebooks: `from estimate_gradient_norm import EstimateLipschitz`."""

import os
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np

import catalogue
import places
from defense import TRANSFORMATIONS
from lipschitz.data.dataset import DataSet
from lipschitz.maths.ball import DEFAULT_NORM
from lipschitz.network import LOGITS, PROBABILITIES, Box, Convention, Network
from lipschitz.results.estimate import Estimate
from lipschitz.sampling.experiment import sample_image
from lipschitz.sampling.pool import default_count
from lipschitz.sampling.sampler import Sampler, require_measurable
from lipschitz.settings import SEED, Settings

Numbers = float | Sequence[float]


class EstimateLipschitz(AbstractContextManager):
    """Gradient norms around images. Use it in a `with` block, or `close()` it."""

    def __init__(self, sess: object = None, seed: int = SEED, nthreads: int = 0) -> None:
        """`nthreads` workers draw; 0: half the cores. The same seed draws the same samples.

        `sess`, a session of 2018's TensorFlow, is without effect.
        """
        if isinstance(sess, int):
            raise TypeError(f"EstimateLipschitz({sess}): name the seed, seed={sess}")
        self.seed = seed
        self.nthreads = nthreads or default_count()
        self._sampler: Sampler | None = None
        self._start_at: Callable[[tuple[int, ...]], None] | None = None

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        if self._sampler is not None:
            self._sampler.close()
            self._sampler = None
        self._start_at = None

    def load_model(
        self,
        dataset: str = "mnist",
        model_name: str = "2-layer",
        activation: str = "relu",
        model: object = None,
        batch_size: int = 0,
        compute_slope: bool = False,
        order: int = 1,
        *,
        weights: str = "",
        input_range: tuple[float, float] | None = None,
        mean: Numbers = 0.0,
        std: Numbers = 1.0,
        outputs: str = LOGITS,
        input_shape: tuple[int, ...] | None = None,
    ) -> tuple[DataSet, object]:
        """Load a data set and its network, start the workers, and return both; or take `model`.

        `model` is a model of Keras, a module of PyTorch, the place of a network (a file, a folder,
        MODULE:FUNCTION), a `lipschitz.network.Network`, or an object with `image_size`,
        `num_channels` and `predict`, a function of TensorFlow's tensors. The data set need not be
        named then, nor be there. `input_shape` is that of an image, if the model does not tell it;
        a module without it takes that of the first image. A model takes `input_range` for black and
        white ([-0.5, 0.5] if there is none), and (x - `mean`) / `std`, numbers or one for each
        channel, comes before its first layer. A softmax at its end is taken off; if its `outputs`
        are "probabilities", their logarithms are scored.

        Raises InputError if the network cannot be loaded, or has no second order and `order` is 2;
        ValueError if the model is not one that can be sampled. Random choices that follow from the
        seed are drawn from `generator`, set here.
        """
        self.close()
        self.generator = random.Random(self.seed)
        self._settings = Settings(
            order=order, compute_slope=compute_slope and order == 1, seed=self.seed
        )
        if model is None:
            network = catalogue.network(dataset, model_name, activation, weights)
        elif input_shape is None and places.is_of_pytorch(model):
            self._start_at = lambda image: self._start(
                network_of(model, input_range, mean, std, outputs, image), batch_size, dataset
            )
            return catalogue.data_set(dataset, None, self.generator), model
        else:
            network = network_of(model, input_range, mean, std, outputs, input_shape)
        data = catalogue.data_set(dataset, network, self.generator)
        self._start(network, batch_size, dataset)
        return data, network if model is None else model

    def _start(self, network: Network, batch_size: int, dataset: str) -> None:
        self.batch_size = batch_size or catalogue.batch_size(dataset, network.input_shape)
        self.device = network.device
        self._settings = replace(self._settings, batch_size=self.batch_size, box=network.box)
        require_measurable(network, self._settings)
        self._sampler = Sampler(network, self.batch_size, self.nthreads)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (N, K) of images; outputs that look like probabilities are warned of, once."""
        sampler = self._loaded(np.shape(images)[1:])
        shape = sampler.network.input_shape
        return sampler.logits(np.stack([_shaped(image, shape) for image in images]))

    def estimate(
        self,
        x_0: np.ndarray,
        true_label: int,
        target_label: int | Sequence[int],
        Nsamp: int,
        Niters: int,
        sample_norm: str = DEFAULT_NORM,
        transform: str = "",
        order: int | None = None,
        *,
        radius: float | None = None,
        image_id: int = 0,
    ) -> Estimate | list[Estimate]:
        """Sample around x_0, of the network's shape, for the margins f_true - f_target.

        Axes of length 1 that x_0 has more or fewer are of no account, and its channels may come
        first. One target gives one
        estimate, several give a list. `order`, if given, must be that of
        `load_model`. `Nsamp` becomes a multiple of the batch size; samples are those of (seed,
        image_id), each put through the transformation (defense.py), which x_0 is not. If an
        iteration has no finite sample for a target, its maximum is nan.

        Raises ValueError if an argument does not fit the network, InputError if a radius has to be
        given and is not, ImageError if a margin is not above 0 at x_0, its gradient there is not
        finite, or all targets have an iteration without a finite sample, and RunError if workers
        are killed again and again.
        """
        shape = np.shape(x_0)
        sampler = self._loaded(shape[1:] if len(shape) == 4 and shape[0] == 1 else shape)
        loaded = self._settings.order
        if order not in (None, loaded):
            raise ValueError(f"order {order}: the model was loaded for order {loaded}")
        if transform:
            _check_transform(transform, sampler.network.input_shape)
        settings = replace(
            self._settings,
            Nsamps=Nsamp,
            Niters=Niters,
            sample_norm=sample_norm,
            radius=radius,
            transform=transform,
        )
        targets = [int(label) for label in np.atleast_1d(_array(target_label))]
        estimates = sample_image(
            sampler,
            settings,
            _shaped(x_0, sampler.network.input_shape),
            int(true_label),
            targets,
            image_id=image_id,
            transform=TRANSFORMATIONS[transform] if transform else None,
        )
        return estimates[0] if np.ndim(target_label) == 0 else estimates

    def _loaded(self, image: tuple[int, ...]) -> Sampler:
        """The sampler; of a model that does not tell its input it starts with the first image."""
        if self._sampler is None and self._start_at is not None:
            self._start_at(image)
        if self._sampler is None:
            raise ValueError("no model: call load_model first, and estimate before close")
        return self._sampler


def network_of(
    model: object,
    input_range: tuple[float, float] | None = None,
    mean: Numbers = 0.0,
    std: Numbers = 1.0,
    outputs: str = LOGITS,
    image: tuple[int, ...] | None = None,
) -> Network:
    """A user's model as a network; the arguments are those of `load_model`.

    Sizes that the model leaves open are those of an `image`.
    """
    convention = convention_of(input_range, mean, std, outputs)
    if isinstance(model, Network):
        if input_range is not None:
            raise ValueError("a Network has a range of its own, its box: leave input_range out")
        return model
    if isinstance(model, str | os.PathLike):
        return places.network(os.fspath(model), convention, image)
    return places.network_of(model, convention, image)


def convention_of(
    input_range: tuple[float, float] | None, mean: Numbers, std: Numbers, outputs: str
) -> Convention:
    """What a model takes and gives, of the arguments of `load_model`."""
    if outputs not in (LOGITS, PROBABILITIES):
        raise ValueError(f"outputs {outputs!r}: {LOGITS} or {PROBABILITIES}")
    box = Box(*input_range) if input_range is not None else Box()
    means, stds = np.broadcast_arrays(np.atleast_1d(mean), np.atleast_1d(std))
    normalization = tuple(map(float, means)), tuple(map(float, stds))
    return Convention(box, *normalization, outputs == PROBABILITIES)


def _shaped(x_0: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """x_0 in this shape if they differ by axes of length 1, or the place of channels, alone."""
    x_0 = _array(x_0)
    if x_0.ndim > 2 and np.moveaxis(x_0, 0, -1).shape == shape:
        return np.moveaxis(x_0, 0, -1)
    sizes = [size for size in shape if size != 1]
    return x_0.reshape(shape) if [size for size in x_0.shape if size != 1] == sizes else x_0


def _array(values: object) -> np.ndarray:
    """An array of what NumPy takes, or of a tensor, wherever it lies."""
    if hasattr(values, "detach"):  # PyTorch's
        values = values.detach().cpu()
    return np.asarray(values)


def _check_transform(transform: str, shape: tuple[int, ...]) -> None:
    if transform not in TRANSFORMATIONS:
        raise ValueError(f"no transformation {transform!r}: {', '.join(TRANSFORMATIONS)}")
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise ValueError(f"transformations take images (H, W, C) with 1 or 3 channels, not {shape}")

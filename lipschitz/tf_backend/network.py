"""TensorFlow's answer to the seam: Keras models, frozen graphs, and functions of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np

from lipschitz.network import (
    Box,
    Convention,
    Gradients,
    Maxima,
    Products,
    check_outputs,
    fingerprint,
    fits,
    network_fingerprint,
)
from lipschitz.support.errors import InputError, RunError
from lipschitz.tf_backend import final_activation, gradients, hessian, normalization
from lipschitz.tf_backend.piecewise_linear import is_piecewise_linear
from lipschitz.tf_backend.reasons import reason
from lipschitz.tf_backend.runtime import STREAMS, deterministic, device_name, keras, tf
from lipschitz.tf_backend.structure import structure


@dataclass(frozen=True)
class TensorFlowNetwork:
    """A network (`lipschitz.network.Network`) that TensorFlow computes.

    `predict` maps images (B, *input_shape) float32 to logits (B, num_labels) of any float type; it
    is called from several threads. If a call of it hides its operations, `graph` gives the
    TensorFlow graph that has them; the images are its first input.
    """

    predict: Callable[[tf.Tensor], tf.Tensor]
    input_shape: tuple[int, ...]
    num_labels: int
    box: Box = field(default_factory=Box)
    fingerprint: str = ""
    graph: Callable[[], tf.Graph] | None = None
    _compiling: Lock = field(default_factory=Lock, repr=False, compare=False)

    streams = STREAMS
    device = property(lambda self: device_name())
    # of images: what scripts of 2018 ask for
    image_size = property(lambda self: self.input_shape[0])
    num_channels = property(lambda self: self.input_shape[-1])

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Logits (B, num_labels)."""
        with _computing():
            return gradients.logits(self._logits, np.asarray(x, np.float32))

    def gradient_maxima(self, x: np.ndarray, weights: np.ndarray, slopes: bool = False) -> Maxima:
        """The largest norms of the margins' gradients, and slopes (see `tf_backend.gradients`)."""
        with _computing():
            return self._gradient_maxima[slopes](np.asarray(x, np.float32), weights)

    def gradients(self, x: np.ndarray, weights: np.ndarray) -> Gradients:
        """Logits and the margins' gradients, a margin for each image."""
        with _computing():
            return self._gradients(np.asarray(x, np.float32), weights)

    def hessian_products(self, x: np.ndarray, weights: np.ndarray) -> Products:
        """Products with the Hessians of a margin at x."""
        with _computing(), self._compiling:  # once, for all threads that ask
            compiled = self._hessian
        multiply = hessian.products(compiled, np.asarray(x, np.float32), weights)

        def multiplied(active: np.ndarray, v: np.ndarray) -> np.ndarray:
            with _computing():
                return multiply(active, v)

        return multiplied

    def is_piecewise_linear(self) -> bool:
        """Whether all operations between images and logits are known to be piecewise linear."""
        with _computing():
            return is_piecewise_linear(self._graph())

    def _logits(self, x: tf.Tensor) -> tf.Tensor:
        """Logits in float32, whatever the network computes in."""
        return tf.cast(_called(self.predict, x), tf.float32)

    def _graph(self) -> tf.Graph:
        if self.graph:
            return self.graph()
        images = tf.TensorSpec((None, *self.input_shape))
        return tf.function(self._logits, autograph=False).get_concrete_function(images).graph

    @cached_property
    def _gradient_maxima(self) -> dict[bool, Callable[[np.ndarray, np.ndarray], Maxima]]:
        return {slopes: gradients.gradient_maxima(self._logits, slopes) for slopes in (False, True)}

    @cached_property
    def _gradients(self) -> Callable[[np.ndarray, np.ndarray], Gradients]:
        return gradients.gradients(self._logits)

    @cached_property
    def _hessian(self) -> Callable:
        return hessian.compiled(self._logits, self.input_shape)


def keras_network(
    model: keras.Model,
    box: Box | None = None,
    input_shape: tuple[int, ...] | None = None,
    *,
    mean: tuple[float, ...] = (0.0,),
    std: tuple[float, ...] = (1.0,),
    probabilities: bool = False,
) -> TensorFlowNetwork:
    """A Keras model as a network; `Convention` tells what box, mean, std and probabilities mean.

    `input_shape`, without the batch, has to be given if the model leaves sizes open or is not
    built. Raises ValueError if the model does not map one input of floats to a number for each
    class, InputError if it cannot be computed.
    """
    (batch, *shape), dtype = _input(model, input_shape)
    if not tf.as_dtype(dtype).is_floating:
        raise ValueError(f"the model takes {dtype}: only inputs of floats have gradients")

    def predict(x: tf.Tensor) -> tf.Tensor:
        return model(x, training=False)

    weights = fingerprint(model.get_weights())
    convention = Convention(box or Box(), mean, std, probabilities)
    images = (batch or 1) + 1
    try:
        return network_of(predict, tuple(shape), weights, structure(model), convention, images)
    except InputError as error:
        if batch is None:
            raise
        raise ValueError(
            f"the model has a fixed batch of {batch}: build it with keras.Input(shape), without a "
            "batch size"
        ) from error


def network_of(
    predict: Callable[[tf.Tensor], tf.Tensor],
    input_shape: tuple[int, ...],
    weights: str,
    structure: object,
    convention: Convention,
    images: int = 2,
) -> TensorFlowNetwork:
    """A function of images in TensorFlow as a network that gives logits; `images` grey ones try it.

    A softmax or sigmoid at its end is taken off, with a line. One number for an image is the logit
    of class 1, that of class 0 is 0. `weights` and `structure` make the fingerprint. Raises
    ValueError if the outputs are not a number for each class, InputError if they cannot be
    computed.
    """
    normalized = _normalized(predict, input_shape, convention)
    outputs = _try(normalized, input_shape, images)
    ending = "" if convention.probabilities else _ending(normalized, input_shape, outputs)
    check_outputs(outputs, convention.probabilities, ending)
    around = [*convention.structure(), *([ending] if ending else [])]
    return TensorFlowNetwork(
        _logits_of(normalized, input_shape, ending, convention.probabilities),
        input_shape,
        max(outputs.shape[1], 2),
        convention.box,
        network_fingerprint(weights, [structure, around] if around else structure),
    )


def count_logits(
    predict: Callable[[tf.Tensor], tf.Tensor], input_shape: tuple[int, ...], images: int = 2
) -> int:
    """The logits that a network gives each of some grey images.

    Raises ValueError if its outputs are no logits, InputError if it cannot be computed.
    """
    number = _try(predict, input_shape, images).shape[1]
    if number < 2:
        raise ValueError("the network gives one number for an image; needed is a logit a class")
    return number


def _normalized(
    predict: Callable[[tf.Tensor], tf.Tensor],
    input_shape: tuple[int, ...],
    convention: Convention,
) -> Callable[[tf.Tensor], tf.Tensor]:
    if not convention.is_normalized:
        return predict
    mean, std = normalization.constants(convention, input_shape)
    return lambda x: predict((x - mean) / std)


def _ending(
    predict: Callable[[tf.Tensor], tf.Tensor], input_shape: tuple[int, ...], outputs: np.ndarray
) -> str:
    """The softmax or sigmoid that ends a network with these outputs, by name."""
    if not (outputs >= 0).all() or not (outputs <= 1).all():
        return ""
    found = ""

    def traced(x: tf.Tensor) -> tf.Tensor:
        nonlocal found
        outputs = predict(x)
        _, found = final_activation.without(outputs)
        return outputs

    tf.function(traced, autograph=False).get_concrete_function(tf.TensorSpec((None, *input_shape)))
    return found


def _logits_of(
    predict: Callable[[tf.Tensor], tf.Tensor],
    input_shape: tuple[int, ...],
    ending: str,
    probabilities: bool,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Logits of at least two classes from what a network gives."""

    def without_ending(x: tf.Tensor) -> tf.Tensor:
        if tf.executing_eagerly():  # operations can be told apart only in a graph
            return compiled(x)
        return final_activation.without(predict(x))[0]

    images = tf.TensorSpec((None, *input_shape))
    compiled = tf.function(without_ending, input_signature=[images], autograph=False)
    outputs = without_ending if ending else predict

    def logits(x: tf.Tensor) -> tf.Tensor:
        found = tf.cast(outputs(x), tf.float32)
        if probabilities:
            return final_activation.of_probabilities(found)
        return final_activation.two_classes(found)

    return logits


def _try(
    predict: Callable[[tf.Tensor], tf.Tensor], input_shape: tuple[int, ...], images: int
) -> np.ndarray:
    """The outputs (images, K) of grey images. Raises ValueError if they are none."""
    with _computing():
        outputs = _called(predict, tf.zeros((images, *input_shape)))
    if isinstance(outputs, dict | list | tuple):
        found = ", ".join(map(str, outputs)) if isinstance(outputs, dict) else len(outputs)
        raise ValueError(
            f"the network gives a {type(outputs).__name__} of outputs ({found}): make a model that "
            "gives the logits alone"
        )
    shape, dtype = tuple(outputs.shape), tf.as_dtype(outputs.dtype)
    if len(shape) != 2 or shape[0] != images or shape[1] < 1 or not dtype.is_floating:
        raise ValueError(
            f"for {images} inputs the network gives {dtype.name} of shape {shape}; needed are "
            f"logits, floats of shape ({images}, classes)"
        )
    return tf.cast(outputs, tf.float32).numpy()


def _input(model: keras.Model, given: tuple[int, ...] | None) -> tuple[tuple[int | None, ...], str]:
    """The shape of a model's input, with its batch if that is fixed, and its type."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        if given is None:
            raise ValueError(
                f"the model ({type(model).__name__}) does not know the shape of its input: give "
                "input_shape, keras_network(model, input_shape=(28, 28, 1)) say"
            )
        return (None, *given), keras.config.floatx()
    if len(inputs) > 1:
        names = ", ".join(each.name for each in inputs)
        raise ValueError(
            f"the model has {len(inputs)} inputs ({names}): make a model of the one whose "
            "gradients are wanted"
        )
    batch, *shape = inputs[0].shape
    known = given if given is not None else shape
    if None in known:
        raise ValueError(
            f"the model leaves sizes of its input open, {tuple(shape)}, and the images do not all "
            "have one: build it with a size, keras.Input((32, 32, 3)) say, or give input_shape to "
            "keras_network"
        )
    if not fits(tuple(shape), tuple(known)):
        raise ValueError(f"the model takes inputs {tuple(shape)}, not {tuple(known)}")
    return (batch, *known), inputs[0].dtype


@contextmanager
def _computing() -> Iterator[None]:
    """A rerun of this block is the same to the bit; if TensorFlow fails, one line says why."""
    with deterministic():
        try:
            yield
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError(reason(error)) from error
        except tf.errors.OpError as error:
            raise RunError(_cannot_be_computed(error)) from error


def _called(predict: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tf.Tensor:
    """What a network makes of images. Raises InputError if its layers cannot be computed."""
    try:
        return predict(x)
    except tf.errors.ResourceExhaustedError:
        raise
    except Exception as error:  # Keras has no common class for what can be wrong in a layer
        raise InputError(_cannot_be_computed(error)) from error


def _cannot_be_computed(error: Exception) -> str:
    return f"the network cannot be computed: {reason(error)}"

"""TensorFlow's answer to the seam: Keras models, frozen graphs, and functions of tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np

from lipschitz.network import Box, Maxima, Products, fingerprint, network_fingerprint
from lipschitz.tf_backend import gradients, hessian
from lipschitz.tf_backend.piecewise_linear import is_piecewise_linear
from lipschitz.tf_backend.runtime import STREAMS, device_name, keras, tf
from lipschitz.tf_backend.structure import structure


@dataclass(frozen=True)
class TensorFlowNetwork:
    """A network (`lipschitz.network.Network`) that TensorFlow computes.

    `predict` maps images (B, *input_shape) float32 to logits (B, num_labels); it is called from
    several threads. If a call of it hides its operations, `graph` gives the TensorFlow graph that
    has them; the images are its first input.
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
        return gradients.logits(self.predict, x)

    def gradient_maxima(self, x: np.ndarray, weights: np.ndarray, slopes: bool = False) -> Maxima:
        """The largest norms of the margins' gradients, and slopes (see `tf_backend.gradients`)."""
        return self._gradient_maxima[slopes](x, weights)

    def gradients(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The margins' gradients (B, *input_shape), a margin for each image."""
        return self._gradients(x, weights)

    def hessian_products(self, x: np.ndarray, weights: np.ndarray) -> Products:
        """Products with the Hessians of a margin at x."""
        with self._compiling:  # once, for all threads that ask
            compiled = self._hessian
        return hessian.products(compiled, x, weights)

    def is_piecewise_linear(self) -> bool:
        """Whether all operations between images and logits are known to be piecewise linear."""
        return is_piecewise_linear(self._graph())

    def _graph(self) -> tf.Graph:
        if self.graph:
            return self.graph()
        images = tf.TensorSpec((None, *self.input_shape))
        return tf.function(self.predict).get_concrete_function(images).graph

    @cached_property
    def _gradient_maxima(self) -> dict[bool, Callable[[np.ndarray, np.ndarray], Maxima]]:
        return {slopes: gradients.gradient_maxima(self.predict, slopes) for slopes in (False, True)}

    @cached_property
    def _gradients(self) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        return gradients.gradients(self.predict)

    @cached_property
    def _hessian(self) -> Callable:
        return hessian.compiled(self.predict, self.input_shape)


def keras_network(model: keras.Model, box: Box | None = None) -> TensorFlowNetwork:
    """A Keras model that gives logits, as a network. Raises ValueError if an input size is open."""
    if None in model.input_shape[1:]:
        raise ValueError(f"the model leaves sizes of its input open: {model.input_shape[1:]}")

    def predict(x: tf.Tensor) -> tf.Tensor:
        return model(x, training=False)

    return TensorFlowNetwork(
        predict,
        tuple(model.input_shape[1:]),
        model.output_shape[-1],
        box or Box(),
        network_fingerprint(fingerprint(model.get_weights()), structure(model)),
    )

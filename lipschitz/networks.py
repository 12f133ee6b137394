"""The architectures of the built-in networks, and the contract that every network keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipschitz.activations import Activation, sharp_softplus
from lipschitz.provenance import fingerprint

if TYPE_CHECKING:  # TensorFlow takes seconds to import: only the functions that build do it
    from lipschitz.tensorflow import keras, tf

NUM_LABELS = 10  # of the built-in data sets


@dataclass(frozen=True)
class Network:
    """What the sampler asks of a network.

    `predict` maps images (B, H, W, C), float32 in [-0.5, 0.5], to logits (B, num_labels); it is
    called from several threads.
    `graph`, where a call of `predict` hides its operations, gives the TensorFlow graph that has
    them; the images are its first input. `fingerprint` is a hash of the weights: by it a file of
    maxima is known to be this network's.
    """

    predict: Callable[[tf.Tensor], tf.Tensor]
    image_size: int
    num_channels: int
    num_labels: int
    graph: Callable[[], tf.Graph] | None = None
    fingerprint: str = ""


def are_probabilities(outputs: np.ndarray) -> bool:
    """Whether outputs (N, K) look like those of a softmax: in [0, 1], with a sum of 1 each."""
    inside = (outputs >= 0).all() and (outputs <= 1).all()
    return bool(inside and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def keras_network(model: keras.Model) -> Network:
    """A Keras model that gives logits, as a network."""

    def predict(x: tf.Tensor) -> tf.Tensor:
        return model(x, training=False)

    _, image_size, _, num_channels = model.input_shape
    num_labels = model.output_shape[-1]
    return Network(
        predict,
        image_size,
        num_channels,
        num_labels,
        fingerprint=fingerprint(model.get_weights()),
    )


def two_layer(image_size: int, num_channels: int) -> keras.Model:
    """One hidden layer of 1024 units, activation softplus(10x) / 10, logits out."""
    return mlp(image_size, num_channels, [1024], sharp_softplus, "glorot_uniform")


def mlp(
    image_size: int,
    num_channels: int,
    widths: list[int],
    activation: Activation,
    initializer: str = "he_uniform",
) -> keras.Model:
    """Dense layers of these widths, logits out."""
    from lipschitz.tensorflow import keras

    layers = keras.layers
    images = keras.Input((image_size, image_size, num_channels))
    x = layers.Flatten()(images)
    for width in widths:
        x = activation(layers.Dense(width, kernel_initializer=initializer)(x))
    return keras.Model(images, layers.Dense(NUM_LABELS)(x))


def seven_layer(
    image_size: int,
    num_channels: int,
    filters: tuple[int, int],
    units: int,
    activation: Activation,
) -> keras.Model:
    """Four 3x3 convolutions with two poolings and three dense layers, logits out."""
    from lipschitz.tensorflow import keras

    layers = keras.layers
    images = x = keras.Input((image_size, image_size, num_channels))
    for count in filters:
        x = activation(layers.Conv2D(count, 3)(x))
        # monotone activations: the largest is the same when it is pooled first, at less work
        x = activation(layers.MaxPooling2D()(layers.Conv2D(count, 3)(x)))
    x = activation(layers.Dense(units)(layers.Flatten()(x)))
    x = activation(layers.Dense(units)(layers.Dropout(0.5)(x)))
    return keras.Model(images, layers.Dense(NUM_LABELS)(x))

"""The architectures of the networks of 2018."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lipschitz.builtin.activations import Activation, sharp_softplus

if TYPE_CHECKING:  # TensorFlow takes seconds to import: only the functions that build do it
    from lipschitz.tf_backend.runtime import keras

NUM_LABELS = 10  # classes of the built-in data sets


def two_layer(image_size: int, num_channels: int) -> keras.Model:
    """One hidden layer of 1024 units with the activation softplus(10x) / 10; returns logits."""
    return mlp(image_size, num_channels, [1024], sharp_softplus, "glorot_uniform")


def mlp(
    image_size: int,
    num_channels: int,
    widths: list[int],
    activation: Activation,
    initializer: str = "he_uniform",
) -> keras.Model:
    """A multilayer perceptron: hidden layers of these widths; returns logits."""
    from lipschitz.tf_backend.runtime import keras, own_settings

    layers = keras.layers
    with own_settings():
        images = keras.Input((image_size, image_size, num_channels))
        x = layers.Flatten()(images)
        for width in widths:
            x = activation(layers.Dense(width, kernel_initializer=initializer)(x))
        return keras.Model(images, layers.Dense(NUM_LABELS)(x))


def seven_layer(
    image_size: int,
    num_channels: int,
    sizes: Sequence[int],
    activation: Activation,
) -> keras.Model:
    """Four 3x3 convolutions with two max-poolings, then three dense layers; returns logits.

    The six sizes are the filters of the convolutions and the units of the hidden dense layers.
    """
    from lipschitz.tf_backend.runtime import keras, own_settings

    layers = keras.layers
    with own_settings():
        images = x = keras.Input((image_size, image_size, num_channels))
        for first, second in (sizes[:2], sizes[2:4]):
            x = activation(layers.Conv2D(first, 3)(x))
            # activations are monotone, so pooling first gives the same result with less work
            x = activation(layers.MaxPooling2D()(layers.Conv2D(second, 3)(x)))
        x = activation(layers.Dense(sizes[4])(layers.Flatten()(x)))
        x = activation(layers.Dense(sizes[5])(layers.Dropout(0.5)(x)))
        return keras.Model(images, layers.Dense(NUM_LABELS)(x))

"""Activations made of layers that every Keras knows: a saved model needs none of this code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras

Activation = Callable[["keras.KerasTensor"], "keras.KerasTensor"]


def _of_keras(name: str, x: keras.KerasTensor) -> keras.KerasTensor:
    from lipschitz.tf_backend.runtime import keras

    return keras.layers.Activation(name)(x)


def arctan(x: keras.KerasTensor) -> keras.KerasTensor:
    """The arctangent of x."""
    from lipschitz.tf_backend.runtime import keras

    return keras.ops.arctan(x)


def hard_sigmoid(x: keras.KerasTensor) -> keras.KerasTensor:
    """0.2 x + 0.5, clipped to [0, 1]: Keras 2's hard sigmoid; that of Keras 3 has another slope."""
    from lipschitz.tf_backend.runtime import keras

    return bounded_relu(keras.layers.Rescaling(0.2, 0.5)(x))


def bounded_relu(x: keras.KerasTensor) -> keras.KerasTensor:
    """x, clipped to [0, 1]."""
    from lipschitz.tf_backend.runtime import keras

    return keras.layers.ReLU(max_value=1.0)(x)


def sharp_softplus(x: keras.KerasTensor) -> keras.KerasTensor:
    """softplus(10 x) / 10: smooth, and nearly a ReLU."""
    from lipschitz.tf_backend.runtime import keras

    return keras.layers.Rescaling(0.1)(_of_keras("softplus", keras.layers.Rescaling(10.0)(x)))


# by the name that a user gives
ACTIVATIONS: dict[str, Activation] = {
    "relu": partial(_of_keras, "relu"),
    "tanh": partial(_of_keras, "tanh"),
    "sigmoid": partial(_of_keras, "sigmoid"),
    "arctan": arctan,
    "elu": partial(_of_keras, "elu"),
    "hard_sigmoid": hard_sigmoid,
    "softplus": partial(_of_keras, "softplus"),
}

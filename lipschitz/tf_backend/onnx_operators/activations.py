"""ONNX's operators on single numbers: those that are not plainly functions of TensorFlow."""

import functools
from collections.abc import Callable

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype

from lipschitz.tf_backend.onnx_operators.channel_order import pointwise
from lipschitz.tf_backend.onnx_operators.shapes import Numbers, numbers
from lipschitz.tf_backend.runtime import tf


def of_any_number(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """A function of two tensors, for any number of them."""
    return lambda *tensors: functools.reduce(pointwise(function), tensors)


def cast(x: tf.Tensor, *, to: int, saturate: int = 1, round_mode: str = "up") -> tf.Tensor:
    """Cast; `saturate` and `round_mode` are of types that networks on images do not have."""
    dtype = tf.as_dtype(np.dtype(tensor_dtype_to_np_dtype(to)))
    return pointwise(lambda x: tf.cast(x, dtype))(x)


@pointwise
def celu(x: tf.Tensor, *, alpha: float = 1.0) -> tf.Tensor:
    """Celu."""
    return alpha * tf.nn.elu(x / alpha)


def clip(x: tf.Tensor, min: Numbers | None = None, max: Numbers | None = None) -> tf.Tensor:
    """Clip, between ends that may be left out."""
    low, high = (None if end is None else numbers(end)[0] for end in (min, max))
    if (low, high) == (0, 6):
        return pointwise(tf.nn.relu6)(x)  # its derivative is faster
    if low is not None:
        x = pointwise(lambda x: tf.maximum(x, low))(x)
    if high is not None:
        x = pointwise(lambda x: tf.minimum(x, high))(x)
    return x


@pointwise
def divide(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Div, which cuts the quotients of whole numbers."""
    return x / y if x.dtype.is_floating else tf.truncatediv(x, y)


@pointwise
def elu(x: tf.Tensor, *, alpha: float = 1.0) -> tf.Tensor:
    """Elu."""
    return tf.where(x > 0, x, alpha * tf.nn.elu(x))


@pointwise
def gelu(x: tf.Tensor, *, approximate: str = "none") -> tf.Tensor:
    """Gelu."""
    return tf.nn.gelu(x, approximate == "tanh")


@pointwise
def hard_sigmoid(x: tf.Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> tf.Tensor:
    """HardSigmoid."""
    return tf.clip_by_value(alpha * x + beta, 0, 1)


@pointwise
def hard_swish(x: tf.Tensor) -> tf.Tensor:
    """HardSwish."""
    return x * tf.clip_by_value(x / 6 + 0.5, 0, 1)


@pointwise
def leaky_relu(x: tf.Tensor, *, alpha: float = 0.01) -> tf.Tensor:
    """LeakyRelu."""
    return tf.nn.leaky_relu(x, alpha)


def mean(*tensors: tf.Tensor) -> tf.Tensor:
    """Mean of tensors."""
    return of_any_number(tf.add)(*tensors) / len(tensors)


@pointwise
def mish(x: tf.Tensor) -> tf.Tensor:
    """Mish."""
    return x * tf.tanh(tf.math.softplus(x))


@pointwise
def power(x: tf.Tensor, exponent: tf.Tensor) -> tf.Tensor:
    """Pow, whose exponent may have a type of its own."""
    return tf.pow(x, tf.cast(exponent, x.dtype))


@pointwise
def prelu(x: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """PRelu."""
    return tf.nn.relu(x) + slope * tf.minimum(x, 0)


@pointwise
def remainder(x: tf.Tensor, y: tf.Tensor, *, fmod: int = 0) -> tf.Tensor:
    """Mod, with the sign of y, or that of x if `fmod`."""
    return tf.truncatemod(x, y) if fmod else tf.math.floormod(x, y)


@pointwise
def selu(
    x: tf.Tensor, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805
) -> tf.Tensor:
    """Selu."""
    return gamma * elu(x, alpha=alpha)


@pointwise
def swish(x: tf.Tensor, *, alpha: float = 1.0) -> tf.Tensor:
    """Swish."""
    return x * tf.sigmoid(alpha * x)


@pointwise
def thresholded_relu(x: tf.Tensor, *, alpha: float = 1.0) -> tf.Tensor:
    """ThresholdedRelu."""
    return tf.where(x > alpha, x, tf.zeros_like(x))

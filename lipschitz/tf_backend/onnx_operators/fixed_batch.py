"""Operators of a file that was exported for a fixed number of images, for any number of them.

Whether they make the same network of it is tried when the file is read.
"""

import functools
from collections.abc import Callable

from lipschitz.tf_backend.onnx_operators.channel_order import concatenated
from lipschitz.tf_backend.onnx_operators.shapes import of_sizes, reshape
from lipschitz.tf_backend.runtime import tf


def operators(batch: int) -> dict[str, Callable[..., tf.Tensor]]:
    """The operators whose constants may be those of `batch` images, by name."""
    return {"Concat": _concatenate, "Reshape": functools.partial(_reshape, batch)}


def _reshape(batch: int, x: tf.Tensor, shape: tf.Tensor, *, allowzero: int = 0) -> tf.Tensor:
    known = tf.get_static_value(shape)
    if known is None or known.tolist()[:1] != [batch]:
        return reshape(x, shape, allowzero=allowzero)
    return of_sizes(x, [0 if -1 in known else -1, *known.tolist()[1:]])


def _concatenate(*parts: tf.Tensor, axis: int) -> tf.Tensor:
    """What there is once, such as the token of a class, is repeated for each image."""
    others = [part for part in parts if part.shape[0] != 1]
    if axis == 0 or not others:
        return concatenated(*parts, axis=axis)
    images = tf.shape(others[0])[0]
    each = [tf.repeat(part, images, 0) if part.shape[0] == 1 else part for part in parts]
    return concatenated(*each, axis=axis)

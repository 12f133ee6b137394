"""Channels first, as ONNX orders images, and channels last, as TensorFlow computes on a CPU.

Each convolution transposes its images twice. What works on single numbers is applied before a
transposition in place of after it, so that two of them meet and cancel.
"""

import functools
from collections.abc import Callable, Sequence

from lipschitz.tf_backend.runtime import tf


def channels_last(x: tf.Tensor) -> tf.Tensor:
    """Images (B, C, sizes...) as (B, sizes..., C)."""
    return transposed(x, [0, *range(2, x.shape.rank), 1])


def channels_first(x: tf.Tensor) -> tf.Tensor:
    """Images (B, sizes..., C) as (B, C, sizes...)."""
    return transposed(x, [0, x.shape.rank - 1, *range(1, x.shape.rank - 1)])


def transposed(x: tf.Tensor, axes: Sequence[int]) -> tf.Tensor:
    """A tensor whose axes are these of x, in their order."""
    x, before = _untransposed(x)
    axes = [before[axis] for axis in axes]
    return x if axes == sorted(axes) else tf.transpose(x, axes)


def pointwise(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """A function of numbers, for tensors; they broadcast."""

    @functools.wraps(function)
    def applied(*tensors: tf.Tensor, **attributes: object) -> tf.Tensor:
        axes = _common_order(tensors)
        if not axes:
            return function(*tensors, **attributes)
        back = [axes.index(axis) for axis in range(len(axes))]
        before = [transposed(_of_rank(len(axes), x), back) for x in tensors]
        return transposed(function(*before, **attributes), axes)

    return applied


def concatenated(*parts: tf.Tensor, axis: int) -> tf.Tensor:
    """The parts joined along an axis."""
    axes = _common_order(parts)
    if not axes:
        return tf.concat(parts, axis)
    back = [axes.index(axis) for axis in range(len(axes))]
    joined = tf.concat([transposed(x, back) for x in parts], axes[axis])
    return transposed(joined, axes)


def _common_order(tensors: Sequence[tf.Tensor]) -> list[int]:
    """How the first of the tensors of highest rank that is transposed was; empty if none is."""
    rank = max(x.shape.rank for x in tensors)
    orders = (_untransposed(x)[1] for x in tensors if x.shape.rank == rank)
    return next((axes for axes in orders if axes != sorted(axes)), [])


def _untransposed(x: tf.Tensor) -> tuple[tf.Tensor, list[int]]:
    """What x was before it was transposed, and which of its axes became those of x."""
    if tf.is_symbolic_tensor(x) and x.op.type == "Transpose":
        before, axes = x.op.inputs
        known = tf.get_static_value(axes)
        if known is not None:
            return before, known.tolist()
    return x, list(range(x.shape.rank))


def _of_rank(rank: int, x: tf.Tensor) -> tf.Tensor:
    missing = rank - x.shape.rank
    # not a slice of all: x would no longer be seen to be transposed
    return x[(None,) * missing + (...,)] if missing else x

"""ONNX's operators that sum along axes: products, reductions, normalizations, softmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lipschitz.tf_backend.onnx_operators.channel_order import channels_first, channels_last
from lipschitz.tf_backend.onnx_operators.shapes import Numbers, flatten, numbers
from lipschitz.tf_backend.runtime import tf


def gemm(
    a: tf.Tensor,
    b: tf.Tensor,
    c: tf.Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> tf.Tensor:
    """Gemm: alpha A B + beta C."""
    y = alpha * tf.matmul(a, b, transpose_a=bool(transA), transpose_b=bool(transB))
    return y if c is None else y + beta * c


def matrix_product(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """MatMul: one large product, if B is one matrix."""
    return tf.tensordot(a, b, 1) if b.shape.rank <= 2 else tf.matmul(a, b)


def einsum(*tensors: tf.Tensor, equation: str) -> tf.Tensor:
    """Einsum."""
    return tf.einsum(equation, *tensors)


def over_axes(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """ReduceSum and the like."""

    def reduced(
        x: tf.Tensor,
        axes: Numbers | None = None,
        *,
        keepdims: int = 1,
        noop_with_empty_axes: int = 0,
    ) -> tf.Tensor:
        axes = [] if axes is None else numbers(axes)
        if noop_with_empty_axes and not axes:
            return x
        return function(x, axes or None, keepdims=bool(keepdims))

    return reduced


def over_pixels(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """GlobalAveragePool and the like, of images (B, C, sizes...)."""

    def reduced(x: tf.Tensor) -> tf.Tensor:
        x = channels_last(x)
        return channels_first(function(x, list(range(1, x.shape.rank - 1)), keepdims=True))

    return reduced


def along_axis(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Softmax and the like."""
    return lambda x, *, axis=-1: function(x, axis)


def along_rows(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Softmax and the like before version 13: along all axes from `axis` on."""
    return lambda x, *, axis=1: tf.reshape(function(flatten(x, axis=axis)), tf.shape(x))


def l2_norm(x: tf.Tensor, axes: list[int] | None, keepdims: bool) -> tf.Tensor:
    """The root of the sum of squares."""
    return tf.sqrt(tf.reduce_sum(tf.square(x), axes, keepdims))


def sum_of_squares(x: tf.Tensor, axes: list[int] | None, keepdims: bool) -> tf.Tensor:
    """The sum of squares."""
    return tf.reduce_sum(tf.square(x), axes, keepdims)


def batch_normalization(
    x: tf.Tensor,
    scale: tf.Tensor,
    bias: tf.Tensor,
    mean: tf.Tensor,
    variance: tf.Tensor,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    spatial: int = 1,
    training_mode: int = 0,
) -> tf.Tensor:
    """BatchNormalization, with its stored moments."""
    if training_mode or not spatial:
        raise ValueError("it is in training mode, or not the same for all pixels")
    factor = scale * tf.math.rsqrt(variance + epsilon)
    return channels_first(channels_last(x) * factor + (bias - mean * factor))


def instance_normalization(
    x: tf.Tensor, scale: tf.Tensor, bias: tf.Tensor, *, epsilon: float = 1e-5
) -> tf.Tensor:
    """InstanceNormalization."""
    x = channels_last(x)
    return channels_first(_normalized(x, range(1, x.shape.rank - 1), epsilon) * scale + bias)


def group_normalization(
    x: tf.Tensor,
    scale: tf.Tensor,
    bias: tf.Tensor,
    *,
    num_groups: int,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> tf.Tensor:
    """GroupNormalization; before version 21 scale and bias are those of groups."""
    in_group = x.shape[1] // num_groups
    grouped = tf.reshape(x, (-1, num_groups, in_group, *x.shape[2:]))
    y = tf.reshape(_normalized(grouped, range(2, grouped.shape.rank), epsilon), (-1, *x.shape[1:]))
    if scale.shape[0] != x.shape[1]:
        scale, bias = tf.repeat(scale, in_group), tf.repeat(bias, in_group)
    return channels_first(channels_last(y) * scale + bias)


def layer_normalization(
    x: tf.Tensor,
    scale: tf.Tensor,
    bias: tf.Tensor | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> tf.Tensor:
    """LayerNormalization, over all axes from `axis` on."""
    y = _normalized(x, range(axis % x.shape.rank, x.shape.rank), epsilon) * scale
    return y if bias is None else y + bias


def _normalized(x: tf.Tensor, axes: Sequence[int], epsilon: float) -> tf.Tensor:
    """Not by tf.nn.moments, which stops a part of the second derivatives."""
    centred = x - tf.reduce_mean(x, list(axes), keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), list(axes), keepdims=True)
    return centred * tf.math.rsqrt(variance + epsilon)


def local_response_normalization(
    x: tf.Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> tf.Tensor:
    """LRN, over `size` neighbouring channels."""
    x = channels_last(x)
    channels = x.shape[-1]
    before, behind = (min(each, channels) for each in ((size - 1) // 2, size // 2))
    squares = tf.pad(tf.square(x), [(0, 0)] * (x.shape.rank - 1) + [(before, behind)])
    windows = [squares[..., first : first + channels] for first in range(before + 1 + behind)]
    return channels_first(x * tf.pow(bias + alpha / size * tf.add_n(windows), -beta))

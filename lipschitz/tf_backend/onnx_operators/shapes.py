"""ONNX's operators that move numbers, and those that compute shapes.

A shape that depends on the number of images may be a tensor; axes and the like are known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lipschitz.tf_backend.onnx_operators.channel_order import transposed
from lipschitz.tf_backend.runtime import tf

Numbers = tf.Tensor | Sequence[int]  # an input, or an attribute of older versions


def numbers(found: Numbers) -> list[int]:
    """Raises ValueError if they depend on the images."""
    known = tf.get_static_value(found) if tf.is_tensor(found) else found
    if known is None:
        raise ValueError("what has to be constant in it depends on the images")
    return np.ravel(known).tolist()


def constant(**value: np.ndarray | float | list[float]) -> tf.Tensor:
    """Constant: a tensor, or numbers of the type that the attribute's name says."""
    ((name, found),) = value.items()
    if isinstance(found, np.ndarray):
        return tf.constant(found)
    return tf.constant(found, tf.float32 if "float" in name else tf.int64)


def constant_of_shape(shape: tf.Tensor, *, value: np.ndarray | None = None) -> tf.Tensor:
    """ConstantOfShape."""
    return tf.fill(shape, 0.0 if value is None else value[0])


def dropout(
    x: tf.Tensor,
    ratio: tf.Tensor | float = 0.5,
    training_mode: tf.Tensor | None = None,
    *,
    seed: int = 0,
) -> list[tf.Tensor]:
    """Dropout, which keeps all, and what it keeps."""
    if training_mode is not None and any(numbers(training_mode)):
        raise ValueError("it is in training mode")
    return [x, tf.ones_like(x, tf.bool)]


def expand(x: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Expand: x and the shape broadcast each other."""
    y = tf.broadcast_to(x, tf.broadcast_dynamic_shape(tf.shape(x, shape.dtype), shape))
    known = tf.get_static_value(shape)
    if known is not None:
        y.set_shape(tf.broadcast_static_shape(x.shape, tf.TensorShape(known)))
    return y


def flatten(x: tf.Tensor, *, axis: int = 1) -> tf.Tensor:
    """Flatten to a matrix, whose columns are the axes from `axis` on."""
    axis = axis + x.shape.rank if axis < 0 else axis
    return tf.reshape(x, (-1, x.shape[axis:].num_elements()))


def gather(x: tf.Tensor, indices: tf.Tensor, *, axis: int = 0) -> tf.Tensor:
    """Gather."""
    axis %= x.shape.rank
    known = tf.get_static_value(indices)
    if known is not None and known.ndim == 0:  # of a slice the derivative is simpler
        return _part(x, (slice(None),) * axis + (int(known),))
    from_the_end = tf.shape(x, indices.dtype)[axis] + indices
    return tf.gather(x, tf.where(indices < 0, from_the_end, indices), axis=axis)


def _part(x: tf.Tensor, index: tuple[int | slice, ...]) -> tf.Tensor:
    """x[index]; those sizes of a shape that are known stay so."""
    sizes = tf.get_static_value(x, partial=True) if x.dtype.is_integer else None
    if sizes is None or None in np.ravel(sizes[index]):
        return x[index]
    with tf.init_scope():
        return tf.constant(sizes[index], x.dtype)


def pad(
    x: tf.Tensor,
    pads: Numbers,
    value: tf.Tensor | float | None = None,
    axes: Numbers | None = None,
    *,
    mode: str = "constant",
) -> tf.Tensor:
    """Pad, with a value or with the image's reflection."""
    if mode not in ("constant", "reflect"):
        raise ValueError(f"its mode is {mode}; constant and reflect are known")
    pads = numbers(pads)
    axes = range(x.shape.rank) if axes is None else numbers(axes)
    around = np.zeros((x.shape.rank, 2), int)
    around[list(axes)] = np.reshape(pads, (2, -1)).T
    return tf.pad(x, around, mode, constant_values=0 if value is None else value)


def range_of(
    start: tf.Tensor, limit: tf.Tensor, delta: tf.Tensor, *, stash_type: int = 1
) -> tf.Tensor:
    """Range."""
    return tf.range(start, limit, delta)


def reshape(x: tf.Tensor, shape: tf.Tensor, *, allowzero: int = 0) -> tf.Tensor:
    """Reshape; a size of 0 is that of x, unless `allowzero`."""
    known = tf.get_static_value(shape)
    if known is None or allowzero:
        return tf.reshape(x, shape)
    return of_sizes(x, known.tolist())


def of_sizes(x: tf.Tensor, sizes: list[int]) -> tf.Tensor:
    """X with these sizes; 0 stands for that which x has there, -1 for what the others leave."""
    return tf.reshape(
        x, [size or x.shape[axis] or tf.shape(x)[axis] for axis, size in enumerate(sizes)]
    )


def scatter(
    x: tf.Tensor, indices: tf.Tensor, updates: tf.Tensor, *, reduction: str = "none"
) -> tf.Tensor:
    """ScatterND."""
    if reduction != "none":
        raise ValueError(f"its reduction is {reduction}; none is known")
    return tf.tensor_scatter_nd_update(x, indices, updates)


def shape_of(x: tf.Tensor, *, start: int = 0, end: int | None = None) -> tf.Tensor:
    """Shape."""
    sizes = x.shape.as_list()
    if None not in sizes[start:end]:
        with tf.init_scope():  # at once: what is computed from it may have to be known
            return tf.constant(sizes[start:end], tf.int64)
    found = tf.shape(x, tf.int64)
    return tf.stack([size or found[axis] for axis, size in enumerate(sizes)][start:end])


def slice_of(
    x: tf.Tensor,
    starts: Numbers,
    ends: Numbers,
    axes: Numbers | None = None,
    steps: Numbers | None = None,
) -> tf.Tensor:
    """Slice."""
    starts, ends = _ends(starts), _ends(ends)
    axes = range(len(starts)) if axes is None else numbers(axes)
    steps = [1] * len(starts) if steps is None else numbers(steps)
    index = [slice(None)] * x.shape.rank
    for axis, *place in zip(axes, starts, ends, steps, strict=True):
        index[axis] = _within(x.shape[axis], *place)
    return _part(x, tuple(index))


def _ends(found: Numbers) -> list[int] | list[tf.Tensor]:
    if tf.is_tensor(found) and tf.get_static_value(found) is None:
        return tf.unstack(found)
    return numbers(found)


def _within(size: int | None, start: int | tf.Tensor, end: int | tf.Tensor, step: int) -> slice:
    """A slice of an axis of this size, which TensorFlow asks not to be left far behind."""
    if size is None or tf.is_tensor(start) or tf.is_tensor(end):
        return slice(start, end, step)
    start, end, step = slice(start, end, step).indices(size)
    return slice(start, None if end < 0 else end, step)


def split(
    x: tf.Tensor, split: Numbers | None = None, *, axis: int = 0, num_outputs: int
) -> list[tf.Tensor]:
    """Split into parts of these sizes, or into equal ones, of which the last may be smaller."""
    if split is not None:
        return tf.split(x, numbers(split), axis)
    size = -(-x.shape[axis] // num_outputs)
    sizes = [size] * (num_outputs - 1)
    return tf.split(x, [*sizes, x.shape[axis] - sum(sizes)], axis)


def squeeze(x: tf.Tensor, axes: Numbers | None = None) -> tf.Tensor:
    """Squeeze."""
    if axes is None and x.dtype.is_floating:
        raise ValueError("it names no axes: a single image would lose that of the images")
    return tf.squeeze(x, None if axes is None else numbers(axes))


def transpose(x: tf.Tensor, *, perm: Sequence[int] | None = None) -> tf.Tensor:
    """Transpose; without `perm` to the reverse order."""
    return transposed(x, range(x.shape.rank)[::-1] if perm is None else perm)


def unsqueeze(x: tf.Tensor, axes: Numbers) -> tf.Tensor:
    """Unsqueeze; the axes are those of the result."""
    axes = numbers(axes)
    rank = x.shape.rank + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = tf.expand_dims(x, axis)
    return x

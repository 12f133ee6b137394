"""The images that a graph takes: their type, their shape, and any number of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.network import fits
from lipschitz.support.errors import InputError
from lipschitz.tf_backend import operations
from lipschitz.tf_backend.readers.graph_part import needed

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import tf


def images_spec(path: Path, graph_def: tf.compat.v1.GraphDef, images: str) -> tf.TensorSpec:
    """The shape and type of the tensor of images; any shape of float32 if what makes it is not run.

    Raises InputError if it is not one of floats.
    """
    from lipschitz.tf_backend.runtime import tf

    before = needed(graph_def, [images])
    if any(node.op not in operations.ALL for node in before.node):
        return tf.TensorSpec(None)
    with tf.Graph().as_default():
        (found,) = tf.graph_util.import_graph_def(before, return_elements=[images], name="")
    if not found.dtype.is_floating:
        raise InputError(
            f"{path} takes images of {found.dtype.name} at {images}, which have no gradients: name "
            "the tensor after their cast to float32"
        )
    return tf.TensorSpec(found.shape, found.dtype)


def check_size(path: Path, images: str, shape: tf.TensorShape, needed: tuple[int, ...]) -> None:
    """Refuse a tensor of images of another size than (B, *needed)."""
    sizes = _sizes(shape)
    if sizes is not None and not fits(sizes, needed):
        raise InputError(
            f"{path} takes images of the shape {sizes} at {images}; the image size and channels "
            f"given for it make {needed}"
        )


def input_shape_of(
    path: Path, images: str, shape: tf.TensorShape, given: tuple[int, ...] | None
) -> tuple[int, ...]:
    """The shape of one image in a tensor of images; sizes that it leaves open are those `given`.

    `given` may have its channels last where the graph has them first. Raises InputError if sizes
    are open, and `given` is None or does not fit.
    """
    sizes = _sizes(shape)
    if sizes is not None and None not in sizes:
        return sizes
    opened = "" if sizes is None else f", {sizes}"
    if given is None:
        raise InputError(f"{path} leaves sizes of its images open{opened} at {images}: give them")
    channels_first = (given[-1], *given[:-1])
    for each in (given, channels_first):
        if sizes is None or fits(sizes, each):
            return each
    raise InputError(f"{path} takes images of the shape {sizes} at {images}; given are {given}")


def _sizes(shape: tf.TensorShape) -> tuple[int | None, ...] | None:
    """The sizes of one image; None if even their number is open, as old graphs write by ()."""
    return tuple(shape[1:]) if shape.rank else None


def check_batch(
    path: Path, function: tf.types.experimental.ConcreteFunction, shape: tuple[int, ...]
) -> None:
    """Refuse a graph whose logits have a fixed number of rows, for images of a shape."""
    logits = function.outputs[0].shape
    if logits.rank == 2 and logits[0] is not None:
        raise InputError(
            f"{path} has a fixed batch of {logits[0]}: freeze it with an open one, a placeholder "
            f"of the shape {(None, *shape)}, and reshapes to -1 in place of {logits[0]}"
        )

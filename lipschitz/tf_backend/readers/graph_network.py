"""A graph from elsewhere as a network: what lies between its images and its logits, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipschitz.network import Convention
from lipschitz.support.errors import InputError, concerning
from lipschitz.tf_backend.readers.graph_checks import (
    check_constants,
    check_operations,
    check_results,
)
from lipschitz.tf_backend.readers.graph_images import check_batch, images_spec, input_shape_of
from lipschitz.tf_backend.readers.graph_part import digest, needed, taken
from lipschitz.tf_backend.readers.graph_tensors import tensor_name
from lipschitz.tf_backend.reasons import reason

if TYPE_CHECKING:
    from lipschitz.tf_backend.network import TensorFlowNetwork
    from lipschitz.tf_backend.runtime import tf

LARGE_CONSTANT = 2**12  # bytes: weights have more, shapes and axes far less

Tensors = Mapping[str, "tf.Tensor"]  # by their names in a graph
Function = Callable[["tf.Tensor"], "tf.Tensor"]


def network(
    path: Path,
    graph_def: tf.compat.v1.GraphDef,
    images: str,
    logits: str,
    weights: Tensors,
    convention: Convention,
    input_shape: tuple[int, ...] | None,
) -> TensorFlowNetwork:
    """A graph that was read from `path` as a network; its tensors `weights` have these values.

    Sizes that it leaves open are those of `input_shape`, of one image. Raises InputError if that
    makes no network.
    """
    from lipschitz.tf_backend.network import network_of
    from lipschitz.tf_backend.runtime import tf

    images, logits = map(tensor_name, (images, logits))
    with usable(path):
        spec = images_spec(path, graph_def, images)
        shape = input_shape_of(path, images, spec.shape, input_shape)
        part = between(path, graph_def, images, logits, weights)
        inside = function_of(part, lambda x: {images: tf.cast(x, spec.dtype)}, logits, weights)
        compiled = checked(path, inside, shape)

    def predict(x: tf.Tensor) -> tf.Tensor:
        # in another graph its operations are seen: whether they bend, and which is the last
        return compiled(x) if tf.executing_eagerly() else inside(x)

    with usable(path), concerning(f"{path}: "):
        content = digest(part, images, logits, weights)
        found = network_of(predict, shape, content, list(shape), convention)
        middle = (convention.box.lower + convention.box.upper) / 2
        check_finite(compiled(tf.constant(np.broadcast_to(middle, (1, *shape)), tf.float32)))
    return found


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Raise InputError if something in this block finds that the graph cannot be used."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # TensorFlow has no common class for what can be wrong in a graph
        raise InputError(f"{path} cannot be used: {reason(error)}") from error


def take_weights(graph_def: tf.compat.v1.GraphDef) -> dict[str, tf.Tensor]:
    """Replace the large constants of a graph by placeholders, so that they are in memory once.

    Otherwise every function made from the graph, derivatives too, would hold a copy of them. Raises
    ValueError if constants have absurd sizes.
    """
    from lipschitz.tf_backend.runtime import tf

    check_constants(graph_def)
    weights = {}
    for node in graph_def.node:
        if node.op != "Const" or node.ByteSize() < LARGE_CONSTANT:
            continue
        value = node.attr["value"].tensor
        if tf.as_dtype(value.dtype).is_floating:
            weight = tf.constant(tf.make_ndarray(value))
            node.op = "Placeholder"
            node.attr["shape"].shape.CopyFrom(weight.shape.as_proto())
            del node.attr["value"]
            weights[f"{node.name}:0"] = weight
    return weights


def between(
    path: Path, graph_def: tf.compat.v1.GraphDef, images: str, logits: str, others: Iterable[str]
) -> tf.compat.v1.GraphDef:
    """The part of the graph between images and logits, if it may be run; `others` are given."""
    part = needed(graph_def, [logits], {images, *others})
    check_operations(path, part.node)
    if images not in taken(part):
        raise InputError(f"{path} gives {logits} whatever its images at {images} are")
    return part


def function_of(
    part: tf.compat.v1.GraphDef,
    given: Callable[[tf.Tensor], Tensors],
    logits: str,
    weights: Tensors,
) -> Function:
    """A part of a graph as a function for graphs; `given` makes of images what the part takes."""
    from lipschitz.tf_backend.runtime import tf

    used = taken(part)

    def function(x: tf.Tensor) -> tf.Tensor:
        fed = {name: tf.stop_gradient(weights[name]) for name in weights if name in used}
        fed |= {name: tensor for name, tensor in given(x).items() if name in used}
        return tf.graph_util.import_graph_def(part, fed, [logits])[0]

    return function


def checked(
    path: Path, function: Function, input_shape: tuple[int, ...]
) -> tf.types.experimental.ConcreteFunction:
    """The function of images (B, *input_shape), float32, compiled and checked."""
    from lipschitz.tf_backend.runtime import tf

    images = tf.TensorSpec((None, *input_shape))
    compiled = tf.function(function, autograph=False).get_concrete_function(images)
    check_results(compiled.graph)
    check_batch(path, compiled, input_shape)
    return compiled


def check_finite(logits: tf.Tensor) -> None:
    """Raise ValueError if logits of grey images are not finite."""
    from lipschitz.tf_backend.runtime import tf

    if not np.isfinite(tf.cast(logits, tf.float32)).all():
        raise ValueError("a grey image gives logits that are not finite")

"""Frozen graphs: networks of TensorFlow 1 in a .pb file that holds their weights as constants."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipschitz.network import network_fingerprint
from lipschitz.support import regular_file
from lipschitz.support.errors import InputError, first_line
from lipschitz.support.text import printable
from lipschitz.tf_backend import operations
from lipschitz.tf_backend.readers.graph_tensors import (
    check_batch,
    check_images,
    check_tensor,
    tensor_name,
)
from lipschitz.tf_backend.readers.preprocessing import Preprocess
from lipschitz.tf_backend.reasons import reason

if TYPE_CHECKING:
    from lipschitz.tf_backend.network import TensorFlowNetwork
    from lipschitz.tf_backend.runtime import tf

LARGE_CONSTANT = 2**12  # bytes: weights have more, shapes and axes far less
LARGEST_FILE = 2**31 - 1  # bytes: what a protocol buffer can hold
LARGEST_REPEATED = 2**26  # bytes that constants may declare beyond those in the file
LARGEST_RESULT = 2**28  # numbers that an operation may make of one image
TRIED = 2  # images: a graph that takes only one at a time cannot be used


def load(
    path: Path,
    image_size: int,
    num_labels: int,
    images: str,
    logits: str,
    shape: str,
    preprocess: Preprocess,
) -> TensorFlowNetwork:
    """The frozen graph in `path` as a network on the box [-0.5, 0.5].

    `images` and `logits` name its tensors, NAME:0 or NAME. `shape` names the tensor that the graph
    reshapes its logits to, which is fed (batch, num_labels); it may be empty. `preprocess` comes
    before the graph. Raises InputError if the file is not such a graph.
    """
    images, logits, shape = map(tensor_name, (images, logits, shape))
    content = _content(path)
    graph_def = _parsed(path, content)
    for tensor in filter(None, (images, logits, shape)):
        check_tensor(path, graph_def, tensor)
    _check_operations(path, graph_def)
    try:
        dtype = check_images(path, graph_def, images, image_size)
        _check_constants(graph_def)
        function = _function(
            graph_def, image_size, num_labels, images, logits, shape, preprocess, dtype
        )
        _check_results(function.graph)
        check_batch(path, function, image_size)
        _try(function, image_size, num_labels)
    except InputError:
        raise
    except Exception as error:  # TensorFlow has no common class for what can be wrong in a graph
        raise InputError(f"{path} cannot be used: {reason(error)}") from error
    from lipschitz.tf_backend.network import TensorFlowNetwork

    weights = hashlib.sha256(content).hexdigest()
    around = [image_size, num_labels, images, logits, shape, preprocess.__name__]
    return TensorFlowNetwork(
        function,
        (image_size, image_size, 3),
        num_labels,
        fingerprint=network_fingerprint(weights, around),
        graph=lambda: function.graph,
    )


def read(path: Path) -> tf.compat.v1.GraphDef:
    """The graph in a .pb file, as it was written."""
    return _parsed(path, _content(path))


def _content(path: Path) -> bytes:
    if not os.path.isfile(path):  # Path.is_file raises if a name is too long
        raise InputError(f"{path} not found")
    try:
        return regular_file.read(path, LARGEST_FILE)
    except ValueError as error:
        raise InputError(f"{path} is not a frozen graph: {error}") from error


def _parsed(path: Path, content: bytes) -> tf.compat.v1.GraphDef:
    from google.protobuf.message import DecodeError

    from lipschitz.tf_backend.runtime import tf

    try:
        graph_def = tf.compat.v1.GraphDef.FromString(content)
    except DecodeError as error:
        raise InputError(f"{path} is damaged or not a frozen graph: {first_line(error)}") from error
    if not graph_def.node:
        raise InputError(f"{path} is not a frozen graph: it has no nodes")
    return graph_def


def _function(
    graph_def: tf.compat.v1.GraphDef,
    image_size: int,
    num_labels: int,
    images: str,
    logits: str,
    shape: str,
    preprocess: Preprocess,
    dtype: tf.DType,
) -> tf.types.experimental.ConcreteFunction:
    """Compile images (B, H, W, 3) in the box -> logits (B, num_labels), and nothing else.

    The graph takes its images in `dtype`.
    """
    from lipschitz.tf_backend.runtime import tf

    weights = _take_weights(graph_def)

    def imported(x: tf.Tensor) -> tf.Tensor:
        fed = {name: tf.stop_gradient(weight) for name, weight in weights.items()}
        fed[images] = tf.cast(preprocess(x), dtype)
        if shape:
            fed[shape] = tf.stack([tf.shape(x)[0], num_labels])
        return tf.graph_util.import_graph_def(graph_def, fed, [logits], name="")[0]

    box = tf.TensorSpec((None, image_size, image_size, 3))
    whole = tf.compat.v1.wrap_function(imported, [box])
    return whole.prune(whole.inputs, whole.outputs[0])


def _take_weights(graph_def: tf.compat.v1.GraphDef) -> dict[str, tf.Tensor]:
    """Take the large constants out of the graph, so that they are in memory once.

    Otherwise every function made from the graph, derivatives too, would hold a copy of them.
    """
    from lipschitz.tf_backend.runtime import tf

    weights = {}
    for node in graph_def.node:
        if node.op != "Const" or node.ByteSize() < LARGE_CONSTANT:
            continue
        value = node.attr["value"].tensor
        if tf.as_dtype(value.dtype).is_floating:
            weights[f"{node.name}:0"] = tf.constant(tf.make_ndarray(value))
            value.CopyFrom(tf.make_tensor_proto(0, value.dtype))
    return weights


def _check_operations(path: Path, graph_def: tf.compat.v1.GraphDef) -> None:
    """Refuse what no network needs: a graph can read and write files, and run programs."""
    if graph_def.library.function:
        raise InputError(f"{path} is not a frozen graph: it defines functions")
    for node in graph_def.node:
        if node.op in ("Variable", "VariableV2", "VarHandleOp"):
            raise InputError(f"{path} is not frozen: {printable(node.name)} is a variable")
        if node.op not in operations.ALL:
            raise InputError(
                f"{path} is not run: its {printable(node.name)} is a {printable(node.op)}, which "
                "is not among the operations that networks are known to need (in "
                f"{Path(operations.__file__).name})"
            )


def _check_constants(graph_def: tf.compat.v1.GraphDef) -> None:
    """Raise ValueError if constants have absurd sizes: one value can stand for many."""
    from lipschitz.tf_backend.runtime import tf

    room = graph_def.ByteSize() + LARGEST_REPEATED
    for node in graph_def.node:
        for attribute in node.attr.values():
            for value in (attribute.tensor, *attribute.list.tensor):
                sizes = [dimension.size for dimension in value.tensor_shape.dim]
                if any(size < 0 for size in sizes):
                    raise ValueError(f"{node.name} has a negative size")
                room -= math.prod(sizes) * tf.as_dtype(value.dtype or tf.float32).size
    if room < 0:
        raise ValueError("its constants have more bytes than the file")


def _check_results(graph: tf.Graph) -> None:
    """Raise ValueError if the result of an operation has an absurd size, if its size is known."""
    for operation in graph.get_operations():
        for result in operation.outputs:
            if result.shape.rank and math.prod(filter(None, result.shape)) > LARGEST_RESULT:
                raise ValueError(f"{operation.name} makes {result.shape} numbers")


def _try(
    function: tf.types.experimental.ConcreteFunction, image_size: int, num_labels: int
) -> None:
    """Run grey images through it: faults in constants and reshapes show only then."""
    from lipschitz.tf_backend.runtime import tf

    found = function(tf.zeros((TRIED, image_size, image_size, 3)))
    if found.shape != (TRIED, num_labels):
        raise ValueError(f"{TRIED} images give {found.shape}, not {num_labels} logits each")
    if not found.dtype.is_floating:
        raise ValueError(f"its logits are of {found.dtype.name}, which has no gradients")
    if not np.isfinite(tf.cast(found, tf.float32)).all():
        raise ValueError("a grey image gives logits that are not finite")

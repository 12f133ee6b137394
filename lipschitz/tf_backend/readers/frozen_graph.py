"""Frozen graphs: networks in a .pb file of TensorFlow that holds their weights as constants."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.network import Convention, network_fingerprint
from lipschitz.support import regular_file
from lipschitz.support.errors import InputError, first_line
from lipschitz.tf_backend.readers import graph_ends, graph_network
from lipschitz.tf_backend.readers.function_calls import inlined
from lipschitz.tf_backend.readers.graph_images import check_size, images_spec
from lipschitz.tf_backend.readers.graph_tensors import check_tensor, tensor_name
from lipschitz.tf_backend.readers.preprocessing import Preprocess

if TYPE_CHECKING:
    from lipschitz.tf_backend.network import TensorFlowNetwork
    from lipschitz.tf_backend.runtime import tf

LARGEST_FILE = 2**31 - 1  # bytes: what a protocol buffer can hold
TRIED = 2  # images: a graph that takes only one at a time cannot be used


def load(
    path: Path,
    image_size: int,
    num_labels: int | None,
    images: str,
    logits: str,
    shape: str,
    preprocess: Preprocess,
) -> TensorFlowNetwork:
    """The frozen graph in `path` as a network on the box [-0.5, 0.5].

    `images` and `logits` name its tensors, NAME:0 or NAME. `shape` names the tensor that the graph
    reshapes its logits to, which is fed (batch, num_labels); it may be empty. `preprocess` comes
    before the graph. Without `num_labels` there are as many as the graph gives logits. Raises
    InputError if the file is not such a graph.
    """
    from lipschitz.tf_backend.network import TensorFlowNetwork
    from lipschitz.tf_backend.runtime import tf

    images, logits, shape = map(tensor_name, (images, logits, shape))
    content = _content(path)
    graph_def = _parsed(path, content)
    for tensor in filter(None, (images, logits, shape)):
        check_tensor(path, graph_def, tensor)
    input_shape = (image_size, image_size, 3)
    with graph_network.usable(path):
        weights = graph_network.take_weights(graph_def)
        spec = images_spec(path, graph_def, images)
        check_size(path, images, spec.shape, input_shape)

        def given(x: tf.Tensor) -> graph_network.Tensors:
            sizes = {shape: tf.stack([tf.shape(x)[0], num_labels])} if shape else {}
            return {images: tf.cast(preprocess(x), spec.dtype)} | sizes

        part = graph_network.between(path, graph_def, images, logits, {shape, *weights})
        inside = graph_network.function_of(part, given, logits, weights)
        function = graph_network.checked(path, inside, input_shape)
        num_labels = _try(function, input_shape, num_labels)
    around = [image_size, num_labels, images, logits, shape, preprocess.__name__]
    return TensorFlowNetwork(
        function,
        input_shape,
        num_labels,
        fingerprint=network_fingerprint(hashlib.sha256(content).hexdigest(), around),
        graph=lambda: function.graph,
    )


def load_own(
    path: Path,
    convention: Convention,
    input_shape: tuple[int, ...] | None = None,
    tensors: tuple[str, str] | None = None,
) -> TensorFlowNetwork:
    """Any frozen graph as a network that takes and gives what the convention says.

    `tensors` are those of its images and its logits, NAME:0 or NAME; without them the graph's only
    placeholder of floats is taken, and its only end. `input_shape`, of one image, is used for sizes
    that the graph leaves open. Raises InputError if the file is not such a graph, or if something
    that it does not show is not given.
    """
    graph_def = read(path)
    for tensor in tensors or ():
        check_tensor(path, graph_def, tensor_name(tensor))
    with graph_network.usable(path):
        if graph_def.library.function:
            graph_def, ends = inlined(path, graph_def, tensors or graph_ends.last(graph_def))
            tensors = tensors and ends
        weights = graph_network.take_weights(graph_def)
        images, logits = tensors or graph_ends.find(path, graph_def, set(weights))
    return graph_network.network(path, graph_def, images, logits, weights, convention, input_shape)


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


def _try(
    function: tf.types.experimental.ConcreteFunction,
    input_shape: tuple[int, ...],
    num_labels: int | None,
) -> int:
    """Run grey images through it: faults in constants and reshapes show only then.

    Returns the number of logits. Raises ValueError if it is not `num_labels`.
    """
    from lipschitz.tf_backend.runtime import tf

    found = function(tf.zeros((TRIED, *input_shape)))
    if found.shape.rank != 2 or found.shape != (TRIED, num_labels or found.shape[1]):
        wanted = f"{num_labels} logits" if num_labels else "a logit a class"
        raise ValueError(f"{TRIED} images give {found.shape}, not {wanted} each")
    if not found.dtype.is_floating:
        raise ValueError(f"its logits are of {found.dtype.name}, which has no gradients")
    graph_network.check_finite(found)
    return found.shape[1]

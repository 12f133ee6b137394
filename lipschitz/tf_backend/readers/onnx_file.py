"""ONNX files: networks that other frameworks exported, computed by TensorFlow.

The package onnx only parses them. Their operators are translated one by one.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipschitz.network import fingerprint
from lipschitz.support import regular_file
from lipschitz.support.errors import InputError, first_line
from lipschitz.support.text import printable
from lipschitz.tf_backend.readers import onnx_graph
from lipschitz.tf_backend.readers.onnx_graph import Graph, Step
from lipschitz.tf_backend.reasons import reason

if TYPE_CHECKING:
    import onnx

    from lipschitz.tf_backend.onnx_operators.table import Operator
    from lipschitz.tf_backend.runtime import tf

LARGEST_FILE = 2**31 - 1  # bytes: what a protocol buffer can hold
DOMAINS = ("", "ai.onnx")  # of ONNX's own operators
FLOATS = ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16")
TYPES = (*FLOATS, "BOOL", "INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64")
OPEN = (
    "export it with an open batch (dynamic_shapes of torch.onnx.export, or dynamic_axes if dynamo "
    "is False)"
)


@dataclass(frozen=True)
class OnnxNetwork:
    """A network: `predict` maps images (B, *input_shape) to outputs (B, ...), mostly (B, classes).

    The axes of an image are those of the file; a size that it leaves open is None.
    """

    predict: Callable[[tf.Tensor], tf.Tensor]
    input_shape: tuple[int | None, ...]
    weights: str  # a hash
    structure: object  # as JSON can hold it


def load(path: Path) -> OnnxNetwork:
    """The network in `path`, for any number of images.

    Raises InputError if the file has none that is made of known operators, with one input and one
    output of floats. If it leaves sizes open, `predict` is tried when they are known: it raises
    ValueError.
    """
    model = _parsed(path)
    try:
        return _network(model)
    except Exception as error:  # TensorFlow has no common class for what can be wrong
        raise InputError(f"{path} cannot be used: {reason(error)}") from error


def _parsed(path: Path) -> onnx.ModelProto:
    try:
        import onnx
    except ImportError as error:
        raise InputError(
            f"{path} needs the package onnx: pip install 'clever-toolkit[onnx]'"
        ) from error
    from google.protobuf.message import DecodeError

    if not os.path.isfile(path):  # Path.is_file raises if a name is too long
        raise InputError(f"{path} not found")
    try:
        model = onnx.ModelProto.FromString(regular_file.read(path, LARGEST_FILE))
    except (ValueError, DecodeError) as error:
        raise InputError(f"{path} is damaged or no ONNX file: {first_line(error)}") from error
    if not model.graph.node:
        raise InputError(f"{path} is no ONNX file: it has no nodes")
    return model


def _network(model: onnx.ModelProto) -> OnnxNetwork:
    """Raises ValueError if the model cannot be used."""
    from lipschitz.tf_backend.onnx_operators import fixed_batch
    from lipschitz.tf_backend.runtime import tf

    graph, (batch, *shape) = _graph(model)
    graph = onnx_graph.folded(graph)
    if not any(graph.output in step.outputs for step in graph.steps):
        raise ValueError("its output is not made of its input")
    if batch:
        graph = onnx_graph.with_operators(graph, fixed_batch.operators(batch))

    @functools.cache
    def check(shape: tuple[int, ...]) -> None:
        try:
            onnx_graph.check(graph, shape, batch or 1)
        except ValueError as error:
            if batch:
                raise ValueError(
                    f"its batch is fixed at {batch}, and cannot be opened ({error}): {OPEN}"
                ) from error
            raise

    def predict(x: tf.Tensor) -> tf.Tensor:
        with tf.init_scope():
            check(tuple(x.shape[1:]))
        return onnx_graph.run(graph, x)[graph.output]

    if None not in shape:
        check(tuple(shape))
    weights = fingerprint(each.numpy() for each in graph.constants.values())
    return OnnxNetwork(predict, tuple(shape), weights, onnx_graph.structure(graph))


def _graph(model: onnx.ModelProto) -> tuple[Graph, list[int | None]]:
    """The model's graph, and the sizes of its images with the batch; None stands for any."""
    from lipschitz.tf_backend.runtime import tf

    found = model.graph
    if found.sparse_initializer:
        raise ValueError("it has sparse tensors")
    constants = {each.name: tf.constant(_array(each)) for each in found.initializer}
    # old files name their constants among the inputs
    images = _only("input", [each for each in found.input if each.name not in constants])
    output = _only("output", found.output)
    dtype, sizes = _images(images)
    table = _operators(model)
    steps = list(_steps(found, table, {images.name, *constants}))
    return Graph(steps, constants, images.name, dtype, output.name), sizes


def _only(what: str, tensors: Sequence[onnx.ValueInfoProto]) -> onnx.ValueInfoProto:
    if len(tensors) != 1:
        names = printable(", ".join(each.name for each in tensors)) or "none"
        raise ValueError(
            f"it has {len(tensors)} {what}s ({names}), not one: onnx.utils.extract_model makes a "
            "file of the part between images and logits"
        )
    return tensors[0]


def _images(images: onnx.ValueInfoProto) -> tuple[tf.DType, list[int | None]]:
    import onnx

    from lipschitz.tf_backend.runtime import tf

    found = images.type.tensor_type
    if not found.HasField("shape") or len(found.shape.dim) < 2:
        raise ValueError(f"it does not say the shape of its images, {printable(images.name)}")
    kind = onnx.TensorProto.DataType.Name(found.elem_type)
    if kind not in FLOATS:
        raise ValueError(
            f"it takes images of {kind}, which have no gradients: export it without its cast to "
            "floats"
        )
    sizes = [size.dim_value if size.dim_value > 0 else None for size in found.shape.dim]
    return tf.as_dtype(onnx.helper.tensor_dtype_to_np_dtype(found.elem_type)), sizes


def _operators(model: onnx.ModelProto) -> dict[str, Operator]:
    """The operators that the model needs, and others."""
    from lipschitz.tf_backend.onnx_operators.table import VERSIONS, operators

    versions = [each.version for each in model.opset_import if each.domain in DOMAINS]
    if len(versions) != 1 or versions[0] not in VERSIONS:
        raise ValueError(
            f"its operators are of version {versions}; {VERSIONS[0]} to {VERSIONS[-1]} are known: "
            "export it with another opset_version"
        )
    found = operators(*versions)
    if unknown := sorted({_kind(node) for node in model.graph.node} - found.keys()):
        raise ValueError(f"it needs {printable(', '.join(unknown))}, which cannot be translated")
    return found


def _steps(graph: onnx.GraphProto, table: dict[str, Operator], known: set[str]) -> Iterator[Step]:
    """The nodes; `known` are the names of the tensors that none of them makes."""
    for node in graph.node:
        step = _step(node, table[_kind(node)])
        if missing := set(filter(None, step.inputs)) - known:
            raise ValueError(
                f"its {step.kind} {step.name} takes {printable(min(missing))}, which no node "
                "before it makes"
            )
        known |= set(step.outputs)
        yield step


def _kind(node: onnx.NodeProto) -> str:
    return node.op_type if node.domain in DOMAINS else f"{node.domain}.{node.op_type}"


def _step(node: onnx.NodeProto, operator: Operator) -> Step:
    attributes = {each.name: _value(each) for each in node.attribute}
    if node.op_type == "Split":  # without it only later versions say the number
        attributes["num_outputs"] = len(node.output)
    name = printable(node.name or ", ".join(node.output))
    return Step(node.op_type, name, operator, attributes, list(node.input), list(node.output))


def _value(attribute: onnx.AttributeProto) -> object:
    kind = attribute.AttributeType.Name(attribute.type)
    if kind == "TENSOR":
        return _array(attribute.t)
    if kind == "STRING":
        return attribute.s.decode()
    if kind in ("FLOAT", "INT"):
        return attribute.f if kind == "FLOAT" else attribute.i
    if kind in ("FLOATS", "INTS"):
        return list(attribute.floats if kind == "FLOATS" else attribute.ints)
    raise ValueError(f"its attribute {printable(attribute.name)} is of the kind {kind}")


def _array(tensor: onnx.TensorProto) -> np.ndarray:
    import onnx

    name = printable(tensor.name)
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ValueError(
            f"its tensor {name} lies in another file: put all into one, by external_data=False of "
            "torch.onnx.export or by onnx.save(onnx.load(FILE), NEW_FILE)"
        )
    kind = onnx.TensorProto.DataType.Name(tensor.data_type)
    if kind not in TYPES:
        raise ValueError(f"its tensor {name} is of {kind}")
    try:
        return onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise ValueError(f"its tensor {name} is damaged: {first_line(error)}") from error

"""What a graph from elsewhere may contain: no operation that reaches out of it, no absurd sizes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.support.errors import InputError
from lipschitz.support.text import printable
from lipschitz.tf_backend import operations

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import tf

VARIABLES = ("Variable", "VariableV2", "VarHandleOp")  # operations that hold one
LARGEST_REPEATED = 2**26  # bytes that constants may declare beyond those in the file
LARGEST_RESULT = 2**28  # numbers that an operation may make of one image


def check_operations(
    path: Path,
    nodes: Iterable[tf.compat.v1.NodeDef],
    allowed: Collection[str] = operations.ALL,
) -> None:
    """Refuse what no network needs: a graph can read and write files, and run programs."""
    for node in nodes:
        if node.op in allowed:
            continue
        if node.op in VARIABLES:
            raise InputError(f"{path} is not frozen: {printable(node.name)} is a variable")
        raise InputError(
            f"{path} is not run: its {printable(node.name)} is a {printable(node.op)}, which "
            "is not among the operations that networks are known to need (in "
            f"{Path(operations.__file__).name})"
        )


def check_constants(graph_def: tf.compat.v1.GraphDef) -> None:
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


def check_results(graph: tf.Graph) -> None:
    """Raise ValueError if the result of an operation has an absurd size, if its size is known."""
    for operation in graph.get_operations():
        for result in operation.outputs:
            if result.shape.rank and math.prod(filter(None, result.shape)) > LARGEST_RESULT:
                raise ValueError(f"{operation.name} makes {result.shape} numbers")

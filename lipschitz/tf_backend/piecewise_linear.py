"""Whether a graph is piecewise linear: then its Hessian is zero wherever it exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipschitz.tf_backend.operations import MULTILINEAR, PIECEWISE_LINEAR, QUOTIENTS

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import tf


def is_piecewise_linear(graph: tf.Graph) -> bool:
    """Whether the images, its first input, pass only through piecewise linear operations.

    An operation that is not known counts as curved, one that no output needs does not count.
    """
    needed = _needed(graph)
    depends = {graph.inputs[0].ref()}  # tensors that change with the images
    for operation in graph.get_operations():
        if operation.name not in needed:
            continue
        changing = [tensor.ref() in depends for tensor in operation.inputs]
        if not any(changing):
            continue
        kind = operation.type
        if not (
            kind in PIECEWISE_LINEAR
            or (kind in MULTILINEAR and sum(changing) == 1)
            or (kind in QUOTIENTS and not changing[1])
        ):
            return False
        depends.update(tensor.ref() for tensor in operation.outputs)
    return True


def _needed(graph: tf.Graph) -> set[str]:
    """The names of the operations that the graph's outputs depend on."""
    needed, ahead = set(), [output.op for output in graph.outputs]
    while ahead:
        operation = ahead.pop()
        if operation.name not in needed:
            needed.add(operation.name)
            ahead += [tensor.op for tensor in operation.inputs]
    return needed

"""Whether a graph is piecewise linear: then its Hessian is zero wherever it exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipschitz.tf_backend.operations import MULTILINEAR, PIECEWISE_LINEAR, QUOTIENTS

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import tf


def is_piecewise_linear(graph: tf.Graph) -> bool:
    """Whether the images, its first input, pass only through piecewise linear operations.

    An operation that is not known counts as curved.
    """
    depends = {graph.inputs[0].ref()}  # tensors that change with the images
    for operation in graph.get_operations():
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

"""The backward pass, and where it ends if it does not reach the images."""

from __future__ import annotations

import re

from lipschitz.support.errors import InputError
from lipschitz.support.text import printable
from lipschitz.tf_backend.reasons import reason
from lipschitz.tf_backend.runtime import tf


def gradient(
    y: tf.Tensor, x: tf.Tensor, cotangent: tf.Tensor, unconnected_gradients: str = "none"
) -> tf.Tensor:
    """The gradient of cotangent . y in x, in the graph that is being made.

    Raises InputError if an operation between x and y has no derivative.
    """
    try:
        (found,) = tf.gradients(y, x, cotangent, unconnected_gradients=unconnected_gradients)
        if found is None:
            raise InputError(f"the network has no gradient: {_end(y, x)}")
    except LookupError as error:  # TensorFlow has no rule for an operation
        kind = re.search(r"op type: (\w+)", str(error))
        raise InputError(
            f"TensorFlow has no derivative of {kind[1] if kind else reason(error)}, which this "
            "network needs"
        ) from error
    return found


def _end(y: tf.Tensor, x: tf.Tensor) -> str:
    """Where the way back from y to x ends, in words."""
    depends = {x.ref()}
    reached_from_x = []  # tensors that change with x, in the order in which they were made
    for operation in x.graph.get_operations():
        if any(tensor.ref() in depends for tensor in operation.inputs):
            depends.update(tensor.ref() for tensor in operation.outputs)
            reached_from_x += operation.outputs
    if y.ref() not in depends:
        return "its logits do not depend on its input"
    passed = tf.gradients(y, reached_from_x)
    ends = next(
        tensor.op for tensor, found in zip(reached_from_x, passed, strict=True) if found is not None
    )
    return f"none passes through {printable(ends.name)} ({ends.type})"

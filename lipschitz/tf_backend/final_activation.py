"""The softmax or sigmoid that a network ends with: CLEVER scores what comes before it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lipschitz.tf_backend.runtime import tf

ACTIVATIONS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}  # by the operation's type
# operations that change the place, shape or type of values alone, made again on others
MOVES: dict[str, Callable[[tf.Tensor, tf.Operation], tf.Tensor]] = {
    "Cast": lambda x, operation: x,
    "ExpandDims": lambda x, operation: tf.reshape(x, tf.shape(operation.outputs[0])),
    "Identity": lambda x, operation: x,
    "Reshape": lambda x, operation: tf.reshape(x, operation.inputs[1]),
    "Squeeze": lambda x, operation: tf.reshape(x, tf.shape(operation.outputs[0])),
    "Transpose": lambda x, operation: tf.transpose(x, operation.inputs[1]),
}


def without(outputs: tf.Tensor) -> tuple[tf.Tensor, str]:
    """A graph's outputs (B, K) before the softmax or sigmoid at its end, and which of them it was.

    If the graph ends with something else: its outputs, and "". A softmax counts only if it is one
    over all K classes.
    """
    moves, tensor = [], outputs
    while tensor.op.type in MOVES:
        moves.append(tensor.op)
        tensor = tensor.op.inputs[0]
    name = ACTIVATIONS.get(tensor.op.type, "")
    if not name or (name == "softmax" and tensor.shape[-1] != outputs.shape[-1]):
        return outputs, ""
    logits = tensor.op.inputs[0]
    for operation in reversed(moves):
        logits = MOVES[operation.type](logits, operation)
    return logits, name


def of_probabilities(outputs: tf.Tensor) -> tf.Tensor:
    """Logarithms of probabilities (B, K): their margins are those of logits.

    One number (B, 1) is the probability of class 1.
    """
    if outputs.shape[-1] == 1:
        outputs = tf.concat([1 - outputs, outputs], axis=1)
    return tf.math.log(tf.maximum(outputs, np.finfo(np.float32).tiny))


def two_classes(logits: tf.Tensor) -> tf.Tensor:
    """Logits (B, K); for K = 1 those of two classes, 0 and z, whose softmax is the sigmoid of z."""
    return tf.concat([tf.zeros_like(logits), logits], axis=1) if logits.shape[-1] == 1 else logits

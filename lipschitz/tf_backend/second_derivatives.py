"""Second derivatives that TensorFlow's rules leave out without a word.

They hold for the operations that are made in a block of `complete`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from lipschitz.support.errors import InputError
from lipschitz.tf_backend.runtime import tf

MEAN, RESIZING, SPREADING = "LipschitzMean", "LipschitzResizing", "LipschitzSpreading"


def complete() -> AbstractContextManager:
    """Gradients of operations made in this block can be differentiated once more."""
    rules = {"StopGradient": MEAN, "ResizeBilinear": RESIZING}
    return tf.compat.v1.get_default_graph().gradient_override_map(rules)


def check_functions(graph: tf.Graph) -> None:
    """Raise InputError if functions that the graph calls need these rules: they do not get them."""
    for function in graph.as_graph_def().library.function:
        kinds = {node.name: node.op for node in function.node_def}
        for node in function.node_def:
            of_a_mean = node.op == "StopGradient" and kinds.get(_source(node)) == "Mean"
            if of_a_mean or node.op == "ResizeBilinear":
                raise InputError(
                    f"second derivatives of {node.op} in a tf.function or a loop would be wrong: "
                    "build the network without tf.function"
                )


def _source(node: tf.compat.v1.NodeDef) -> str:
    return node.input[0].split(":")[0]


@tf.RegisterGradient(MEAN)
def _mean(operation: tf.Operation, gradient: tf.Tensor) -> tf.Tensor | None:
    """Let the gradient through if the operation holds the mean in `tf.nn.moments`, else stop it.

    The variance is the mean of (x - m)^2. Its first derivative in m is zero, so TensorFlow stops
    it there; the second is not. Normalizations of a layer or of groups take such moments.
    """
    (mean,), (held,) = operation.inputs, operation.outputs
    of_moments = mean.op.type == "Mean" and any(
        each.type == "SquaredDifference" and each.inputs[0] is mean.op.inputs[0]
        for each in held.consumers()
    )
    return gradient if of_moments else None


@tf.RegisterGradient(RESIZING)
def _resizing(operation: tf.Operation, gradient: tf.Tensor) -> tuple[tf.Tensor, None]:
    """TensorFlow's gradient of a bilinear resizing, with a gradient of its own."""
    with tf.compat.v1.get_default_graph().gradient_override_map({"ResizeBilinearGrad": SPREADING}):
        in_images = tf.raw_ops.ResizeBilinearGrad(
            grads=gradient, original_image=operation.inputs[0], **_pixels(operation)
        )
    return in_images, None


@tf.RegisterGradient(SPREADING)
def _spreading(operation: tf.Operation, gradient: tf.Tensor) -> tuple[tf.Tensor, None]:
    """The gradient of a transposed linear map is that map: the resizing."""
    size = tf.shape(operation.inputs[0])[1:3]
    return tf.raw_ops.ResizeBilinear(images=gradient, size=size, **_pixels(operation)), None


def _pixels(operation: tf.Operation) -> dict[str, bool]:
    return {name: operation.get_attr(name) for name in ("align_corners", "half_pixel_centers")}

"""A function f(x, v) that is linear in v, computed in two parts: what v changes, and the rest."""

from collections.abc import Callable

from lipschitz.tf_backend.runtime import tf


def split(
    function: Callable[..., tf.Tensor], point: list[tf.TensorSpec], vector: tf.TensorSpec
) -> Callable[..., Callable[[tf.Tensor], tf.Tensor]]:
    """Compile `function(*point, v)` as `at(*point)`, which gives the function of v alone.

    `at` computes once what does not depend on v; each v then costs the rest. So many vectors at
    one point are cheaper than many calls, in particular Hessian-vector products: the passes
    through the network are those of x.
    """
    whole = tf.compat.v1.wrap_function(
        lambda *arguments: tf.identity(function(*arguments)), [*point, vector]
    )
    for operation in whole.graph.get_operations():
        # derivatives wait for others (arctan's): order alone, which would tie x to v
        operation._remove_all_control_inputs()
    *at_point, along = whole.inputs[: len(point) + 1]
    (result,) = whole.outputs
    kept = _boundary(whole.graph, along, result)
    once = tf.function(whole.prune(at_point, kept), autograph=False, reduce_retracing=True)
    each = tf.function(
        whole.prune([along, *kept], [result]), autograph=False, reduce_retracing=True
    )

    def at(*values: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
        found = once(*values)
        return lambda v: each(v, *found)[0]

    return at


def _boundary(graph: tf.Graph, along: tf.Tensor, result: tf.Tensor) -> list[tf.Tensor]:
    """What the operations between `along` and `result` take that does not depend on `along`."""
    depends = {along.op.name}
    for operation in graph.get_operations():  # in the order in which they were made
        if any(taken.op.name in depends for taken in operation.inputs):
            depends.add(operation.name)

    boundary, seen, ahead = {}, set(), [result.op]
    while ahead:
        operation = ahead.pop()
        if operation.name in seen:
            continue
        seen.add(operation.name)
        for taken in operation.inputs:
            if taken.op.name in depends:
                ahead.append(taken.op)
            elif taken.op.type != "Const":
                # all outputs of an operation, or TensorFlow computes it on both sides
                boundary |= {output.name: output for output in taken.op.outputs}
    return list(boundary.values())

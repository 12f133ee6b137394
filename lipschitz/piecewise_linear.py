"""Whether a network is piecewise linear: then its Hessian is zero wherever it exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipschitz.errors import InputError
from lipschitz.operations import MULTILINEAR, PIECEWISE_LINEAR, QUOTIENTS

if TYPE_CHECKING:
    from lipschitz.networks import Network
    from lipschitz.tensorflow import tf

SMOOTH_ACTIVATIONS = ("tanh", "sigmoid", "softplus", "arctan", "elu", "2-layer's own")


def check_curved(network: Network) -> None:
    """Raise InputError where second-order scores mean nothing: the Hessian is zero."""
    if is_piecewise_linear(network):
        raise InputError(
            "--order 2: this network is piecewise linear (ReLU, bounded ReLU, hard_sigmoid), so "
            f"its Hessian is zero; activations that work: {', '.join(SMOOTH_ACTIVATIONS)}"
        )


def is_piecewise_linear(network: Network) -> bool:
    """Whether images meet piecewise linear operations alone on their way to the logits.

    An operation that is not known counts as curved.
    """
    graph = _graph(network)
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


def _graph(network: Network) -> tf.Graph:
    """The network's own graph where it has one, or that of a call; images are its first input."""
    if getattr(network, "graph", None):
        return network.graph()
    from lipschitz.tensorflow import tf

    size = network.image_size
    images = tf.TensorSpec((None, size, size, network.num_channels))
    return tf.function(network.predict).get_concrete_function(images).graph

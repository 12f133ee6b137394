"""Whether a network is piecewise linear: then its Hessian is zero wherever it exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipschitz.errors import InputError

if TYPE_CHECKING:
    from lipschitz.networks import Network
    from lipschitz.tensorflow import tf

SMOOTH_ACTIVATIONS = ("tanh", "sigmoid", "softplus", "arctan", "elu", "2-layer's own")

# Operations that are piecewise linear in all their arguments together.
PIECEWISE_LINEAR = frozenset(
    """
    Add AddN AddV2 AvgPool BatchToSpaceND BiasAdd BroadcastTo Cast ClipByValue ConcatV2
    DepthToSpace ExpandDims GatherV2 Identity IdentityN LeakyRelu Max MaxPool Maximum Mean Min
    Minimum MirrorPad Neg Pack Pad PadV2 Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor
    ReverseV2 Shape Slice SpaceToBatchND SpaceToDepth Split SplitV Squeeze StopGradient
    StridedSlice Sub Sum Tile Transpose Unpack
    """.split()  # noqa: SIM905
)
# Operations that are linear in each argument while the others are constant.
MULTILINEAR = frozenset(
    """
    BatchMatMulV2 Conv2D DepthwiseConv2dNative Einsum FusedBatchNorm FusedBatchNormV2
    FusedBatchNormV3 MatMul Mul
    """.split()  # noqa: SIM905
)
QUOTIENTS = frozenset(["Div", "RealDiv"])  # linear in the numerator


def check_curved(network: Network) -> None:
    """Raise InputError where second-order scores mean nothing: the Hessian is zero."""
    if is_piecewise_linear(network.graph()):
        raise InputError(
            "--order 2: this network is piecewise linear (ReLU, bounded ReLU, hard_sigmoid), so "
            f"its Hessian is zero; activations that work: {', '.join(SMOOTH_ACTIVATIONS)}"
        )


def is_piecewise_linear(graph: tf.Graph) -> bool:
    """Whether the first input of a graph meets piecewise linear operations alone.

    An operation that is not known here counts as curved.
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

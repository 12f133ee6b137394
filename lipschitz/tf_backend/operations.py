"""TensorFlow's operations that networks are made of, by what they do to an image."""

# piecewise linear in all their arguments together
PIECEWISE_LINEAR = frozenset(
    """
    Abs Add AddN AddV2 AvgPool BatchToSpaceND BiasAdd BroadcastTo Cast ClipByValue Concat ConcatV2
    DepthToSpace ExpandDims Gather GatherNd GatherV2 Identity IdentityN LeakyRelu Max MaxPool
    Maximum Mean Merge Min Minimum MirrorPad Neg Pack Pad PadV2 Relu Relu6 Reshape ResizeBilinear
    ResizeNearestNeighbor Reverse ReverseV2 Select SelectV2 Shape ShapeN Sign Slice
    SpaceToBatchND SpaceToDepth Split SplitV Squeeze StopGradient StridedSlice Sub Sum Switch Tile
    Transpose Unpack
    """.split()  # noqa: SIM905
)
# linear in each argument while the others are constant
MULTILINEAR = frozenset(
    """
    BatchMatMul BatchMatMulV2 BatchNormWithGlobalNormalization Conv2D DepthwiseConv2dNative Einsum
    FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 MatMul Mul
    """.split()  # noqa: SIM905
)
# linear in the first argument while the second is constant
QUOTIENTS = frozenset(["Div", "RealDiv"])
# constants, shapes, conditions, and what has no derivative
STRUCTURAL = frozenset(
    """
    All Any ArgMax Ceil Const Equal Fill Floor FloorDiv FloorMod Greater GreaterEqual
    InvertPermutation Less LessEqual LogicalAnd LogicalNot LogicalOr NoOp NotEqual
    OneHot OnesLike Placeholder PlaceholderWithDefault Prod RandomUniform Range Rank Round Size
    Where ZerosLike
    """.split()  # noqa: SIM905
)
CURVED = frozenset(
    """
    Atan Cos Elu Erf Exp Expm1 L2Loss LRN Log Log1p LogSoftmax Pow Reciprocal
    Rsqrt Selu Sigmoid Sin Softmax Softplus Softsign Sqrt Square SquaredDifference Tan Tanh
    """.split()  # noqa: SIM905
)
# none of them reads, writes or runs anything outside of the graph
ALL = PIECEWISE_LINEAR | MULTILINEAR | QUOTIENTS | STRUCTURAL | CURVED

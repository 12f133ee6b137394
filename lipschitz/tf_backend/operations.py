"""TensorFlow's operations that networks are made of, by what they do to an image."""

# piecewise linear in all their arguments together
PIECEWISE_LINEAR = frozenset(
    """
    Abs Add AddN AddV2 AvgPool AvgPool3D BatchToSpaceND BiasAdd BroadcastTo Cast ClipByValue Concat
    ConcatV2 DepthToSpace EnsureShape ExpandDims Gather GatherNd GatherV2 Identity IdentityN
    LeakyRelu Max MaxPool MaxPool3D Maximum Mean Merge Min Minimum MirrorPad Neg Pack Pad PadV2
    PlaceholderWithDefault Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor Reverse ReverseV2
    Select SelectV2 Shape ShapeN Sign Slice SpaceToBatchND SpaceToDepth Split SplitV Squeeze
    StopGradient StridedSlice Sub Sum Switch Tile TopK TopKV2 Transpose Unpack
    """.split()  # noqa: SIM905
)
# linear in each argument while the others are constant
MULTILINEAR = frozenset(
    """
    BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchNormWithGlobalNormalization Conv2D
    Conv2DBackpropInput Conv3D Conv3DBackpropInputV2 DepthwiseConv2dNative Einsum FusedBatchNorm
    FusedBatchNormV2 FusedBatchNormV3 MatMul Mul
    """.split()  # noqa: SIM905
)
# linear in the first argument while the second is constant
QUOTIENTS = frozenset(["Div", "DivNoNan", "RealDiv"])
# constants, shapes, conditions, and what has no derivative
STRUCTURAL = frozenset(
    """
    All Any ArgMax Assert BroadcastArgs Ceil Const Equal Fill Floor FloorDiv FloorMod Greater
    GreaterEqual InvertPermutation IsFinite IsInf IsNan Less LessEqual LogicalAnd LogicalNot
    LogicalOr LogicalXor NoOp NotEqual OneHot OnesLike Placeholder Prod RandomUniform Range Rank
    Round Size Where ZerosLike
    """.split()  # noqa: SIM905
)
CURVED = frozenset(
    """
    Atan Cos Elu Erf Erfc Exp Expm1 L2Loss LRN Log Log1p LogSoftmax Pow Reciprocal
    Rsqrt Selu Sigmoid Sin Softmax Softplus Softsign Sqrt Square SquaredDifference Tan Tanh
    """.split()  # noqa: SIM905
)
# none of them reads, writes or runs anything outside of the graph
ALL = PIECEWISE_LINEAR | MULTILINEAR | QUOTIENTS | STRUCTURAL | CURVED

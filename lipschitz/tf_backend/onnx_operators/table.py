"""ONNX's operators by name, as functions of tensors.

Inputs are positional arguments, and attributes those of their names: Python refuses one that a
function does not know. What older versions have as an attribute in place of an input has the same
name.
"""

from collections.abc import Callable

from lipschitz.tf_backend.onnx_operators import activations, shapes, sums, windows
from lipschitz.tf_backend.onnx_operators.channel_order import concatenated, pointwise
from lipschitz.tf_backend.runtime import tf

Operator = Callable[..., tf.Tensor | list[tf.Tensor]]

VERSIONS = range(7, 29)  # of the operator set; 7 brought the broadcasting of today

ACTIVATIONS = {
    "Abs": pointwise(tf.abs),
    "Add": pointwise(tf.add),
    "And": pointwise(tf.logical_and),
    "Atan": pointwise(tf.atan),
    "Cast": activations.cast,
    "Ceil": pointwise(tf.math.ceil),
    "Celu": activations.celu,
    "Clip": activations.clip,
    "Cos": pointwise(tf.cos),
    "Div": activations.divide,
    "Elu": activations.elu,
    "Equal": pointwise(tf.equal),
    "Erf": pointwise(tf.math.erf),
    "Exp": pointwise(tf.exp),
    "Floor": pointwise(tf.floor),
    "Gelu": activations.gelu,
    "Greater": pointwise(tf.greater),
    "GreaterOrEqual": pointwise(tf.greater_equal),
    "HardSigmoid": activations.hard_sigmoid,
    "HardSwish": activations.hard_swish,
    "Identity": pointwise(tf.identity),
    "LeakyRelu": activations.leaky_relu,
    "Less": pointwise(tf.less),
    "LessOrEqual": pointwise(tf.less_equal),
    "Log": pointwise(tf.math.log),
    "Max": activations.of_any_number(tf.maximum),
    "Mean": activations.mean,
    "Min": activations.of_any_number(tf.minimum),
    "Mish": activations.mish,
    "Mod": activations.remainder,
    "Mul": pointwise(tf.multiply),
    "Neg": pointwise(tf.negative),
    "Not": pointwise(tf.logical_not),
    "Or": pointwise(tf.logical_or),
    "PRelu": activations.prelu,
    "Pow": activations.power,
    "Reciprocal": pointwise(tf.math.reciprocal),
    "Relu": pointwise(tf.nn.relu),
    "Selu": activations.selu,
    "Sigmoid": pointwise(tf.sigmoid),
    "Sign": pointwise(tf.sign),
    "Sin": pointwise(tf.sin),
    "Softplus": pointwise(tf.math.softplus),
    "Softsign": pointwise(tf.nn.softsign),
    "Sqrt": pointwise(tf.sqrt),
    "Sub": pointwise(tf.subtract),
    "Sum": activations.of_any_number(tf.add),
    "Swish": activations.swish,
    "Tanh": pointwise(tf.tanh),
    "ThresholdedRelu": activations.thresholded_relu,
    "Where": pointwise(tf.where),
}
SUMS = {
    "BatchNormalization": sums.batch_normalization,
    "Einsum": sums.einsum,
    "Gemm": sums.gemm,
    "GlobalAveragePool": sums.over_pixels(tf.reduce_mean),
    "GlobalMaxPool": sums.over_pixels(tf.reduce_max),
    "GroupNormalization": sums.group_normalization,
    "InstanceNormalization": sums.instance_normalization,
    "LRN": sums.local_response_normalization,
    "LayerNormalization": sums.layer_normalization,
    "LogSoftmax": sums.along_axis(tf.nn.log_softmax),
    "MatMul": sums.matrix_product,
    "ReduceL2": sums.over_axes(sums.l2_norm),
    "ReduceMax": sums.over_axes(tf.reduce_max),
    "ReduceMean": sums.over_axes(tf.reduce_mean),
    "ReduceMin": sums.over_axes(tf.reduce_min),
    "ReduceProd": sums.over_axes(tf.reduce_prod),
    "ReduceSum": sums.over_axes(tf.reduce_sum),
    "ReduceSumSquare": sums.over_axes(sums.sum_of_squares),
    "Softmax": sums.along_axis(tf.nn.softmax),
}
WINDOWS = {
    "AveragePool": windows.average_pool,
    "Conv": windows.convolution,
    "MaxPool": windows.max_pool,
}
SHAPES = {
    "Concat": concatenated,
    "Constant": shapes.constant,
    "ConstantOfShape": shapes.constant_of_shape,
    "Dropout": shapes.dropout,
    "Expand": shapes.expand,
    "Flatten": shapes.flatten,
    "Gather": shapes.gather,
    "Pad": shapes.pad,
    "Range": shapes.range_of,
    "Reshape": shapes.reshape,
    "ScatterND": shapes.scatter,
    "Shape": shapes.shape_of,
    "Slice": shapes.slice_of,
    "Split": shapes.split,
    "Squeeze": shapes.squeeze,
    "Tile": tf.tile,
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.unsqueeze,
}
OPERATORS = ACTIVATIONS | SUMS | WINDOWS | SHAPES
BEFORE_13 = {
    "LogSoftmax": sums.along_rows(tf.nn.log_softmax),
    "Softmax": sums.along_rows(tf.nn.softmax),
}


def operators(version: int) -> dict[str, Operator]:
    """The operators of a version of the operator set."""
    return OPERATORS | (BEFORE_13 if version < 13 else {})

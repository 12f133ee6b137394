"""Derivatives of two operations for which TensorFlow's own are slow on a CPU.

They hold for the operations that are made in a block of `first_order` or `second_order`.
"""

from contextlib import AbstractContextManager

import numpy as np

from lipschitz.tf_backend.runtime import tf

FEW_CHANNELS = 4
WIDTH = 16  # float32 numbers that the widest processors work on at once
CONVOLUTION, POOLING = "LipschitzConvolution", "LipschitzMaxPooling"


def first_order() -> AbstractContextManager:
    """Operations made in this block have faster gradients."""
    return tf.compat.v1.get_default_graph().gradient_override_map({"Conv2D": CONVOLUTION})


def second_order() -> AbstractContextManager:
    """Operations made in this block have faster gradients, and gradients of these."""
    rules = {"Conv2D": CONVOLUTION, "MaxPool": POOLING}
    return tf.compat.v1.get_default_graph().gradient_override_map(rules)


@tf.RegisterGradient(CONVOLUTION)
def _convolution(operation: tf.Operation, gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The gradients of a convolution in its images and its kernel."""
    images, kernel = operation.inputs
    attributes = {
        name: operation.get_attr(name)
        for name in ("strides", "padding", "explicit_paddings", "data_format", "dilations")
    }
    channels = attributes["data_format"].index(b"C")
    if images.shape[channels] in (None, kernel.shape[2]):
        return _gradients(images, kernel, gradient, attributes)
    # one by one: TensorFlow derives convolutions of groups on some processors alone
    groups = images.shape[channels] // kernel.shape[2]
    parts = zip(
        tf.split(images, groups, channels),
        tf.split(kernel, groups, 3),
        tf.split(gradient, groups, channels),
        strict=True,
    )
    in_images, in_kernel = zip(*(_gradients(*part, attributes) for part in parts), strict=True)
    return tf.concat(in_images, channels), tf.concat(in_kernel, 3)


def _gradients(
    images: tf.Tensor, kernel: tf.Tensor, gradient: tf.Tensor, attributes: dict
) -> tuple[tf.Tensor, tf.Tensor]:
    if _dense_with_few_channels(images, kernel, attributes):
        in_images = _in_few_channels(images, kernel, gradient)
    else:
        in_images = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(images), filter=kernel, out_backprop=gradient, **attributes
        )
    in_kernel = tf.raw_ops.Conv2DBackpropFilter(
        input=images, filter_sizes=tf.shape(kernel), out_backprop=gradient, **attributes
    )
    return in_images, in_kernel


def _dense_with_few_channels(images: tf.Tensor, kernel: tf.Tensor, attributes: dict) -> bool:
    return (
        attributes["padding"] == b"VALID"
        and attributes["data_format"] == b"NHWC"
        and attributes["strides"] == attributes["dilations"] == [1, 1, 1, 1]
        and images.shape[1:].is_fully_defined()
        and kernel.shape.is_fully_defined()
        and kernel.shape[2] == images.shape[3] <= FEW_CHANNELS
    )


def _in_few_channels(images: tf.Tensor, kernel: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """The gradient in images of few channels: a convolution that makes b x b pixels at once.

    Such a convolution of `gradient` with the turned kernel has as few channels as the images,
    and leaves most of a vector unit idle. Here the pixels of a block are its channels: one
    kernel holds the turned kernel at each place of the block, the stride is b (the sub-pixel
    convolution of Shi et al., CVPR 2016). Its result differs by the order of the sums alone.
    """
    _, height, width, channels = images.shape
    rows, columns, *_ = kernel.shape
    b = int(np.sqrt(WIDTH / channels))
    down, across = _places(rows, b), _places(columns, b)
    placed = tf.einsum("riu,cjv,uvko->rcoijk", down, across, kernel[::-1, ::-1])
    block_kernel = tf.reshape(placed, (rows + b - 1, columns + b - 1, -1, b * b * channels))
    around = [
        [0, 0],
        [rows - 1, rows - 1 + -height % b],
        [columns - 1, columns - 1 + -width % b],
        [0, 0],
    ]
    blocks = tf.nn.conv2d(gradient, block_kernel, b, around)
    _, tall, wide, _ = blocks.shape
    # tf.nn.depth_to_space, which takes twice the time
    pixels = tf.transpose(tf.reshape(blocks, (-1, tall, wide, b, b * channels)), (0, 1, 3, 2, 4))
    return tf.reshape(pixels, (-1, b * tall, b * wide, channels))[:, :height, :width]


def _places(size: int, b: int) -> np.ndarray:
    """(size + b - 1, b, size): 1 where element u of a kernel stands when it is moved by i."""
    moved, i, u = np.ogrid[: size + b - 1, :b, :size]
    return (moved == i + u).astype(np.float32)


@tf.RegisterGradient(POOLING)
def _max_pooling(operation: tf.Operation, gradient: tf.Tensor) -> tf.Tensor:
    """The gradient of max-pooling as a product: the mask of the largest, times the spread gradient.

    The mask does not depend on `gradient`, and the gradient of spreading is an average: a Hessian
    product has no scattered reads. Of equal values the mask holds the one that TensorFlow chooses.
    """
    windows = {
        name: operation.get_attr(name) for name in ("ksize", "strides", "padding", "data_format")
    }
    (images,), (pooled,) = operation.inputs, operation.outputs

    def spread_to_largest(values: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.MaxPoolGrad(orig_input=images, orig_output=pooled, grad=values, **windows)

    if windows["ksize"] != windows["strides"] or windows["padding"] != b"VALID":
        return spread_to_largest(gradient)
    mask = tf.stop_gradient(spread_to_largest(tf.ones_like(pooled)))
    in_window = float(np.prod(windows["ksize"]))
    return (
        mask
        * in_window
        * tf.raw_ops.AvgPoolGrad(orig_input_shape=tf.shape(images), grad=gradient, **windows)
    )

"""ONNX's operators on windows that move over images (B, C, sizes...): convolution and pooling.

Images are padded before TensorFlow sees them, because its own paddings are not those of ONNX.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lipschitz.tf_backend.onnx_operators.channel_order import channels_first, channels_last
from lipschitz.tf_backend.runtime import tf

Padding = list[tuple[int, int]]  # before and behind each axis


@dataclass
class Windows:
    """The sizes of windows and their places, with ONNX's names and defaults."""

    kernel_shape: Sequence[int]
    strides: Sequence[int] = ()
    dilations: Sequence[int] = ()
    pads: Sequence[int] = ()  # before all axes, then behind all
    auto_pad: str = "NOTSET"
    ceil_mode: int = 0

    def __post_init__(self) -> None:
        axes = len(self.kernel_shape)
        self.strides = self.strides or [1] * axes
        self.dilations = self.dilations or [1] * axes
        self.pads = self.pads or [0] * 2 * axes
        if max(self.strides) > 1 and max(self.dilations) > 1:
            raise ValueError("its windows have strides and dilations, which TensorFlow cannot join")

    def padding(self, x: tf.Tensor) -> tuple[Padding, Padding]:
        """The padding of x (B, sizes..., C), and what `ceil_mode` adds to it for a last window."""
        found = [self._along(axis, length) for axis, length in enumerate(x.shape[1:-1])]
        pads, beyond = ([(0, 0), *each, (0, 0)] for each in zip(*found, strict=True))
        return pads, beyond

    def _along(self, axis: int, length: int) -> tuple[tuple[int, int], tuple[int, int]]:
        stride = self.strides[axis]
        window = (self.kernel_shape[axis] - 1) * self.dilations[axis] + 1
        if self.auto_pad.startswith("SAME"):
            missing = max(0, (length - 1) // stride * stride + window - length)
            less, more = missing // 2, missing - missing // 2
            return (less, more) if self.auto_pad == "SAME_UPPER" else (more, less), (0, 0)
        begin, end = self.pads[axis :: len(self.kernel_shape)]
        if not self.ceil_mode:
            return (begin, end), (0, 0)
        last = begin + length + end - window  # where a window would begin to end with the image
        next_begin = (last // stride + 1) * stride
        partial = last % stride and next_begin < begin + length
        return (begin, end), (0, next_begin - last if partial else 0)

    def pool(self, x: tf.Tensor, function: Callable[..., tf.Tensor]) -> tf.Tensor:
        """tf.nn.max_pool or tf.nn.avg_pool of the windows in x (B, sizes..., C)."""
        if max(self.dilations) > 1:
            raise ValueError("it pools dilated windows, which TensorFlow does not")
        return function(x, self.kernel_shape, self.strides, "VALID")


def convolution(
    x: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor | None = None,
    *,
    group: int = 1,
    **windows: Sequence[int] | str,
) -> tf.Tensor:
    """Conv, with a kernel (channels out, channels in / group, sizes...)."""
    sizes = kernel.shape[2:].as_list()
    windows = Windows(**{"kernel_shape": sizes} | windows)
    if list(windows.kernel_shape) != sizes:
        raise ValueError(f"its kernel has the sizes {sizes}, not {windows.kernel_shape}")
    x = channels_last(x)
    x = _padded(x, windows.padding(x)[0])
    kernel = tf.transpose(kernel, [*range(2, kernel.shape.rank), 1, 0])
    y = _convolved(x, kernel, group, windows)
    return channels_first(y if bias is None else y + bias)


def _convolved(x: tf.Tensor, kernel: tf.Tensor, group: int, windows: Windows) -> tf.Tensor:
    """The convolution of x (B, sizes..., C) with a kernel (sizes..., C / group, channels out)."""
    strides, dilations = windows.strides, windows.dilations
    of_one_channel = group > 1 and kernel.shape[-2] == 1
    if of_one_channel and len(strides) == 2 and strides[0] == strides[1]:
        kernel = tf.reshape(kernel, (*kernel.shape[:2], group, -1))
        return tf.nn.depthwise_conv2d(x, kernel, [1, *strides, 1], "VALID", dilations=dilations)
    if kernel.shape[-1] % group:  # before TensorFlow makes a list of any length
        raise ValueError(f"its {kernel.shape[-1]} channels are not {group} groups")
    parts = zip(tf.split(x, group, -1), tf.split(kernel, group, -1), strict=True)
    # one by one: convolutions of groups do not run on every processor
    return tf.concat(
        [tf.nn.convolution(*part, strides, "VALID", dilations=dilations) for part in parts], -1
    )


def max_pool(x: tf.Tensor, *, storage_order: int = 0, **windows: Sequence[int] | str) -> tf.Tensor:
    """MaxPool; `storage_order` is of its second output, which is not computed."""
    windows, x = Windows(**windows), channels_last(x)
    for padding in windows.padding(x):
        x = _padded(x, padding, x.dtype.min)
    return channels_first(windows.pool(x, tf.nn.max_pool))


def average_pool(
    x: tf.Tensor, *, count_include_pad: int = 0, **windows: Sequence[int] | str
) -> tf.Tensor:
    """AveragePool, of what lies in the image, or of that and its `pads`."""
    windows, x = Windows(**windows), channels_last(x)
    pads, beyond = windows.padding(x)

    def averages(of: tf.Tensor, padded_with: float) -> tf.Tensor:
        padded = _padded(of, pads, padded_with)
        return windows.pool(_padded(padded, beyond), tf.nn.avg_pool)

    y = averages(x, 0)
    if any(map(any, pads + beyond)):
        y /= averages(tf.ones((1, *x.shape[1:-1], 1), x.dtype), count_include_pad)
    return channels_first(y)


def _padded(x: tf.Tensor, padding: Padding, value: float = 0) -> tf.Tensor:
    return tf.pad(x, padding, constant_values=value) if any(map(any, padding)) else x

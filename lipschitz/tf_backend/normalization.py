"""The mean and standard deviation that a network was trained with, in front of its first layer."""

from __future__ import annotations

from lipschitz.network import Convention
from lipschitz.tf_backend.runtime import tf


def constants(convention: Convention, input_shape: tuple[int, ...]) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and std in a shape that broadcasts to images of `input_shape`, channels last or first.

    Raises ValueError if there are several and the images have another number of channels.
    """
    shape = _shape(len(convention.mean), input_shape)
    return tuple(tf.constant(each, tf.float32, shape) for each in (convention.mean, convention.std))


def _shape(number: int, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    if number == 1:
        return ()
    if input_shape[-1] == number:
        return (number,)
    if input_shape[0] == number:
        return (number,) + (1,) * (len(input_shape) - 1)
    raise ValueError(
        f"there are {number} means, one for each channel, and the network takes "
        f"{'x'.join(map(str, input_shape))}"
    )

"""From the box [-0.5, 0.5] to what an ImageNet network was trained on: a function per family.

Each maps images (B, H, W, 3), red first. All are affine, so gradients pass through to the box.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import tf

Preprocess = Callable[["tf.Tensor"], "tf.Tensor"]

RGB_MEAN = (123.68, 116.78, 103.94)  # of ImageNet's pixels
BGR_MEAN = (104.0, 117.0, 124.0)
DENSENET_SCALE = 0.017


def doubled(x: tf.Tensor) -> tf.Tensor:
    """The box [-1, 1]: resnet_v2, inception, mobilenet, nasnet."""
    return 2 * x


def pixels(x: tf.Tensor) -> tf.Tensor:
    """Pixels, 0 to 255."""
    return (0.5 + x) * 255


def centred(x: tf.Tensor) -> tf.Tensor:
    """Pixels less their mean: vgg."""
    return pixels(x) - RGB_MEAN


def centred_scaled(x: tf.Tensor) -> tf.Tensor:
    """Pixels less their mean, times 0.017: densenet."""
    return centred(x) * DENSENET_SCALE


def centred_bgr(x: tf.Tensor) -> tf.Tensor:
    """Pixels, blue first, less their mean: alexnet."""
    return pixels(x[..., ::-1]) - BGR_MEAN

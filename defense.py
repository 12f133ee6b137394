"""Input transformations: what a defence does to an image before the network sees it.

Each maps an image (H, W, C) or (H, W), float32 in [0, 1], to another. They run in the sampling
workers. Gradients are taken at the transformed point, as if the derivative of the transformation
were the identity (BPDA: Athalye, Carlini and Wagner, ICML 2018). To add one, write a function here
and add it to TRANSFORMATIONS.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

BIT_DEPTH = 3
JPEG_QUALITY = 75


def defend_reduce(image: np.ndarray, depth: int = BIT_DEPTH) -> np.ndarray:
    """Keep the `depth` highest bits of each byte (Xu, Evans and Qi, NDSS 2018)."""
    dropped = 8 - depth
    return _from_bytes(_truncated(image) >> dropped << dropped)


def defend_jpeg(image: np.ndarray) -> np.ndarray:
    """Compress as JPEG and decompress (Dziugaite, Ghahramani and Roy, 2016)."""
    packed = io.BytesIO()
    pixels = _truncated(image)
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(
        packed, "JPEG", quality=JPEG_QUALITY
    )
    return _from_bytes(np.asarray(Image.open(packed)).reshape(image.shape))


def defend_png(image: np.ndarray) -> np.ndarray:
    """Store as PNG, which only rounds to bytes."""
    return _from_bytes(np.rint(image * 255).astype(np.uint8))


TRANSFORMATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    each.__name__: each for each in (defend_reduce, defend_jpeg, defend_png)
}


def _truncated(image: np.ndarray) -> np.ndarray:
    return (image * 255).astype(np.uint8)


def _from_bytes(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 255

"""A small picture of an image, for people to look at: kept beside its maxima, shown in reports."""

import base64
import io

import numpy as np

from lipschitz.network import Box

LARGEST = 96  # pixels of a side: of a larger image a picture is made smaller
CHANNELS = (1, 3)


def of_image(x: np.ndarray, box: Box) -> np.ndarray | None:
    """The picture of an image (H, W) or (H, W, C): uint8, (H, W) or (H, W, 3), at most `LARGEST`.

    None if the input is no image, or its values have no common range.
    """
    if np.ndim(box.lower) or np.ndim(box.upper):
        return None
    if x.ndim == 2:
        x = x[..., None]
    if x.ndim != 3 or x.shape[2] not in CHANNELS:
        return None
    grey = np.rint(255 * (np.float64(x) - box.lower) / (box.upper - box.lower))
    pixels = np.clip(grey, 0, 255).astype(np.uint8)
    from PIL import Image  # takes a while to import, and scoring does without

    picture = Image.fromarray(pixels[..., 0] if x.shape[2] == 1 else pixels)
    picture.thumbnail((LARGEST, LARGEST))  # keeps small ones as they are
    return np.asarray(picture)


def is_picture(found: np.ndarray) -> bool:
    """Whether this is what `of_image` makes."""
    sides, channels = found.shape[:2], found.shape[2:]
    small = len(sides) == 2 and min(sides) > 0 and max(sides) <= LARGEST
    return found.dtype == np.uint8 and small and channels in ((), (3,))


def as_png(picture: np.ndarray) -> bytes:
    """The picture as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def as_data_address(picture: np.ndarray) -> str:
    """The picture as an address that a page holds itself."""
    return "data:image/png;base64," + base64.b64encode(as_png(picture)).decode()

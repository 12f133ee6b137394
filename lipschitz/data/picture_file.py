"""One picture in a file: opened with care, and the part of it that a network sees."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from lipschitz.support import regular_file
from lipschitz.support.errors import first_line

LARGEST_FILE = 2**26  # bytes


@contextmanager
def opened(path: Path, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """The image in a file of one of Pillow's formats.

    Raises ValueError if it is not an image or has an absurd size, and for all errors of the block.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the file says beside its pixels
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with (
                regular_file.opened(path, LARGEST_FILE) as file,
                Image.open(file, formats=formats) as image,
            ):
                yield image
    except UnidentifiedImageError as error:
        raise ValueError(
            f"not a readable image: it is damaged or no {', '.join(formats)}"
        ) from error
    except Exception as error:  # Pillow has no common class for what can be wrong in a file
        raise ValueError(f"not a readable image: {first_line(error)}") from error


def covering(width: int, height: int, to_width: int, to_height: int) -> tuple[int, int]:
    """The width and height of an image that is resized until it just covers another size.

    One side is exact, the other in proportion, truncated. Raises ValueError if the size is absurd.
    """
    if width * to_height > height * to_width:
        width, height = width * to_height // height, to_height
    else:
        width, height = to_width, height * to_width // width
    if width * height > Image.MAX_IMAGE_PIXELS:
        raise ValueError(f"resized it has {width} x {height} pixels")
    return width, height


def centre(image: Image.Image, width: int, height: int) -> Image.Image:
    """The central width x height of an image that is resized until it just covers that size.

    Raises ValueError as `covering` does.
    """
    size = covering(*image.size, width, height)
    left, top = size[0] // 2 - width // 2, size[1] // 2 - height // 2
    resized = image.resize(size, Image.Resampling.LANCZOS)
    return resized.crop((left, top, left + width, top + height))

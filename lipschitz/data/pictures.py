"""Pictures of any size in the usual formats, decoded on demand in the size of a network."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from lipschitz.data import labels as labels_of
from lipschitz.data import picture_file, picture_folder
from lipschitz.data.fitting import WHITE, Ends, arranged, by, to_range
from lipschitz.data.on_demand import FittedImages
from lipschitz.data.picture_folder import ENDINGS
from lipschitz.data.words import counted, some
from lipschitz.support.errors import InputError
from lipschitz.support.text import printable, say

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")
GREY_16 = ("I;16", "I;16B", "I;16L")  # modes of Pillow; it clips them at 255
GREY = ("1", "L", "LA", *GREY_16)
COLOUR = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
GREY_16_STEP = 257  # of 16 bits for one of 8
TURNED = (5, 6, 7, 8)  # orientations in EXIF with height and width exchanged


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures by their files, which can be read; `load` finds them."""

    folder: Path
    paths: list[Path]
    shapes: np.ndarray  # (N, 3): height, width, channels as found, 1 or 3
    labels: np.ndarray | None  # (N,), places in `classes`
    classes: tuple[str, ...]  # names of class folders

    is_table = False
    is_scaled = True

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """(height, width, channels), or None if the pictures differ in it."""
        alike = (self.shapes == self.shapes[0]).all()
        return tuple(self.shapes[0].tolist()) if alike else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files in the folder, printable."""
        return tuple(printable(str(path.relative_to(self.folder))) for path in self.paths)

    def labels_for(self, num_labels: int) -> np.ndarray | None:
        """Labels (N,) from 0 to num_labels - 1. Raises InputError if there are more classes."""
        if self.labels is None:
            return None
        return labels_of.numbers(self.labels, self.classes, num_labels)

    def fitted(self, input_shape: tuple[int, ...], lower: Ends, upper: Ends) -> FittedImages:
        """The pictures in a network's input shape, black as `lower` and white as `upper`.

        Each is resized until it just covers the network's height and width, and cropped at its
        centre; it is made grey or RGB. Raises InputError if the network takes no pictures, as does
        an image that cannot be decoded when it is asked for.
        """
        height, width, channels = self._frame(input_shape)
        mode = "L" if channels == 1 else "RGB"

        def image(number: int) -> np.ndarray:
            pixels = _decoded(self.paths[number], width, height, mode)
            return to_range(arranged(pixels, input_shape), WHITE, lower, upper)

        return FittedImages(
            len(self),
            input_shape,
            image,
            f"{counted(len(self), 'picture')} of {self._sizes()} as {by(input_shape)} "
            f"(0 to {WHITE} as {np.min(lower):.5g} to {np.max(upper):.5g})",
        )

    def _frame(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The height, width and channels that a network takes; a flat one takes them as found."""
        frames = {2: [(*input_shape, 1)], 3: [input_shape, (*input_shape[1:], input_shape[0])]}
        if (self.shapes[:, :2] == self.shapes[0, :2]).all():
            frames[1] = [(*self.shapes[0, :2].tolist(), channels) for channels in (1, 3)]
        for frame in frames.get(len(input_shape), []):
            if frame[-1] in (1, 3) and math.prod(frame) == math.prod(input_shape):
                return frame
        raise InputError(
            f"the pictures of {self._sizes()} do not fit, the network takes {by(input_shape)}"
        )

    def _sizes(self) -> str:
        """Height and width of the smallest and of the largest picture."""
        sizes = sorted(map(tuple, self.shapes[:, :2].tolist()), key=math.prod)
        return " to ".join(dict.fromkeys(by(size) for size in (sizes[0], sizes[-1])))


def are_at(place: Path) -> bool:
    """Whether a place is a folder, or a file with the ending of a picture."""
    return os.path.isdir(place) or place.suffix.lower() in ENDINGS


def load(place: Path) -> Pictures:
    """A picture, or those that `picture_folder.listed` finds in a folder.

    Pictures that cannot be read are left out with a line. Of animations the first image is taken,
    transparency is left out, orientations in EXIF are applied. Raises InputError if there are no
    pictures, or too many.
    """
    if os.path.isdir(place):
        folder, listed = place, picture_folder.listed(place)
    else:
        folder, listed = place.parent, picture_folder.Listed([place.name])
    shapes, unreadable = {}, []
    for number, name in enumerate(listed.names):
        try:
            shapes[number] = _shape(folder / name)
        except ValueError as error:
            unreadable.append(f"{name} ({error})")
    if not shapes:
        raise InputError(f"no picture can be read: {some(unreadable)}")
    if unreadable:
        say(f"{place}: pictures that cannot be read are left out: {some(unreadable)}")
    kept = list(shapes)
    return Pictures(
        folder,
        [folder / listed.names[number] for number in kept],
        np.array(list(shapes.values())),
        None if listed.labels is None else listed.labels[kept],
        listed.classes,
    )


def _shape(path: Path) -> tuple[int, int, int]:
    """Height, width and channels of a picture, of its header alone.

    Raises ValueError if it cannot be read.
    """
    with picture_file.opened(path, FORMATS) as image:
        if image.mode not in GREY + COLOUR:
            raise ValueError(f"pixels of the kind {image.mode}: save it as grey or RGB")
        width, height = image.size
        # Pillow would decode a whole PNG to look for what comes after its pixels
        if "exif" in image.info and image.getexif().get(ExifTags.Base.Orientation) in TURNED:
            width, height = height, width
        return height, width, 1 if image.mode in GREY else 3


def _decoded(path: Path, width: int, height: int, mode: str) -> np.ndarray:
    """The centre of a picture as bytes, (height, width) for the mode L, (height, width, 3) for RGB.

    Raises InputError if it cannot be decoded.
    """
    try:
        with picture_file.opened(path, FORMATS) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode in GREY_16:
                eight_bits = np.rint(np.asarray(upright) / GREY_16_STEP).astype(np.uint8)
                upright = Image.fromarray(eight_bits)
            return np.asarray(picture_file.centre(upright.convert(mode), width, height))
    except ValueError as error:
        raise InputError(printable(f"{path}: {error}")) from error

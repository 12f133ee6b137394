"""Pictures of images, for people to look at."""

import io

import numpy as np
import pytest
from PIL import Image

from lipschitz.network import Box
from lipschitz.results import picture


def test_black_and_white_are_the_ends_of_the_box():
    x = np.float32([[[-0.5], [0.5], [0.0]]])
    assert picture.of_image(x, Box()).tolist() == [[0, 255, 128]]
    assert picture.of_image(x[..., 0] + 0.5, Box(0, 1)).tolist() == [[0, 255, 128]]
    assert picture.of_image(np.full((2, 2, 3), 9.0, np.float32), Box(0, 1)).max() == 255


def test_a_large_image_is_made_smaller_and_keeps_its_form():
    small = picture.of_image(np.zeros((300, 150, 3), np.float32), Box())
    assert small.shape == (96, 48, 3)
    assert picture.is_picture(small)


@pytest.mark.parametrize("shape", [(20,), (8, 8, 2), (4, 4, 4, 1)])
def test_what_is_no_image_has_no_picture(shape):
    assert picture.of_image(np.zeros(shape, np.float32), Box()) is None
    assert picture.of_image(np.zeros((4, 4, 1)), Box(np.zeros((4, 4, 1)), 1.0)) is None


def test_only_small_pictures_of_bytes_are_believed():
    assert picture.is_picture(np.zeros((8, 8), np.uint8))
    for found in (np.zeros((8, 8)), np.zeros((97, 8), np.uint8), np.zeros((8, 8, 4), np.uint8)):
        assert not picture.is_picture(found)
    assert not picture.is_picture(np.zeros((0, 8), np.uint8))


def test_a_png_holds_the_same_pixels():
    shown = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    file = io.BytesIO(picture.as_png(shown))
    np.testing.assert_array_equal(np.asarray(Image.open(file)), shown)

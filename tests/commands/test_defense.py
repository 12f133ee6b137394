"""Input transformations, by numbers worked out by hand and by Pillow."""

import io

import numpy as np
import pytest
from PIL import Image

from defense import TRANSFORMATIONS
from lipschitz.maths.ball import ball
from lipschitz.sampling.pool import Workers
from lipschitz.sampling.worker import Batch, Neighbourhood, draw


def values(*bytes_):
    return (np.array(bytes_, np.float32) / 255).reshape(1, -1, 1)


def test_reduce_keeps_three_bits():
    image = np.array([0, 0.1, 0.126, 0.5, 0.999, 1], np.float32).reshape(1, 6, 1)
    # bytes 0, 25, 32, 127, 254, 255
    expected = values(0, 0, 32, 96, 224, 224)
    np.testing.assert_allclose(TRANSFORMATIONS["defend_reduce"](image), expected)


def test_png_rounds_to_bytes():
    image = np.array([0, 0.4, 0.6, 254.6, 255], np.float32).reshape(1, 5, 1) / 255
    np.testing.assert_allclose(TRANSFORMATIONS["defend_png"](image), values(0, 0, 1, 255, 255))


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_that_of_pillow_at_quality_75(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, channels), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, "JPEG", quality=75)
    expected = np.asarray(Image.open(file)).reshape(pixels.shape)
    image = (pixels / 255 + 0.3 / 255).astype(np.float32)  # truncated to the byte
    np.testing.assert_array_equal(
        np.rint(TRANSFORMATIONS["defend_jpeg"](image) * 255).astype(int), expected
    )


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_workers_transform(name):
    x_0 = np.random.default_rng(0).uniform(-0.5, 0.5, (8, 8, 3)).astype(np.float32)
    around = Neighbourhood(x_0, ball("li"), 1, 2, TRANSFORMATIONS[name])
    with Workers(count=1, batch_size=32, values=192) as workers:
        (batch,) = (batch.copy() for batch in workers.batches(around, 1, 1))
    expected = np.empty_like(batch)
    draw(expected, around, Batch(0, 0, 0))
    np.testing.assert_array_equal(batch, expected)
    bytes_ = (batch + 0.5) * 255
    np.testing.assert_allclose(bytes_, np.rint(bytes_), atol=1e-4)

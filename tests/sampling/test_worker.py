"""The samples that a key stands for, and the process that draws them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from lipschitz.maths.ball import BALLS, RADII, ball
from lipschitz.sampling.pool import Workers
from lipschitz.sampling.worker import Batch, Neighbourhood, draw


def samples(batch_size, norm="l2", n=30, count=1024, **key):
    """Iteration 5 of (seed 7, image 3) around 0, drawn in batches."""
    around = Neighbourhood(
        np.zeros(n, np.float32), ball(norm), *({"seed": 7, "image": 3} | key).values()
    )
    ring = np.empty((count // batch_size, batch_size, n), np.float32)
    for place, slot in enumerate(ring):
        draw(slot, around, Batch(place, 5, place * batch_size))
    return ring.reshape(-1, n)


@pytest.mark.parametrize("norm", BALLS)
@pytest.mark.parametrize("batch_size", [256, 128, 32, 8])
def test_batch_size_changes_no_sample(norm, batch_size):
    assert np.array_equal(samples(batch_size, norm), samples(1024, norm))


def test_batches_may_cut_through_blocks():
    assert np.array_equal(samples(100, count=1000), samples(1024)[:1000])


@pytest.mark.parametrize("key", [{"seed": 8}, {"image": 4}])
def test_seed_and_image_each_choose_other_samples(key):
    assert not np.isclose(samples(256, **key), samples(256)).any(axis=1).all()
    assert not np.array_equal(samples(256, **key)[:32], samples(256)[:32])


def test_samples_stay_in_the_box_around_the_image():
    x_0 = np.linspace(-0.5, 0.5, 30, dtype=np.float32)
    out = np.empty((256, 30), np.float32)
    draw(out, Neighbourhood(x_0, ball("l2"), 0, 0), Batch(0, 0, 0))
    assert out.min() == -0.5
    assert out.max() == 0.5
    free = (out > -0.5) & (out < 0.5)
    shift = np.where(free, out - x_0, 0)
    assert (np.linalg.norm(shift, axis=1) <= 3 + 1e-5).all()
    assert free.any(axis=1).all()


@pytest.mark.parametrize("norm", BALLS)
def test_a_seed_stands_for_these_samples(norm):
    """Block 2 of (seed 7, image 3, iteration 5), drawn here from its generator by the formulas."""
    rng = np.random.Generator(np.random.SFC64([7, 3, 5, 2]))
    radii = rng.uniform(*RADII[norm], 32)
    if norm == "l2":
        x = np.float64(rng.standard_normal((32, 30), np.float32))
        s = (x**2).sum(axis=1, keepdims=True)
        points = x * chi2.cdf(s, 30) ** (1 / 30) / np.sqrt(s)
    elif norm == "l1":
        x = np.float64(rng.standard_exponential((32, 30), np.float32))
        points = x / x.sum(axis=1, keepdims=True) * (2 * rng.integers(0, 2, x.shape, np.int8) - 1)
    else:
        points = 2 * np.float64(rng.random((32, 30), np.float32)) - 1
    expected = np.clip(radii[:, None] * points, -0.5, 0.5)
    np.testing.assert_allclose(samples(1024, norm)[64:96], expected, rtol=1e-5, atol=1e-7)


def beyond(image):
    """A transformation that leaves the box."""
    return image * 3 - 1


def test_samples_are_transformed_after_clipping_and_clipped_again():
    x_0 = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 4, 1)).astype(np.float32)
    plain = np.empty((32, 16), np.float32)
    around = Neighbourhood(x_0, ball("l2"), 1, 2)
    draw(plain, around, Batch(0, 0, 0))
    transformed = np.empty_like(plain)
    draw(transformed, around._replace(transform=beyond), Batch(0, 0, 0))
    assert np.abs(plain).max() == 0.5
    expected = np.clip((plain + 0.5) * 3 - 1 - 0.5, -0.5, 0.5)
    np.testing.assert_allclose(transformed, expected, atol=1e-6)


def test_a_worker_is_light():
    """It holds no TensorFlow: its memory of its own stays under 100 MB."""
    around = Neighbourhood(np.zeros(784, np.float32), ball("l2"), 3, 1)
    with Workers(count=1, batch_size=1024, values=784) as workers:
        batches = workers.batches(around, 6, 1)
        for _ in range(3):
            next(batches)
        (process,) = workers.drawn_by
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        assert "libtensorflow" not in Path(f"/proc/{process}/maps").read_text()
        own = sum(int(row.split()[1]) for row in rollup.splitlines() if row.startswith("Private_"))
    assert own < 100_000  # kB

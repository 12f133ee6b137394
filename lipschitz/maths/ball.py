"""Points drawn in balls, and the blocks of samples that a seed determines.

Samples are drawn in blocks of a fixed size, each from a generator of its own, keyed by (seed,
image, iteration, block): who draws a block, and in which batch it travels, changes nothing.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts load when they are used: a process that does not draw starts faster

from lipschitz.support.errors import InputError

BLOCK = 32  # samples


def l2_ball(rng: np.random.Generator, out: np.ndarray) -> None:
    """Fill `out` (count, n), float32, with points uniform in the unit L2 ball.

    For X standard normal in n dimensions, X / |X| is uniform on the sphere and
    P(n/2, |X|^2 / 2), the distribution function of |X|^2 at itself, is uniform in
    [0, 1]; the n-th root of a uniform number is the radius of a uniform point.
    """
    rng.standard_normal(out=out, dtype=np.float32)
    squared = np.einsum("ij,ij->i", out, out, dtype=np.float64)
    n = out.shape[1]
    out *= (scipy.special.gammainc(n / 2, squared / 2) ** (1 / n) / np.sqrt(squared))[:, None]


def l1_ball(rng: np.random.Generator, out: np.ndarray) -> None:
    """Fill `out` (count, n), float32, with points uniform on the unit L1 sphere.

    For X standard exponential in n dimensions, X / sum X is uniform on the simplex: it is
    distributed as the n gaps that n - 1 sorted uniform numbers leave in [0, 1] (Devroye,
    Non-Uniform Random Variate Generation, 1986, chapter V). Each value takes a random sign.
    """
    rng.standard_exponential(out=out, dtype=np.float32)
    total = out.sum(axis=1, dtype=np.float64)
    out *= rng.integers(0, 2, out.shape, dtype=np.int8) * 2 - 1
    out /= total[:, None]


def linf_ball(rng: np.random.Generator, out: np.ndarray) -> None:
    """Fill `out` (count, n), float32, with points uniform in [-1, 1]^n."""
    rng.random(out=out, dtype=np.float32)
    out *= 2
    out -= 1


BALLS = {"l2": l2_ball, "l1": l1_ball, "li": linf_ball}
DEFAULT_NORM = "l2"
NORM_OF_BALL = {"l2": "2", "l1": "1", "li": "i"}  # as scores are named
RADII = {"l2": (0.0, 3.0), "l1": (0.0, 30.0), "li": (0.1, 0.1)}  # for a box of width 1


@dataclass(frozen=True)
class Ball:
    """A norm and the interval [low, high] of the radius that each sample has of its own."""

    norm: str
    low: float
    high: float


def ball(norm: str, radius: float | None = None, width: float | np.ndarray = 1.0) -> Ball:
    """The ball of a norm in a box of this width; `radius` takes the place of the largest radius.

    Raises InputError if there is no radius and the width is not one number.
    """
    low, high = RADII[norm]
    if radius is not None:
        return Ball(norm, radius if low == high else low, radius)
    if np.ndim(width):
        raise InputError(
            "the values of the images have ranges of different widths, so no radius fits all of "
            "them by default: give one"
        )
    return Ball(norm, low * width, high * width)


def radii_inside(ball: Ball, n: int) -> dict[str, float]:
    """The radius of the largest ball in the norms "1", "2" and "i" that the ball holds; n values.

    A score above it is a distance that was not sampled. From |d|_i <= |d|_2 <= |d|_1,
    |d|_1 <= sqrt(n) |d|_2 <= n |d|_i.
    """
    r = ball.high
    root = np.sqrt(n)
    inside = {"l2": (r, r, r / root), "li": (r, r, r), "l1": (r, r / root, r / n)}
    return dict(zip(("1", "2", "i"), map(float, inside[ball.norm]), strict=True))


def draw_block(
    out: np.ndarray, shape: Ball, seed: int, image: int, iteration: int, block: int
) -> None:
    """Fill `out` (BLOCK, n), float32, with the points of one block."""
    rng = np.random.Generator(np.random.SFC64([seed, image, iteration, block]))
    radii = rng.uniform(shape.low, shape.high, len(out))
    BALLS[shape.norm](rng, out)
    out *= radii[:, None]

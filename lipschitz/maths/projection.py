"""Norms of many vectors, and the nearest points of balls in a box."""

from collections.abc import Callable

import numpy as np


def l1_norm(x: np.ndarray) -> np.ndarray:
    """The sums of absolute values (B,) of rows (B, n)."""
    return np.abs(x).sum(axis=1).astype(float)


def l2_norm(x: np.ndarray) -> np.ndarray:
    """The Euclidean lengths (B,) of rows (B, n)."""
    return np.sqrt(np.vecdot(x, x)).astype(float)


def linf_norm(x: np.ndarray) -> np.ndarray:
    """The largest absolute values (B,) of rows (B, n)."""
    return np.maximum(x.max(axis=1), -x.min(axis=1)).astype(float)


def onto_l1(d: np.ndarray, low: np.ndarray, high: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Project the rows of d (B, n) onto L1 balls of `radii` (B, 1) in a box that contains 0.

    `low` and `high` (n,) are the ends of the box.
    """
    return _into_box(_onto_l1_ball, l1_norm, 1, d, low, high, radii)


def onto_l2(d: np.ndarray, low: np.ndarray, high: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Project the rows of d (B, n) onto L2 balls in a box, as `onto_l1`."""
    return _into_box(_onto_l2_ball, l2_norm, 2, d, low, high, radii)


def onto_linf(d: np.ndarray, low: np.ndarray, high: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Project the rows of d (B, n) onto L-infinity balls in a box, as `onto_l1`."""
    radii = radii.astype(np.float32)
    return np.clip(np.clip(d, low, high), -radii, radii)


def _into_box(
    onto_ball: Callable[[np.ndarray, np.ndarray], np.ndarray],
    norm: Callable[[np.ndarray], np.ndarray],
    power: int,
    d: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    radii: np.ndarray,
) -> np.ndarray:
    """Project onto balls of a norm, a root of a sum of powers, in a box.

    What a projection onto the ball alone leaves outside of the box ends on its edge. The others
    share what remains of the radius, which is more than before: nothing returns from the edge.
    """
    projected = np.clip(d, low, high)
    rows = np.flatnonzero(norm(projected) > radii[:, 0])
    free, left = d[rows], radii[rows] ** power
    projected[rows] = 0
    while len(rows):
        inner = onto_ball(free, left ** (1 / power))
        edge = np.clip(inner, low, high)
        beyond = edge != inner
        goes_on = beyond.any(axis=1)
        projected[rows[~goes_on]] += inner[~goes_on]
        rows, free, edge, beyond = (each[goes_on] for each in (rows, free, edge, beyond))
        edge *= beyond
        projected[rows] += edge
        left = np.maximum(left[goes_on] - norm(edge)[:, None] ** power, 0)
        free *= ~beyond
    return projected


def _onto_l1_ball(d: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """All sizes fall by a threshold, which the sorted sizes tell.

    Duchi, Shalev-Shwartz, Singer and Chandra, "Efficient projections onto the l1-ball for learning
    in high dimensions", ICML 2008: with the k largest sizes it is (their sum - radius) / k; the
    right k gives the largest.
    """
    sizes = np.abs(d)
    sizes.sort(axis=1)
    thresholds = np.cumsum(sizes[:, ::-1], axis=1, dtype=float)
    thresholds -= radii
    thresholds /= np.arange(1, d.shape[1] + 1)
    threshold = np.maximum(thresholds.max(axis=1, keepdims=True), 0).astype(np.float32)
    return d - np.clip(d, -threshold, threshold)


def _onto_l2_ball(d: np.ndarray, radii: np.ndarray) -> np.ndarray:
    sizes = np.maximum(l2_norm(d)[:, None], 1e-30)
    return d * np.minimum(radii / sizes, 1).astype(np.float32)

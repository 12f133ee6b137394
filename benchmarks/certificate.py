"""A certified lower bound for networks of one hidden layer: what no estimate can be.

The convex activation of each unit lies below its chord and above its tangents on the interval that
its input can reach in a ball, so the margin has a linear lower bound there (CROWN: Zhang et al.,
NeurIPS 2018). The largest ball in which that bound is positive holds no adversarial image.
"""

from typing import NamedTuple

import numpy as np

DUAL_ORDER = {"1": np.inf, "2": 2, "i": 1}
HALVINGS = 40
WIDEST = 1e3  # no ball of interest is larger


class TwoLayers(NamedTuple):
    """f(x) = outer activation(inner x + hidden_bias) + bias."""

    inner: np.ndarray  # (hidden, n)
    hidden_bias: np.ndarray
    outer: np.ndarray  # (classes, hidden)
    bias: np.ndarray


def softplus(z: np.ndarray) -> np.ndarray:
    """The activation of the 2-layer networks of 2018: log(1 + exp(10 z)) / 10."""
    return np.logaddexp(0, 10 * z) / 10


def softplus_slope(z: np.ndarray) -> np.ndarray:
    """Its derivative."""
    return (1 + np.tanh(5 * z)) / 2


def certified(network: TwoLayers, x_0: np.ndarray, true: int, target: int, norm: str) -> float:
    """The largest radius at which the margin f_true - f_target is certain to stay positive.

    `norm` is "1", "2" or "i"; x_0 (n,). Found by bisection.
    """
    low, high = 0.0, WIDEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        positive = least_margin(network, x_0, true, target, norm, middle) > 0
        low, high = (middle, high) if positive else (low, middle)
    return low


def least_margin(
    network: TwoLayers, x_0: np.ndarray, true: int, target: int, norm: str, radius: float
) -> float:
    """A lower bound of the margin in a ball around x_0."""
    inner, hidden_bias, outer, bias = network
    dual = DUAL_ORDER[norm]
    z = inner @ x_0 + hidden_bias
    reach = radius * np.linalg.norm(inner, dual, axis=1)
    lower, upper = z - reach, z + reach
    chord = (softplus(upper) - softplus(lower)) / np.maximum(upper - lower, 1e-300)
    tangent = softplus_slope(z)
    weight = outer[true] - outer[target]
    slope = np.where(weight >= 0, tangent, chord)
    offset = np.where(weight >= 0, softplus(z) - tangent * z, softplus(lower) - chord * lower)
    gradient = (weight * slope) @ inner
    constant = weight @ (slope * hidden_bias + offset) + bias[true] - bias[target]
    return float(gradient @ x_0 + constant - radius * np.linalg.norm(gradient, dual))

"""The result of sampling around an image for one target: numbers, printed lines, .mat keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lipschitz.maths.lanczos import MOST_PRODUCTS
from lipschitz.maths.scores import DUAL_NORM, PRINTED_NORMS, clever_score, second_order_score
from lipschitz.results.matfile import CURVATURE_KEYS, GRADIENT_KEYS, NON_FINITE_KEY, SLOPE_KEYS
from lipschitz.support.text import line

PRINTED_LETTERS = {"L": SLOPE_KEYS, "G": GRADIENT_KEYS}
ITERATIONS_SHOWN = 10
ZERO_GRADIENTS = (
    "warning: the gradient is zero in every sample, so the score is infinite and says nothing of "
    "robustness: the network hides its gradients (saturated or rounded outputs) or is dead here"
)


class Iteration(NamedTuple):
    """The findings of one iteration."""

    found: np.ndarray  # (targets, columns): maxima or extremes, at the end samples left out
    ended: float  # seconds from the image's start to its end
    waited: float  # seconds of it without samples


@dataclass(frozen=True)
class Estimate:
    """What both orders have; arrays are (Niters,)."""

    target_label: int
    pred: np.ndarray  # logits of the image, (K,) float32
    g_x0: float  # the margin f_true - f_target at the image
    time: np.ndarray  # seconds from the image's start to the end of each iteration
    overhead: np.ndarray  # seconds of each iteration spent waiting for samples
    drawn: int  # samples in each iteration
    non_finite: np.ndarray  # of them, those left out: a logit or derivative was not finite

    def iteration_line(self, i: int, first: int = 0) -> str:
        """The line of iteration `i`; the estimate is of the iterations from `first` on."""
        fields = {
            "loop": first + i,
            "time": self.time[i],
            "iter_time": self.time[i] - (self.time[i - 1] if i else 0),
            "overhead": self.overhead[i],
        }
        return line("STATS", 2, **fields, **self._of_iteration(i))

    def is_complete(self) -> bool:
        """Whether every iteration has a maximum: a finite sample."""
        return bool((self.non_finite < self.drawn).all())

    def left_out_lines(self) -> list[str]:
        """Which iterations have samples that are left out, if any."""
        iterations = np.flatnonzero(self.non_finite)
        if not len(iterations):
            return []
        count, drawn = int(self.non_finite.sum()), self.drawn * len(self.non_finite)
        named = ", ".join(map(str, iterations[:ITERATIONS_SHOWN]))
        more = len(iterations) - ITERATIONS_SHOWN
        return [
            f"warning: {count} of {drawn} samples have no finite logits or derivatives and are "
            f"left out: the network overflows there. Iterations: {named}"
            + (f" and {more} more" if more > 0 else "")
        ]


@dataclass(frozen=True)
class FirstOrder(Estimate):
    """The largest of each iteration: norms of dg/dx, and slopes (zeros if not sampled)."""

    G2_max: np.ndarray
    G1_max: np.ndarray
    Gi_max: np.ndarray
    L2_max: np.ndarray
    L1_max: np.ndarray
    Li_max: np.ndarray
    with_slopes: bool

    def __iter__(self) -> Iterator[object]:
        """What 2018 returned, in its order."""
        slopes = self.L2_max, self.L1_max, self.Li_max
        gradients = self.G2_max, self.G1_max, self.Gi_max
        return iter([*slopes, *gradients, self.g_x0, self.pred])

    def arrays(self) -> dict[str, object]:
        """What a .mat file holds of this order."""
        keys = [*SLOPE_KEYS.values(), *GRADIENT_KEYS.values(), NON_FINITE_KEY]
        return {key: getattr(self, key) for key in keys}

    def summary_lines(self) -> list[str]:
        """The largest of all iterations, and the margin over it: named after the bound's norm."""
        largest = {
            letter: {norm: getattr(self, key).max() for norm, key in keys.items()}
            for letter, keys in PRINTED_LETTERS.items()
        }
        maxima, bounds = {}, {}
        for letter, constants in largest.items():
            absent = letter == "L" and not self.with_slopes
            for norm, printed in PRINTED_NORMS.items():
                maxima[f"{letter}{printed}_max"] = 0 if absent else constants[norm]
                if not absent:
                    score = clever_score(self.g_x0, constants[DUAL_NORM[norm]])
                    bounds[f"bnd_{letter}{printed}_max"] = score
        return [
            line("STATS", 1, g_x0=self.g_x0, **maxima),
            line("STATS", 1, **bounds),
            *([] if largest["G"]["1"] else [ZERO_GRADIENTS]),
            *self.left_out_lines(),
        ]

    def _of_iteration(self, i: int) -> dict[str, float]:
        return {
            letter + PRINTED_NORMS[norm]: getattr(self, key)[i]
            for letter, keys in PRINTED_LETTERS.items()
            if letter == "G" or self.with_slopes
            for norm, key in keys.items()
        }


@dataclass(frozen=True)
class SecondOrder(Estimate):
    """The Hessian eigenvalue of each iteration, and the gradient at the image."""

    H2_max: np.ndarray  # of the samples' smallest eigenvalues the largest in magnitude, signed
    capped: int  # samples of all iterations whose eigenvalue is less exact than asked
    products: int  # Hessian-vector products spent
    g_x0_grad_2_norm: float
    g_x0_grad_1_norm: float
    g_x0_grad_inf_norm: float

    def __iter__(self) -> Iterator[object]:
        """What 2018 returned, in its order."""
        norms = self.g_x0_grad_2_norm, self.g_x0_grad_1_norm, self.g_x0_grad_inf_norm
        return iter([self.H2_max, self.g_x0, *norms, self.pred])

    def arrays(self) -> dict[str, object]:
        """What a .mat file holds of this order."""
        return {
            **{key: getattr(self, key) for key in [*CURVATURE_KEYS.values(), NON_FINITE_KEY]},
            "g_x0_grad_2_norm": self.g_x0_grad_2_norm,
        }

    def summary_lines(self) -> list[str]:
        """The largest curvature of all iterations, the score with it, and how exact it is."""
        largest = np.abs(self.H2_max).max()
        fields = {
            "g_x0": self.g_x0,
            "g_x0_grad_2_norm": self.g_x0_grad_2_norm,
            "g_x0_grad_1_norm": self.g_x0_grad_1_norm,
            "g_x0_grad_inf_norm": self.g_x0_grad_inf_norm,
            "H2_max": largest,
        }
        score = second_order_score(self.g_x0, self.g_x0_grad_2_norm, largest)
        flat = [] if largest else ["warning: the Hessian is zero in every sample: no curvature"]
        flat += [] if self.g_x0_grad_1_norm or largest else [ZERO_GRADIENTS]
        samples = self.drawn * len(self.H2_max)
        return [
            line("STATS", 1, **fields),
            line("STATS", 1, bnd_H2_max=score),
            *flat,
            *self.left_out_lines(),
            f"Hessian-vector products a sample: {self.products / samples:.1f}; samples that "
            f"met the cap of {MOST_PRODUCTS}: {self.capped} of {samples}",
        ]

    def _of_iteration(self, i: int) -> dict[str, float]:
        return {"H2": self.H2_max[i]}

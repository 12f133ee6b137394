"""What sampling around an image found for one target: its numbers, its lines, its .mat keys."""

from dataclasses import dataclass

import numpy as np

from lipschitz.bounds import DUAL_NORM, clever_score, second_order_score
from lipschitz.lanczos import MOST_PRODUCTS
from lipschitz.lines import line
from lipschitz.matfile import CURVATURE_KEYS, GRADIENT_KEYS, SLOPE_KEYS

PRINTED_NORMS = {"2": "2", "1": "1", "i": "inf"}
PRINTED_LETTERS = {"L": SLOPE_KEYS, "G": GRADIENT_KEYS}


@dataclass(frozen=True)
class Estimate:
    """What both orders have; arrays are (Niters,)."""

    target_label: int
    pred: np.ndarray  # logits of the image, (K,) float32
    g_x0: float  # the margin f_true - f_target at the image
    time: np.ndarray  # seconds from the image's start to the end of each iteration
    overhead: np.ndarray  # seconds of each iteration spent waiting for samples

    def iteration_line(self, i: int) -> str:
        """The line of iteration `i`."""
        fields = {
            "loop": i,
            "time": self.time[i],
            "iter_time": self.time[i] - (self.time[i - 1] if i else 0),
            "overhead": self.overhead[i],
        }
        return line("STATS", 2, **fields, **self._of_iteration(i))


@dataclass(frozen=True)
class FirstOrder(Estimate):
    """The largest of each iteration: norms of dg/dx, and slopes (zeros if not asked for)."""

    G2_max: np.ndarray
    G1_max: np.ndarray
    Gi_max: np.ndarray
    L2_max: np.ndarray
    L1_max: np.ndarray
    Li_max: np.ndarray
    with_slopes: bool

    def arrays(self) -> dict[str, object]:
        """What a .mat file holds of this order."""
        keys = [*SLOPE_KEYS.values(), *GRADIENT_KEYS.values()]
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
        return [line("STATS", 1, g_x0=self.g_x0, **maxima), line("STATS", 1, **bounds)]

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
    samples: int  # of all iterations
    capped: int  # of them, those whose eigenvalue is less exact than asked
    products: int  # Hessian-vector products spent
    g_x0_grad_2_norm: float
    g_x0_grad_1_norm: float
    g_x0_grad_inf_norm: float

    def arrays(self) -> dict[str, object]:
        """What a .mat file holds of this order."""
        return {
            **{key: getattr(self, key) for key in CURVATURE_KEYS.values()},
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
        return [
            line("STATS", 1, **fields),
            line("STATS", 1, bnd_H2_max=score),
            *flat,
            f"Hessian-vector products a sample: {self.products / self.samples:.1f}; samples that "
            f"met the cap of {MOST_PRODUCTS}: {self.capped} of {self.samples}",
        ]

    def _of_iteration(self, i: int) -> dict[str, float]:
        return {"H2": self.H2_max[i]}

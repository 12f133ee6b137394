"""The smallest eigenvalues of many symmetric matrices at once, from products with vectors."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RELATIVE_ERROR = 1e-3  # of an eigenvalue
ROUNDING = 1e-5  # of products in float32, relative to the eigenvalue largest in magnitude
MOST_PRODUCTS = 60

Products = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Smallest:
    """What the iteration found; arrays are (B,), a number for each matrix."""

    eigenvalues: np.ndarray  # infinity if a product was not finite
    products: np.ndarray  # matrix-vector products spent
    capped: np.ndarray  # whether it ended at MOST_PRODUCTS and not at RELATIVE_ERROR


def smallest_eigenvalues(products: Products, start: np.ndarray) -> Smallest:
    """Lanczos iterations from `start` (B, n) on B symmetric n x n matrices, side by side.

    `products(active, v)` gives A_i v_i (len(active), n) for the matrices i of `active`. The
    smallest Ritz value theta has an eigenvalue within r of it, r the length of its residual:
    a matrix is done, and multiplied no more, when r is below RELATIVE_ERROR * |theta| (Parlett,
    The Symmetric Eigenvalue Problem, 1998, section 13.2). The gap bound r^2 / gap would spend a
    third fewer products, but the gap to eigenvalues that have not shown yet is not known.
    """
    count, n = start.shape
    most = min(MOST_PRODUCTS, n)
    basis = np.empty((most + 1, count, n), np.float32)
    basis[0] = start / _norm(start)[:, None]
    tridiagonal = np.zeros((count, most + 1, most + 1))
    eigenvalues, spent = np.zeros(count), np.zeros(count, int)

    active = np.arange(count)
    for k in range(most):
        v = basis[: k + 1] if len(active) == count else basis[: k + 1, active]
        w = products(active, v[k])
        spent[active] += 1
        alpha = np.einsum("bn,bn->b", v[k], w)
        for _ in range(2):  # one pass leaves what rounding adds along the basis
            w = w - np.einsum("kbn,kb->bn", v, np.einsum("kbn,bn->kb", v, w))
        beta = _norm(w)
        finite = np.isfinite(alpha + beta)
        eigenvalues[active[~finite]] = np.inf
        active, alpha, beta, w = active[finite], alpha[finite], beta[finite], w[finite]

        tridiagonal[active, k, k] = alpha
        tridiagonal[active, k, k + 1] = tridiagonal[active, k + 1, k] = beta
        basis[k + 1, active] = w / np.where(beta > 0, beta, 1)[:, None]
        theta, vectors = np.linalg.eigh(tridiagonal[active, : k + 1, : k + 1])
        eigenvalues[active] = theta[:, 0]
        residual = beta * np.abs(vectors[:, -1, 0])
        rounding = ROUNDING * np.abs(theta).max(axis=1)
        active = active[residual > np.maximum(RELATIVE_ERROR * np.abs(theta[:, 0]), rounding)]
        if not len(active):
            break
    capped = np.zeros(count, bool)
    capped[active] = most < n  # after n products the Ritz values are the eigenvalues
    return Smallest(eigenvalues, spent, capped)


def _norm(v: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("bn,bn->b", v, v, dtype=np.float64))

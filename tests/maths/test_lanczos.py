"""Smallest eigenvalues against numpy.linalg.eigvalsh, on spectra of many kinds."""

import numpy as np
import pytest

from lipschitz.maths.lanczos import MOST_PRODUCTS, RELATIVE_ERROR, smallest_eigenvalues

COUNT = 20
RNG = np.random.default_rng(0)


def with_spectrum(values):
    """Matrices (COUNT, n, n) that have these eigenvalues (COUNT, n) in random directions."""
    directions, _ = np.linalg.qr(RNG.normal(size=(*values.shape, values.shape[1])))
    return directions * values[:, None, :] @ directions.transpose(0, 2, 1)


def wigner(n):
    a = RNG.normal(size=(COUNT, n, n))
    return (a + a.transpose(0, 2, 1)) / np.sqrt(2 * n)


def low_rank(n, rank):
    a = RNG.normal(size=(COUNT, n, rank))
    return a * RNG.normal(size=(COUNT, 1, rank)) @ a.transpose(0, 2, 1) / n


def found(matrices):
    direction = np.random.default_rng(1).normal(size=matrices.shape[1]).astype(np.float32)
    start, a = np.broadcast_to(direction, matrices.shape[:2]), matrices.astype(np.float32)
    return smallest_eigenvalues(lambda active, v: np.einsum("bij,bj->bi", a[active], v), start)


@pytest.mark.parametrize(
    "matrices",
    [
        wigner(200),
        low_rank(200, 15),
        with_spectrum(-(RNG.exponential(size=(COUNT, 200)) ** 2)),
        with_spectrum(RNG.standard_t(2, size=(COUNT, 200))),
        wigner(3),
        wigner(1),
    ],
    ids=["wigner", "low rank", "negative", "heavy tails", "3 x 3", "1 x 1"],
)
def test_eigenvalues_are_right_to_the_accuracy_asked(matrices):
    result = found(matrices)
    spectra = np.linalg.eigvalsh(matrices)
    np.testing.assert_allclose(result.eigenvalues, spectra[:, 0], rtol=RELATIVE_ERROR, atol=1e-6)
    assert not result.capped.any()


def test_each_matrix_stops_on_its_own():
    """Those with few distinct eigenvalues need few products, whatever the others need."""
    matrices = wigner(100)
    matrices[::2] = with_spectrum(np.where(np.arange(100) < 50, -1.0, 2.0)[None].repeat(10, 0))
    result = found(matrices)
    assert set(result.products[::2]) == {2}
    assert min(result.products[1::2]) > 10


def test_positive_semidefinite_matrices_have_zero():
    """Of rank below n: no relative accuracy can be reached, rounding ends the iteration."""
    a = RNG.normal(size=(COUNT, 100, 10))
    result = found(a @ a.transpose(0, 2, 1))
    np.testing.assert_allclose(result.eigenvalues, 0, atol=1e-3 * np.linalg.norm(a) ** 2 / COUNT)
    assert not result.capped.any()


def test_the_zero_matrix_takes_one_product():
    result = found(np.zeros((COUNT, 50, 50)))
    assert set(result.eigenvalues) == {0}
    assert set(result.products) == {1}


def test_what_does_not_converge_is_counted():
    """The lower edge of a Wishart spectrum is crowded."""
    a = RNG.normal(size=(COUNT, 200, 200))
    result = found(a @ a.transpose(0, 2, 1) / 200)
    assert result.capped.all()
    assert set(result.products) == {MOST_PRODUCTS}


def test_a_late_product_that_is_not_finite_spoils_its_matrix_alone():
    matrices, calls = wigner(80).astype(np.float32), []

    def products(active, v):
        calls.append(active)
        found = np.einsum("bij,bj->bi", matrices[active], v)
        found[active == 5] += np.inf if len(calls) > 3 else 0
        return found

    start = np.ones((COUNT, 80), np.float32)
    result = smallest_eigenvalues(products, start)
    assert np.flatnonzero(np.isinf(result.eigenvalues)).tolist() == [5]
    assert result.products[5] == 4


def test_products_that_are_not_finite_spoil_their_matrix_alone():
    matrices = wigner(50)
    matrices[3, 2, 2] = np.nan
    result = found(matrices)
    assert np.flatnonzero(np.isinf(result.eigenvalues)).tolist() == [3]

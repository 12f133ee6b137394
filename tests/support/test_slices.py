"""How a batch is cut, and that nothing of it is lost."""

import time

import numpy as np
import pytest

from lipschitz.support.slices import STREAMS, map_slices, raise_if_cancelled, slices


@pytest.mark.parametrize(
    ("count", "largest"),
    [(1, 256), (2, 2), (7, 4), (32, 110), (100, 128), (1024, 256), (1025, 256)],
)
def test_slices_are_even_within_the_limit_and_busy_all_streams(count, largest):
    batch = np.arange(count)
    parts = slices(batch, largest)
    np.testing.assert_array_equal(np.concatenate(parts), batch)
    assert max(map(len, parts)) <= largest
    assert all(len(part) % 2 == 0 for part in parts[:-1])
    if count >= 2 * STREAMS:
        assert len(parts) >= STREAMS


def test_results_come_in_order():
    assert map_slices(np.sum, np.arange(8), 2) == [1, 5, 9, 13]


def test_an_error_in_a_slice_comes_out():
    with pytest.raises(ZeroDivisionError):
        map_slices(lambda part: 1 / 0, np.arange(8), 2)


def test_when_one_slice_fails_the_others_stop():
    steps = []

    def many_steps(part):
        if part[0]:
            time.sleep(0.1)
            raise ValueError
        for step in range(1000):
            raise_if_cancelled()
            steps.append(step)
            time.sleep(0.01)

    with pytest.raises(ValueError):  # noqa: PT011
        map_slices(many_steps, np.arange(4), 2)
    assert len(steps) < 100
    assert map_slices(len, np.arange(4), 2) == [2, 2]  # and the next batch goes on

"""How a batch is cut, and that nothing of it is lost."""

import threading
import time

import numpy as np
import pytest

from lipschitz.support.slices import map_slices, raise_if_cancelled, slices


@pytest.mark.parametrize(
    ("count", "largest"),
    [(1, 256), (2, 2), (7, 4), (32, 110), (100, 128), (1024, 256), (1025, 256)],
)
@pytest.mark.parametrize("streams", [1, 2])
def test_slices_are_even_within_the_limit_and_busy_all_streams(count, largest, streams):
    batch = np.arange(count)
    parts = slices(batch, largest, streams)
    np.testing.assert_array_equal(np.concatenate(parts), batch)
    assert max(map(len, parts)) <= largest
    assert all(len(part) % 2 == 0 for part in parts[:-1])
    if count >= 2 * streams:
        assert len(parts) >= streams


@pytest.mark.parametrize("streams", [1, 2])
def test_results_come_in_order(streams):
    assert map_slices(np.sum, np.arange(8), 2, streams) == [1, 5, 9, 13]


@pytest.mark.parametrize("streams", [1, 2])
def test_an_error_in_a_slice_comes_out(streams):
    with pytest.raises(ZeroDivisionError):
        map_slices(lambda part: 1 / 0, np.arange(8), 2, streams)


def test_when_one_slice_fails_the_others_stop():
    begun, steps, enough = threading.Event(), [], 10**6

    def many_steps(part):
        if part[0]:
            begun.wait()
            raise ValueError
        for step in range(enough):
            raise_if_cancelled()
            steps.append(step)
            begun.set()
            time.sleep(0.001)

    with pytest.raises(ValueError):  # noqa: PT011
        map_slices(many_steps, np.arange(4), 2, 2)
    assert 0 < len(steps) < enough
    assert map_slices(len, np.arange(4), 2, 2) == [2, 2]  # and the next batch is computed

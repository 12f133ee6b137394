"""Images in arrays: which fit a network, and what becomes of their values."""

import numpy as np
import pytest

from lipschitz.data.array_images import ColumnError, of_arrays
from lipschitz.data.dataset import pixels_to_box
from lipschitz.data.fitting import RangeError
from lipschitz.support.errors import InputError

rng = np.random.default_rng(0)
BYTES = rng.integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
BYTES[0, 0, 0] = 0, 255, 7
FLOATS = rng.uniform(0, 1, (6, 4, 5, 3))


def fitted(values, shape=None, lower=0.0, upper=1.0, **given):
    images = of_arrays(values, **given)
    return images.fitted(shape or images.shape, lower, upper)


def columns(count):
    return tuple(f"c{number}" for number in range(count))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, ">i2"])
def test_whole_numbers_are_pixels(dtype):
    images = fitted(BYTES.astype(dtype))
    np.testing.assert_array_equal(images[:], BYTES.astype(np.float32) / 255)
    assert images.described == f"6 images 4x5x3 ({np.dtype(dtype).name}, 0 to 255 as 0 to 1)"


def test_in_the_box_of_2018_pixels_are_those_of_the_built_in_data_sets():
    images = fitted(BYTES, lower=-0.5, upper=0.5)
    np.testing.assert_array_equal(images[:], pixels_to_box(BYTES))


@pytest.mark.parametrize(("lower", "upper"), [(0, 255), (-1, 1), (-2.1, 2.6)])
def test_pixels_reach_the_ends_of_any_range(lower, upper):
    images = fitted(BYTES, lower=lower, upper=upper)[:]
    np.testing.assert_allclose(images, lower + BYTES / 255.0 * (upper - lower), atol=1e-6)
    assert (images.min(), images.max()) == (np.float32(lower), np.float32(upper))


def test_a_range_may_differ_between_channels():
    lower, upper = np.array([0, -1, 2]), np.array([1, 1, 4])
    images = fitted(BYTES, lower=lower, upper=upper)[:]
    np.testing.assert_allclose(images, lower + BYTES / 255.0 * (upper - lower), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_zeros_and_ones_are_black_and_white(dtype):
    values = np.eye(5)[None].astype(dtype)
    images = fitted(values, lower=-0.5, upper=0.5)
    np.testing.assert_array_equal(images[0], np.eye(5) - 0.5)
    assert images.described.endswith("0 and 1 as -0.5 to 0.5)")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8"])
def test_floats_are_taken_as_they_are(dtype):
    values = FLOATS.astype(dtype)
    images = fitted(values)
    assert images[0].dtype == np.float32
    np.testing.assert_array_equal(images[:], values.astype(np.float32))


def test_rounding_does_not_put_a_value_outside():
    values = np.array([[-1e-7, 1 + 5e-7]])
    np.testing.assert_array_equal(fitted(values)[0], [0, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_values_outside_the_range_are_told(dtype):
    values = np.array([[0, -3], [4000, 5]], dtype)
    found = "values from -3 to 4000, the network takes 0 to 1"
    with pytest.raises(RangeError, match=found) as error:
        fitted(values)
    assert (error.value.lowest, error.value.highest) == (-3, 4000)
    np.testing.assert_array_equal(fitted(values, lower=-3, upper=4000)[:], values)


def test_a_value_outside_its_own_range_is_counted():
    with pytest.raises(RangeError, match="1 of 2 values have a range of their own"):
        fitted(np.array([[0.5, 0.5]]), lower=np.array([0, 0.6]), upper=np.array([1, 1]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_the_first_image_with_values_that_are_not_finite_is_named(bad):
    values = FLOATS.copy()
    values[4, 1, 1, 1] = values[5] = bad
    with pytest.raises(InputError, match="image 4 has values that are not finite"):
        fitted(values)


@pytest.mark.parametrize(
    ("found", "needed"),
    [
        ((4, 5), (4, 5, 1)),
        ((4, 5, 1), (4, 5)),
        ((1, 4, 5), (4, 5, 1)),
        ((4, 5, 3), (60,)),
        ((60,), (4, 5, 3)),
        ((60, 1), (4, 5, 3)),
    ],
)
def test_the_order_of_values_is_kept(found, needed):
    values = FLOATS.reshape(6, -1)[:, : np.prod(found)].reshape(6, *found)
    images = fitted(values, needed)
    np.testing.assert_array_equal(images[:], values.reshape(6, *needed).astype(np.float32))


def test_channels_are_turned_if_they_are_on_the_other_side():
    first = FLOATS.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(fitted(first, (4, 5, 3))[:], FLOATS.astype(np.float32))
    np.testing.assert_array_equal(fitted(FLOATS, (3, 4, 5))[:], first.astype(np.float32))
    assert "images 3x4x5 as 4x5x3" in fitted(first, (4, 5, 3)).described


def test_what_does_not_fit_is_told():
    with pytest.raises(InputError, match=r"the images are 4x5x3, the network takes 8x8x1: give"):
        fitted(FLOATS, (8, 8, 1))
    with pytest.raises(InputError, match="the images are 20, the network takes 4x6"):
        fitted(FLOATS.reshape(18, 20), (4, 6))
    for grey in (FLOATS[..., 0], FLOATS[..., :1]):
        with pytest.raises(InputError, match=r"takes 4x5x3 \(3 channels\): repeat the grey values"):
            fitted(grey, (4, 5, 3))


def test_what_are_no_images_is_told():
    for values, said in (
        (np.array([["a", "b"]]), "not numbers"),
        (np.array([[1j]]), "not numbers"),
        (np.zeros((2, 2), [("a", int)]), "not numbers"),
        (np.array([[None]]), "not numbers"),
        (np.array(3.0), r"\(N, ...\) for N images"),
        (np.arange(3), r"\(N, ...\) for N images"),
        (np.zeros((0, 4)), "there are no images"),
        (np.zeros((4, 0)), "there are no images"),
    ):
        with pytest.raises(InputError, match=said):
            of_arrays(values)


def test_images_are_made_one_by_one_or_in_slices():
    images = fitted(BYTES)
    assert len(images) == 6
    np.testing.assert_array_equal(images[1:6:2][1], images[3])
    np.testing.assert_array_equal(images[-1], images[np.int64(5)])
    assert images[6:].shape == (0, 4, 5, 3)
    with pytest.raises(IndexError):
        images[6]


def test_features_of_a_table_are_taken_as_they_are():
    rows = np.array([[0, 200, 5], [7, 100, 5]])
    table = of_arrays(rows, columns=columns(3))
    lower, upper = table.ranges()
    assert table.is_table
    np.testing.assert_array_equal(lower, [0, 100, 5])
    np.testing.assert_array_equal(upper[:2], [7, 200])
    assert 5 < upper[2] < 5.001  # a box has a width everywhere
    images = table.fitted((3,), lower, upper)
    np.testing.assert_array_equal(images[:], rows)
    assert images.described == "2 rows of 3 values (int64, 0 to 200)"
    assert not table.looks_like_pixels


def test_a_table_is_pixels_if_all_its_columns_have_one_range():
    """As they have if the user says what the network takes for black and white."""
    table = of_arrays(BYTES.reshape(6, 60), columns=columns(60))
    np.testing.assert_array_equal(
        table.fitted((60,), 0, 1)[:], BYTES.reshape(6, 60).astype(np.float32) / 255
    )
    assert table.looks_like_pixels


def test_whole_numbers_that_are_all_dark_are_refused():
    """Pixels from 0 to 16 would be scored as nearly black images."""
    digits = np.arange(17, dtype=np.uint8).reshape(1, 17)
    with pytest.raises(InputError, match=r"whole numbers from 0 to 16, .*: divide them by their"):
        fitted(digits, (17,))
    np.testing.assert_array_equal(fitted(digits / 16, (17,))[0], np.arange(17) / 16)


def test_a_table_is_pixels_for_a_network_of_images():
    table = of_arrays(BYTES.reshape(6, 60), columns=columns(60))
    images = table.fitted((4, 5, 3), 0, 1)
    np.testing.assert_array_equal(images[:], BYTES.astype(np.float32) / 255)
    assert images.described == "6 rows of 60 values as 4x5x3 (uint8, 0 to 255 as 0 to 1)"


def test_columns_that_are_too_many_are_listed():
    with pytest.raises(
        ColumnError, match=r"3 values \(c0, c1, c2\), .* 2: if a column is the label"
    ):
        fitted(np.eye(3), (2,), columns=columns(3))
    with pytest.raises(
        InputError, match=r"9 values \(c0, c1, c2 and 6 more\), the network takes 2$"
    ):
        fitted(np.eye(9), (2,), columns=columns(9), labels=np.arange(9))

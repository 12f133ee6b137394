"""The seam between frameworks: boxes, margins, fingerprints."""

import numpy as np
import pytest

from lipschitz.network import (
    Box,
    Maxima,
    Network,
    are_probabilities,
    completed,
    fingerprint,
    kind_of_outputs,
    margin_weights,
    network_fingerprint,
    short_fingerprint,
)
from tests.sampling.numpy_network import NumPyNetwork


def test_what_answers_the_seam_is_a_network_whatever_its_framework():
    assert isinstance(NumPyNetwork(), Network)
    assert not isinstance(object(), Network)


def test_the_default_box_is_that_of_2018():
    assert (Box().lower, Box().upper, Box().width, str(Box())) == (-0.5, 0.5, 1, "[-0.5, 0.5]")


def test_ends_can_be_numbers_or_arrays():
    assert (Box(0, 255).width, str(Box(0, 255))) == (255, "[0.0, 255.0]")
    lower = np.float32([0, 1, 2])
    np.testing.assert_array_equal(Box(lower, 5).width, [5, 4, 3])
    assert Box(lower, lower + 2).width == 2  # one for all values
    assert Box(0, np.float32([0.3, 0.1 + 0.2])).width == pytest.approx(0.3)  # but for rounding
    assert str(Box(lower, 5)).startswith("[0.0, 5.0], one interval per value (")


def test_boxes_are_equal_if_their_ends_are():
    lower = np.float32([0, 1, 2])
    assert Box() == Box(-0.5, 0.5) == Box(np.full(3, -0.5), np.full(3, 0.5))
    assert Box(lower, 5) == Box(np.float64(lower), np.full(3, 5))
    assert Box(lower, 5) != Box(lower + np.float32([0, 0, 1]), 5)
    assert Box(0, 0.123456789) != Box(0, 0.1234567)
    assert len({Box(), Box(-0.5, 0.5), Box(0, 1)}) == 2


@pytest.mark.parametrize(
    ("lower", "upper", "said"),
    [
        (-np.inf, 0, "a box has finite ends"),
        (0, np.array([1, np.nan]), "a box has finite ends"),
        (1, 1, "the lower end of a box lies below its upper end"),
        (np.array([0, 2]), 1, "the lower end of a box lies below its upper end"),
    ],
)
def test_a_box_has_an_inside(lower, upper, said):
    with pytest.raises(ValueError, match=said):
        Box(lower, upper)


def test_a_box_contains_its_ends_but_for_rounding():
    assert Box().contains(np.float32([-0.5, 0.5]))
    assert Box(0, 1).contains(np.float32(0.1 + 0.2) / np.float32(0.3) * np.ones(2))
    assert not Box().contains(np.float32([0, 0.51]))
    assert not Box(0, 255).contains(np.float32([-1, 7]))
    assert not Box().contains(np.float32([0, np.nan]))
    features = Box(np.float32([0, 10]), np.float32([1, 90]))
    assert features.contains(np.float32([1, 90]))
    assert not features.contains(np.float32([90, 1]))


def test_the_farthest_point_of_a_box_is_a_corner():
    x_0 = np.float32([0.25, -0.5, 0])
    away = np.array([0.75, 1, 0.5])  # to -0.5, 0.5, and either
    expected = {"1": away.sum(), "2": np.sqrt((away**2).sum()), "i": 1.0}
    assert Box().farthest(x_0) == pytest.approx(expected)
    assert Box(0, np.float32([1, 8])).farthest(np.float32([0.2, 4])) == pytest.approx(
        {"1": 4.8, "2": np.hypot(0.8, 4), "i": 4}
    )


def test_the_diameter_of_a_box_is_between_opposite_corners():
    expected = {"1": 6, "2": np.sqrt(6), "i": 1}
    assert Box().diameter((3, 2)) == pytest.approx(expected)
    features = Box(0, np.float32([3, 4]))
    assert features.diameter((2,)) == pytest.approx({"1": 7, "2": 5, "i": 4})


def test_outputs_are_told_by_their_values():
    logits = np.random.default_rng(0).normal(0, 3, (20, 10))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert kind_of_outputs(logits) == "logits"
    assert kind_of_outputs(np.log(softmax)) == "logits"  # margins are those of the logits
    assert kind_of_outputs(softmax) == "probabilities"
    assert kind_of_outputs(softmax.astype(np.float16)) == "probabilities"
    assert kind_of_outputs(1 / (1 + np.exp(-logits))) == "sigmoids"
    few = np.array([[0.3, 0.9, 0.1, 0.5], [0.01, 0.97, 0.01, 0.015]])  # as of a squared error
    assert kind_of_outputs(few) == "logits"
    assert kind_of_outputs(softmax[:1]) == "probabilities"
    assert kind_of_outputs(np.zeros((20, 10))) == "logits"
    assert kind_of_outputs(np.maximum(logits, 0)) == "rectified"
    assert kind_of_outputs(np.exp(logits)) == "logits"  # never zero
    of_two_classes = np.abs(logits[:, :2]) * [0, 1]  # 0 and z, see tf_backend.final_activation
    assert kind_of_outputs(of_two_classes) == "logits"


def test_a_fingerprint_in_print_has_the_first_digits_of_both_hashes():
    assert short_fingerprint("0123456789abcdef-fedcba9876543210") == "0123456789ab-fedcba987654"
    assert short_fingerprint("0123456789abcdef") == "0123456789ab"  # of an older file


def test_margin_weights_are_true_minus_target():
    np.testing.assert_array_equal(margin_weights(4, 2, [0, 3]), [[-1, 0, 1, 0], [0, 0, 1, -1]])


def test_maxima_of_two_batches_together():
    first = Maxima(np.array([[1.0, 5, 3]]), np.array([2]))
    second = Maxima(np.array([[2.0, 4, 3]]), np.array([1]))
    np.testing.assert_array_equal(first.merged(second).columns(), [[2, 5, 3, 3]])


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([[0.25, 0.75], [1, 0]], True),
        ([[0.25, 0.7499], [1, 0]], True),  # rounded
        ([[0.25, 0.7], [1, 0]], False),
        ([[-0.25, 1.25], [1, 0]], False),
        ([[3, -2], [0.5, 0.5]], False),
    ],
)
def test_outputs_in_0_to_1_with_a_sum_of_1_look_like_probabilities(outputs, expected):
    assert are_probabilities(np.array(outputs)) == expected


def test_a_fingerprint_is_that_of_values_shapes_and_types():
    x = np.arange(6, dtype=np.float32)
    assert fingerprint([x]) == fingerprint([x.copy()])
    others = [[x + 1], [x.reshape(2, 3)], [x.astype(np.float64)], [x, x], [x[:3], x[3:]]]
    found = {fingerprint(each) for each in others}
    assert len(found) == len(others)
    assert fingerprint([x]) not in found


def test_a_fingerprint_of_a_network_is_that_of_its_weights_then_its_structure():
    relu, tanh = (network_fingerprint("weights", {"activation": name}) for name in ("relu", "tanh"))
    assert relu.startswith("weights-")
    assert tanh.startswith("weights-")
    assert relu != tanh
    reordered = network_fingerprint("weights", {"b": 1, "a": 2})
    assert reordered == network_fingerprint("weights", {"a": 2, "b": 1})


@pytest.mark.parametrize(
    ("left_open", "image", "found"),
    [
        ((None, None, 3), (5, 6, 3), (5, 6, 3)),
        ((None, None, 1), (5, 6), (5, 6, 1)),
        ((None, None), (5, 6, 1), (5, 6)),
        ((3, None, None), (5, 6, 3), (3, 5, 6)),
        ((None, 6, None), (5, 6, 3), (5, 6, 3)),
        ((None, None, 1), (5, 6, 3), (5, 6, 1)),  # which then does not fit, and is told
    ],
)
def test_sizes_that_a_network_leaves_open_are_those_of_an_image(left_open, image, found):
    assert completed(left_open, image) == found


def test_sizes_of_other_axes_are_told():
    with pytest.raises(ValueError, match=r"leaves sizes of its input open, \(None, 3\), and"):
        completed((None, 3), (5, 6, 3, 2))

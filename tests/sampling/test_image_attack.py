"""The attack on an image: what it may cost, where it starts, and scores beside it."""

import numpy as np
import pytest

from clever_scores import clever_scores
from lipschitz.network import Box, Gradients, Maxima, margin_weights
from lipschitz.sampling.attack import Plan, work
from lipschitz.sampling.image_attack import (
    Margins,
    Seen,
    attack_image,
    groups,
    plan_of,
    starting_images,
)
from lipschitz.settings import Settings

RNG = np.random.default_rng(11)
A = RNG.normal(size=(3, 12)).astype(np.float32)
B = np.float32([2, 0.3, 0])
DUAL_ORDER = {"1": np.inf, "2": 2, "i": 1}


class Linear:
    """f(x) = A x + b in a box so wide that it does not matter; class 0 is the largest at 0."""

    input_shape, num_labels, box = (12,), 3, Box(-50, 50)
    fingerprint, device, streams = "of weights-of structure", "NumPy", 1

    def logits(self, x):
        return x @ A.T + B

    def gradients(self, x, weights):
        return Gradients(self.logits(x), weights @ A)

    def gradient_maxima(self, x, weights, slopes=False):
        assert not slopes
        norms = [np.linalg.norm(weights @ A, order, axis=1) for order in (2, 1, np.inf)]
        return Maxima(np.stack(norms, axis=1), np.zeros(len(weights), int))

    def hessian_products(self, x, weights):
        raise NotImplementedError

    def is_piecewise_linear(self):
        return True


def test_of_a_linear_network_score_attack_and_closed_form_agree():
    """The distance to the boundary of each class is the margin over the gradient's dual norm."""
    network = Linear()
    images = np.stack([np.zeros(12), RNG.uniform(-40, 40, 12)]).astype(np.float32)
    labels = network.logits(images).argmax(axis=1)
    frame = clever_scores(network, images, labels, Nsamp=1024, Niters=30, attack=200)
    frame = frame[frame.image == 0]
    assert set(frame.norm) == set("12i")
    for row in frame.itertuples():
        (weights,) = margin_weights(3, 0, [row.target_label])
        margin = weights @ B
        exact = margin / np.linalg.norm(weights @ A, DUAL_ORDER[row.norm])
        assert row.score == pytest.approx(exact, rel=1e-5)
        assert row.distance == pytest.approx(exact, rel=1e-3)
        assert row.distance >= exact * (1 - 1e-6)
        assert row.problem == "all maxima are equal"
        assert np.isnan(row.low)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("Nsamps", "Niters"), [(32, 1), (128, 10), (1024, 50), (1024, 500)])
def test_an_attack_costs_its_share_of_the_gradients_alone(order, Nsamps, Niters):
    settings = Settings(Nsamps=Nsamps, Niters=Niters, batch_size=32, order=order)
    of_a_sample = {1: 1, 2: 10}[order]  # an eigenvalue takes many products with the Hessian
    plan = plan_of(settings)
    assert plan.steps >= 1
    assert work(plan) <= 0.05 * Nsamps * Niters * of_a_sample or plan == Plan(1, 1)


def test_steps_are_those_that_are_asked_for():
    assert plan_of(Settings(), 250).steps == 250
    assert plan_of(Settings(), 0) is None
    for wrong in (-3, 2.5):
        with pytest.raises(ValueError, match="give a whole number, 0 or more"):
            plan_of(Settings(), wrong)


def test_targets_are_attacked_together_as_far_as_memory_goes():
    assert groups([1, 2, 3], Plan(10, 4), 784) == [[1, 2, 3]]
    parts = groups(list(range(999)), Plan(10, 4), 224 * 224 * 3)
    assert [target for part in parts for target in part] == list(range(999))
    assert max(map(len, parts)) * 3 * 4 * 224 * 224 * 3 <= 2**24


def test_attacks_start_from_the_nearest_images_of_the_target_alone():
    network = Linear()
    images = RNG.normal(0, 3, (200, 12)).astype(np.float32)
    margins = Margins(network, np.zeros(12, np.float32), 0, [1, 2])
    starts = starting_images(margins, Seen(images, network.logits(images)), Plan(10, 5))
    for target, found in zip((1, 2), starts, strict=True):
        logits = network.logits(images)
        reached = images[logits[:, 0] <= logits[:, target]]
        expected = sorted(np.linalg.norm(reached, axis=1))[:4]
        assert np.linalg.norm(found, axis=1).tolist() == pytest.approx(expected)


def test_without_images_of_the_target_the_attack_starts_from_the_image():
    network = Linear()
    nothing = Seen(np.zeros((0, 12), np.float32), np.zeros((0, 3), np.float32))
    margins = Margins(network, np.zeros(12, np.float32), 0, [1])
    (found,) = attack_image(margins, nothing, Plan(100, 3))
    (weights,) = margin_weights(3, 0, [1])
    exact = (weights @ B) / np.linalg.norm(weights @ A)
    assert found.distances["2"] == pytest.approx(exact, rel=1e-3)

"""The attack finds the nearest inputs of networks where formulas or solvers tell them."""

import itertools

import numpy as np
import pytest
from scipy.optimize import brentq, linprog, minimize

from defense import defend_reduce
from lipschitz.maths.projection import onto_l1, onto_l2, onto_linf
from lipschitz.network import Box, Gradients
from lipschitz.sampling.attack import (
    MOST_STARTS,
    MOST_STEPS,
    NORMS,
    Plan,
    State,
    near,
    nearest,
    plan,
    search,
    work,
)
from tests.sampling.numpy_network import NumPyNetwork

ORDERS = {"1": 1, "2": 2, "i": np.inf}
NONE = [(), ()]  # no starting images for two targets
IMAGES = np.float32(np.random.default_rng(2).uniform(-0.5, 0.5, (200, 6)))


@pytest.fixture
def rng():
    return np.random.default_rng(3)


class Linear:
    """f(x) = A x + b for three classes."""

    num_labels = 3

    def __init__(self, a, b, box=None, input_shape=None):
        self.a, self.b, self.box = np.float32(a), np.float32(b), box or Box()
        self.input_shape = input_shape or self.a.shape[1:]

    def logits(self, x):
        return x.reshape(len(x), -1) @ self.a.T + self.b

    def gradients(self, x, weights):
        return Gradients(self.logits(x), (weights @ self.a).reshape(x.shape))


def attack(network, x_0, targets, starts=NONE, steps=200, transform=None):
    *_, state = search(network, x_0, 0, targets, starts, Plan(steps, 3), transform)
    return nearest(network, x_0, 0, targets, state, starts, transform)


def check(network, x_0, target, found, transform=lambda x: x):
    """What is promised of every result."""
    for norm, image in found.images.items():
        assert image.dtype == np.float32
        assert image.shape == network.input_shape
        assert (image >= np.float32(network.box.lower)).all()
        assert (image <= np.float32(network.box.upper)).all()
        logits = network.logits(transform(image)[None])[0]
        assert logits[0] <= logits[target]
        assert found.predicted[norm] == (logits.argmax() == target)
        distance = np.linalg.norm(np.ravel(np.float64(image) - x_0), ORDERS[norm])
        assert found.distances[norm] == pytest.approx(distance, rel=1e-12)
    assert all(np.isfinite(found.distances[norm]) == (norm in found.images) for norm in NORMS)


@pytest.mark.parametrize("n", [6, 784])
@pytest.mark.parametrize("unit", [1e-3, 1, 255])
def test_of_a_linear_network_distances_are_margins_over_dual_norms(rng, n, unit):
    """In the middle of a box so wide that it does not matter, in any unit."""
    a = rng.normal(size=(3, n)) / unit
    network = Linear(a, [1, 0.3, 0], Box(-50 * unit, 50 * unit))
    x_0 = np.zeros(n, np.float32)
    for target, found in zip([1, 2], attack(network, x_0, [1, 2], steps=300), strict=True):
        slope, margin = a[0] - a[target], network.b[0] - network.b[target]
        exact = [margin / np.linalg.norm(slope, order) for order in (np.inf, 2, 1)]
        assert list(found.distances.values()) == pytest.approx(exact, rel=1e-3)
        check(network, x_0, target, found)


def nearest_in_box(slope, margin, x_0):
    """The least |d| in L1, L2, L-infinity with slope . d <= -margin and x_0 + d in [-0.5, 0.5]."""
    n = len(x_0)
    low, high = -0.5 - x_0.astype(float), 0.5 - x_0.astype(float)
    apart = [(0, end) for end in [*high, *-low]]  # d = p - q
    l1 = linprog(np.ones(2 * n), [[*slope, *-slope]], [-margin], bounds=apart).fun
    # the multiplier of the L2 problem
    beyond = brentq(lambda s: slope @ np.clip(-s * slope, low, high) + margin, 0, 1e4, xtol=1e-12)
    l2 = np.linalg.norm(np.clip(-beyond * slope, low, high))
    within = np.block([[np.eye(n), -np.ones((n, 1))], [-np.eye(n), -np.ones((n, 1))]])
    linf = linprog(
        [*np.zeros(n), 1],
        [*within, [*slope, 0]],
        [*np.zeros(2 * n), -margin],
        bounds=[*zip(low, high, strict=True), (0, None)],
    ).fun
    return [l1, l2, linf]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])  # of the largest change that the box allows
def test_where_the_box_binds_distances_are_those_of_solvers(rng, share):
    n = 40
    x_0 = np.float32(np.clip(rng.uniform(-1.5, 0.5, n), -0.5, 0.5))  # much of it is black
    a = np.float32(rng.normal(size=(3, n)))
    slopes = np.float64(a[0]) - a[1:]
    largest = np.abs(slopes * np.where(slopes > 0, x_0 + 0.5, 0.5 - x_0)).sum(axis=1)
    network = Linear(a, [0, *(slopes @ x_0 - share * largest)])
    for target, found in zip([1, 2], attack(network, x_0, [1, 2]), strict=True):
        logits = network.logits(x_0[None])[0].astype(float)
        exact = nearest_in_box(slopes[target - 1], logits[0] - logits[target], x_0)
        assert list(found.distances.values()) == pytest.approx(exact, rel=2e-3)
        check(network, x_0, target, found)


def test_an_end_of_the_box_for_each_value():
    lower, upper = np.linspace(-0.3, 0, 6), np.linspace(0.1, 0.4, 6)
    network = NumPyNetwork(b=np.float32([0.5, 0, 0]), box=Box(lower, upper))
    x_0 = np.zeros(6, np.float32)
    for target, found in zip([1, 2], attack(network, x_0, [1, 2]), strict=True):
        check(network, x_0, target, found)
        assert found.images


def test_of_a_curved_network_distances_are_those_of_a_solver(rng):
    """SLSQP from several points, in L2."""
    network, x_0 = NumPyNetwork(b=np.float32([1, 0, 0])), np.zeros(6, np.float32)
    for target, found in zip([1, 2], attack(network, x_0, [1, 2]), strict=True):
        slope = (network.a[target] - network.a[0]).astype(float)
        solved = [
            minimize(
                lambda x: x @ x,
                start,
                method="SLSQP",
                bounds=[(-0.5, 0.5)] * 6,
                constraints={"type": "ineq", "fun": lambda x, w=slope: w @ np.tanh(x) - 1},
            )
            for start in rng.uniform(-0.5, 0.5, (20, 6))
        ]
        exact = min(each.fun for each in solved if each.success) ** 0.5
        assert found.distances["2"] == pytest.approx(exact, rel=1e-3)
        check(network, x_0, target, found)


def test_a_resumed_search_gives_the_same_to_the_bit(tmp_path):
    network, x_0 = NumPyNetwork(b=np.float32([1, 0, 0])), np.zeros(6, np.float32)
    starts = [near(x_0, IMAGES, network.logits(IMAGES), 0, target, 2) for target in (1, 2)]
    arguments = network, x_0, 0, [1, 2], starts, Plan(30, 3)
    whole = list(search(*arguments))
    assert [state.step for state in whole] == list(range(31))
    np.savez(tmp_path / "state.npz", **whole[12]._asdict())
    with np.load(tmp_path / "state.npz") as arrays:
        state = State(**arrays)
    rest = list(search(*arguments, state=state))
    assert len(rest) == 18
    for resumed, unbroken in zip(rest, whole[13:], strict=True):
        for one, other in zip(resumed, unbroken, strict=True):
            np.testing.assert_array_equal(one, other)
    again = list(search(*arguments))[-1]
    np.testing.assert_array_equal(again.found, whole[-1].found)


def test_the_nearest_images_of_a_target_come_first():
    network, x_0 = NumPyNetwork(b=np.float32([0.5, 0, 0])), np.full(6, 0.1, np.float32)
    logits = network.logits(IMAGES)
    found = near(x_0, IMAGES, logits, 0, 1, 4)
    beyond = IMAGES[logits[:, 1] >= logits[:, 0]]
    distances = np.linalg.norm(beyond - x_0, axis=1)
    np.testing.assert_array_equal(found, beyond[np.argsort(distances)[:4]])
    assert len(near(x_0, IMAGES, logits, 0, 1, 1000)) == len(beyond)
    logits[:, 0] = 1e3
    assert near(x_0, IMAGES, logits, 0, 1, 4).shape == (0, 6)
    assert near(x_0, IMAGES, np.full_like(logits, np.nan), 0, 1, 4).shape == (0, 6)


def test_more_starts_find_a_nearer_boundary():
    """Class 1 is near on the right, but the gradient at the image points to the left."""

    class TwoValleys(Linear):
        def logits(self, x):
            right, left = 50 * (x[:, 0] - 0.2), 4 * (-x[:, 0] - 0.4)
            return np.stack([np.zeros(len(x)), np.maximum(right, left), left * 0 - 9], axis=1)

        def gradients(self, x, weights):
            on_the_right = 50 * (x[:, 0] - 0.2) > 4 * (-x[:, 0] - 0.4)
            slope = np.stack([np.where(on_the_right, 50, -4), np.zeros(len(x))], axis=1)
            return Gradients(self.logits(x), np.float32(slope * weights[:, 1:2]))

    network, x_0 = TwoValleys(np.zeros((3, 2)), np.zeros(3)), np.float32([0, 0])
    (alone,) = attack(network, x_0, [1], [()])
    (found,) = attack(network, x_0, [1], [np.float32([[0.4, 0.3]])])
    assert alone.distances["2"] == pytest.approx(0.4, rel=1e-3)
    assert found.distances["2"] == pytest.approx(0.2, rel=1e-3)


def test_through_a_transformation_what_the_network_sees_counts(rng):
    shape = (4, 4, 1)
    network = Linear(rng.normal(size=(3, 16)), [1, 0, 0.2], input_shape=shape)

    def seen(image):
        return np.clip(defend_reduce(image + np.float32(0.5)) - np.float32(0.5), -0.5, 0.5)

    x_0 = np.float32(rng.integers(2, 6, shape) / 8 - 0.5)
    network.b[0] += np.ptp(network.logits(seen(x_0)[None]))
    plain = attack(network, x_0, [1, 2])
    found = attack(network, x_0, [1, 2], transform=defend_reduce)
    for target, through, without in zip([1, 2], found, plain, strict=True):
        assert through.images.keys() == NORMS.keys()
        check(network, x_0, target, through, seen)
        assert through.distances != without.distances


def test_an_image_whose_transformed_self_is_beyond_has_the_distance_0():
    network = Linear(np.ones((3, 4)) * [[1], [-1], [-1]], [1e-3, 0, 0], input_shape=(2, 2, 1))
    x_0 = np.zeros((2, 2, 1), np.float32)
    (found,) = attack(network, x_0, [1], [()], transform=lambda image: image * 0)
    assert found.distances == {"1": 0, "2": 0, "i": 0}


@pytest.mark.filterwarnings("error")
def test_without_a_gradient_nothing_is_found_but_what_starting_images_lead_to():
    class Step(Linear):
        def logits(self, x):
            return np.stack([np.zeros(len(x)), np.where(x[:, 0] > 0.2, 1, -1), x[:, 0] * 0], axis=1)

        def gradients(self, x, weights):
            return Gradients(self.logits(x), np.zeros_like(x))

    network, x_0 = Step(np.zeros((3, 2)), np.zeros(3)), np.float32([0, 0])
    first, second = attack(network, x_0, [1, 2], [np.float32([[0.4, 0]]), ()], steps=20)
    assert first.distances == pytest.approx({"1": 0.2, "2": 0.2, "i": 0.2}, rel=1e-2)
    assert second.distances == {"1": 0, "2": 0, "i": 0}  # a margin of 0 is not above 0
    (found,) = attack(network, x_0, [1], [()], steps=20)
    assert found.distances == {"1": np.inf, "2": np.inf, "i": np.inf}
    assert not found.images
    assert not any(found.predicted.values())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("what", ["logits", "gradients"])
def test_rows_that_are_not_finite_do_no_harm(rng, what, value):
    """Where values sum to more than 0.2, the network overflows; the boundary is at 0.5 and -0.5."""

    class Overflowing(NumPyNetwork):
        def gradients(self, x, weights):
            logits, slopes = super().gradients(x, weights)
            beyond = np.float32(x.sum(axis=1) > 0.2)
            if what == "logits":
                logits[:, 2] = np.where(beyond, value, logits[:, 2])
            else:
                slopes[:, 1] = np.where(beyond, value, slopes[:, 1])
            return Gradients(logits, slopes)

    a = np.zeros((3, 6), np.float32)
    a[1] = rng.uniform(1, 2, 6)
    network, x_0 = Overflowing(a, np.float32([0.5, 0, 0])), np.zeros(6, np.float32)
    (found,) = attack(network, x_0, [1], [IMAGES[:2]], steps=100)
    check(network, x_0, 1, found)
    if what == "gradients":
        exact = 0.5 / np.linalg.norm(a[1])
        assert exact * 0.99 < found.distances["2"] < exact * 1.3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
def test_gradients_of_any_size_lead_to_the_boundary(rng, scale):
    """Without overflow in their squares, or loss of the small ones."""
    a = rng.normal(size=(3, 8))
    network = Linear(a * scale, np.array([0.4, 0, 0]) * scale)
    x_0 = np.zeros(8, np.float32)
    (found,) = attack(network, x_0, [1], [()])
    exact = 0.4 / np.linalg.norm(a[0] - a[1])
    assert found.distances["2"] == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize(("offset", "is_found"), [(1e-4, True), (5, False)])
def test_a_point_counts_if_it_passes_alone(rng, offset, is_found):
    """The logits of an image differ with the batch that it comes in."""

    class Batched(Linear):
        def logits(self, x):
            found = super().logits(x)
            found[:, 0] += offset * (len(x) == 1)
            return found

        def gradients(self, x, weights):
            return Gradients(super().logits(x), (weights @ self.a).reshape(x.shape))

    network, x_0 = Batched(rng.normal(size=(3, 6)), [0.4, 0, 0]), np.zeros(6, np.float32)
    (found,) = attack(network, x_0, [1], [()])
    check(network, x_0, 1, found)
    assert (found.images.keys() == NORMS.keys()) == is_found


def test_a_point_of_one_norm_or_target_counts_for_all(rng):
    network = Linear(rng.normal(size=(3, 6)), [0.4, 0, 0])
    x_0, point = np.zeros(6, np.float32), np.float32(rng.uniform(-0.5, 0.5, 6))
    network.b = np.float32([0, *(np.float32(0.1) - (network.a[1:] - network.a[0]) @ point)])
    empty = np.zeros((3, 2, 1, 6), np.float32)
    distances = np.full((3, 2, 1), np.inf)
    empty[1, 0], distances[1, 0] = point, 0.5
    state = State(1, empty, distances, distances, empty)
    for target, found in zip([1, 2], nearest(network, x_0, 0, [1, 2], state), strict=True):
        assert found.images.keys() == NORMS.keys()
        check(network, x_0, target, found)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("width", [0.1, 0.5, 10])
def test_projections_are_the_nearest_points_of_ball_and_box(rng, norm, width):
    """SLSQP finds them too; sums of |x| are those of x = p - q with p, q >= 0."""
    n = 5
    d = np.float32(rng.normal(size=(12, n)))
    low, high = np.float32(-width * rng.uniform(size=n)), np.float32(width * rng.uniform(size=n))
    low[0] = 0
    radii = rng.uniform(0.02, 2, (12, 1))
    project = {"1": onto_l1, "2": onto_l2, "i": onto_linf}[norm]
    for row, radius, found in zip(d, radii[:, 0], project(d, low, high, radii), strict=True):
        assert (found >= low).all()
        assert (found <= high).all()
        assert np.linalg.norm(found, ORDERS[norm]) <= radius * (1 + 1e-5)
        inside = {
            "1": lambda z, r=radius: r - z.sum(),
            "2": lambda z, r=radius: r**2 - ((z[:n] - z[n:]) ** 2).sum(),
            "i": lambda z, r=radius: np.minimum(r - z, 1),
        }[norm]
        solved = minimize(
            lambda z, row=row: ((z[:n] - z[n:] - row) ** 2).sum(),
            np.zeros(2 * n),
            method="SLSQP",
            bounds=[(0, end) for end in [*high, *-low]],
            constraints={"type": "ineq", "fun": inside},
            options={"maxiter": 500, "ftol": 1e-12},
        )
        np.testing.assert_allclose(found, solved.x[:n] - solved.x[n:], atol=2e-4)


def test_large_rows_are_projected_onto_the_l1_ball_exactly(rng):
    """The sum is the radius, and all values that are left fell by one threshold."""
    d = np.float32(rng.normal(size=(3, 3000)))
    radii = np.array([[0.01], [40], [1e5]])
    wide = np.full(3000, 50, np.float32)
    found = onto_l1(d, -wide, wide, radii)
    assert np.abs(found[:2]).sum(axis=1) == pytest.approx(radii[:2, 0], rel=1e-4)
    np.testing.assert_array_equal(found[2], d[2])
    for row, projected in zip(d[:2], found[:2], strict=True):
        fell = np.abs(row) - np.abs(projected)
        left = projected != 0
        assert np.ptp(fell[left]) < 1e-6
        assert (np.abs(row)[~left] <= fell[left].max() + 1e-6).all()


def test_a_plan_takes_no_more_than_it_may():
    for gradients in [*range(1, 2000, 7), 5120, 20_000, 10**6]:
        found = plan(gradients)
        assert 1 <= found.steps <= MOST_STEPS
        assert 1 <= found.starts <= MOST_STARTS
        assert work(found) <= gradients or found == Plan(1, 1)
    works = [work(plan(gradients)) for gradients in (100, 400, 1600, 6400, 25_600)]
    for small, large in itertools.pairwise(works):
        assert large > 2 * small
    assert plan(10**6) == Plan(MOST_STEPS, MOST_STARTS)


def test_the_work_of_a_plan_is_what_the_network_computes():
    class Counting(NumPyNetwork):
        computed = 0

        def logits(self, x):
            self.computed += len(x) / 3
            return super().logits(x)

        def gradients(self, x, weights):
            self.computed += len(x) * 2 / 3  # and a third for the logits
            return super().gradients(x, weights)

    network, x_0 = Counting(b=np.float32([0.5, 0, 0])), np.zeros(6, np.float32)
    starts = [near(x_0, IMAGES, network.logits(IMAGES), 0, target, 2) for target in (1, 2)]
    network.computed = 0
    attack(network, x_0, [1, 2], starts, steps=40)
    assert network.computed == pytest.approx(2 * work(Plan(40, 3)), rel=1e-6)

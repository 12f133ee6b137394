"""An attack on margins: the nearest inputs found where a target's logit reaches the true class's.

It tests CLEVER scores from the other side: such an input refutes a score above its distance. The
method is FMN (Pintor, Roli, Brendel and Biggio, "Fast minimum-norm adversarial attacks through
adaptive norm constraints", NeurIPS 2021): steps down the margin's gradient, each projected onto a
ball around the image, which shrinks while the margin is at most 0 and grows while it is not.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from lipschitz.maths.projection import l1_norm, l2_norm, linf_norm, onto_l1, onto_l2, onto_linf
from lipschitz.network import Network, margin_weights
from lipschitz.results.attacked import Attacked
from lipschitz.sampling.transformation import Transformation, transform_all

MOST_STEPS, MOST_STARTS = 1000, 10
STEPS_OF_START = 15  # the best number of steps is about this, times the starts

# What the paper leaves open. The first length or rate falls to the last along a half cosine.
LAST_LENGTH = 0.01  # of a step, as a share of the first
FIRST_RATE, LAST_RATE = 0.1, 1e-3  # by which a ball grows or shrinks
LENGTHS = (1.0, 0.5, 2.0)  # factors of the starts: one image is attacked in several ways

PARTS = 4  # of a segment in each round of a search for the boundary
ROUNDS_OF_START, ROUNDS = 3, 5
FARTHER = np.array([0, *(1e-6 * 4.0 ** np.arange(10))])  # where a point is tried that fails alone
STEEPEST = 10.0  # of values at an edge of the box, where the steepest others have 1
BLOCK = 2**17  # values that one core works on at a time, in its cache


class Plan(NamedTuple):
    """How long a search takes."""

    steps: int
    starts: int  # points from which each target is attacked in each norm; the first is the image


class State(NamedTuple):
    """What a search has found after some steps; its rows are (norm, target, start)."""

    step: int
    x: np.ndarray  # (3, T, S, n) float32: where the next gradients are taken
    radii: np.ndarray  # (3, T, S): of the balls
    distances: np.ndarray  # (3, T, S): of the nearest inputs found; inf: none
    found: np.ndarray  # (3, T, S, n) float32: these inputs


class Rows(NamedTuple):
    """Some rows of a state, all of one norm, and what the network tells of them."""

    x: np.ndarray  # (B, n)
    radii: np.ndarray  # (B, 1)
    distances: np.ndarray  # (B, 1)
    found: np.ndarray  # (B, n)
    margins: np.ndarray  # (B, 1), nan where a logit is not finite
    gradients: np.ndarray  # (B, n), finite


class Norm(NamedTuple):
    """What the search takes from a norm; rows are (B, n) float32, a number for each is (B,)."""

    size: Callable[[np.ndarray], np.ndarray]
    dual: Callable[[np.ndarray], np.ndarray]
    project: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    steepest: Callable[[np.ndarray], np.ndarray]  # the direction of a step up a gradient
    length: float  # of the first step, as a share of |x - x_0|_2
    least: Callable[[int], float]  # |x|_2 of a point x of the unit sphere in n dimensions


class Problem(NamedTuple):
    """An image, the margins that are attacked, and who computes them."""

    network: Network
    x_0: np.ndarray  # (n,) float32
    true_label: int
    targets: np.ndarray  # (T,)
    lower: np.ndarray  # (n,) float32: the box
    upper: np.ndarray
    transform: Transformation | None


def plan(gradients: int) -> Plan:
    """The best use of at most so many gradients for a target, in all norms and from all starts.

    A forward pass counts a third of a gradient. The least is one step from the image.
    """
    starts = round(math.sqrt(gradients / len(NORMS) / STEPS_OF_START))
    starts = min(max(starts, 1), MOST_STARTS)
    steps = int((gradients - work(Plan(0, starts))) / (len(NORMS) * starts))
    return Plan(min(max(steps, 1), MOST_STEPS), starts)


def work(plan: Plan) -> float:
    """The gradients for a target that `search` and `nearest` take, forward passes included."""
    at_start = ROUNDS_OF_START * (PARTS - 1) * (plan.starts - 1)
    at_end = len(NORMS) * (plan.starts + ROUNDS * (PARTS - 1) + 1) + 1
    return len(NORMS) * plan.starts * plan.steps + (at_start + at_end) / 3


def near(
    x_0: np.ndarray,
    images: np.ndarray,
    logits: np.ndarray,
    true_label: int,
    target: int,
    count: int,
) -> np.ndarray:
    """The images nearest to x_0 (L2) where the margin is at most 0, `count` of them or fewer.

    They are among images (N, *shape) with logits (N, K).
    """
    margins = _margins(logits, true_label, np.full(len(logits), target))
    reached = np.flatnonzero(margins <= 0)
    differences = (np.ravel(images[place] - x_0) for place in reached)
    distances = [float(np.vdot(each, each)) for each in differences]
    return images[reached[np.argsort(distances, kind="stable")[:count]]]


def search(
    network: Network,
    x_0: np.ndarray,
    true_label: int,
    targets: Sequence[int],
    starting_images: Sequence[np.ndarray],
    plan: Plan,
    transform: Transformation | None = None,
    state: State | None = None,
) -> Iterator[State]:
    """Attack the margins of an image to all targets; yield the state at the start and each step.

    `starting_images` are those of each target (S, *shape), such as `near` gives; where there are
    too few, the search starts from x_0 again, with steps of another length. From a given `state` it
    goes on, to the same results to the bit. The network sees the transformed points; the gradients
    there count as if the transformation's derivative were the identity (BPDA).
    """
    problem = _problem(network, x_0, true_label, targets, transform)
    if state is None:
        state = _start(problem, starting_images, plan)
        yield state
    while state.step < plan.steps:
        state = _step(problem, state, plan)
        yield state


def nearest(
    network: Network,
    x_0: np.ndarray,
    true_label: int,
    targets: Sequence[int],
    state: State,
    starting_images: Sequence[np.ndarray] = (),
    transform: Transformation | None = None,
) -> list[Attacked]:
    """What a search has found, for each target.

    A point that was found in one norm, or for one target, counts for all; so do the newest points
    and the starting images. The nearest are moved to the boundary, and those that count lie in the
    box and pass when the network sees them alone.
    """
    problem = _problem(network, x_0, true_label, targets, transform)
    n = problem.x_0.size
    known = np.isfinite(state.distances)
    others = [np.reshape(each[:1], (-1, n)) for each in starting_images]
    points = np.concatenate([state.found[known], state.x[~known], *others]).astype(np.float32)
    sizes = _distances(points, problem.x_0)
    logits = _logits(problem, points)
    best = []
    for each in targets:
        reached = _margins(logits, true_label, np.full(len(logits), each)) <= 0
        own = np.flatnonzero(reached)
        best.append(points[own[sizes[:, own].argmin(axis=1)]] if len(own) else points[:0])
    of_best = np.repeat(targets, [len(each) for each in best])
    moved = _to_boundary(problem, np.concatenate(best), of_best, ROUNDS)
    return [_checked(problem, each, moved[of_best == each]) for each in targets]


def _problem(
    network: Network,
    x_0: np.ndarray,
    true_label: int,
    targets: Sequence[int],
    transform: Transformation | None,
) -> Problem:
    lower, upper = (
        np.broadcast_to(np.float32(end), network.input_shape).ravel()
        for end in (network.box.lower, network.box.upper)
    )
    x_0 = np.asarray(x_0, np.float32).ravel()
    return Problem(network, x_0, true_label, np.array(targets, int), lower, upper, transform)


def _start(problem: Problem, starting_images: Sequence[np.ndarray], plan: Plan) -> State:
    """The first points: the image, then points of the boundary on the way to starting images."""
    targets, n = problem.targets, problem.x_0.size
    x = np.empty((len(targets), plan.starts, n), np.float32)
    x[:] = np.clip(problem.x_0, problem.lower, problem.upper)
    images = [each[: plan.starts - 1] for each in starting_images]
    place = np.repeat(np.arange(len(targets)), [len(each) for each in images])
    start = np.concatenate([np.arange(len(each)) for each in images]) + 1
    if len(place):
        ends = np.concatenate([np.reshape(each, (-1, n)) for each in images]).astype(np.float32)
        x[place, start.astype(int)] = _to_boundary(problem, ends, targets[place], ROUNDS_OF_START)
    x = np.stack([x] * len(NORMS))
    nothing = np.full(x.shape[:-1], np.inf)
    return State(0, x, nothing, nothing, np.zeros_like(x))


def _step(problem: Problem, state: State, plan: Plan) -> State:
    """All rows a step on, in blocks that fit a cache."""
    share = (1 + math.cos(math.pi * state.step / plan.steps)) / 2
    length = LAST_LENGTH + (1 - LAST_LENGTH) * share
    rate = LAST_RATE + (FIRST_RATE - LAST_RATE) * share
    margins, gradients = _margins_and_gradients(problem, state.x)
    after = State(state.step + 1, *map(np.copy, state[1:]))
    factors = length * np.resize(LENGTHS, plan.starts)
    size = max(1, BLOCK // problem.x_0.size)
    for place, norm in enumerate(NORMS.values()):
        lengths = np.broadcast_to(norm.length * factors, margins.shape[1:]).reshape(-1, 1)
        rows = [each[place].reshape(len(lengths), -1) for each in (*after[1:], margins, gradients)]
        for first in range(0, len(lengths), size):
            block = slice(first, first + size)
            _move(problem, norm, rate, lengths[block], Rows(*(each[block] for each in rows)))
    return after


def _move(problem: Problem, norm: Norm, rate: float, lengths: np.ndarray, rows: Rows) -> None:
    """A step of FMN (Algorithm 1), in place; its length is a share (B, 1) of |x - x_0|_2."""
    x_0, lower, upper = problem.x_0, problem.lower, problem.upper
    x, radii, distances, found, margins, gradients = rows
    delta = x - x_0
    sizes = norm.size(delta)[:, None]
    known = np.isfinite(distances)
    reached = margins <= 0  # no, where a logit is not finite
    nearer = (reached & (sizes < distances))[:, 0]
    found[nearer], distances[nearer] = x[nearer], sizes[nearer]

    # values at an edge of the box, which the step would move out of it, give no slope
    inwards = (gradients > 0) & (x > lower) | (gradients < 0) & (x < upper)
    free = gradients * inwards
    largest = linf_norm(free)[:, None]
    usable = np.isfinite(margins) & (largest > 0)
    scale = np.where(usable, largest, np.inf).astype(np.float32)
    free /= scale  # its squares do not overflow
    slope = np.where(usable, largest * norm.dual(free)[:, None], 1)

    linear = (sizes + margins / slope) * (1 + LAST_RATE)
    grown = np.where(known, radii * (1 + rate), linear)
    shrunk = np.minimum(radii * (1 - rate), distances)
    # without a slope there is nothing to do but to go back towards the image
    radii[:] = np.where(reached, shrunk, np.where(usable, grown, sizes / 2))
    low, high = np.minimum(lower - x_0, 0), np.maximum(upper - x_0, 0)
    np.minimum(radii, norm.size(np.maximum(high, -low)[None]), out=radii)

    # the step holds values at an edge, however steep they are
    sphere = np.maximum(l2_norm(delta)[:, None], norm.least(x_0.size) * radii)
    length = lengths * sphere / np.maximum(l2_norm(norm.steepest(free))[:, None], 1)
    up = gradients / scale
    up = norm.steepest(np.clip(up, -STEEPEST, STEEPEST, out=up))
    up *= length.astype(np.float32)
    delta -= up
    np.add(norm.project(delta, low, high, radii), x_0, out=x)
    np.clip(x, lower, upper, out=x)


# Directions are the steepest in the norms L1.5, L2 and L3: in L1 itself one value alone would move,
# in L-infinity all alike.
NORMS = {
    "1": Norm(
        l1_norm, linf_norm, onto_l1, lambda g: g * np.abs(g), 2.0, lambda n: 1 / math.sqrt(n)
    ),
    "2": Norm(l2_norm, l2_norm, onto_l2, lambda g: g, 1.0, lambda n: 1.0),
    "i": Norm(
        linf_norm,
        l1_norm,
        onto_linf,
        lambda g: np.copysign(np.sqrt(np.abs(g)), g),
        1.0,
        lambda n: 1.0,
    ),
}


def _to_boundary(
    problem: Problem, ends: np.ndarray, targets: np.ndarray, rounds: int
) -> np.ndarray:
    """Points (B, n) nearer to the image than ends (B, n), with the margins (B,) still at most 0.

    The segments are searched in parts, each round a part of the one before.
    """
    rows = np.arange(len(ends))
    low, high = np.zeros(len(ends)), np.ones(len(ends))
    for _ in range(rounds if len(ends) else 0):
        shares = low[:, None] + (high - low)[:, None] * np.arange(PARTS + 1) / PARTS
        inner = shares[:, 1:-1]
        points = _between(problem, ends[:, None], inner[..., None])
        margins = _margins(
            _logits(problem, points), problem.true_label, np.repeat(targets, PARTS - 1)
        )
        reached = np.column_stack([margins.reshape(inner.shape) <= 0, np.full(len(ends), True)])
        first = reached.argmax(axis=1)
        low, high = shares[rows, first], shares[rows, first + 1]
    return _between(problem, ends, high[:, None])


def _between(problem: Problem, ends: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Points of the box, at shares of the way from the image to `ends`; those at 1 are the ends."""
    points = problem.x_0 + (ends - problem.x_0) * shares.astype(np.float32)
    return np.clip(np.where(shares == 1, ends, points), problem.lower, problem.upper)


def _checked(problem: Problem, target: int, points: np.ndarray) -> Attacked:
    """The nearest in each norm of the points that pass."""
    distances = dict.fromkeys(NORMS, math.inf)
    predicted, images = dict.fromkeys(NORMS, False), {}
    for x in points:
        point, label = _passing(problem, target, x)
        if point is None:
            continue
        for norm, distance in zip(NORMS, _distances(point, problem.x_0)[:, 0], strict=True):
            if distance < distances[norm]:
                distances[norm], predicted[norm] = float(distance), label == target
                images[norm] = point.reshape(problem.network.input_shape)
    return Attacked(distances, predicted, images)


def _passing(problem: Problem, target: int, x: np.ndarray) -> tuple[np.ndarray | None, int]:
    """x, or a point a little farther out, that passes alone, and its class; None if none does.

    The logits of a batch differ in the last bits from those of an image alone.
    """
    for farther in FARTHER:
        point = _between(problem, x[None], np.array([[1 + farther]]))
        logits = _logits(problem, point)
        if _margins(logits, problem.true_label, np.array([target]))[0] <= 0:
            return point, int(logits.argmax())
    return None, -1


def _distances(points: np.ndarray, x_0: np.ndarray) -> np.ndarray:
    """The distances (3, B) of points (B, n) from x_0 (n,) in all norms, in double precision."""
    found = [[np.linalg.norm(x.astype(float) - x_0, p) for p in (1, 2, np.inf)] for x in points]
    return np.reshape(found, (len(points), len(NORMS))).T


def _margins_and_gradients(problem: Problem, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The margins (3, T, S) and their gradients (3, T, S, n) at x (3, T, S, n).

    A gradient that is not finite counts as 0.
    """
    network, rows = problem.network, x.shape[:-1]
    targets = np.broadcast_to(problem.targets[:, None], rows).ravel()
    weights = margin_weights(network.num_labels, problem.true_label, targets)
    logits, gradients = network.gradients(_seen(problem, x), weights)
    gradients = gradients.reshape(-1, x.shape[-1])
    finite = np.isfinite(linf_norm(gradients))
    if not finite.all():
        gradients = np.where(finite[:, None], gradients, np.float32(0))
    margins = _margins(logits, problem.true_label, targets)
    return margins.reshape(rows), gradients.reshape(x.shape)


def _margins(logits: np.ndarray, true_label: int, targets: np.ndarray) -> np.ndarray:
    """f_true - f_target (B,) of logits (B, K) and targets (B,); nan if a logit is not finite."""
    rows = np.arange(len(logits))
    finite = np.isfinite(logits).all(axis=1)
    margins = logits[:, true_label].astype(float) - logits[rows, targets]
    return np.where(finite, margins, np.nan)


def _logits(problem: Problem, x: np.ndarray) -> np.ndarray:
    return problem.network.logits(_seen(problem, x))


def _seen(problem: Problem, x: np.ndarray) -> np.ndarray:
    """What the network sees (B, *input_shape) of points (..., n)."""
    images = x.reshape(-1, *problem.network.input_shape)
    if problem.transform is not None:
        images = images.copy()
        transform_all(images, problem.transform, problem.network.box)
    return images

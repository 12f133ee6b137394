"""The attack on the margins of an image: its budget, the images it starts from, its results."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np

from lipschitz.network import Network
from lipschitz.results.attacked import Attacked
from lipschitz.sampling import attack
from lipschitz.sampling.attack import MOST_STARTS, NORMS, Plan, State
from lipschitz.sampling.transformation import Transformation
from lipschitz.settings import Settings

SHARE = 0.004  # of the gradients that sampling takes: a few percent of its time
GRADIENTS_OF_A_SAMPLE = {1: 1, 2: 10}  # by order; of second order at least, in its products
USEFUL, LARGEST_SHARE = 300, 0.05  # gradients: fewer find little; short runs give up to so many
LARGEST_GROUP = 2**24  # values of the points that are attacked together

Target = TypeVar("Target")


class Seen(NamedTuple):
    """Images (N, *shape) that the network has seen, and its logits (N, K): attacks start there."""

    images: np.ndarray
    logits: np.ndarray


class Margins(NamedTuple):
    """What is attacked: the margins f_true - f_target of an image."""

    network: Network
    x_0: np.ndarray
    true_label: int
    targets: list[int]


def plan_of(settings: Settings, steps: int | None = None) -> Plan | None:
    """The attack of so many steps; by default that which takes `SHARE` of the gradients.

    Short runs give more, up to `LARGEST_SHARE`. None for 0 steps. Raises ValueError for fewer.
    """
    if steps is not None:
        if steps < 0 or steps != int(steps):
            raise ValueError(f"{steps} steps: give a whole number, 0 or more")
        return Plan(int(steps), MOST_STARTS) if steps else None
    gradients = settings.drawn * settings.Niters * GRADIENTS_OF_A_SAMPLE[settings.order]
    return attack.plan(int(max(SHARE * gradients, min(USEFUL, LARGEST_SHARE * gradients))))


def groups(targets: Sequence[Target], plan: Plan, size: int) -> list[Sequence[Target]]:
    """Targets that are attacked together: points of `size` values fit into memory."""
    count = max(LARGEST_GROUP // (len(NORMS) * plan.starts * size), 1)
    return [targets[first : first + count] for first in range(0, len(targets), count)]


def starting_images(margins: Margins, seen: Seen | None, plan: Plan) -> list[np.ndarray]:
    """For each target the images, of those that were seen, that an attack starts from.

    They are one or more if there are any, and have a margin of 0 or less themselves.
    """
    _, x_0, true_label, targets = margins
    if seen is None:
        return [x_0[None][:0]] * len(targets)
    count = max(plan.starts - 1, 1)
    return [attack.near(x_0, *seen, true_label, target, count) for target in targets]


def restored(arrays: Mapping[str, np.ndarray] | None, margins: Margins, plan: Plan) -> State | None:
    """The state that a checkpoint holds, if it has the form of one of this attack."""
    if arrays is None or arrays.keys() != set(State._fields):
        return None
    state = State(**arrays)
    rows = len(NORMS), len(margins.targets), plan.starts
    points = *rows, margins.x_0.size
    shapes = State((), points, rows, rows, points)
    types = State("i", "f", "f", "f", "f")
    fits = all(
        each.shape == shape and each.dtype.kind == kind
        for each, shape, kind in zip(state, shapes, types, strict=True)
    )
    return state._replace(step=int(state.step)) if fits else None


def results(
    margins: Margins,
    state: State,
    starts: list[np.ndarray],
    plan: Plan,
    transform: Transformation | None,
) -> list[Attacked]:
    """What an attack found for each target, once it is done."""
    settings = {"method": "FMN", **plan._asdict(), "gradients": attack.work(plan)}
    found = attack.nearest(*margins, state, starts, transform)
    return [replace(each, settings=settings) for each in found]


def attack_image(
    margins: Margins, seen: Seen | None, plan: Plan, transform: Transformation | None = None
) -> list[Attacked]:
    """Attack an image, without files; the inputs that are found are not kept."""
    found = []
    for group in groups(margins.targets, plan, margins.x_0.size):
        of_group = attack_group(margins._replace(targets=group), seen, plan, transform)
        found += [replace(each, images={}) for each in of_group]
    return found


def attack_group(
    margins: Margins, seen: Seen | None, plan: Plan, transform: Transformation | None = None
) -> list[Attacked]:
    """Attack margins of an image together."""
    starts = starting_images(margins, seen, plan)
    for state in attack.search(*margins, starts, plan, transform):
        newest = state
    return results(margins, newest, starts, plan, transform)

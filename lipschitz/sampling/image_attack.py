"""The attack on the margins of an image: its budget, the images it starts from, its results."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from lipschitz.network import Network
from lipschitz.results.attacked import Attacked
from lipschitz.sampling import attack
from lipschitz.sampling.attack import MOST_STARTS, NORMS, Plan, State
from lipschitz.sampling.transformation import Transformation
from lipschitz.settings import Settings

SHARE = 0.005  # of the gradients that sampling takes: a few percent of its time
GRADIENTS_OF_A_SAMPLE = {1: 1, 2: 10}  # by order; of second order at least, in its products
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

    None for 0 steps.
    """
    if steps is None:
        samples = settings.drawn * settings.Niters
        return attack.plan(int(SHARE * samples * GRADIENTS_OF_A_SAMPLE[settings.order]))
    return Plan(steps, MOST_STARTS) if steps else None


def groups(targets: Sequence[Target], plan: Plan, size: int) -> list[Sequence[Target]]:
    """Targets that are attacked together: points of `size` values fit into memory."""
    count = max(LARGEST_GROUP // (len(NORMS) * plan.starts * size), 1)
    return [targets[first : first + count] for first in range(0, len(targets), count)]


def starting_images(margins: Margins, seen: Seen, plan: Plan) -> list[np.ndarray]:
    """For each target the images, of those that were seen, that an attack starts from."""
    _, x_0, true_label, targets = margins
    return [attack.near(x_0, *seen, true_label, target, plan.starts - 1) for target in targets]


def results(
    margins: Margins, state: State, plan: Plan, transform: Transformation | None
) -> list[Attacked]:
    """What an attack found for each target, once it is done."""
    settings = {"method": "FMN", **plan._asdict()}
    found = attack.nearest(*margins, state, transform)
    return [
        Attacked(
            each.distances,
            each.predicted,
            {norm: image for norm, image in each.images.items() if image is not None},
            settings,
        )
        for each in found
    ]


def attack_image(
    margins: Margins, seen: Seen, plan: Plan, transform: Transformation | None = None
) -> list[Attacked]:
    """Attack an image, without files."""
    found = []
    for group in groups(margins.targets, plan, margins.x_0.size):
        part = margins._replace(targets=group)
        starts = starting_images(part, seen, plan)
        for state in attack.search(*part, starts, plan, transform):
            newest = state
        found += results(part, newest, plan, transform)
    return found

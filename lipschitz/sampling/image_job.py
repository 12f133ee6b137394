"""What is left to be computed for an image, and what comes back of it in parts.

An image is sampled and attacked wherever there is the network; its files stay where the run is.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lipschitz.results.attacked import Attacked
from lipschitz.results.checkpoint import INTERVAL
from lipschitz.results.estimate import Iteration
from lipschitz.sampling.attack import Plan
from lipschitz.sampling.image_attack import Margins, Seen, attack_group, groups
from lipschitz.sampling.sampler import AtImage, Sampler, estimates
from lipschitz.sampling.transformation import Transformation
from lipschitz.settings import Settings
from lipschitz.support.errors import ImageError, InputError


class Attack(NamedTuple):
    """How images are attacked: for how long, and from which images beside themselves."""

    plan: Plan
    seen: Seen | None


@dataclass(frozen=True)
class Job:
    """An image with what is left to do: targets to sample, and others to attack.

    Iterations that are `done` are not sampled again. Targets that are sampled now are attacked
    once they are. The inputs that attacks find, which are large, come back only `with_inputs`.
    """

    image_id: int
    x_0: np.ndarray
    true_label: int
    targets: Sequence[int] = ()
    done: tuple[Iteration, ...] = ()
    to_attack: Sequence[int] = ()
    with_inputs: bool = False


class Begun(NamedTuple):
    """Sampling begins: what the network makes of the image."""

    image: AtImage  # without the values of the image, which the run has
    doubts: list[str]  # what is suspicious in the network's outputs


class Sampled(NamedTuple):
    """The iterations since the last part."""

    iterations: list[Iteration]


class GroupAttacked(NamedTuple):
    """The results of the attack on the next targets, in the order of the job."""

    results: list[Attacked]


class Failed(NamedTuple):
    """The image cannot be scored, or the network cannot be used."""

    error: ImageError | InputError


class Ended(NamedTuple):
    """Nothing is left to do."""


class Lost(NamedTuple):
    """Who worked on the job is gone, or failed, for this reason."""

    reason: str


Part = Begun | Sampled | GroupAttacked | Failed
Event = Part | Ended | Lost


def parts(
    job: Job,
    sampler: Sampler,
    settings: Settings,
    transform: Transformation | None = None,
    attack: Attack | None = None,
    interval: float = INTERVAL,
) -> Iterator[Part]:
    """Sample around an image and attack it; the iterations come every `interval` seconds.

    Raises RunError if sampling workers are killed again and again.
    """

    def attacked(targets: Sequence[int]) -> Iterator[GroupAttacked]:
        for group in groups(targets, attack.plan, job.x_0.size):
            margins = Margins(sampler.network, job.x_0, job.true_label, list(group))
            found = attack_group(margins, attack.seen, attack.plan, transform)
            if not job.with_inputs:
                found = [replace(each, images={}) for each in found]
            yield GroupAttacked(found)

    try:
        if job.to_attack:
            yield from attacked(job.to_attack)
        if not job.targets:
            return
        image = sampler.at_image(settings, job.x_0, job.true_label, job.targets, job.image_id)
        yield Begun(replace(image, x_0=image.x_0[:0]), sampler.doubts)
        iterations, new, sent = list(job.done), [], time.monotonic()
        for iteration in sampler.iterations(image, transform, job.done):
            new.append(iteration)
            is_last = len(iterations) + len(new) == settings.Niters  # it comes below
            if not is_last and time.monotonic() - sent >= interval:
                yield Sampled(new)
                iterations, new, sent = iterations + new, [], time.monotonic()
        yield Sampled(new)
        if attack is not None:
            results = estimates(image, iterations + new)
            yield from attacked([each.target_label for each in results if each.is_complete()])
    except (ImageError, InputError) as error:
        yield Failed(error)

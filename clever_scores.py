"""CLEVER scores in a notebook: a network and images in, a data frame of scores out."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

import catalogue
import places
from defense import TRANSFORMATIONS
from estimate_gradient_norm import Numbers, convention_of, network_of
from lipschitz.data import own_images
from lipschitz.data.targets import LEAST, RANDOM, TOP2, SelectedImage, choose
from lipschitz.maths.ball import DEFAULT_NORM
from lipschitz.maths.interval import LEVEL, check_level
from lipschitz.network import LOGITS, Network
from lipschitz.results import scoring, tables
from lipschitz.results.matfile import Record
from lipschitz.results.scored import Scoring, scored
from lipschitz.sampling import accuracy
from lipschitz.sampling.attack import Plan
from lipschitz.sampling.experiment import sample_image
from lipschitz.sampling.image_attack import Margins, Seen, attack_image, plan_of
from lipschitz.sampling.sampler import Sampler, require_measurable
from lipschitz.settings import NITERS, NSAMPS, SEED, Settings
from lipschitz.support.errors import ImageError
from lipschitz.support.text import say

if TYPE_CHECKING:
    import pandas as pd


def clever_scores(
    model: object,
    images: object,
    labels: object = None,
    *,
    input_range: tuple[float, float] = (0.0, 1.0),
    mean: Numbers = 0.0,
    std: Numbers = 1.0,
    outputs: str = LOGITS,
    target_type: int = TOP2 | RANDOM | LEAST,
    Nsamp: int = NSAMPS,
    Niters: int = NITERS,
    sample_norm: str = DEFAULT_NORM,
    radius: float | None = None,
    transform: str = "",
    order: int = 1,
    seed: int = SEED,
    batch_size: int = 0,
    nthreads: int = 0,
    attack: int | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Sample around images and score them: a row for each image, target class and norm.

    `model` and the four arguments about it are those of `EstimateLipschitz.load_model`. `images`
    are arrays (N, ...): whole numbers from 0 to 255, or floats in `input_range`; or a data set of
    batches (images, labels). `labels` are numbers or one-hot rows; without them the network's
    predictions count as true. `target_type` is a sum of 1 (runner-up), 2 (random) and 4 (least
    likely), or 16 (all). An image that the network gets wrong has no rows, and its number is told.
    `attack` are the steps of the attack on each target (0: none; by default it takes a few percent
    of the time), `level` is that of the scores' intervals.

    docs/reading_scores.md tells what the columns are. Raises InputError if the images do not fit
    the network, ValueError if an argument does not.
    """
    own = own_images.of_values(images, labels)
    box = None if isinstance(model, Network) else input_range
    network = network_of(model, box, mean, std, outputs, own.shape)
    data = places.evaluation_set(own, network)
    settings = Settings(
        dataset="",
        model_name=name_of(model),
        Nsamps=Nsamp,
        Niters=Niters,
        order=order,
        sample_norm=sample_norm,
        radius=radius,
        transform=transform,
        seed=seed,
        batch_size=batch_size or catalogue.batch_size("", network.input_shape),
        box=network.box,
    )
    require_measurable(network, settings)
    plan = plan_of(settings, attack)
    check_level(level)
    with Sampler(network, settings.batch_size, nthreads) as sampler:
        found = data.images[:]
        logits = sampler.logits(found)
        true = data.true_labels(logits)
        for doubt in accuracy.doubts(data.labels, logits):
            say(f"warning: {doubt}")
        if data.labels is not None and not isinstance(model, Network):
            convention = convention_of(input_range, mean, std, outputs)
            better = accuracy.better_input(network, found, data.labels, logits, convention)
            if better is not None:
                say(f"warning: {better}; if it was trained so, give input_range, or mean and std")
        ids = list(range(len(logits)))
        chosen = list(choose(ids, logits, true, target_type, random.Random(seed)))
        if wrong := sum(not image.correct for image in chosen):
            say(f"{wrong} of {len(chosen)} images are classified wrongly and have no score")
        count = catalogue.accuracy_images(data)
        seen = Seen(found[:count], logits[:count])
        records = list(_records(sampler, settings, data.images, chosen, plan, seen))
    how = Scoring(level=level)
    return tables.frame([scored(records, how=how)] if records else [])


def _records(
    sampler: Sampler,
    settings: Settings,
    images: Sequence[np.ndarray],
    chosen: list[SelectedImage],
    plan: Plan | None,
    seen: Seen,
) -> Iterator[Record]:
    """What is scored, for each target of the images that are classified correctly."""
    transform = TRANSFORMATIONS[settings.transform] if settings.transform else None
    correct = [image for image in chosen if image.correct]
    for image in tqdm(correct, desc="images", disable=not _is_watched()):
        x_0, classes = images[image.image_id], (image.true_label, image.targets)
        try:
            found = sample_image(
                sampler, settings, x_0, *classes, image_id=image.image_id, transform=transform
            )
        except ImageError as error:
            say(error)
            continue
        attacks = [None] * len(found)
        if plan is not None:
            margins = Margins(sampler.network, x_0, *classes)
            attacks = attack_image(margins, seen, plan, transform)
        for info, estimate, attacked in zip(image.info, found, attacks, strict=True):
            if estimate.is_complete():
                parts = estimate, settings, sampler.network
                yield scoring.record(*parts, image, info, x_0, attacked)
            else:
                say(f"image {image.image_id}: no score for class {estimate.target_label}")


def name_of(model: object) -> str:
    """What tables call a model: the name that it has, or that of its class."""
    if isinstance(model, str | Path):
        return places.short_name(str(model))
    name = getattr(model, "name", None)
    return name if isinstance(name, str) else type(model).__name__


def _is_watched() -> bool:
    """Whether somebody sees a progress bar: at a terminal, or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules

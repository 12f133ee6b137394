"""Made-up files of maxima: as many images as wanted, as a run with three targets saves them."""

from pathlib import Path

import numpy as np

from lipschitz.file_name import FileName
from lipschitz.maths.scores import DUAL_NORM
from lipschitz.network import LOGITS
from lipschitz.results.attacked import Attacked
from lipschitz.results.matfile import Record
from lipschitz.settings import Limits

CLASSES = ("cat", "dog", "deer", "frog", "horse", "bird", "ship", "truck", "car", "plane")
KINDS = ("least", "top2", "random")
LENGTHS = {"2": 5.0, "1": 70.0, "i": 0.4}  # of gradients, by norm
SHAPE = 4.0


def records(images: int, iterations: int = 100, names: str = "") -> list[Record]:
    """Records of images with the maxima of exact Weibull distributions; some scores are refuted.

    `names` is part of each name of an image and a class.
    """
    rng = np.random.default_rng(0)
    return [
        _record(rng, image, target, kind, iterations, names)
        for image in range(images)
        for target, kind in enumerate(KINDS, start=image % 10 + 1)
    ]


def _record(
    rng: np.random.Generator, image: int, target: int, kind: str, iterations: int, names: str
) -> Record:
    hardness = rng.lognormal(0, 0.3)
    name = FileName(1024, iterations, image, image % 10, target % 10, kind, "relu", 1)
    maxima = {
        norm: length * (1 - 0.1 * rng.weibull(SHAPE, iterations))
        for norm, length in LENGTHS.items()
    }
    margin = 10 * hardness
    distances = {
        norm: margin / LENGTHS[dual] * rng.uniform(0.98, 2.5) for norm, dual in DUAL_NORM.items()
    }
    return Record(
        path=Path("made_up") / str(name),
        name=name,
        model="made_up",
        g_x0=margin,
        g_x0_grad_2_norm=None,
        num_labels=10,
        non_finite=0,
        maxima=maxima,
        outputs=LOGITS,
        doubts=(),
        provenance={
            "dataset": "made",
            "model_name": "up",
            "sample_norm": "l2",
            "radius": 3.0,
            "seed": 1215,
            "box": "[-0.5, 0.5]",
            "image": str(image),
        },
        misnamed=False,
        limits=Limits(dict.fromkeys("12i", 1e3), dict.fromkeys("12i", 40.0)),
        wrong_images=frozenset(),
        attack=Attacked(
            distances, dict.fromkeys("12i", True), settings={"method": "FMN", "steps": 42}
        ),
        dataset="made",
        network="up",
        image_name=f"{names}{image}.png",
        true_name=names + CLASSES[image % 10],
        target_name=names + CLASSES[target % 10],
        picture=rng.integers(0, 256, (28, 28), np.uint8),
        input_shape=(28, 28, 1),
        version="0",
    )

"""The toolkit beside the CLEVER score of the Adversarial Robustness Toolbox (ART), in one run.

    pip install torch adversarial-robustness-toolbox==1.20.1
    python benchmarks/rival.py [--images 10] [--repeats 10] [--json FILE]

Both score the same network of PyTorch, a CNN trained on the UCI digits, around the same images:
L2, radius 3, the runner-up class, 50 batches of 1,024. ART has a process of its own, so that the
toolkit's settings of PyTorch do not help it; the two take turns, seed by seed.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import figures

if TYPE_CHECKING:
    import torch

RADIUS, BATCHES, BATCH_SIZE = 3.0, 50, 1024
POOL_FACTOR = 10  # ART's default: its pool has so many batches
DISTINCT = {"toolkit": BATCHES * BATCH_SIZE, "ART": POOL_FACTOR * BATCH_SIZE}  # gradients a score
RANGE = (-0.5, 0.5)

_classifier: object  # ART's, in its process


def main() -> None:
    """Train, score with both, print a table and write the figures."""
    parser = figures.parser(__file__, __doc__)
    parser.set_defaults(repeats=10)  # each with a seed of its own
    parser.add_argument("--images", type=int, default=10)
    args = parser.parse_args()

    from benchmarks import machine

    print(machine.describe())
    module, images, true, targets = trained(args.images)
    found = {name: np.zeros((2, args.images, args.repeats)) for name in DISTINCT}
    with art_process(module) as art:
        for seed in range(1, args.repeats + 1):
            for number, (x_0, label, target) in enumerate(zip(images, true, targets, strict=True)):
                place = slice(None), number, seed - 1
                found["toolkit"][place] = toolkit_score(module, x_0, label, seed)
                found["ART"][place] = art.submit(art_score, x_0, target, seed).result()
    rows = {name: summary(name, *both) for name, both in found.items()}
    for name, row in rows.items():
        print(
            f"{name:8} {row['seconds']:6.1f} s a score, {row['distinct']:6,} gradients, "
            f"{row['gradients_per_second']:6,.0f} a second; a score varies by {row['spread']:.1%} "
            f"(standard deviation over {args.repeats} seeds); median score {row['score']:.3f}"
        )
    figures.write({"machine": machine.describe(), "rows": rows}, args.json)


def trained(count: int) -> tuple[torch.nn.Module, np.ndarray, np.ndarray, np.ndarray]:
    """A network and digits that it gets right, with their classes and those next in likelihood."""
    import setup_digits
    from lipschitz.builtin import training
    from tests.keras_twin import twin

    recipe = training.Recipe(training.Rate(1e-3, 0), epochs=10, optimizer="adam")
    data = setup_digits.load()
    model = training.learn(setup_digits.FAMILY.cnn("relu"), data, recipe)
    ranked = np.argsort(-model.predict(data.test_data, verbose=0))
    labels = data.test_labels.argmax(axis=1)
    right = np.flatnonzero(ranked[:, 0] == labels)[:count]
    return twin(model), data.test_data[right], labels[right], ranked[right, 1]


def toolkit_score(
    module: torch.nn.Module, x_0: np.ndarray, label: int, seed: int
) -> tuple[float, float]:
    """Seconds, and the score of the runner-up class."""
    from clever_scores import clever_scores
    from lipschitz.data.targets import TOP2

    start = time.perf_counter()
    scores = clever_scores(
        module,
        x_0[None],
        [label],
        input_range=RANGE,
        target_type=TOP2,
        Nsamp=BATCH_SIZE,
        Niters=BATCHES,
        radius=RADIUS,
        seed=seed,
    )
    seconds = time.perf_counter() - start
    return seconds, float(scores.loc[scores["norm"] == "2", "score"].item())


def art_process(module: torch.nn.Module) -> ProcessPoolExecutor:
    """The process of `art_score`."""
    apart = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=apart, initializer=_start_art, initargs=(module,))


def art_score(x_0: np.ndarray, target: int, seed: int) -> tuple[float, float]:
    """Seconds, and the score of a class; in ART's process."""
    from art.metrics import clever_t

    np.random.seed(seed)  # noqa: NPY002 (ART draws from it)
    start = time.perf_counter()
    score = clever_t(
        _classifier,
        x_0.transpose(2, 0, 1),
        int(target),
        nb_batches=BATCHES,
        batch_size=BATCH_SIZE,
        radius=RADIUS,
        norm=2,
        pool_factor=POOL_FACTOR,
    )
    return time.perf_counter() - start, float(score)


def _start_art(module: torch.nn.Module) -> None:
    global _classifier
    import torch
    from art.estimators.classification import PyTorchClassifier

    _classifier = PyTorchClassifier(
        model=module,
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=(1, 28, 28),
        nb_classes=10,
        clip_values=RANGE,
        device_type="cpu",
    )


def summary(name: str, seconds: np.ndarray, scores: np.ndarray) -> dict:
    """Medians over images, and seeds, of (images, seeds)."""
    median = float(np.median(seconds))
    spread = scores.std(axis=1, ddof=1) / scores.mean(axis=1) if scores.shape[1] > 1 else [0.0]
    return {
        "seconds": median,
        "distinct": DISTINCT[name],
        "gradients_per_second": DISTINCT[name] / median,
        "spread": float(np.median(spread)),
        "score": float(np.median(scores)),
    }


if __name__ == "__main__":
    main()

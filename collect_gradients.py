"""Sample: for images and target classes, save the maxima of gradient norms for clever.py."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

import catalogue
from lipschitz import matfile
from lipschitz.ball import DEFAULT_NORM, RADII
from lipschitz.bounds import clever_score
from lipschitz.dataset import DataSet
from lipschitz.errors import InputError, RunError, run
from lipschitz.lines import line
from lipschitz.sampling import BATCH_SIZE, SEED, samples_drawn
from lipschitz.targets import ALL, LEAST, RANDOM, TOP2, Chosen, choose

if TYPE_CHECKING:
    from estimate_gradient_norm import Estimate, EstimateLipschitz

TOP = 10  # classes listed for an image


def parse() -> argparse.Namespace:
    """The command line of 2018, and what was added to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("-d", "--dataset", default="mnist", help=", ".join(catalogue.DATASETS))
    add("-m", "--model_name", default="normal", help="2-layer or normal")
    add("--activation", default="relu", help="activation of the model (relu)")
    add("-N", "--Nsamps", type=int, default=1024, help="samples per iteration")
    add("-i", "--Niters", type=int, default=500, help="iterations: maxima collected")
    add("-n", "--numimg", type=int, default=1, help="images to take")
    add("--ids", default="", help="file of image ids (not supported yet)")
    add(
        "--target_type",
        type=int,
        default=15,
        help="sum of 1 top2, 2 random, 4 least; or 16, every class but the predicted one",
    )
    add("-f", "--firstimg", type=int, default=0, help="first image")
    add("--transform", default="", help="input transformation (not supported yet)")
    add("--order", type=int, default=1, help="1 (2 is not supported yet)")
    add("--compute_slope", action="store_true", help="not supported yet")
    add(
        "--sample_norm",
        default=DEFAULT_NORM,
        choices=RADII,
        help="norm of the ball that is sampled",
    )
    add(
        "--radius",
        type=float,
        default=None,
        help="largest radius (default "
        + ", ".join(f"{norm}: {high:g}" for norm, (_, high) in RADII.items())
        + ")",
    )
    add("--fix_dirty_bug", action="store_true", help="accepted, without effect")
    add("-b", "--batch_size", type=int, default=0, help=f"0: {BATCH_SIZE}")
    add("--nthreads", type=int, default=0, help="sampling workers; 0: half the cores")
    add("-s", "--save", "--saved", type=Path, default=Path("lipschitz_mat"), help="where to save")
    # an abbreviation in use, which --saved would make ambiguous
    add("--sav", dest="save", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    add("--seed", type=int, default=SEED, help="of samples and random targets")
    return parser.parse_args()


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot work before anything slow begins."""
    for name, least in (
        ("Nsamps", 1),
        ("Niters", 1),
        ("numimg", 1),
        ("firstimg", 0),
        ("batch_size", 0),
        ("nthreads", 0),
        ("seed", 0),
    ):
        if getattr(args, name) < least:
            raise InputError(f"--{name} {getattr(args, name)}: give {least} or more")
    if args.radius is not None and not 0 < args.radius < np.inf:
        raise InputError(f"--radius {args.radius:g}: give a number above 0")
    for name, supported in (
        ("order", 1),
        ("transform", ""),
        ("compute_slope", False),
        ("ids", ""),
    ):
        if getattr(args, name) != supported:
            raise InputError(
                f"--{name} {getattr(args, name)} is not supported yet: this version computes "
                "first-order scores of ReLU models"
            )
    if args.seed >= 2**63:
        raise InputError(f"--seed {args.seed}: give a number below 2^63")
    if args.target_type < 0 or not args.target_type & (TOP2 | RANDOM | LEAST | ALL):
        raise InputError(f"--target_type {args.target_type}: give a sum of 1, 2 and 4, or 16")


def main() -> None:
    """Parse, load, choose images and targets, then sample around one image after the other."""
    args = parse()
    check(args)
    print(vars(args) | {"save": str(args.save)})
    path = catalogue.model_path(args.dataset, args.model_name, args.activation)

    # TensorFlow takes seconds to import: what is wrong with the options is said before
    from estimate_gradient_norm import EstimateLipschitz
    from lipschitz.tensorflow import device_name

    with EstimateLipschitz(seed=args.seed, nthreads=args.nthreads) as sampler:
        data, _ = sampler.load_model(
            args.dataset, args.model_name, args.activation, batch_size=args.batch_size
        )
        print(f"{path} on {device_name()}; sampling workers: {sampler.nthreads}", file=sys.stderr)
        drawn = samples_drawn(args.Nsamps, sampler.batch_size)
        if drawn != args.Nsamps:
            how = "raised" if drawn > args.Nsamps else "rounded down"
            print(f"-N {args.Nsamps} is {how} to {drawn}: batches of {sampler.batch_size} samples")

        images, labels = take(data, args.firstimg, args.numimg)
        logits = sampler.logits(images)
        chosen = list(choose(logits, labels, args.firstimg, args.target_type, args.seed))
        print_choice(chosen)
        correct = [image for image in chosen if image.correct]
        if not correct:
            raise RunError(
                f"{path} classifies none of the {len(chosen)} images correctly, so there is "
                f"nothing to score: is it trained, and on {args.dataset}?"
            )
        where = folder(args, drawn)
        where.mkdir(parents=True, exist_ok=True)  # what cannot be saved is not sampled
        sample(sampler, images, correct, where, args)


def take(data: DataSet, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The test images that are asked for, and their labels."""
    images = data.test_data[first : first + count]
    if not len(images):
        raise InputError(f"--firstimg {first}: there are {len(data.test_data)} test images")
    if len(images) < count:
        print(f"--numimg {count}: there are {len(images)} test images from {first} on")
    return images, data.test_labels[first : first + count]


def folder(args: argparse.Namespace, drawn: int) -> Path:
    """Where the files of this run go."""
    return matfile.folder(
        args.save,
        args.dataset,
        args.model_name,
        sample_norm=args.sample_norm,
        radius=args.radius,
        seed=args.seed,
        asked=args.Nsamps,
        drawn=drawn,
    )


def sample(
    sampler: EstimateLipschitz,
    images: np.ndarray,
    chosen: list[Chosen],
    folder: Path,
    args: argparse.Namespace,
) -> None:
    """Sample around each image; print and save each of its targets when the image is done."""
    seconds, pairs = 0.0, 0
    total = len(chosen) * args.Niters
    with tqdm(total=total, desc="iterations", disable=not sys.stderr.isatty()) as bar:
        for image in chosen:
            estimates = sampler.estimate(
                images[image.image_id - args.firstimg],
                image.true_label,
                image.targets,
                args.Nsamps,
                args.Niters,
                args.sample_norm,
                radius=args.radius,
                image_id=image.image_id,
                on_iteration=bar.update,
            )
            seconds += estimates[0].time[-1]
            bar.clear()
            for info, estimate in zip(image.info, estimates, strict=True):
                print_estimate(image, info, estimate, pairs, seconds)
                print(f"saved to {save(folder, image, info, estimate, args)}", flush=True)
                pairs += 1


def print_choice(chosen: list[Chosen]) -> None:
    """The DATAGEN lines, and the share of images that are classified correctly."""
    for number, image in enumerate(chosen, start=1):
        fields = {
            "no": number,
            "true_id": image.image_id,
            "true_label": image.true_label,
            "predicted": image.predicted,
            "correct": image.correct,
            "seq": image.targets,
            "info": image.info,
        }
        print(line("DATAGEN", 1, **fields))
    print(f"top-1 accuracy: {np.mean([image.correct for image in chosen]):.5g}", flush=True)


def print_estimate(
    image: Chosen, info: str, estimate: Estimate, pairs: int, seconds: float
) -> None:
    """The block of one image and target; `pairs` of them came before."""
    top = np.argsort(-estimate.pred, kind="stable")[:TOP]
    print(f"top-{len(top)} classes = {top.tolist()}")
    print(f"top-{len(top)} logits = [{', '.join(f'{z:.5g}' for z in estimate.pred[top])}]")

    spent = np.diff(estimate.time, prepend=0)
    G2, G1, Gi = estimate.G2_max, estimate.G1_max, estimate.Gi_max
    for i in range(len(spent)):
        fields = {
            "loop": i,
            "time": estimate.time[i],
            "iter_time": spent[i],
            "overhead": estimate.overhead[i],
            "G2": G2[i],
            "G1": G1[i],
            "Ginf": Gi[i],
        }
        print(line("STATS", 2, **fields))

    slopes = {"L2_max": 0, "L1_max": 0, "Linf_max": 0}
    largest = {"G2_max": G2.max(), "G1_max": G1.max(), "Ginf_max": Gi.max()}
    print(line("STATS", 1, g_x0=estimate.g_x0, **slopes, **largest))
    bounds = {  # named after the bound's norm: its constant is of the dual norm
        "bnd_G2_max": clever_score(estimate.g_x0, G2.max()),
        "bnd_G1_max": clever_score(estimate.g_x0, Gi.max()),
        "bnd_Ginf_max": clever_score(estimate.g_x0, G1.max()),
    }
    print(line("STATS", 1, **bounds))
    fields = {
        "total": pairs + 1,
        "seq": pairs,
        "id": image.image_id,
        "time": f"{seconds:.3f}",
        "true_class": image.true_label,
        "target_class": estimate.target_label,
        "info": info,
    }
    print(line("STATS", 1, **fields))


def save(
    folder: Path, image: Chosen, info: str, estimate: Estimate, args: argparse.Namespace
) -> Path:
    """Write the .mat of one image and target."""
    name = matfile.Name(
        args.Nsamps,
        args.Niters,
        image.image_id,
        image.true_label,
        estimate.target_label,
        info,
        args.activation,
        args.order,
    )
    path = folder / str(name)
    no_slope = np.zeros(args.Niters)
    settings = vars(args) | {"save": str(args.save)}
    contents = {
        "L2_max": no_slope,
        "L1_max": no_slope,
        "Li_max": no_slope,
        "G2_max": estimate.G2_max,
        "G1_max": estimate.G1_max,
        "Gi_max": estimate.Gi_max,
        "pred": estimate.pred,
        "g_x0": estimate.g_x0,
        "id": image.image_id,
        "true_label": image.true_label,
        "target_label": estimate.target_label,
        "info": info,
        "args": {name: "" if value is None else value for name, value in settings.items()},
        "path": str(path),
    }
    matfile.save(path, contents)
    return path


if __name__ == "__main__":
    run(main)

"""Sample: for images and target classes, save the maxima of gradient norms for clever.py."""

from __future__ import annotations

from lipschitz import interruption

if __name__ == "__main__":
    interruption.exit_at_once()

import argparse
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

import catalogue
from defense import TRANSFORMATIONS
from lipschitz import ids_file, matfile
from lipschitz.activations import ACTIVATIONS
from lipschitz.architecture import NAMES
from lipschitz.atomic import prepare
from lipschitz.ball import DEFAULT_NORM, RADII, ball
from lipschitz.checkpoint import Checkpoint, beside
from lipschitz.dataset import DataSet
from lipschitz.errors import ImageError, InputError, RunError, run, say
from lipschitz.estimate import Estimate
from lipschitz.ids_file import Named
from lipschitz.lines import line
from lipschitz.provenance import Settings, as_text, fingerprint
from lipschitz.sampling import BATCH_SIZE, IMAGENET_BATCH_SIZE, SEED, samples_drawn
from lipschitz.targets import ALL, LEAST, RANDOM, TOP2, USER, Chosen, choose
from lipschitz.workers import MOST_PER_CORE, cores

if TYPE_CHECKING:
    from estimate_gradient_norm import EstimateLipschitz
    from lipschitz.networks import Network

TOP = 10  # classes listed for an image
# options that decide the numbers; the network, the image, the radius and N as drawn do so, too
DECISIVE = (
    "dataset",
    "model_name",
    "activation",
    "Nsamps",
    "Niters",
    "order",
    "transform",
    "compute_slope",
    "sample_norm",
    "seed",
)


class Pair(NamedTuple):
    """An image and one of its targets: their number, and the file of their maxima."""

    number: int
    info: str
    target: int
    path: Path


def parse() -> argparse.Namespace:
    """The command line of 2018, and what was added to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("-d", "--dataset", default="mnist", help=", ".join(catalogue.DATASETS))
    names = "; ".join([", ".join(NAMES), "ImageNet: resnet_v2_101 or another, keras:ResNet50V2"])
    add("-m", "--model_name", default="normal", help=names)
    add("--weights", default="", help="weights file of a keras: network")
    add("--activation", default="relu", help=f'of the network "normal": {", ".join(ACTIVATIONS)}')
    add("-N", "--Nsamps", type=int, default=1024, help="samples per iteration")
    add("-i", "--Niters", type=int, default=500, help="iterations: maxima collected")
    add("-n", "--numimg", type=int, default=1, help="images to take")
    add("--ids", default="", help="tab separated file: column id, and target for --target_type 8")
    add(
        "--target_type",
        type=int,
        default=15,
        help="sum of 1 top2, 2 random, 4 least; 8 with --ids: the targets named there; or 16, "
        "every class but the predicted one",
    )
    add("-f", "--firstimg", type=int, default=0, help="first image, or first row of --ids")
    add("--transform", default="", help=", ".join(TRANSFORMATIONS))
    add("--order", type=int, default=1, help="1: gradients; 2: curvature")
    add("--compute_slope", action="store_true", help="slopes between samples as well")
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
    batch = f"0: {BATCH_SIZE}, ImageNet {IMAGENET_BATCH_SIZE}"
    add("-b", "--batch_size", type=int, default=0, help=batch)
    add("--nthreads", type=int, default=0, help="sampling workers; 0: half the cores")
    add("-s", "--save", "--saved", type=Path, default=Path("lipschitz_mat"), help="where to save")
    # abbreviations in use, which options added since would make ambiguous
    add("--sav", dest="save", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    add("--o", dest="order", type=int, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    add("--seed", type=int, default=SEED, help="of samples and random targets")
    overwrite = "replace files of another network or other settings (without it: an error)"
    add("--overwrite", action="store_true", help=overwrite)
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
    for name, known in (
        ("activation", ACTIVATIONS),
        ("order", (1, 2)),
        ("transform", ["", *TRANSFORMATIONS]),
    ):
        if getattr(args, name) not in known:
            choices = ", ".join(str(each) for each in known if each != "")
            raise InputError(f"--{name} {getattr(args, name)}: choose from {choices}")
    if args.compute_slope and args.order == 2:
        raise InputError("--compute_slope: slopes are of first order, leave --order 2 out")
    if args.weights and not Path(args.weights).is_file():
        raise InputError(f"--weights {args.weights}: no such file")
    if args.nthreads > MOST_PER_CORE * cores():
        raise InputError(f"--nthreads {args.nthreads}: there are {cores()} cores")
    if args.seed >= 2**63:
        raise InputError(f"--seed {args.seed}: give a number below 2^63")
    kinds = TOP2 | RANDOM | LEAST | ALL | (USER if args.ids else 0)
    if args.target_type < 0 or not args.target_type & kinds:
        raise InputError(
            f"--target_type {args.target_type}: give a sum of 1, 2 and 4, or 16; or 8 with --ids"
        )


def main() -> None:
    """Parse, load, choose images and targets, then sample around one image after the other."""
    args = parse()
    check(args)
    print(vars(args) | {"save": str(args.save)})
    model = catalogue.find(args.dataset, args.model_name, args.activation)
    named = None
    if args.ids:
        with_targets = bool(args.target_type & USER)
        named = ids_file.read(Path(args.ids), args.firstimg, args.numimg, with_targets)

    # TensorFlow takes seconds to import: what is wrong with the options is said before
    interruption.exit_at_once()
    from estimate_gradient_norm import EstimateLipschitz

    interruption.raise_interrupted()
    with EstimateLipschitz(seed=args.seed, nthreads=args.nthreads) as sampler:
        data, network = sampler.load_model(
            args.dataset,
            args.model_name,
            args.activation,
            batch_size=args.batch_size,
            compute_slope=args.compute_slope,
            order=args.order,
            weights=args.weights,
        )
        say(f"{model} on {sampler.device}; sampling workers: {sampler.nthreads}")
        drawn = samples_drawn(args.Nsamps, sampler.batch_size)
        if drawn != args.Nsamps:
            how = "raised" if drawn > args.Nsamps else "rounded down"
            print(f"-N {args.Nsamps} is {how} to {drawn}: batches of {sampler.batch_size} samples")

        ids = take(len(data.test_data), named, args)
        logits = logits_of(data, ids, sampler)
        chosen = list(
            choose(
                ids,
                logits,
                data.test_labels[ids],
                args.target_type,
                sampler.generator,
                catalogue.lowest_label(args.dataset, network),
                user_targets(data, named, args),
            )
        )
        print_choice(chosen, catalogue.printed_shift(args.dataset, network))
        for image_id, row in zip(ids, logits, strict=True):
            if not np.isfinite(row).all():
                print(f"warning: image {image_id} is left out: its logits are not finite")
        if args.dataset == catalogue.IMAGENET:
            for image in chosen:
                print(f"image {image.image_id} is {data.test_data.paths[image.image_id].name}")
        correct = [image for image in chosen if image.correct]
        if not correct:
            raise RunError(
                f"{model} classifies none of the {len(chosen)} images correctly, so there is "
                f"nothing to score: is it trained, and on {args.dataset}?"
            )
        where = folder(args, drawn)
        prepare(where)  # what cannot be saved is not sampled
        work = [
            (image, pairs, settings(args, drawn, network, image, data.test_data[image.image_id]))
            for image, pairs in zip(correct, pairs_of(correct, where, args), strict=True)
        ]
        for _, pairs, wanted in work:
            for pair in pairs:
                finished(pair.path, wanted, args)  # an error is said before sampling
        interruption.check()
        failed = sample(sampler, data, work, args)
    if failed:
        total = sum(len(pairs) for _, pairs, _ in work)
        raise RunError(f"{failed} of {total} targets have no score (see above)")


def take(there: int, named: list[Named] | None, args: argparse.Namespace) -> list[int]:
    """Which of the test images, `there` of them, are asked for."""
    if named is not None:
        ids = [image.image_id for image in named]
        if max(ids) >= there:
            raise InputError(f"--ids {args.ids}: no image {max(ids)}, there are {there} images")
        print(f"--ids {args.ids}: {len(ids)} images")
        return ids
    ids = list(range(there))[args.firstimg : args.firstimg + args.numimg]
    if not ids:
        raise InputError(f"--firstimg {args.firstimg}: there are {there} test images")
    if len(ids) < args.numimg:
        print(f"--numimg {args.numimg}: there are {len(ids)} test images from {ids[0]} on")
    return ids


def logits_of(data: DataSet, ids: list[int], sampler: EstimateLipschitz) -> np.ndarray:
    """Logits (N, K) of test images, a few in memory at a time."""
    some = (ids[first : first + 100] for first in range(0, len(ids), 100))
    return np.concatenate([sampler.logits(np.stack([data.test_data[i] for i in n])) for n in some])


def user_targets(
    data: DataSet, named: list[Named] | None, args: argparse.Namespace
) -> list[list[int]] | None:
    """The targets that the file of ids names, where they are asked for."""
    if named is None or not args.target_type & USER:
        return None
    for image in named:
        label = data.test_labels[image.image_id]
        for target in image.targets:
            if target >= len(label) or target == label.argmax():
                raise InputError(
                    f"--ids {args.ids}: target {target} of image {image.image_id}: give a class "
                    f"below {len(label)} other than its own, {label.argmax()}"
                )
    return [image.targets for image in named]


def folder(args: argparse.Namespace, drawn: int) -> Path:
    """Where the files of this run go."""
    return matfile.folder(
        args.save,
        args.dataset,
        args.model_name,
        sample_norm=args.sample_norm,
        radius=args.radius,
        transform=args.transform,
        slope=args.compute_slope,
        seed=args.seed,
        asked=args.Nsamps,
        drawn=drawn,
    )


def pairs_of(images: list[Chosen], folder: Path, args: argparse.Namespace) -> list[list[Pair]]:
    """For each image its targets, numbered through, and where their maxima are saved."""
    numbers = itertools.count()
    return [
        [
            Pair(next(numbers), info, target, folder / str(file_name(image, info, target, args)))
            for info, target in zip(image.info, image.targets, strict=True)
        ]
        for image in images
    ]


def file_name(image: Chosen, info: str, target: int, args: argparse.Namespace) -> matfile.Name:
    """What the file of an image and target is called."""
    return matfile.Name(
        args.Nsamps,
        args.Niters,
        image.image_id,
        image.true_label,
        target,
        info,
        args.activation,
        args.order,
    )


def settings(
    args: argparse.Namespace, drawn: int, network: Network, image: Chosen, x_0: np.ndarray
) -> dict[str, object]:
    """What decides an image's numbers; workers, folder and the number of images do not."""
    return {name: getattr(args, name) for name in DECISIVE} | {
        "radius": ball(args.sample_norm, args.radius).high,
        "drawn": drawn,
        "network": network.fingerprint,
        "image": fingerprint([x_0]),
        "logit": image.largest_logit,
    }


def finished(path: Path, wanted: Settings, args: argparse.Namespace) -> bool:
    """Whether a file is there and holds what is wanted.

    Raises InputError where it holds something else, unless `--overwrite` is given.
    """
    if not path.exists():
        return False
    try:
        different = matfile.difference(path, wanted)
    except matfile.FormatError as error:
        different = str(error)
    if different and not args.overwrite:
        raise InputError(
            f"{path} is not what this run would give: {different}. Replace such files with "
            "--overwrite, or sample into another folder with --save"
        )
    return not different


def sample(
    sampler: EstimateLipschitz,
    data: DataSet,
    work: list[tuple[Chosen, list[Pair], Settings]],
    args: argparse.Namespace,
) -> int:
    """Sample around each image; print and save each of its targets when the image is done.

    What a run before this one finished is kept. Returns how many targets cannot be scored.
    """
    seconds, failed = 0.0, 0
    total = len(work) * args.Niters
    with tqdm(total=total, desc="iterations", disable=not sys.stderr.isatty()) as bar:
        for place, (image, pairs, wanted) in enumerate(work):
            bar.clear()
            left = [pair for pair in pairs if not keep(pair, wanted, args)]
            try:
                estimates = sample_image(sampler, data, image, left, wanted, args, bar)
            except ImageError as error:
                bar.clear()
                say(error)
                failed += len(left)
                continue
            finally:
                bar.update((place + 1) * args.Niters - bar.n)
            bar.clear()
            seconds += estimates[0].time[-1] if estimates else 0
            for pair, estimate in zip(left, estimates, strict=True):
                print_estimate(image, pair, estimate, seconds)
                if estimate.is_whole():
                    print(f"saved to {pair.path}", flush=True)
                else:
                    say(f"{pair.path} is not saved: an iteration has no finite sample")
                    failed += 1
    return failed


def keep(pair: Pair, wanted: Settings, args: argparse.Namespace) -> bool:
    """Whether a run before this one, or beside it, finished a target; says so."""
    if not finished(pair.path, wanted, args):
        return False
    beside(pair.path).unlink(missing_ok=True)  # a kill may have come between
    print(f"kept {pair.path}")
    return True


def sample_image(
    sampler: EstimateLipschitz,
    data: DataSet,
    image: Chosen,
    pairs: list[Pair],
    wanted: Settings,
    args: argparse.Namespace,
    bar: tqdm,
) -> list[Estimate]:
    """Sample around an image for these targets, from a checkpoint on, and save what is found."""
    if not pairs:
        return []
    # these show in the last bits of a maximum
    bits = {"batch_size": sampler.batch_size, "device": sampler.device}
    files = [pair.path for pair in pairs]
    with Checkpoint(files, {**wanted, **bits}, args.Niters) as checkpoint:
        checkpoint.restore(sampler.columns)
        bar.update(len(checkpoint.done))

        def after_iteration() -> None:
            bar.update()
            checkpoint.keep()
            interruption.check()

        estimates = sampler.estimate(
            data.test_data[image.image_id],
            image.true_label,
            [pair.target for pair in pairs],
            args.Nsamps,
            args.Niters,
            args.sample_norm,
            args.transform,
            args.order,
            radius=args.radius,
            image_id=image.image_id,
            done=checkpoint.done,
            on_iteration=after_iteration,
        )
        for place, (pair, estimate) in enumerate(zip(pairs, estimates, strict=True)):
            finished(pair.path, wanted, args)  # raises where another run saved something else
            if estimate.is_whole():
                save(image, pair, estimate, wanted, args)
            checkpoint.remove(place)
    return estimates


def print_choice(chosen: list[Chosen], shift: int) -> None:
    """The DATAGEN lines, true and predicted labels moved by `shift`, and the share correct."""
    for number, image in enumerate(chosen, start=1):
        fields = {
            "no": number,
            "true_id": image.image_id,
            "true_label": image.true_label + shift,
            "predicted": image.predicted + shift,
            "correct": image.correct,
            "seq": image.targets,
            "info": image.info,
        }
        print(line("DATAGEN", 1, **fields))
    print(f"top-1 accuracy: {np.mean([image.correct for image in chosen]):.5g}", flush=True)


def print_estimate(image: Chosen, pair: Pair, estimate: Estimate, seconds: float) -> None:
    """The block of one image and target."""
    top = np.argsort(-estimate.pred, kind="stable")[:TOP]
    print(f"top-{len(top)} classes = {top.tolist()}")
    print(f"top-{len(top)} logits = [{', '.join(f'{z:.5g}' for z in estimate.pred[top])}]")

    for i in range(len(estimate.time)):
        print(estimate.iteration_line(i))
    for summary in estimate.summary_lines():
        print(summary)
    fields = {
        "total": pair.number + 1,
        "seq": pair.number,
        "id": image.image_id,
        "time": f"{seconds:.3f}",
        "true_class": image.true_label,
        "target_class": estimate.target_label,
        "info": pair.info,
    }
    print(line("STATS", 1, **fields))


def save(
    image: Chosen, pair: Pair, estimate: Estimate, wanted: Settings, args: argparse.Namespace
) -> None:
    """Write the .mat of one image and target."""
    options = vars(args) | {"save": str(args.save)}
    contents = {
        **estimate.arrays(),
        "pred": estimate.pred,
        "g_x0": estimate.g_x0,
        "id": image.image_id,
        "true_label": image.true_label,
        "target_label": pair.target,
        "info": pair.info,
        "args": {name: "" if value is None else value for name, value in options.items()},
        matfile.SETTINGS_KEY: as_text(wanted),
        "path": str(pair.path),
    }
    matfile.save(pair.path, contents)


if __name__ == "__main__":
    run(main)

"""Sample: for images and target classes, save the maxima of gradient norms for clever.py.

Reads a network (models/, tmp/imagenet/) and test images (data/); writes one .mat file per image
and target, SAVE/DATASET_MODEL/*.mat. Rerun the same command to resume a run that was ended.
"""

from __future__ import annotations

from lipschitz.support import command

if __name__ == "__main__":
    command.exit_at_once()

import argparse
import random
from collections import Counter
from pathlib import Path

import numpy as np

import catalogue
from defense import TRANSFORMATIONS
from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.model_names import NAMES
from lipschitz.data.dataset import DataSet
from lipschitz.data.targets import (
    ALL,
    LEAST,
    RANDOM,
    TOP2,
    USER,
    IdFile,
    NoTargetsError,
    SelectedImage,
    choose,
    read_ids,
)
from lipschitz.file_name import LARGEST_IN_NAME
from lipschitz.maths.ball import DEFAULT_NORM, NORM_OF_BALL, RADII
from lipschitz.network import Network
from lipschitz.results.estimate import Estimate
from lipschitz.sampling import accuracy
from lipschitz.sampling.accuracy import Accuracy
from lipschitz.sampling.experiment import (
    Experiment,
    ImageResult,
    OtherFileError,
    TargetFile,
    image_tasks,
)
from lipschitz.sampling.pool import MOST_PER_CORE
from lipschitz.sampling.sampler import Sampler, require_measurable
from lipschitz.settings import BATCH_SIZE, IMAGENET_BATCH_SIZE, NITERS, NSAMPS, SEED, Settings
from lipschitz.support.atomic import prepare
from lipschitz.support.errors import InputError, RunError, concerning
from lipschitz.support.machine import cores
from lipschitz.support.options import Parser, number
from lipschitz.support.text import line, say

TOP = 10  # classes listed for an image
LARGEST_RADIUS = 1e9  # no image has values so far apart
FIRST = 100  # images that the network sees at once, before sampling
OVERWRITE = ". Replace such files with --overwrite, or sample into another folder with --save"


def parse() -> argparse.Namespace:
    """The command line of 2018, and what was added to it."""
    parser = Parser(__doc__)
    add = parser.add_argument
    add("-d", "--dataset", default="mnist", help=", ".join(catalogue.DATASETS))
    names = "; ".join([", ".join(NAMES), "ImageNet: resnet_v2_101 or another, keras:ResNet50V2"])
    add("-m", "--model_name", default="normal", help=names)
    add("--weights", default="", help="weights file of a keras: network")
    add("--activation", default="relu", choices=ACTIVATIONS, help='of the network "normal"')
    positive, in_name = number(1), number(1, below=LARGEST_IN_NAME)
    add("-N", "--Nsamps", type=in_name, default=NSAMPS, help="samples per iteration")
    add("-i", "--Niters", type=in_name, default=NITERS, help="iterations: maxima collected")
    add("-n", "--numimg", type=positive, default=1, help="images to take")
    ids = "table (tabs, commas or semicolons) with a column id, and target if targets are named too"
    add("--ids", default="", help=ids)
    add(
        "--target_type",
        type=int,
        default=15,
        help="sum of 1 top2, 2 random, 4 least; 8: those that --ids names, if it does; or 16, "
        "every class but the predicted one",
    )
    add("-f", "--firstimg", type=number(0), default=0, help="first image, or first row of --ids")
    add(
        "--transform",
        default="",
        type=transformation,
        metavar="NAME",
        help=f"put each sample through a defence: {', '.join(TRANSFORMATIONS)}",
    )
    order = "1: gradients; 2: curvature"
    add("--order", type=int, choices=(1, 2), default=1, help=order)
    add("--compute_slope", action="store_true", help="slopes between samples as well")
    add(
        "--sample_norm",
        default=DEFAULT_NORM,
        choices=RADII,
        help="norm of the ball that is sampled",
    )
    add(
        "--radius",
        type=number(0, above=True, below=LARGEST_RADIUS, kind=float),
        default=None,
        help="largest radius (default "
        + ", ".join(f"{norm}: {high:g}" for norm, (_, high) in RADII.items())
        + ")",
    )
    add("--fix_dirty_bug", action="store_true", help=argparse.SUPPRESS)  # without effect
    batch = f"samples at a time; 0: {BATCH_SIZE}, ImageNet {IMAGENET_BATCH_SIZE}"
    add("-b", "--batch_size", type=number(0), default=0, help=batch)
    add("--nthreads", type=number(0), default=0, help="sampling workers; 0: half the cores")
    add("-s", "--save", "--saved", type=Path, default=Path("lipschitz_mat"), help="where to save")
    # abbreviations in use, which options added since would make ambiguous
    add("--sav", dest="save", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    add(
        "--o",
        dest="order",
        type=int,
        choices=(1, 2),
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )
    add("--seed", type=number(0, below=2**63), default=SEED, help="of samples and random targets")
    overwrite = "replace files of another network or other settings (without it: an error)"
    add("--overwrite", action="store_true", help=overwrite)
    args = parser.parse_args()
    check(args)
    return args


def transformation(name: str) -> str:
    """An argparse type: the name of a transformation, or none."""
    if name and name not in TRANSFORMATIONS:
        raise argparse.ArgumentTypeError(f"{name}: choose from {', '.join(TRANSFORMATIONS)}")
    return name


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot work before anything slow begins."""
    if args.compute_slope and args.order == 2:
        raise InputError("--compute_slope: slopes are of first order, leave --order 2 out")
    if args.weights and not args.model_name.startswith(catalogue.KERAS):
        raise InputError(f"--weights is for ImageNet networks named {catalogue.KERAS}NAME")
    if args.weights and not Path(args.weights).is_file():
        raise InputError(f"--weights {args.weights}: no such file")
    if args.nthreads > MOST_PER_CORE * cores():
        raise InputError(f"--nthreads {args.nthreads}: there are {cores()} cores")
    kinds = TOP2 | RANDOM | LEAST | ALL | (USER if args.ids else 0)
    if not args.target_type & kinds or args.target_type not in range(2 * ALL):
        raise InputError(
            f"--target_type {args.target_type}: give a sum of 1, 2 and 4, or 16; or 8 with --ids"
        )


def main() -> None:
    """Parse, load, choose images and targets, then sample around one image after the other."""
    args = parse()
    options = vars(args) | {"save": str(args.save)}
    print(options)
    model = catalogue.find(args.dataset, args.model_name, args.activation)
    named = ids_file(args) if args.ids else None

    # TensorFlow takes seconds to import: errors in the options come before
    command.exit_at_once()
    catalogue.import_framework()
    command.raise_interrupted()
    network = catalogue.network(args.dataset, args.model_name, args.activation, args.weights)
    generator = random.Random(args.seed)
    data = catalogue.data_set(args.dataset, network, generator)
    settings = settings_of(args, network)
    with concerning("--order 2: " if args.order == 2 else "--compute_slope, --batch_size: "):
        require_measurable(network, settings)
    with Sampler(network, settings.batch_size, args.nthreads) as sampler:
        print_drawn(settings)
        ids = select_ids(len(data.test_data), named, args)
        images, logits = images_and_logits(data, ids, sampler)
        enough = catalogue.accuracy_images(args.dataset)
        right, doubts = accuracy_and_doubts(data, ids, logits, sampler, enough)
        doubts += too_large_radius(settings, network)
        say(
            f"{model} on {network.device}; sampling workers: {sampler.nthreads}; classified "
            f"correctly: {right} test images"
        )
        for doubt in doubts:
            say(f"warning: {doubt}")
        chosen = list(
            choose(
                ids,
                logits,
                data.test_labels[ids],
                args.target_type,
                generator,
                catalogue.lowest_label(args.dataset, network),
                user_targets(data, named, args),
            )
        )
        print_choice(chosen, catalogue.class_offset(args.dataset, network))
        print_left_out(ids, logits)
        check_targets(chosen, network.num_labels, args)
        if args.dataset == catalogue.IMAGENET:
            for image in chosen:
                print(f"image {image.image_id} is {data.test_data.paths[image.image_id].name}")
        if not any(image.correct for image in chosen):
            raise RunError(nothing_to_score(model, chosen, right, args))
        folder = settings.folder(args.save)
        prepare(folder)  # an error comes before sampling, not after it
        tasks = image_tasks(chosen, images, folder, settings, network)
        transform = TRANSFORMATIONS[args.transform] if args.transform else None
        wrong = [image.image_id for image in chosen if not image.correct]
        experiment = Experiment(
            sampler, settings, transform, args.overwrite, options, wrong, doubts
        )
        with concerning(after=OVERWRITE, kind=OtherFileError):
            experiment.check(tasks)
            print_others(folder, experiment.others(folder, tasks))
            command.check_interrupted()
            seconds, failed = 0.0, 0
            for result in experiment.run(tasks):
                seconds += result.seconds
                failed += len(result.lost)
                print_result(result, seconds)
    if failed:
        total = sum(len(each.files) for each in tasks)
        raise RunError(f"{failed} of {total} targets have no score (see above)")


def ids_file(args: argparse.Namespace) -> IdFile:
    """The rows of --ids that -f and -n take; args.target_type loses 8 if they name no targets."""
    rows = Path(args.ids), args.firstimg, args.numimg
    with concerning("--ids "):
        try:
            named = read_ids(*rows, with_targets=bool(args.target_type & USER))
        except NoTargetsError as error:
            others = args.target_type & ~USER
            if not others & (TOP2 | RANDOM | LEAST | ALL):
                given = f"--target_type {args.target_type} takes the targets from it"
                raise InputError(f"{error}: {given}, 7 needs no such column") from error
            print(f"--ids {error}: --target_type {args.target_type} is taken as {others}")
            args.target_type = others
            named = read_ids(*rows, with_targets=False)
    print(
        f"--ids {args.ids}: {named.taken} of {named.rows} rows taken (--numimg {args.numimg}): "
        f"{len(named.images)} images"
    )
    return named


def settings_of(args: argparse.Namespace, network: Network) -> Settings:
    """What decides the numbers of this run."""
    return Settings(
        dataset=args.dataset,
        model_name=args.model_name,
        activation=args.activation,
        Nsamps=args.Nsamps,
        Niters=args.Niters,
        order=args.order,
        sample_norm=args.sample_norm,
        radius=args.radius,
        transform=args.transform,
        compute_slope=args.compute_slope,
        seed=args.seed,
        batch_size=args.batch_size or catalogue.batch_size(args.dataset),
        box=network.box,
    )


def select_ids(there: int, named: IdFile | None, args: argparse.Namespace) -> list[int]:
    """The images to take, of `there` test images."""
    if named is not None:
        ids = [image.image_id for image in named.images]
        if max(ids) >= there:
            raise InputError(f"--ids {args.ids}: no image {max(ids)}, there are {there} images")
        return ids
    ids = list(range(there))[args.firstimg : args.firstimg + args.numimg]
    if not ids:
        raise InputError(f"--firstimg {args.firstimg}: there are {there} test images")
    if len(ids) < args.numimg:
        print(f"--numimg {args.numimg}: there are {len(ids)} test images from {ids[0]} on")
    return ids


def images_and_logits(
    data: DataSet, ids: list[int], sampler: Sampler
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """The images that the network gets right, by id, and the logits (N, K) of all."""
    right, logits = {}, []
    for first in range(0, len(ids), FIRST):
        images = {image_id: data.test_data[image_id] for image_id in ids[first : first + FIRST]}
        found = sampler.logits(np.stack(list(images.values())))
        for (image_id, image), row in zip(images.items(), found, strict=True):
            if row.argmax() == data.test_labels[image_id].argmax():
                right[image_id] = image
        logits.append(found)
    return right, np.concatenate(logits)


def user_targets(
    data: DataSet, named: IdFile | None, args: argparse.Namespace
) -> list[list[int]] | None:
    """The targets that the file of ids names, if --target_type has 8."""
    if named is None or not args.target_type & USER:
        return None
    for image in named.images:
        label = data.test_labels[image.image_id]
        for target in image.targets:
            if target >= len(label) or target == label.argmax():
                raise InputError(
                    f"--ids {args.ids}: target {target} of image {image.image_id}: give a class "
                    f"below {len(label)} other than its own, {label.argmax()}"
                )
    return [image.targets for image in named.images]


def nothing_to_score(
    model: str, chosen: list[SelectedImage], right: Accuracy, args: argparse.Namespace
) -> str:
    """Why no image has a score: what the network says of them, and how good it is on others."""
    predictions = ", ".join(
        f"image {image.image_id} (class {image.true_label}) as {taken_as(image)}"
        for image in chosen[:TOP]
    )
    more = f" and {len(chosen) - TOP} more" if len(chosen) > TOP else ""
    good = right.right > right.number / 2
    return (
        f"{model} classifies none of the {len(chosen)} images correctly, so there is nothing to "
        f"score: it takes {predictions}{more}. Of {right.number} test images {right.right} are "
        f"classified correctly: "
        + ("choose others" if good else f"is it trained, and on {args.dataset}?")
    )


def taken_as(image: SelectedImage) -> str:
    """The class of an image that is not classified correctly, in words."""
    undecided = image.predicted == image.true_label
    return "no class (largest logits equal or not finite)" if undecided else str(image.predicted)


def accuracy_and_doubts(
    data: DataSet, ids: list[int], logits: np.ndarray, sampler: Sampler, enough: int
) -> tuple[Accuracy, list[str]]:
    """The accuracy on test images, and what is suspicious in it.

    The images are those of the run, which has logits of them, if they are enough, or the first.
    """
    wanted = min(enough, len(data.test_data))
    if len(ids) < wanted:
        ids = list(range(wanted))
        images = np.stack([data.test_data[image_id] for image_id in ids])
        logits = sampler.logits(images)
    else:
        ids, logits = ids[:wanted], logits[:wanted]
        images = np.stack([data.test_data[image_id] for image_id in ids])
    labels = data.test_labels[ids]
    doubts = list(accuracy.doubts(sampler.network, images, labels, logits))
    return accuracy.of_logits(logits, labels), doubts


def too_large_radius(settings: Settings, network: Network) -> list[str]:
    """What to say of a ball that is larger than the box: samples are clipped at its edges."""
    radius = settings.ball.high
    widest = network.box.diameter(network.input_shape)[NORM_OF_BALL[settings.sample_norm]]
    if radius <= widest:
        return []
    return [
        f"the radius {radius:g} is larger than the range of valid inputs, where no two are farther "
        f"apart than {widest:.5g} in this norm: most values of the samples are clipped"
    ]


def print_drawn(settings: Settings) -> None:
    """Say so if N is rounded to whole batches."""
    asked, drawn = settings.Nsamps, settings.drawn
    if drawn != asked:
        how = "raised" if drawn > asked else "rounded down"
        print(f"-N {asked} is {how} to {drawn}: batches of {settings.batch_size} samples")


def print_choice(chosen: list[SelectedImage], shift: int) -> None:
    """The DATAGEN lines, true and predicted labels moved by `shift`, and the share correct."""
    for place, image in enumerate(chosen, start=1):
        fields = {
            "no": place,
            "true_id": image.image_id,
            "true_label": image.true_label + shift,
            "predicted": image.predicted + shift,
            "correct": image.correct,
            "seq": image.targets,
            "info": image.info,
        }
        print(line("DATAGEN", 1, **fields))
    print(f"top-1 accuracy: {np.mean([image.correct for image in chosen]):.5g}", flush=True)


def print_left_out(ids: list[int], logits: np.ndarray) -> None:
    """Warn of images that the network gives no finite logits."""
    for image_id, row in zip(ids, logits, strict=True):
        if not np.isfinite(row).all():
            print(f"warning: image {image_id} is left out: its logits are not finite")


def check_targets(chosen: list[SelectedImage], num_labels: int, args: argparse.Namespace) -> None:
    """Say if no class is left for the random target; raise InputError if there is no other."""
    targeted = [image for image in chosen if image.correct]
    other_kinds = ALL | (USER if args.ids else 0)
    if not targeted or args.target_type & other_kinds or not args.target_type & RANDOM:
        return
    few = (
        f"the network has {num_labels} classes: besides the predicted, the runner-up and the least "
        "likely class none is left for the random target"
    )
    if any(not image.targets for image in targeted):
        raise InputError(f"--target_type {args.target_type}: {few}. Give a sum with 1 or 4")
    if all("random" not in image.info for image in targeted):
        say(few)


def print_others(folder: Path, others: Counter[str]) -> None:
    """Warn of files in the folder that a summary must not mix with those of this run."""
    for different, count in others.items():
        say(
            f"warning: {folder} also holds {count} files that do not go with this run's. Of each: "
            f"{different}. clever.py scores them apart; --save takes another folder"
        )


def print_result(result: ImageResult, seconds: float) -> None:
    """The lines of an image; `seconds` of sampling have passed since the run began."""
    for file in result.kept:
        print(f"kept {file.path}", flush=True)
    if result.error:
        say(result.error)
    for file, estimate in result.sampled:
        print_estimate(result.image, file, estimate, seconds)
        if estimate.is_complete():
            print(f"saved to {file.path}", flush=True)
        else:
            say(f"{file.path} is not saved: an iteration has no finite sample")


def print_estimate(
    image: SelectedImage, file: TargetFile, estimate: Estimate, seconds: float
) -> None:
    """The block of one image and target."""
    top = np.argsort(-estimate.pred, kind="stable")[:TOP]
    print(f"top-{len(top)} classes = {top.tolist()}")
    print(f"top-{len(top)} logits = [{', '.join(f'{z:.5g}' for z in estimate.pred[top])}]")

    for i in range(len(estimate.time)):
        print(estimate.iteration_line(i))
    for summary in estimate.summary_lines():
        print(summary)
    fields = {
        "total": file.number + 1,
        "seq": file.number,
        "id": image.image_id,
        "time": f"{seconds:.3f}",
        "true_class": image.true_label,
        "target_class": estimate.target_label,
        "info": file.info,
    }
    print(line("STATS", 1, **fields))


if __name__ == "__main__":
    command.run(main)

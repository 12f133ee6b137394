"""Sample: for images and target classes, save the maxima of gradient norms for clever.py.

Reads a network and images, each a name (models/, tmp/imagenet/; data/) or a place of your own;
writes one .mat file per image and target, SAVE/DATASET_MODEL/*.mat. Rerun the same command to
resume a run that was ended.
"""

from __future__ import annotations

from lipschitz.support import command

if __name__ == "__main__":
    command.exit_at_once()

import argparse
import contextlib
import functools
import random
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import catalogue
import places
import setup_imagenet
from defense import TRANSFORMATIONS
from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.model_names import NAMES
from lipschitz.data.array_images import ColumnError
from lipschitz.data.dataset import EvaluationSet
from lipschitz.data.fitting import RangeError
from lipschitz.data.numpy_files import NamesError
from lipschitz.data.own_images import OwnImages
from lipschitz.data.targets import (
    ALL,
    LEAST,
    NAMED_BY_USER,
    RANDOM,
    TOP2,
    USER,
    IdFile,
    NoTargetsError,
    SelectedImage,
    choose,
    read_ids,
)
from lipschitz.data.words import counted, some
from lipschitz.file_name import LARGEST_IN_NAME
from lipschitz.maths.ball import DEFAULT_NORM, NORM_OF_BALL, RADII
from lipschitz.network import LOGITS, PROBABILITIES, Box, Convention, Network
from lipschitz.results import earlier_run
from lipschitz.results.attacked import Attacked
from lipschitz.results.earlier_run import EarlierRun, Targets
from lipschitz.results.estimate import Estimate
from lipschitz.sampling import accuracy
from lipschitz.sampling.accuracy import Accuracy, Better, Normalization
from lipschitz.sampling.attack import MOST_STARTS
from lipschitz.sampling.experiment import Experiment, ImageResult
from lipschitz.sampling.image_actor import Work
from lipschitz.sampling.image_attack import SHARE, Seen, plan_of
from lipschitz.sampling.image_job import Attack
from lipschitz.sampling.pool import MOST_PER_CORE
from lipschitz.sampling.run_files import OtherFileError, RunFiles
from lipschitz.sampling.sampler import Sampler, require_measurable
from lipschitz.sampling.saved_attack import SavedAttack
from lipschitz.sampling.tasks import ImageTasks, TargetFile
from lipschitz.settings import BATCH_SIZE, IMAGENET_BATCH_SIZE, NITERS, NSAMPS, SEED, Settings
from lipschitz.support import user_function
from lipschitz.support.atomic import prepare
from lipschitz.support.errors import InputError, RunError, concerning
from lipschitz.support.machine import CPU, GPU, choose_device, cores, cpu_name
from lipschitz.support.options import Parser, number
from lipschitz.support.text import line, printable, say
from lipschitz.tf_backend.readers.graph_ends import TensorsError

if TYPE_CHECKING:
    from lipschitz.sampling.cluster import Share

TOP = 10  # classes listed for an image
LARGEST_RADIUS = 1e9  # no image has values so far apart
RADIUS = number(0, above=True, below=LARGEST_RADIUS, kind=float)
RAY = AUTO, LOCAL = "auto", "local"  # a cluster that is there; this machine
IMAGES, KINDS = 1, TOP2 | RANDOM | LEAST | USER  # that are taken if no option says it
FIRST = 100  # images that the network sees at once, before sampling
OF_NETWORK = ("input_range", "mean", "std", "outputs", "tensors", "signature")  # of the user's
OF_IMAGES = ("arrays", "label")
CLASSES = 10  # names that are shown
SLIGHTLY = 0.02  # of a range: what values that should lie in it may be outside
PIXELS = (
    "each column is taken as a feature with a range of its own, but the table looks like pixels: "
    "if the network takes 0 to 1 for 0 to 255, give --input_range 0 1"
)
OVERWRITE = ". Replace such files with --overwrite, or sample into another folder with --save"


def parse() -> argparse.Namespace:
    """The command line of 2018, and what was added to it."""
    parser = Parser(__doc__)
    add = parser.add_argument
    images = "a .npz, .npy, .csv, .tsv or .parquet, a folder of pictures, MODULE:FUNCTION"
    names = ", ".join(catalogue.DATASETS)
    add("-d", "--dataset", default="mnist", help=f"{names}; or your images: {images}")
    imagenet = f"ImageNet: resnet_v2_101 or another, {setup_imagenet.OF_PACKAGES}"
    names = "; ".join([", ".join(NAMES), imagenet])
    networks = "a .keras, .h5, .onnx or .pb, a SavedModel folder, MODULE:FUNCTION"
    add("-m", "--model_name", default="normal", help=f"{names}; or your network: {networks}")
    weights = f"weights file of {setup_imagenet.OF_PACKAGES}, or of a module of PyTorch"
    add("--weights", default="", help=weights)
    add("--activation", default="relu", choices=ACTIVATIONS, help='of the network "normal"')
    positive, in_name = number(1), number(1, below=LARGEST_IN_NAME)
    add("-N", "--Nsamps", type=in_name, default=NSAMPS, help="samples per iteration")
    add("-i", "--Niters", type=in_name, default=NITERS, help="iterations: maxima collected")
    add("-n", "--numimg", type=positive, help=f"images to take (default {IMAGES}; of --like all)")
    ids = "table (tabs, commas or semicolons) with a column id, and target if targets are named too"
    add("--ids", default="", help=ids)
    add(
        "--target_type",
        type=int,
        help="sum of 1 top2, 2 random, 4 least; 8: those that --ids names, if it does; or 16, "
        f"every class but the predicted one (default {KINDS})",
    )
    add("-f", "--firstimg", type=number(0), default=0, help="first image, or first row of --ids")
    like = "take the images and targets of an earlier run, of another network say: its files"
    add("--like", default="", metavar="FOLDER", help=like)
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
        type=RADIUS,
        default=None,
        help="largest radius (default "
        + ", ".join(f"{norm}: {high:g}" for norm, (_, high) in RADII.items())
        + ", times the width of the network's range)",
    )
    add("--fix_dirty_bug", action="store_true", help=argparse.SUPPRESS)  # without effect
    batch = f"samples at a time; 0: {BATCH_SIZE}, of large images {IMAGENET_BATCH_SIZE}"
    add("-b", "--batch_size", type=number(0), default=0, help=batch)
    add("--nthreads", type=number(0), default=0, help="sampling workers; 0: half the cores")
    add("--device", help="cpu, gpu or gpu:N (default: the first GPU if there is one)")
    add("-s", "--save", "--saved", type=Path, default=Path("lipschitz_mat"), help="where to save")
    add("--seed", type=number(0, below=2**63), default=SEED, help="of samples and random targets")
    overwrite = "replace files of another network or other settings (without it: an error)"
    add("--overwrite", action="store_true", help=overwrite)
    share = f"{100 * SHARE:g} %% of the gradients"
    steps = f"steps of the attack from each of {MOST_STARTS} inputs; 0: none (default: {share})"
    add("--attack", type=number(0), metavar="STEPS", help=steps)
    add("--save_attacks", action="store_true", help="keep the inputs that attacks find, as .npz")
    add_own(parser)
    add_many_machines(parser)
    add_abbreviations(parser)
    args = parser.parse_args()
    check(args)
    return args


def add_own(parser: Parser) -> None:
    """The options about networks and images that have no name in the toolkit."""
    add = parser.add_argument_group("a network of your own").add_argument
    value = number(-LARGEST_RADIUS, below=LARGEST_RADIUS, kind=float)
    positive_value = number(0, above=True, below=LARGEST_RADIUS, kind=float)
    add(
        "--input_range",
        nargs=2,
        type=value,
        metavar=("LOW", "HIGH"),
        help="what it takes for black and white (default 0 1)",
    )
    of_channels = "a number, or one for each channel, in units of that range"
    add("--mean", nargs="+", type=value, help=f"what is taken off its input: {of_channels}")
    add("--std", nargs="+", type=positive_value, help="what that is then divided by, likewise")
    kinds = f"what it gives (default {LOGITS}); of {PROBABILITIES} the logarithms are scored"
    add("--outputs", choices=(LOGITS, PROBABILITIES), help=kinds)
    add("--tensors", type=pair, metavar="INPUT,LOGITS", help="those of a frozen graph")
    add("--signature", metavar="NAME", help=f"that of a SavedModel (default {places.SIGNATURE})")
    add = parser.add_argument_group("images of your own").add_argument
    add(
        "--arrays", type=pair, metavar="IMAGES,LABELS", help="those of an .npz; LABELS may be empty"
    )
    add("--label", metavar="COLUMN", help="that of a table (default label)")


def add_many_machines(parser: Parser) -> None:
    """The options that share a run among processes or machines."""
    add = parser.add_argument_group("many machines").add_argument
    add("--ray", choices=RAY, help="sample on a Ray cluster: one that is there, or this machine")
    add("--cores_per_worker", type=number(1), help="of --ray (default: 4, or the share of a GPU)")
    sent = "folder that Ray sends to machines without access to this one: . or another"
    add("--working_dir", default="", metavar="FOLDER", help=sent)
    every = "take every Nth image of the run, from the Kth on: N processes share it"
    add("--shard", type=shard, default="", metavar="K/N", help=every)


def add_abbreviations(parser: Parser) -> None:
    """Abbreviations in use, which options that came later would make ambiguous."""

    def add(*names: str, **meant: object) -> None:
        parser.add_argument(*names, **meant, default=argparse.SUPPRESS, help=argparse.SUPPRESS)

    add("--a", dest="activation", choices=ACTIVATIONS)
    add("--c", "--co", dest="compute_slope", action="store_true")
    add("--d", dest="dataset")
    add("--i", dest="ids")
    add("--l", dest="label")
    add("--m", dest="model_name")
    add("--o", dest="order", type=int, choices=(1, 2))
    add("--r", "--ra", dest="radius", type=RADIUS)
    add("--sav", dest="save", type=Path)
    add("--w", dest="weights")


def pair(text: str) -> tuple[str, str]:
    """An argparse type: two names with a comma between them; the second may be empty."""
    first, comma, second = text.partition(",")
    if not first or not comma:
        raise argparse.ArgumentTypeError(f"{text}: give two names with a comma between them")
    return first.strip(), second.strip()


def transformation(name: str) -> str:
    """An argparse type: the name of a transformation, or none."""
    if name and name not in TRANSFORMATIONS:
        raise argparse.ArgumentTypeError(f"{name}: choose from {', '.join(TRANSFORMATIONS)}")
    return name


def shard(text: str) -> str:
    """An argparse type: a part of a run, such as 3/10, or none."""
    part, _, parts = text.partition("/")
    if text and not (part.isdecimal() and parts.isdecimal() and 0 < int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text}: give K/N with 1 <= K <= N, such as 3/10")
    return text


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot work before anything slow begins."""
    if args.save_attacks and args.attack == 0:
        raise InputError("--save_attacks: there is no attack with --attack 0")
    if args.compute_slope and args.order == 2:
        raise InputError("--compute_slope: slopes are of first order, leave --order 2 out")
    takes_weights = setup_imagenet.takes_weights(args.model_name)
    if args.weights and not (takes_weights or user_function.is_name(args.model_name)):
        raise InputError(
            f"--weights is for ImageNet networks named {setup_imagenet.OF_PACKAGES}, and for "
            "modules of PyTorch that a function makes, MODULE:FUNCTION"
        )
    if args.weights and not Path(args.weights).is_file():
        raise InputError(f"--weights {args.weights}: no such file")
    for name in ("cores_per_worker", "working_dir"):
        if getattr(args, name) and not args.ray:
            raise InputError(f"--{name} is for --ray")
    if args.ray and args.device not in (None, CPU, GPU):
        raise InputError(f"--device {args.device}: give {CPU} or {GPU}, a worker of --ray has one")
    if args.device and not args.ray:
        with concerning("--device "):
            choose_device(args.device)
    most = MOST_PER_CORE * cores()
    if args.nthreads > most and not args.ray:
        say(f"--nthreads {args.nthreads} is taken as {most}: there are {cores()} cores")
        args.nthreads = most
    check_selection(args)
    check_places(args)


def check_selection(args: argparse.Namespace) -> None:
    """Refuse options that choose images and targets twice; fill in what they leave open."""
    if args.like:
        for name in ("ids", "target_type"):
            if getattr(args, name):
                raise InputError(f"--like names the images and their targets: leave --{name} out")
    elif args.numimg is None:
        args.numimg = IMAGES
    if args.target_type is None:
        args.target_type = USER if args.like else KINDS
    kinds = TOP2 | RANDOM | LEAST | ALL | (USER if args.ids or args.like else 0)
    if not args.target_type & kinds or args.target_type not in range(2 * ALL):
        raise InputError(
            f"--target_type {args.target_type}: give a sum of 1, 2 and 4, or 16; or 8 with --ids"
        )


def check_places(args: argparse.Namespace) -> None:
    """Refuse options about a network or images of the user's if there are none."""
    own_network = catalogue.names_own_network(args.dataset, args.model_name)
    own_images = catalogue.names_own_images(args.dataset)
    for name in OF_NETWORK:
        if getattr(args, name) is not None and not own_network:
            raise InputError(
                f"--{name} is for a network of your own, and {args.model_name} is a name"
            )
    for name in OF_IMAGES:
        if getattr(args, name) is not None and not own_images:
            raise InputError(f"--{name} is for images of your own, and {args.dataset} is a name")
    if own_images and not own_network and not setup_imagenet.is_named(args.model_name):
        raise InputError(
            f"-m {args.model_name}: there is no network of this name for {args.dataset}: give the "
            "file of one, -m my_model.keras, or a network of ImageNet, -m keras:ResNet50V2"
            + places.hint(args.model_name, places.NETWORKS)
        )


def main() -> None:
    """Parse, load, choose images and targets, then sample around one image after the other."""
    args = parse()
    options = vars(args) | {"save": str(args.save)}
    print(options)
    convention = convention_of(args)
    model = catalogue.find(args.dataset, args.model_name, args.activation)
    own_images = load_images(args)
    named = named_images(args, own_images.names if own_images is not None else ())

    # Ray and frameworks take seconds to start: errors in the options come before
    command.exit_at_once()
    with cluster(args) as share:
        import_framework(args)
        load = network_source(args, convention, own_images)
        network = load_network(load, args, own_images)
        if args.device not in (None, CPU) and network.device == cpu_name() and not args.ray:
            raise InputError(
                f"--device {args.device}: {args.model_name} finds no GPU to compute on"
            )
        convention = replace(convention, box=network.box)
        generator = random.Random(args.seed)
        data = load_data(args, network, generator, own_images)
        settings = settings_of(args, network)
        with concerning("--order 2: " if args.order == 2 else "--compute_slope, --batch_size: "):
            require_measurable(network, settings)
        with Sampler(network, settings.batch_size, args.nthreads) as sampler:
            if share is None:
                sampler.start()  # if there is no room for them, that is said before the choice
            print_drawn(settings)
            ids = select_ids(len(data.images), named, args)
            logits = logits_of(data, ids, sampler)
            seen_ids, seen = seen_images(data, ids, logits, sampler)
            right, doubts = accuracy_and_doubts(
                data, seen_ids, seen, sampler.network, convention, own_images, args
            )
            doubts += too_large_radius(settings, network)
            if takes_features(network, own_images, args) and own_images.looks_like_pixels:
                doubts.append(PIXELS)
            print_loaded(model, data, right, sampler, args)
            for doubt in doubts:
                say(f"warning: {doubt}")
            labels = data.true_labels(logits, ids)
            chosen = list(
                choose(
                    ids,
                    logits,
                    labels,
                    args.target_type,
                    generator,
                    catalogue.lowest_label(args.dataset, network),
                    named_targets(ids, labels, named, data.labels is not None, args),
                )
            )
            ours = set(of_shard(ids, args))
            print_choice(chosen, ours, catalogue.class_offset(args.dataset, network))
            print_left_out(ids, ours, logits)
            check_targets(chosen, network.num_labels, args)
            for image_id in of_shard(ids, args) if data.names else ():
                print(f"image {image_id} is {printable(data.names[image_id])}")
            if not any(image.correct for image in chosen):
                raise RunError(nothing_to_score(model, chosen, right, args))
            folder = settings.folder(args.save)
            prepare(folder)  # an error comes before sampling, not after it
            whole = ImageTasks(chosen, data.images, folder, settings, network)
            tasks = whole.of(ours)
            transform = TRANSFORMATIONS[args.transform] if args.transform else None
            plan, attack = plan_of(settings, args.attack), None
            if plan is not None:
                seen = first_seen(data, seen_ids, seen, sampler)
                attack = SavedAttack(network, plan, seen, transform, args.save_attacks)
            files = RunFiles(
                settings,
                overwrite=args.overwrite,
                options=options,
                wrong_images=[image.image_id for image in chosen if not image.correct],
                outputs=sampler.outputs,
                doubts=doubts,
                image_names=dict(enumerate(data.names)),
                class_names=catalogue.class_names(args.dataset, args.model_name, network, data),
            )
            with concerning(after=OVERWRITE, kind=OtherFileError):
                files.check(tasks)
                print_others(folder, files.others(folder, whole))
                command.check_interrupted()
                if share is not None:
                    results = sampled_on_cluster(tasks, files, attack, load, transform, share, args)
                else:
                    experiment = Experiment(sampler, files, transform, print_newest, attack)
                    results = experiment.run(tasks)
                with contextlib.closing(results):  # workers end before their cluster does
                    print_results(results, tasks, args)
            if not tasks:
                say(
                    f"--shard {args.shard}: it has none of the run's {counted(len(whole), 'image')}"
                )
    say(f"to score what is saved: python3 clever.py {shlex.quote(str(folder))}")


def import_framework(args: argparse.Namespace) -> None:
    """Import the framework that computes the network; on a cluster the GPUs are the workers'."""
    if args.ray:
        choose_device(CPU)
    catalogue.import_framework(args.model_name)
    command.check_interrupted()
    command.raise_interrupted()


@contextlib.contextmanager
def cluster(args: argparse.Namespace) -> Iterator[Share | None]:
    """Join the Ray cluster that samples, if there is one; a worker's share of a node."""
    if not args.ray:
        yield None
        return
    try:
        from lipschitz.sampling.cluster import joined, share_of_worker
    except ModuleNotFoundError as error:
        raise InputError(
            f'--ray needs Ray: pip install "clever-toolkit[ray]", or ray alone ({error})'
        ) from error
    with joined(args.ray == LOCAL, args.working_dir):
        with_gpus = None if args.device is None else args.device != CPU
        with concerning(f"--ray {args.ray}: "):
            share = share_of_worker(args.cores_per_worker, with_gpus, grows=args.ray == AUTO)
        yield share


def sampled_on_cluster(
    tasks: ImageTasks,
    files: RunFiles,
    attack: SavedAttack | None,
    load: functools.partial[Network],
    transform: Callable | None,
    share: Share,
    args: argparse.Namespace,
) -> Iterator[ImageResult]:
    """The results of images that workers of the cluster sample."""
    from lipschitz.sampling.cluster import Crew, working_folder
    from lipschitz.sampling.cluster_experiment import ClusterExperiment

    work = Work(
        working_folder(),
        load,
        files.settings,
        share.cores,
        on_gpu=share.gpus > 0,
        nthreads=args.nthreads,
        transform=transform,
        attack=None if attack is None else Attack(attack.plan, attack.seen),
    )
    network, grows = tasks.network.fingerprint, args.ray == AUTO
    with Crew(work, share, network, work.code(), grows) as crew:
        yield from ClusterExperiment(crew, files, attack).run(tasks)


def print_results(
    results: Iterator[ImageResult], tasks: ImageTasks, args: argparse.Namespace
) -> None:
    """Print each result as it comes. Raises RunError if a target has no score or no attack."""
    seconds, failed, broken = 0.0, 0, 0
    for result in results:
        seconds += result.seconds
        failed += len(result.lost)
        broken += result.error is not None and not result.lost
        print_result(result, seconds, watched=not args.ray)
    reasons = [f"{failed} of {len(tasks.paths)} targets have no score"] if failed else []
    reasons += [f"{counted(broken, 'image')} not attacked"] if broken else []
    if reasons:
        raise RunError(f"{', '.join(reasons)} (see above)")


def convention_of(args: argparse.Namespace) -> Convention:
    """What the options say of a network of the user's."""
    low, high = args.input_range or (0.0, 1.0)
    if not low < high:
        raise InputError(f"--input_range {low:g} {high:g}: black comes first, and is less")
    mean, std = args.mean or [0.0], args.std or [1.0]
    number = max(len(mean), len(std))  # of channels, or 1
    mean, std = (each * number if len(each) == 1 else each for each in (mean, std))
    if len(mean) != len(std):
        raise InputError(f"there are {len(mean)} numbers in --mean and {len(std)} in --std")
    probabilities = args.outputs == PROBABILITIES
    return Convention(Box(low, high), tuple(mean), tuple(std), probabilities)


def load_images(args: argparse.Namespace) -> OwnImages | None:
    """The images of a place; None if the data set has a name."""
    if not catalogue.names_own_images(args.dataset):
        return None
    with (
        concerning(after="; give --arrays IMAGES,LABELS", kind=NamesError),
        concerning(after="; give --label COLUMN", kind=ColumnError),
    ):
        return places.images(args.dataset, args.arrays, args.label or "")


def network_source(
    args: argparse.Namespace, convention: Convention, images: OwnImages | None
) -> functools.partial[Network]:
    """What makes the network of a name, or the user's, here or in another process."""
    if not catalogue.names_own_network(args.dataset, args.model_name):
        named = args.dataset, args.model_name, args.activation, args.weights
        return functools.partial(catalogue.network, *named)
    image = images.shape if images is not None else catalogue.image_shape(args.dataset)
    signature = args.signature or places.SIGNATURE
    place = args.model_name, convention, image, args.tensors, signature, args.weights
    return functools.partial(places.network, *place)


def load_network(
    load: Callable[[], Network], args: argparse.Namespace, images: OwnImages | None
) -> Network:
    """The network, in the ranges of the columns if it takes those of a table."""
    with concerning(after="; give --tensors INPUT,LOGITS", kind=TensorsError):
        network = load()
    if takes_features(network, images, args):
        if args.radius is None:
            raise InputError(
                f"{args.dataset} is a table, whose columns have no common unit: give --radius; or "
                "--input_range 0 1 if they are pixels, and 0 to 1 is what the network takes"
            )
        return replace(network, box=Box(*images.ranges()))
    return network


def takes_features(network: Network, images: OwnImages | None, args: argparse.Namespace) -> bool:
    """Whether each column of a table is an input of the network, with a range of its own."""
    is_table = images is not None and images.is_table
    return is_table and len(network.input_shape) == 1 and not args.input_range


def load_data(
    args: argparse.Namespace,
    network: Network,
    generator: random.Random,
    own_images: OwnImages | None,
) -> EvaluationSet:
    """The images in the shape and range of the network."""
    with concerning(f"{args.dataset}: " if own_images is not None else ""):
        try:
            with concerning(after="; give --label COLUMN", kind=ColumnError):
                return catalogue.evaluation_set(args.dataset, network, generator, own_images)
        except RangeError as error:
            if not catalogue.names_own_network(args.dataset, args.model_name):
                raise
            raise InputError(f"{error}; {how_to_fit(error, network.box)}") from error


def how_to_fit(error: RangeError, box: Box) -> str:
    """What to do if images have values outside a network's range."""
    lower, upper = np.min(box.lower), np.max(box.upper)
    beyond = max(lower - error.lowest, error.highest - upper)
    if 0 < beyond <= SLIGHTLY * (upper - lower):
        return f"clip them to {lower:g} and {upper:g} if they came to lie outside by computation"
    low, high = accuracy.range_of(error.lowest, error.highest)
    told = f"if it takes these, give --input_range {low:g} {high:g}"
    if (low, high) in accuracy.RANGES:
        return told
    return f"{told}; if they are normalized, give them as they were, with --mean and --std"


def named_images(args: argparse.Namespace, names: Sequence[str]) -> IdFile | EarlierRun | None:
    """The images that a file of ids or an earlier run names; None if neither is given."""
    if args.like:
        return earlier_images(args)
    return ids_file(args, names) if args.ids else None


def earlier_images(args: argparse.Namespace) -> EarlierRun:
    """The images of --like that -f and -n take, with their targets."""
    with concerning("--like: "):
        of_this = {"nsamp": args.Nsamps, "niters": args.Niters, "order": args.order}
        run = earlier_run.read(Path(args.like), of_this)
    there = len(run.images)
    if args.firstimg >= there:
        raise InputError(f"--firstimg {args.firstimg}: {args.like} has {counted(there, 'image')}")
    last = None if args.numimg is None else args.firstimg + args.numimg
    taken = replace(run, images=run.images[args.firstimg : last])
    number = sum(len(image.targets) for image in taken.images)
    print(
        f"--like {printable(args.like)}: {len(taken.images)} of {counted(there, 'image')} taken, "
        f"with {counted(number, 'target')}"
    )
    return taken


def ids_file(args: argparse.Namespace, names: Sequence[str] = ()) -> IdFile:
    """The rows of --ids that -f and -n take; args.target_type loses 8 if they name no targets.

    `names` are those of the images' files.
    """
    rows = Path(args.ids), args.firstimg, args.numimg
    with concerning("--ids "):
        try:
            named = read_ids(*rows, with_targets=bool(args.target_type & USER), names=names)
        except NoTargetsError as error:
            others = args.target_type & ~USER
            if not others & (TOP2 | RANDOM | LEAST | ALL):
                given = f"--target_type {args.target_type} takes the targets from it"
                raise InputError(f"{error}: {given}, 7 needs no such column") from error
            print(f"--ids {error}: --target_type {args.target_type} is taken as {others}")
            args.target_type = others
            named = read_ids(*rows, with_targets=False, names=names)
    print(
        f"--ids {args.ids}: {named.taken} of {named.rows} rows taken (--numimg {args.numimg}): "
        f"{len(named.images)} images"
    )
    return named


def settings_of(args: argparse.Namespace, network: Network) -> Settings:
    """What decides the numbers of this run."""
    return Settings(
        dataset=catalogue.data_name(args.dataset),
        model_name=catalogue.network_name(args.dataset, args.model_name),
        activation=args.activation,
        Nsamps=args.Nsamps,
        Niters=args.Niters,
        order=args.order,
        sample_norm=args.sample_norm,
        radius=args.radius,
        transform=args.transform,
        compute_slope=args.compute_slope,
        seed=args.seed,
        batch_size=args.batch_size or catalogue.batch_size(args.dataset, network.input_shape),
        box=network.box,
    )


def select_ids(
    there: int, named: IdFile | EarlierRun | None, args: argparse.Namespace
) -> list[int]:
    """The images to take, of `there` test images."""
    if named is not None:
        ids = [image.image_id for image in named.images]
        if max(ids) >= there:
            source = f"--like {args.like}" if args.like else f"--ids {args.ids}"
            raise InputError(f"{source}: no image {max(ids)}, there are {there} images")
        return ids
    ids = list(range(there))[args.firstimg : args.firstimg + args.numimg]
    if not ids:
        raise InputError(f"--firstimg {args.firstimg}: there are {there} test images")
    if len(ids) < args.numimg:
        print(f"--numimg {args.numimg}: only {counted(len(ids), 'test image')} from {ids[0]} on")
    return ids


def logits_of(data: EvaluationSet, ids: list[int], sampler: Sampler) -> np.ndarray:
    """The logits (N, K) of these images, a few of which are in memory at a time."""
    return np.concatenate(
        [
            sampler.logits(np.stack([data.images[image_id] for image_id in some_ids]))
            for some_ids in (ids[first : first + FIRST] for first in range(0, len(ids), FIRST))
        ]
    )


def named_targets(
    ids: list[int],
    labels: np.ndarray,
    named: IdFile | EarlierRun | None,
    has_labels: bool,
    args: argparse.Namespace,
) -> list[Targets] | None:
    """The targets that the earlier run has, or the file of ids if --target_type has 8."""
    if args.like:
        return earlier_targets(labels, named, has_labels, args)
    if named is None or not args.target_type & USER:
        return None
    return user_targets(ids, labels, named, args)


def earlier_targets(
    labels: np.ndarray, run: EarlierRun, has_labels: bool, args: argparse.Namespace
) -> list[Targets]:
    """The targets of the earlier run; says which images have none."""
    with concerning(f"--like {args.like}: "):
        found = earlier_run.targets(run, labels, has_labels)
    if not any(found):
        raise InputError(f"--like {args.like}: the network takes each image as another class")
    for image, each in zip(run.images, found, strict=True):
        if not each:
            say(f"--like {args.like}: image {image.image_id} is taken as another class: skipped")
    return found


def user_targets(
    ids: list[int], labels: np.ndarray, named: IdFile, args: argparse.Namespace
) -> list[Targets]:
    """The targets that the file of ids names."""
    own_class = dict(zip(ids, labels.argmax(axis=1).tolist(), strict=True))
    found = []
    for image in named.images:
        label = own_class[image.image_id]
        if max(image.targets) >= labels.shape[1]:
            raise InputError(
                f"--ids {args.ids}: target {max(image.targets)} of image {image.image_id}: give a "
                f"class below {labels.shape[1]}"
            )
        if label in image.targets:
            say(f"--ids {args.ids}: image {image.image_id} is of class {label}: no target, skipped")
        found.append([(NAMED_BY_USER, target) for target in image.targets if target != label])
    if not any(found):
        raise InputError(f"--ids {args.ids}: no row names another class than the image's own")
    return found


def nothing_to_score(
    model: str, chosen: list[SelectedImage], right: Accuracy | None, args: argparse.Namespace
) -> str:
    """Why no image has a score: what the network says of them, and how good it is on others."""
    predictions = ", ".join(
        f"image {image.image_id} (class {image.true_label}) as {taken_as(image)}"
        for image in chosen[:TOP]
    )
    more = f" and {len(chosen) - TOP} more" if len(chosen) > TOP else ""
    told = (
        f"{model} classifies none of the {len(chosen)} images correctly, so there is nothing to "
        f"score: it takes {predictions}{more}"
    )
    if right is None:
        return told
    good = right.right > right.number / 2
    return f"{told}. Of {right.number} test images {right.right} are classified correctly: " + (
        "choose others" if good else f"is it trained, and on {args.dataset}?"
    )


def taken_as(image: SelectedImage) -> str:
    """The class of an image that is not classified correctly, in words."""
    undecided = image.predicted == image.true_label
    return "no class (largest logits equal or not finite)" if undecided else str(image.predicted)


def seen_images(
    data: EvaluationSet, ids: list[int], logits: np.ndarray, sampler: Sampler
) -> tuple[list[int], Seen]:
    """Some test images with their logits, and their ids: they tell how good the network is.

    They are those of the run, which has `logits` of them, if they are enough, or the first.
    """
    wanted = min(catalogue.accuracy_images(data), len(data.images))
    if len(ids) < wanted:
        ids = list(range(wanted))
        images = np.stack([data.images[image_id] for image_id in ids])
        return ids, Seen(images, sampler.logits(images))
    images = np.stack([data.images[image_id] for image_id in ids[:wanted]])
    return ids[:wanted], Seen(images, logits[:wanted])


def first_seen(data: EvaluationSet, ids: list[int], seen: Seen, sampler: Sampler) -> Seen:
    """The first test images with their logits: attacks start from the same ones in every run."""
    first = list(range(len(ids)))
    return seen if ids == first else seen_images(data, first, seen.logits, sampler)[1]


def accuracy_and_doubts(
    data: EvaluationSet,
    ids: list[int],
    seen: Seen,
    network: Network,
    convention: Convention,
    own_images: OwnImages | None,
    args: argparse.Namespace,
) -> tuple[Accuracy | None, list[str]]:
    """The accuracy on test images, and what is suspicious in it; None if they have no labels."""
    images, logits = seen
    if data.labels is None:
        return None, list(accuracy.doubts(None, logits))
    labels = data.labels[ids]
    doubts = list(accuracy.doubts(labels, logits))
    better = accuracy.better_input(network, images, labels, logits, convention)
    if better is not None:
        is_scaled = own_images is None or own_images.is_scaled
        doubts.append(f"{better}; {how_to_give(better, convention, is_scaled, args)}")
    return accuracy.of_logits(logits, labels), doubts


def how_to_give(better: Better, now: Convention, is_scaled: bool, args: argparse.Namespace) -> str:
    """What makes a network get its images in another form, if it was trained on that.

    Images that are not scaled keep their values, whatever range the network has.
    """
    other = better.alternative
    own_network = catalogue.names_own_network(args.dataset, args.model_name)
    ways = []
    if (other.lower, other.upper) != (now.box.lower, now.box.upper):
        scale = (other.upper - other.lower) / float(now.box.width)
        layer = f"keras.layers.Rescaling({scale}, offset={other.lower - now.box.lower * scale})"
        option = f"--input_range {other.lower:g} {other.upper:g}"
        if not (is_scaled or now.is_normalized or other.normalization):
            option = f"--mean {now.box.lower - other.lower / scale:.6g} --std {1 / scale:.6g}"
        ways.append(f"give {option}" if own_network else f"put {layer} in front of its layers")
    if other.normalization is not None:
        ways.append(f"give {options_of(other.normalization)}")
    elif other.unnormalized:
        ways.append("leave --mean and --std out")
    if other.turned:
        ways.append("turn the channels of the images, x[..., ::-1]")
    normalized = now.is_normalized or other.normalization is not None or not own_network
    or_else = "" if normalized else ", or its --mean and --std if it was trained on normalized ones"
    of_others = [each.normalization for each, _ in better.others if each.normalization is not None]
    if or_else and of_others:
        or_else += f", {options_of(of_others[0])} if with those of {of_others[0].of}"
    lower, upper = now.box.lower, now.box.upper
    return (
        f"it gets values in [{lower:g}, {upper:g}]; if it was trained on others, "
        f"{' and '.join(ways)}{or_else}"
    )


def options_of(normalization: Normalization) -> str:
    """The options that give a network its mean and std."""
    mean, std = (" ".join(map(str, each)) for each in normalization[:2])
    return f"--mean {mean} --std {std}"


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


def print_loaded(
    model: str,
    data: EvaluationSet,
    right: Accuracy | None,
    sampler: Sampler,
    args: argparse.Namespace,
) -> None:
    """What was read and what computes: in one line, in two for what is the user's own."""
    network = sampler.network
    workers = "" if args.ray else f"; sampling workers: {sampler.nthreads}"
    on = f"{model} on {network.device}{workers}"
    own_images = catalogue.names_own_images(args.dataset)
    if not own_images and not catalogue.names_own_network(args.dataset, args.model_name):
        say(f"{on}; classified correctly: {right} test images")
        return
    classified = (
        f"{right} classified correctly"
        if right is not None
        else "no labels: what the network predicts counts as the true class"
    )
    names = f" ({some(data.classes, CLASSES)})" if data.classes else ""
    say(f"{args.dataset}: {data.described}, {network.num_labels} classes{names}, {classified}")
    say(f"{on}; scores are distances in {unit(network.box)}")


def unit(box: Box) -> str:
    """What the scores of a network with this box are measured in."""
    if np.ndim(box.lower) or np.ndim(box.upper):
        return "the units of the table"
    return f"the units of the network's inputs, {box.lower:g} (black) to {box.upper:g} (white)"


def print_drawn(settings: Settings) -> None:
    """Say so if N is rounded to whole batches."""
    asked, drawn = settings.Nsamps, settings.drawn
    if drawn != asked:
        how = "raised" if drawn > asked else "rounded down"
        print(
            f"-N {asked} is {how} to {drawn}: batches of {settings.batch_size} samples, which -b "
            "sets"
        )


def of_shard(ids: list[int], args: argparse.Namespace) -> list[int]:
    """Those of the run's images that this process takes."""
    if not args.shard:
        return ids
    part, parts = map(int, args.shard.split("/"))
    return ids[part - 1 :: parts]


def print_choice(chosen: list[SelectedImage], ours: set[int], shift: int) -> None:
    """The DATAGEN lines of our images, labels moved by `shift`, and the share correct of all."""
    for place, image in enumerate(chosen, start=1):
        if image.image_id not in ours:
            continue
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


def print_left_out(ids: list[int], ours: set[int], logits: np.ndarray) -> None:
    """Warn of our images that the network gives no finite logits."""
    for image_id, row in zip(ids, logits, strict=True):
        if image_id in ours and not np.isfinite(row).all():
            print(f"warning: image {image_id} is left out: its logits are not finite")


def check_targets(chosen: list[SelectedImage], num_labels: int, args: argparse.Namespace) -> None:
    """Say if no class is left for the random target; raise InputError if there is no other."""
    targeted = [image for image in chosen if image.correct]
    other_kinds = ALL | (USER if args.ids or args.like else 0)
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


def print_result(result: ImageResult, seconds: float, watched: bool) -> None:
    """The lines of an image; `seconds` of sampling have passed since the run began.

    If it was `watched`, lines have come already.
    """
    for file in result.kept:
        print(f"kept {file.path}", flush=True)
        if file.path in result.attacked:
            print(f"attacked {file.path}")
            print(result.attacked[file.path].summary_line(), flush=True)
    if result.error:
        say(result.error)
    for place, (file, estimate) in enumerate(result.sampled):
        if place or not (watched and is_watched(len(result.sampled))):
            print_network_output(estimate)
            for i in range(len(estimate.time)):
                print(estimate.iteration_line(i))
        print_estimate(result.image, file, estimate, result.attacked.get(file.path), seconds)
        if estimate.is_complete():
            print(f"saved to {file.path}", flush=True)
        else:
            say(f"{file.path} is not saved: an iteration has no finite sample")


def is_watched(targets: int) -> bool:
    """Whether lines of an image's first target come while it is sampled: a log can be watched.

    At a terminal a bar shows how far several targets are.
    """
    return targets == 1 or not sys.stdout.isatty()


def print_newest(newest: list[Estimate], number: int) -> None:
    """The line of an image's newest iteration, of its first target."""
    if not is_watched(len(newest)):
        return
    estimate = newest[0]
    if number == 0:
        print_network_output(estimate)
    i = len(estimate.time) - 1
    print(estimate.iteration_line(i, first=number - i), flush=True)


def print_network_output(estimate: Estimate) -> None:
    """The largest logits of an image."""
    top = np.argsort(-estimate.pred, kind="stable")[:TOP]
    print(f"top-{len(top)} classes = {top.tolist()}")
    print(f"top-{len(top)} logits = [{', '.join(f'{z:.5g}' for z in estimate.pred[top])}]")


def print_estimate(
    image: SelectedImage,
    file: TargetFile,
    estimate: Estimate,
    attacked: Attacked | None,
    seconds: float,
) -> None:
    """What the iterations of one image and target give, and the attack."""
    for summary in estimate.summary_lines():
        print(summary)
    if attacked is not None:
        print(attacked.summary_line())
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

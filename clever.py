"""Score: fit the maxima in .mat files, take the end points as Lipschitz constants, print scores.

Reads the .mat files that collect_gradients.py saved; prints a line per fit and a summary, and
writes plots with --plot_dir.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from lipschitz.data.targets import NAMED_BY_USER
from lipschitz.file_name import EXTENSION, FileName
from lipschitz.maths.ball import NORM_OF_BALL
from lipschitz.maths.chance import is_guessing
from lipschitz.maths.interval import LEVEL, REGULAR_SHAPE
from lipschitz.maths.scores import DUAL_NORM
from lipschitz.maths.weibull import FEW_MAXIMA, SHAPE_REG, fit
from lipschitz.network import LOGITS
from lipschitz.results import scoring, summary, tables
from lipschitz.results.matfile import NORMS, Record
from lipschitz.results.scoring import BOUND_NORMS, FITTED, METHODS, UNKNOWN, Score
from lipschitz.results.summary import Pair
from lipschitz.results.tables import REFUTED
from lipschitz.support.command import run
from lipschitz.support.errors import InputError, RunError, concerning
from lipschitz.support.options import Parser, number
from lipschitz.support.text import DOUBT, line, printable

MUCH_LARGER = 2.0  # times a radius: a larger ball of another norm holds little of the score's


def parse() -> argparse.Namespace:
    """The command line."""
    parser = Parser(__doc__)
    add = parser.add_argument
    add("data_folder", nargs="+", type=Path, help="folders (searched recursively) or .mat files")
    add("--min", action="store_true", help="the least score over images, not the mean")
    add("--user_type", default="", help="what to call targets that came from a file of ids")
    add("--use_slope", action="store_true", help="fit the slopes (--compute_slope), not gradients")
    add("--untargeted", action="store_true", help="per image the least over --target_type 16 files")
    count, weight = number(0), number(0, kind=float)
    add("--num_samples", type=count, default=0, help="use the first K maxima of a file; 0: all")
    add("--num_images", type=count, default=0, help="use the first K files, by image; 0: all")
    add("--shape_reg", type=weight, default=SHAPE_REG, help="weight of the fit's penalty")
    add("--order", type=int, choices=BOUND_NORMS, help="score only files of this order")
    add("--activation", default="", help="score only files of this activation")
    add("--nthreads", type=int, default=0, help=argparse.SUPPRESS)  # of 2018, without effect
    add("--plot_dir", default="", help="draw each fit into this folder")
    add(
        "--method",
        default="mle_reg",
        choices=METHODS,
        help="likelihood with the penalty, without it, or the largest maximum without a fit",
    )
    level = number(0, above=True, below=1, kind=float)
    add("--level", type=level, default=LEVEL, help="confidence level of the intervals")
    add("--cap", action="store_true", help="print at most the distance that was sampled")
    table = "print scores in this norm, with intervals and attacks, as a table to read"
    add("--table", choices=NORMS, help=table)
    return parser.parse_args()


def main() -> int:
    """Parse, load, fit, print."""
    args = parse()
    print(vars(args) | {"data_folder": list(map(str, args.data_folder))})
    paths = scoring.find_files(args.data_folder)
    for option in ("order", "activation"):
        if wanted := getattr(args, option):
            with concerning(f"--{option} "):
                paths = scoring.of_kind(paths, option, wanted)
    records, unreadable = load(paths, args.use_slope)
    experiments = scoring.experiments(select(records, args))
    check_user_type(args.user_type, experiments)
    plots = plot_folders(experiments, args.plot_dir)
    headings = scoring.headings(experiments)
    if args.cap:
        with concerning("--cap: "):
            scoring.check_limits([record for members in experiments for record in members])
    for members, heading, folder in zip(experiments, headings, plots, strict=True):
        if len(experiments) > 1:
            print(f"\n=== {heading} ===")
        print_source(members, always=len(experiments) > 1)
        members, again = scoring.each_once(members)
        for record in again:
            print(
                printable(f"warning: left out {record.path}: its image and target are there twice")
            )
        scored = members[: args.num_images or None]
        scores = scoring.score(scored, args.method, args.shape_reg, args.level, args.cap)
        for file, of_file in groupby(scores, key=lambda score: score.file.path):
            print_scores(file, list(of_file), folder, args)
        pairs = least_scores(scores) if args.untargeted else by_kind(scores, args.user_type)
        if args.table:
            print_table(scores, args.table, args.untargeted)
        print_images(members, scores)
        print_doubts(members, scores, args.method)
        print_attacks(pairs)
        print_summary(pairs, "min" if args.min else "mean", args.level)
    if unreadable:
        print(f"{unreadable} of {len(paths)} files were left out (see above)", file=sys.stderr)
    return 1 if unreadable else 0


def load(paths: list[Path], slope: bool) -> tuple[list[Record], int]:
    """Read the files; says which are left out, and how many cannot be read."""
    loaded = scoring.load(paths, slope)
    if loaded.without_slopes and not loaded.records:
        raise RunError(
            f"{loaded.without_slopes} files hold no slopes: score them without --use_slope"
        )
    if not loaded.records:
        raise RunError("none of the files can be scored")
    if loaded.without_slopes:
        print(f"left out {loaded.without_slopes} files that hold no slopes")
    return loaded.records, loaded.unreadable


def select(records: list[Record], args: argparse.Namespace) -> list[Record]:
    """The files to score, targeted or not, cut to their first `--num_samples` maxima."""
    chosen = [record for record in records if scoring.is_untargeted(record) == args.untargeted]
    if args.untargeted and not chosen:
        raise InputError("no files of an untargeted run: sample with --target_type 16")
    if not args.untargeted and len(chosen) < len(records):
        left_out = len(records) - len(chosen)
        print(f"left out {left_out} files of an untargeted run: score them with --untargeted")
    if not chosen:
        raise InputError("only files of an untargeted run: score them with --untargeted")
    return first_maxima(chosen, args.num_samples) if args.num_samples else chosen


def first_maxima(records: list[Record], num_samples: int) -> list[Record]:
    """The files cut to their first maxima, without those that have fewer."""
    enough = []
    for record in records:
        cut = scoring.first_maxima(record, num_samples)
        if cut is None:
            n = min(len(maxima) for maxima in record.maxima.values())
            path = printable(str(record.path))
            print(f"warning: skipped {path}: --num_samples {num_samples}, it has {n}")
        else:
            enough.append(cut)
    if not enough:
        raise InputError(f"no file has {num_samples} maxima: choose a smaller --num_samples")
    return enough


def check_user_type(name: str, experiments: list[list[Record]]) -> None:
    """Refuse a name for the user's targets that is that of others."""
    if name and any(record.name.info == name for members in experiments for record in members):
        raise InputError(f"--user_type {name}: there are other targets of this kind")


def plot_folders(experiments: list[list[Record]], plot_dir: str) -> list[Path | None]:
    """Where each experiment's plots go, made now: an error comes before the work."""
    if not plot_dir:
        return [None] * len(experiments)
    folders = []
    taken = Counter()  # experiments whose plots have the same names
    for members in experiments:
        folder = Path(plot_dir)
        if len(experiments) > 1:
            nsamp, niters, activation, order = members[0].name.experiment
            folder /= f"{nsamp}_{niters}_{activation}_order{order}"
        taken[folder, members[0].model] += 1
        again = taken[folder, members[0].model]
        folders.append(folder.with_name(f"{folder.name}_{again}") if again > 1 else folder)
        folders[-1].mkdir(parents=True, exist_ok=True)
    return folders


def print_source(members: list[Record], always: bool) -> None:
    """What the files of an experiment come from, if they say it or `always`."""
    source, outputs = scoring.source(members[0]), scoring.outputs(members)
    if always or source["network"] != scoring.UNKNOWN or outputs != LOGITS:
        print(line("SETTINGS", 1, **source, outputs=outputs))


def print_images(members: list[Record], scores: list[Score]) -> None:
    """How many images of an experiment have a score."""
    scored = {score.file.name.image_id for score in scores}
    there = {record.name.image_id for record in members}
    if any(record.wrong_images is None for record in members):
        print(f"scored: {len(scored)} images")
        return
    wrong = frozenset().union(*(record.wrong_images for record in members)) - there
    number = len(there | wrong)
    print(f"scored: {len(scored)} of {number} images; {len(wrong)} are classified wrongly")
    num_labels = members[0].num_labels
    if num_labels and is_guessing(len(there), number, num_labels):
        print(
            f"warning: {len(there)} of {number} images are classified correctly, no more than "
            f"guessing gives: are these the labels and the range of values of the network?"
        )


def print_doubts(members: list[Record], scores: list[Score], method: str) -> None:
    """Warn of what makes the scores of an experiment worth less."""
    fitted = scores if method in FITTED else []
    counts = {
        f"fits are of fewer than {FEW_MAXIMA} maxima, too few for three parameters": [
            len(score.maxima) < FEW_MAXIMA for score in fitted
        ],
        f"fits are replaced by the largest maximum, without an interval{reasons(fitted)}": [
            bool(score.fit.problem) for score in fitted
        ],
        "constants still grow with N, beyond their intervals: sample with a larger -N": [
            score.grows for score in fitted
        ],
        "scores are larger than the distances that were sampled"
        + (", and are printed as these" if scores[0].cap else ""): [
            score.is_outside for score in scores
        ],
        "scores are impossible: no valid input is so far away": [
            score.is_impossible for score in scores
        ],
        "scores are REFUTED and outside the sampled ball: sample a larger one": [
            score.is_refuted and score.is_outside for score in scores
        ],
        "scores are REFUTED: an attack needs less, so the samples missed steep places": [
            score.is_refuted and not score.is_outside for score in scores
        ],
        "attacks found no input with a margin of 0 or less: collect_gradients.py --attack 200 "
        "tries harder": [
            score.distance == np.inf for score in scores if score.distance is not None
        ],
    }
    for what, found in counts.items():
        if any(found):
            print(f"warning: {sum(found)} of {len(found)} {what}")
    with_interval = [score.interval for score in scores if score.interval is not None]
    unbounded = sum(not interval.bounded for interval in with_interval)
    if unbounded:
        print(
            f"{unbounded} of {len(with_interval)} constants are not bounded by their maxima alone: "
            + (
                "the penalty decides how large they can be"
                if method == "mle_reg"
                else "their scores can be near 0"
            )
        )
    unknown = sum(score.file.limits is None for score in scores)
    if unknown:
        print(f"{unknown} of {len(scores)} scores cannot be compared with what was sampled")
    for doubt in scoring.doubts(members):
        print(DOUBT + doubt)


def print_scores(
    path: Path, scores: list[Score], plots: Path | None, args: argparse.Namespace
) -> None:
    """The lines of one file, and its plots."""
    record = scores[0].file
    print("loading")
    # of a file in the current folder the whole path: its folder tells the network
    shown = path if path.parent.name else path.absolute()
    print(f"[Filename] {printable(str(shown))}")
    if record.non_finite:
        print(f"warning: {record.non_finite} samples were not finite: the maxima are of others")
    if plots:
        for score in scores:
            plot(score, plots, args.use_slope)
    for score in scores:
        print(debug_line(score, args.method))
        if args.method in FITTED:
            print(interval_line(score, args.level))
        if score.distance is not None:
            print(attack_line(score))
        for remark in remarks(score):
            print(f"bnd_norm {score.norm}: {remark}")


def reasons(fitted: list[Score]) -> str:
    """How many fits are replaced for each reason, in brackets; empty if none is."""
    counts = Counter(re.sub(r" is [-\d.e]+$", "", each.fit.problem) for each in fitted)
    del counts[""]
    named = ", ".join(f"{reason}: {count}" for reason, count in counts.items())
    return f" ({named})" if counts else ""


def remarks(score: Score) -> Iterator[str]:
    """What is to be said against a score, and what to do about it."""
    limits = score.file.limits
    if score.fit.problem:
        yield f"scored by the maximum: {score.fit.problem}"
    elif score.interval is not None and score.interval.irregular:
        yield f"irregular: the shape is below {REGULAR_SHAPE:g}, so the interval is a rough one"
    if score.is_impossible:
        yield f"impossible: no valid input is farther than {limits.farthest[score.norm]:.5g}"
    elif score.is_outside:
        sampled = f"sampled up to the distance {limits.sampled[score.norm]:.5g}"
        yield f"outside: {sampled}{how_to_reach(score)}"
    if score.grows:
        grown = ", ".join(f"{each:.5g} at {m}N" for m, each in score.merged.items())
        yield f"grows: the constant is {score.fit.end_point:.5g}, and {grown}"


def how_to_reach(score: Score) -> str:
    """The options that sample a ball in which the distance of a score lies."""
    record, norm = score.file, score.norm
    ball, radius = record.provenance.get("sample_norm"), record.provenance.get("radius")
    if ball not in NORM_OF_BALL or not isinstance(radius, float) or not 0 < radius < np.inf:
        return ""
    needed = radius * score.uncapped / record.limits.sampled[norm]
    if NORM_OF_BALL[ball] == norm or needed <= MUCH_LARGER * radius:
        return f"; --radius {rounded_up(needed)} reaches it"
    own_ball = next(name for name, of_ball in NORM_OF_BALL.items() if of_ball == norm)
    return f"; --sample_norm {own_ball} --radius {rounded_up(score.uncapped)} reaches it"


def rounded_up(value: float) -> str:
    """Two digits, not less than the value."""
    return f"{float(f'{value * 1.05:.2g}'):g}"


def interval_line(score: Score, level: float) -> str:
    """The line of a score's interval; without one its ends are nan."""
    interval = score.interval
    fields = {
        **named(score),
        "bnd_norm": score.norm,
        "bnd": score.score,
        "low": np.nan if interval is None else score.low,
        "high": np.nan if interval is None else score.high,
        "level": level,
        "bounded": interval is not None and interval.bounded,
        "inside": UNKNOWN if score.file.limits is None else not score.is_outside,
    }
    return line("INTERVAL", 1, **fields)


def attack_line(score: Score) -> str:
    """The line of a score beside the distance that an attack needs."""
    fields = {
        **named(score),
        "norm": score.norm,
        "distance": score.distance,
        "bnd": score.score,
        "ratio": score.ratio,
    }
    return line("ATTACK", 1, **fields, **({"verdict": REFUTED} if score.is_refuted else {}))


def named(score: Score) -> dict[str, object]:
    """The fields that name the image and the target of a score."""
    name = score.file.name
    return {"id": name.image_id, "target_label": name.target_label, "info": name.info}


def print_table(scores: list[Score], norm: str, untargeted: bool) -> None:
    """The scores in a norm with their intervals and attacks, for people to read.

    Of an untargeted run the least of each image.
    """
    of_norm = [score for score in scores if score.norm == norm]
    if untargeted:
        least = {}
        for score in sorted(of_norm, key=lambda score: score.score):
            least.setdefault(score.file.name.image_id, score)
        of_norm = [least[image_id] for image_id in sorted(least)]
    if of_norm:
        print("\n".join(tables.lines(of_norm)))
    else:
        print(f"--table {norm}: there are no scores in this norm: second order has L2 alone")


def debug_line(score: Score, method: str) -> str:
    """The line of one fit; g_x0 prints in full."""
    name, fit = score.file.name, score.fit
    fields = {
        "id": name.image_id,
        "true_label": name.true_label,
        "target_label": name.target_label,
        "info": name.info,
        "nsamps": name.nsamp,
        "niters": name.niters,
        "bnd_norm": score.norm,
        "bnd": score.score,
    }
    if method in FITTED:
        fields |= {
            "ks": fit.ks,
            "pVal": fit.p_value,
            "shape": fit.shape,
            "loc": fit.location,
            "scale": fit.scale,
            "g_x0": repr(score.file.g_x0),
        }
    return line("DEBUG", 1, **fields)


def plot(score: Score, folder: Path, slope: bool) -> None:
    """Draw one fit."""
    # matplotlib is slow to import, and few runs plot
    from lipschitz.results.plot import GRADIENT_NORMS, plot_fit

    record, name, norm = score.file, score.file.name, score.norm
    maxima = score.maxima
    model = re.sub(r"[^A-Za-z0-9.,-]", "-", record.model)
    parts = ["Fig", model, name.info, name.image_id, name.true_label, name.target_label]
    parts += ["Nsamp", len(maxima), *(["slope"] if slope else []), f"L{norm}"]
    path = folder / ("_".join(map(str, parts)) + ".png")
    print(f"[Figname] {printable(str(path))}")
    classes = f"class {name.true_label} to {name.target_label} ({name.info})"
    title = f"{model}, image {name.image_id}, {classes}: L{norm} score {score.score:.5g}"
    gradient = f"{GRADIENT_NORMS[DUAL_NORM[norm]]} {'slope' if slope else 'norm of the gradient'}"
    curvature = "magnitude of a smallest Hessian eigenvalue"
    plot_fit(path, maxima, score.fit, title, gradient if name.order == 1 else curvature)


def least_scores(scores: list[Score]) -> list[Pair]:
    """The least scores of each image over its targets, which are printed; as one kind."""
    images = summary.untargeted(scores)
    for image in images:
        if image.absent:
            print(f"warning: image {image.image_id}: {image.absent} classes have no file")
        fields = {
            "image": f"{image.image_id:3d}",
            "n_classes": f"{image.targets + 1:3d}",
            **{f"clever_L{norm}": value for norm, value in image.least.items()},
        }
        print(line("STATS", 1, **fields))
    return [
        Pair("untargeted", norm, value, image.nearest.get(norm))
        for image in images
        for norm, value in image.least.items()
    ]


def by_kind(scores: list[Score], user_type: str) -> list[Pair]:
    """The scores with their kind of target; `user_type` is that of named targets."""
    names = {NAMED_BY_USER: user_type} if user_type else {}
    return [
        Pair(
            names.get(each.file.name.info, each.file.name.info),
            each.norm,
            each.score,
            each.distance,
        )
        for each in scores
    ]


def print_attacks(pairs: list[Pair]) -> None:
    """A line for each kind of target and norm: its scores beside the attacks."""
    for kind, by_norm in summary.attacks(pairs).items():
        for norm, attacks in by_norm.items():
            print(line("ATTACK", 0, info=kind, norm=norm, **attacks._asdict()))


def print_summary(pairs: list[Pair], how: str, level: float) -> None:
    """The L0 lines: a kind of target each, its scores over the images; intervals come before."""
    means = []
    for kind, by_norm in summary.averages(pairs, how, level).items():
        fields, ends = {}, {}
        for norm, average in by_norm.items():
            name = f"{kind}_clever_L{norm}"
            fields[name] = average.score
            if average.interval is not None:
                ends[f"{name}_low"], ends[f"{name}_high"] = average.interval
            if average.infinite:
                print(
                    f"warning: {average.infinite} of {average.number} scores of {kind} in L{norm} "
                    f"are infinite (gradients of zero, or nearly) and left out of the {how}"
                )
        means.append(line("STATS", 0, info=kind, **fields))
        if ends:
            print(line("INTERVAL", 0, info=kind, **ends, level=level))
    print(*means, sep="\n")


# The names of 2018 -----------------------------------------------------------


def get_lipschitz_estimate(
    G_max: np.ndarray,
    norm: str = "L2",
    figname: str = "",
    use_reg: bool = False,
    shape_reg: float = SHAPE_REG,
) -> dict[str, float]:
    """The end point of maxima (n,), `Lips_est`, and the fit that gives it.

    `norm` is that of the gradients (L1, L2 or Li) and names the figure: FIGNAME_NORM.png, of the
    norm that the score is in. Without `figname` there is none.
    """
    maxima = np.asarray(G_max, float)
    (fitted,) = fit([maxima], shape_reg if use_reg else 0.0)
    if figname:
        from lipschitz.results.plot import GRADIENT_NORMS, plot_fit

        of_gradient = norm.removeprefix("L")
        path = Path(f"{figname}_L{DUAL_NORM[of_gradient]}.png")
        label = f"{GRADIENT_NORMS[of_gradient]} norm of the gradient"
        plot_fit(path, maxima, fitted, f"end point {fitted.end_point:.5g}", label)
    return {
        "Lips_est": fitted.end_point,
        "shape": fitted.shape,
        "loc": fitted.location,
        "scale": fitted.scale,
        "ks": fitted.ks,
        "pVal": fitted.p_value,
    }


def parse_filename(filename: str) -> tuple[int, int, int, int, int, str, str, str]:
    """N, iterations, image id, true class, target class, info, activation and order of a .mat."""
    *fields, order = FileName.parse(Path(filename).stem + EXTENSION)
    return *fields, str(order)


if __name__ == "__main__":
    run(main)

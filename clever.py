"""Score: fit the maxima in .mat files, take the end points as Lipschitz constants, print scores.

Reads the .mat files that collect_gradients.py saved; prints a line per fit and a summary. Also
writes tables, a page that shows the scores, and figures, if they are asked for.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import numpy as np

from lipschitz.file_name import EXTENSION, FileName
from lipschitz.maths.interval import LEVEL
from lipschitz.maths.scores import DUAL_NORM
from lipschitz.maths.weibull import SHAPE_REG, fit
from lipschitz.network import LOGITS
from lipschitz.results import (
    comparison,
    findings,
    printed_table,
    scoring,
    signature,
    summary,
    table_files,
    tables,
)
from lipschitz.results.comparison import Compared
from lipschitz.results.matfile import NORMS, Record
from lipschitz.results.remarks import remarks
from lipschitz.results.score_lines import attack_line, debug_line, interval_line
from lipschitz.results.scored import Scored, Scoring, scored
from lipschitz.results.scoring import BOUND_NORMS, FITTED, METHODS, Score
from lipschitz.results.summary import Pair
from lipschitz.support.atomic import prepare
from lipschitz.support.command import let_output_go_nowhere, run
from lipschitz.support.errors import InputError, RunError, concerning
from lipschitz.support.options import Parser, number
from lipschitz.support.text import line, printable, say

WRITTEN = (*table_files.WRITERS, "report", "figures")  # options that name a place to write to


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
    row = "a row for each image, target and norm"
    add("--csv", type=place, metavar="FILE", help=f"also write a table, {row}")
    add("--json", type=place, metavar="FILE", help="the same as JSON")
    add("--parquet", type=place, metavar="FILE", help="the same as parquet (needs pyarrow)")
    page = "also write a page that shows and explains the scores, HTML"
    add("--report", type=place, metavar="FILE", help=page)
    drawn = "also draw the means, the scores beside attacks and the fits, as PDF and PNG"
    add("--figures", type=place, metavar="FOLDER", help=drawn)
    both = "compare each experiment with the first, on the images and targets that both have"
    add("--compare", action="store_true", help=both)
    same = "exit with 1 unless an experiment has this signature, and say what differs"
    add("--check_signature", metavar="SIGNATURE", help=same)
    add("--p", dest="plot_dir", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser.parse_args()


def place(text: str) -> Path:
    """An argparse type: where something is written, which has a name."""
    if not text:
        raise argparse.ArgumentTypeError("it has no name: give one")
    return Path(text)


def main() -> int:
    """Parse, load, fit, print, write."""
    args = parse()
    check(args)
    print(printed_options(args))
    paths = scoring.find_files(args.data_folder)
    for option in ("order", "activation"):
        if wanted := getattr(args, option):
            with concerning(f"--{option} "):
                paths = scoring.of_kind(paths, option, wanted)
    records, unreadable = load(paths, args.use_slope)
    experiments = scoring.experiments(select(records, args))
    check_user_type(args.user_type, experiments)
    if args.compare:
        of_orders = concerning(after="; choose one with --order", kind=comparison.OrdersError)
        with concerning("--compare: "), of_orders:
            comparison.check([members[0] for members in experiments])
    plots = plot_folders(experiments, args.plot_dir)
    headings = scoring.headings(experiments)
    if args.cap:
        with concerning("--cap: "):
            scoring.check_limits([record for members in experiments for record in members])
    results = []
    for members, heading, folder in zip(experiments, headings, plots, strict=True):
        members, again = scoring.each_once(members)
        with unread_output(args):
            print_beginning(members, again, heading if len(experiments) > 1 else "")
        results.append(scored(members, heading, scoring_of(args)))
        with unread_output(args):
            print_experiment(results[-1], folder, args)
    write_tables(results, args)
    try:
        compared = compare(results) if args.compare else []
    except InputError:  # the scores took long, and are whole
        write_pages(results, [], unreadable, args)
        raise
    with unread_output(args):
        print_comparisons(compared)
    write_pages(results, compared, unreadable, args)
    if unreadable:
        print(f"{unreadable} of {len(paths)} files were left out (see above)", file=sys.stderr)
    if args.check_signature is not None and not print_differences(results, args.check_signature):
        return 1
    return 1 if unreadable else 0


def check(args: argparse.Namespace) -> None:
    """Refuse what cannot be written before anything slow begins."""
    if args.check_signature is not None:
        with concerning("--check_signature "):
            signature.read(args.check_signature)
    if args.parquet:
        with concerning("--parquet: "):
            table_files.require_parquet()
    wanted = {option: path for option in WRITTEN if (path := getattr(args, option))}
    if len({path.resolve() for path in wanted.values()}) < len(wanted):
        raise InputError(f"--{' and --'.join(wanted)}: name a place for each")
    for option, path in wanted.items():
        if option == "figures":
            if path.exists() and not path.is_dir():
                raise InputError(f"--figures {path} is a file: name a folder")
            prepare(path)
            continue
        if path.exists() and not path.is_file():
            is_folder = path.is_dir()
            what = "a folder: name a file in it" if is_folder else "no regular file: name another"
            raise InputError(f"--{option} {path} is {what}")
        prepare(followed(path).parent)
    if args.min and args.compare:
        say("--min: comparisons are of means over images all the same")


def followed(path: Path) -> Path:
    """The file to write: of a symbolic link the one that it leads to."""
    return path.resolve() if path.is_symlink() else path


def printed_options(args: argparse.Namespace) -> dict[str, object]:
    """The options as they are printed, with paths as text."""
    plain = {
        name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()
    }
    return plain | {"data_folder": list(map(str, args.data_folder))}


def scoring_of(args: argparse.Namespace) -> Scoring:
    """The choices that change a number."""
    return Scoring(
        method=args.method,
        shape_reg=args.shape_reg,
        use_slope=args.use_slope,
        num_samples=args.num_samples,
        num_images=args.num_images,
        cap=args.cap,
        level=args.level,
        untargeted=args.untargeted,
        average="min" if args.min else "mean",
        user_type=args.user_type,
    )


def compare(experiments: list[Scored]) -> list[Compared]:
    """Each experiment beside the first."""
    first, *others = experiments
    how = " (collect_gradients.py --like FOLDER)"
    with concerning("--compare: "), concerning(after=how, kind=comparison.NoPairError):
        return [comparison.compare(first, other) for other in others]


def print_comparisons(compared: list[Compared]) -> None:
    """A table of several comparisons, then the lines of each."""
    if len(compared) > 1:
        print("\n".join(comparison.matrix(compared)))
    for position, each in enumerate(compared, start=2):
        print("\n".join(comparison.lines(each, position)))


def write_tables(experiments: list[Scored], args: argparse.Namespace) -> None:
    """Write the tables that are asked for, and say so on stderr: stdout ends with the L0 lines."""
    wanted = {form: path for form in table_files.WRITERS if (path := getattr(args, form))}
    frame = tables.frame(experiments) if wanted else None
    for form, path in wanted.items():
        table_files.write(frame, followed(path), form)
        say(f"{len(frame)} scores in {path}")


def write_pages(
    experiments: list[Scored], compared: list[Compared], unreadable: int, args: argparse.Namespace
) -> None:
    """Write the report and the figures, if they are asked for."""
    # matplotlib and jinja2 are slow to import, and few runs need them
    if args.report:
        from lipschitz.results.report import page

        page.write(followed(args.report), experiments, compared, unreadable)
        say(f"a report in {args.report}")
    if args.figures:
        from lipschitz.results.report import figures

        say(f"{len(figures.save(experiments, args.figures))} figures in {args.figures}")


def print_differences(experiments: list[Scored], wanted: str) -> bool:
    """Tell in what signatures differ from the one that is wanted; whether an experiment has it."""
    agrees = False
    for each in experiments:
        different = signature.differences(wanted, signature.signature(each))
        agrees |= not different
        said = f"another signature: {'; '.join(different)}" if different else "the same signature"
        say(f"{each.heading}: {said}")
    return agrees


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
    if any(not each.isprintable() or each in ",=|" for each in name):
        raise InputError(f"--user_type {printable(name)}: give a name without commas, = and |")
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


@contextmanager
def unread_output(args: argparse.Namespace) -> Iterator[None]:
    """What is to be written is written, though the reader of the lines, `head` say, has gone."""
    try:
        yield
    except BrokenPipeError:
        if not any(getattr(args, option) for option in WRITTEN):
            raise
        let_output_go_nowhere()


def print_beginning(members: list[Record], again: list[Record], heading: str) -> None:
    """What an experiment is, if there are several, and which of its files count once."""
    if heading:
        print(f"\n=== {heading} ===")
    print_source(members, always=bool(heading))
    for record in again:
        print(printable(f"warning: left out {record.path}: its image and target are there twice"))


def print_source(members: list[Record], always: bool) -> None:
    """What the files of an experiment come from, if they say it or `always`."""
    source, outputs = scoring.source(members[0]), scoring.outputs(members)
    if always or source["network"] != scoring.UNKNOWN or outputs != LOGITS:
        print(line("SETTINGS", 1, **source, outputs=outputs))


def print_experiment(scored: Scored, plots: Path | None, args: argparse.Namespace) -> None:
    """The lines of an experiment: its scores, what is to be said of them, the summary."""
    for file, of_file in groupby(scored.scores, key=lambda score: score.file.path):
        print_scores(file, list(of_file), plots, args)
    if args.untargeted:
        print_least(scored.scores)
    if args.table:
        print_table(scored, args.table)
    print(findings.images_line(scored))
    for finding in findings.findings(scored):
        print(finding.line)
    print(signature.LINE + signature.signature(scored))
    print_attacks(scored.pairs)
    print_summary(scored)


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
            if remark.line:
                print(f"bnd_norm {score.norm}: {remark.line}")


def print_table(scored: Scored, norm: str) -> None:
    """The scores in a norm with their intervals and attacks, for people to read.

    Of an untargeted run the least of each image.
    """
    of_norm = [score for score in scored.averaged if score.norm == norm]
    if of_norm:
        print("\n".join(printed_table.lines(of_norm)))
    else:
        print(f"--table {norm}: there are no scores in this norm: second order has L2 alone")


def plot(score: Score, folder: Path, slope: bool) -> None:
    """Draw one fit."""
    # matplotlib is slow to import, and few runs plot
    from lipschitz.results.report.plot import GRADIENT_NORMS, plot_fit

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


def print_least(scores: list[Score]) -> None:
    """A line for each image of an untargeted run: its least scores over the targets."""
    for image in summary.untargeted(scores):
        if image.absent:
            print(f"warning: image {image.image_id}: {image.absent} classes have no file")
        fields = {
            "image": f"{image.image_id:3d}",
            "n_classes": f"{image.targets + 1:3d}",
            **{f"clever_L{norm}": value for norm, value in image.least.items()},
        }
        print(line("STATS", 1, **fields))


def print_attacks(pairs: list[Pair]) -> None:
    """A line for each kind of target and norm: its scores beside the attacks."""
    for kind, by_norm in summary.attacks(pairs).items():
        for norm, attacks in by_norm.items():
            print(line("ATTACK", 0, info=kind, norm=norm, **attacks._asdict()))


def print_summary(scored: Scored) -> None:
    """The L0 lines: a kind of target each, its scores over the images; intervals come before."""
    how, level = scored.how.average, scored.how.level
    means = []
    for kind, by_norm in scored.averages.items():
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
        from lipschitz.results.report.plot import GRADIENT_NORMS, plot_fit

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

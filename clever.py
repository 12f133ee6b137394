"""Score: fit the maxima in .mat files, take the end points as Lipschitz constants, print scores."""

import argparse
import contextlib
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lipschitz import matfile
from lipschitz.bounds import DUAL_NORM, average, clever_score, second_order_score
from lipschitz.errors import InputError, RunError, run
from lipschitz.lines import line, printable
from lipschitz.matfile import Record
from lipschitz.targets import UNTARGETED
from lipschitz.weibull import SHAPE_REG, Fit, fit

BOUND_NORMS = {1: ("1", "2", "i"), 2: ("2",)}  # by order


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data_folder", nargs="+", type=Path, help="folders (searched recursively) or .mat files"
    )
    parser.add_argument("--min", action="store_true", help="least score over images, not the mean")
    parser.add_argument(
        "--user_type", default="", help="what to call targets that came from a file of ids"
    )
    parser.add_argument(
        "--use_slope", action="store_true", help="fit the slopes (--compute_slope), not gradients"
    )
    parser.add_argument(
        "--untargeted", action="store_true", help="per image the least over --target_type 16 files"
    )
    parser.add_argument(
        "--num_samples", type=int, default=0, help="use the first K maxima of a file"
    )
    parser.add_argument("--num_images", type=int, default=0, help="use the first K files, by image")
    parser.add_argument(
        "--shape_reg", type=float, default=SHAPE_REG, help="weight of the fit's penalty"
    )
    parser.add_argument("--order", type=int, choices=BOUND_NORMS, help="score files of this order")
    parser.add_argument("--activation", default="", help="score files of this activation")
    parser.add_argument("--nthreads", type=int, default=0, help="without effect: no pool is needed")
    parser.add_argument("--plot_dir", default="", help="draw each fit into this folder")
    parser.add_argument("--method", default="mle_reg", choices=("mle", "mle_reg", "maxsamp"))
    args = parser.parse_args()
    if args.num_samples < 0 or args.num_images < 0:
        raise InputError("--num_samples and --num_images count from 1; 0 means all")
    if not args.shape_reg >= 0:
        raise InputError("--shape_reg is a weight: 0 or more")
    return args


def main() -> int:
    """Parse, load, fit, print."""
    args = parse()
    print(vars(args) | {"data_folder": list(map(str, args.data_folder))})
    paths = of_kind(find_files(args.data_folder), args)
    records, unreadable = load(paths, slope=args.use_slope)
    records = select(records, args)

    experiments = group(records)
    plots = plot_folders(experiments, args.plot_dir)
    for experiment, members in experiments.items():
        if len(experiments) > 1:
            print(f"\n=== {heading(*experiment)} ===")
        members.sort(key=lambda record: (record.name.image_id, record.name.info))
        if args.num_images:
            members = members[: args.num_images]
        scores = score(members, args, plots[experiment])
        if args.untargeted:
            scores = untargeted(members, scores)
        summarise(members, scores, args)
    if unreadable:
        print(f"{unreadable} of {len(paths)} files were left out (see above)", file=sys.stderr)
    return 1 if unreadable else 0


def find_files(places: Iterable[Path]) -> list[Path]:
    """All .mat files at and under the places that the user named."""
    paths = []
    for place in places:
        if not place.exists():
            raise InputError(f"{place} does not exist: name the folder that sampling saved to")
        if place.is_dir():
            found = sorted(place.rglob("*" + matfile.EXTENSION))
            # a hidden name is that of a file which is being written
            paths += [path for path in found if not path.name.startswith(".")]
        else:
            paths.append(place)
    paths = list({path.resolve(): path for path in paths}.values())  # each file counts once
    if not paths:
        named = ", ".join(map(str, places))
        raise InputError(f"no .mat files in {named}: sample with collect_gradients.py first")
    return paths


def of_kind(paths: list[Path], args: argparse.Namespace) -> list[Path]:
    """The files whose names are of the order and activation that are asked for."""
    for option in ("order", "activation"):
        wanted = getattr(args, option)
        if not wanted:
            continue
        named = {}
        for path in paths:
            with contextlib.suppress(matfile.FormatError):
                named[path] = getattr(matfile.Name.parse(path.name), option)
        if wanted not in named.values():
            known = " and ".join(sorted(map(str, set(named.values())))) or "none"
            raise InputError(f"--{option} {wanted}: there are files of {known}")
        paths = [path for path, value in named.items() if value == wanted]
    return paths


def load(paths: list[Path], slope: bool) -> tuple[list[Record], int]:
    """Read the files; one that cannot be used is named, counted and skipped."""
    records, without_slopes, unreadable = [], 0, 0
    for path in paths:
        try:
            records.append(matfile.load(path, slope))
        except matfile.NoSlopesError:
            without_slopes += 1
        except matfile.FormatError as error:
            print(printable(f"skipped {path}: {error}"), file=sys.stderr)
            unreadable += 1
    if without_slopes and not records:
        raise RunError(f"{without_slopes} files hold no slopes: score them without --use_slope")
    if not records:
        raise RunError("none of the files can be scored")
    if without_slopes:
        print(f"left out {without_slopes} files that hold no slopes")
    return records, unreadable


def select(records: list[Record], args: argparse.Namespace) -> list[Record]:
    """The files of the kind that is asked for, cut to their first `--num_samples` maxima."""
    chosen = [r for r in records if r.name.info.startswith(UNTARGETED) == args.untargeted]
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
        n = min(len(maxima) for maxima in record.maxima.values())
        if num_samples > n:
            path = printable(str(record.path))
            print(f"warning: skipped {path}: --num_samples {num_samples}, it has {n}")
            continue
        first = {norm: maxima[:num_samples] for norm, maxima in record.maxima.items()}
        enough.append(replace(record, maxima=first))
    if not enough:
        raise InputError(f"no file has {num_samples} maxima: choose a smaller --num_samples")
    return enough


def group(records: list[Record]) -> dict[tuple, list[Record]]:
    """The files by experiment: folder, NSAMP, NITERS, activation, order."""
    experiments = defaultdict(list)
    for record in records:
        name = record.name
        key = (record.path.parent, name.nsamp, name.niters, name.activation, name.order)
        experiments[key].append(record)
    return experiments


def plot_folders(experiments: dict[tuple, list[Record]], plot_dir: str) -> dict[tuple, Path | None]:
    """Where each experiment's plots go, made now: one that cannot be is said before the work."""
    folders = {}
    taken = Counter()  # experiments whose plots have the same names
    for experiment, members in experiments.items():
        if not plot_dir:
            folders[experiment] = None
            continue
        folder = Path(plot_dir)
        if len(experiments) > 1:
            _, nsamp, niters, activation, order = experiment
            folder /= f"{nsamp}_{niters}_{activation}_order{order}"
        taken[folder, members[0].model] += 1
        again = taken[folder, members[0].model]
        folders[experiment] = folder.with_name(f"{folder.name}_{again}") if again > 1 else folder
        folders[experiment].mkdir(parents=True, exist_ok=True)
    return folders


def heading(folder: Path, nsamp: int, niters: int, activation: str, order: int) -> str:
    """An experiment, for people to read."""
    return f"{folder}: N = {nsamp}, {niters} iterations, {activation}, order {order}"


def score(
    records: list[Record], args: argparse.Namespace, plots: Path | None
) -> list[dict[str, float]]:
    """Fit all files and norms together; returns each file's scores by the bound's norm."""
    norms = BOUND_NORMS[records[0].name.order]
    samples = [record.maxima[DUAL_NORM[norm]] for record in records for norm in norms]
    if args.method == "maxsamp":
        fits = [Fit(float(x.max())) for x in samples]
    else:
        fits = fit(samples, args.shape_reg if args.method == "mle_reg" else 0.0)

    scores = []
    for i, record in enumerate(records):
        of_record = slice(i * len(norms), (i + 1) * len(norms))
        fitted = dict(zip(norms, fits[of_record], strict=True))
        print("loading")
        print(f"[Filename] {printable(str(record.path))}")
        if record.non_finite:
            print(f"warning: {record.non_finite} samples were not finite: the maxima are of others")
        bounds = {norm: bound(record, fitted[norm].end_point) for norm in norms}
        if plots:
            for norm in norms:
                plot(record, norm, bounds[norm], fitted[norm], plots, args.use_slope)
        for norm in norms:
            print(debug_line(record, norm, bounds[norm], fitted[norm], args.method))
            if fitted[norm].problem:
                print(f"bnd_norm {norm}: scored by the maximum: {fitted[norm].problem}")
        scores.append(bounds)
    return scores


def bound(record: Record, end_point: float) -> float:
    """The score of a file whose maxima have this end point."""
    if record.name.order == 1:
        return clever_score(record.g_x0, end_point)
    return second_order_score(record.g_x0, record.g_x0_grad_2_norm, end_point)


def debug_line(record: Record, norm: str, bound: float, fitted: Fit, method: str) -> str:
    """The line of one fit; g_x0 prints in full."""
    name = record.name
    fields = {
        "id": name.image_id,
        "true_label": name.true_label,
        "target_label": name.target_label,
        "info": name.info,
        "nsamps": name.nsamp,
        "niters": name.niters,
        "bnd_norm": norm,
        "bnd": bound,
    }
    if method != "maxsamp":
        fields |= {
            "ks": fitted.ks,
            "pVal": fitted.p_value,
            "shape": fitted.shape,
            "loc": fitted.location,
            "scale": fitted.scale,
            "g_x0": repr(record.g_x0),
        }
    return line("DEBUG", 1, **fields)


def plot(record: Record, norm: str, bound: float, fitted: Fit, folder: Path, slope: bool) -> None:
    """Draw one fit."""
    # matplotlib is slow to import, and few runs plot
    from lipschitz.plot import GRADIENT_NORMS, plot_fit

    name = record.name
    maxima = record.maxima[DUAL_NORM[norm]]
    model = re.sub(r"[^A-Za-z0-9.,-]", "-", record.model)
    parts = ["Fig", model, name.info, name.image_id, name.true_label, name.target_label]
    parts += ["Nsamp", len(maxima), *(["slope"] if slope else []), f"L{norm}"]
    path = folder / ("_".join(map(str, parts)) + ".png")
    print(f"[Figname] {printable(str(path))}")
    classes = f"class {name.true_label} to {name.target_label} ({name.info})"
    title = f"{model}, image {name.image_id}, {classes}: L{norm} score {bound:.5g}"
    gradient = f"{GRADIENT_NORMS[DUAL_NORM[norm]]} {'slope' if slope else 'norm of the gradient'}"
    curvature = "magnitude of a smallest Hessian eigenvalue"
    plot_fit(path, maxima, fitted, title, gradient if name.order == 1 else curvature)


def untargeted(records: list[Record], scores: list[dict[str, float]]) -> list[dict[str, float]]:
    """Per image the least score over its targets, each printed."""
    of_image = defaultdict(list)
    for record, bounds in zip(records, scores, strict=True):
        of_image[record.name.image_id].append(bounds)
    least = []
    num_labels = max(record.num_labels for record in records)
    for image_id, bounds in of_image.items():
        least.append({norm: min(bound[norm] for bound in bounds) for norm in bounds[0]})
        fields = {f"clever_L{norm}": value for norm, value in least[-1].items()}
        n_classes = len(bounds) + 1
        if n_classes < num_labels:
            print(f"warning: image {image_id}: {num_labels - n_classes} classes have no file")
        print(line("STATS", 1, image=f"{image_id:3d}", n_classes=f"{n_classes:3d}", **fields))
    return least


def summarise(
    records: list[Record], scores: list[dict[str, float]], args: argparse.Namespace
) -> None:
    """Print the L0 lines: a kind of target each, its scores over the images."""
    of_kind = defaultdict(list)
    if args.untargeted:
        of_kind["untargeted"] = scores
    else:
        for record, bounds in zip(records, scores, strict=True):
            kind = record.name.info
            of_kind[args.user_type if kind == "user" and args.user_type else kind].append(bounds)
    how = "min" if args.min else "mean"
    summary = []
    for kind in sorted(of_kind):
        fields = {}
        for norm in of_kind[kind][0]:
            of_norm = [bounds[norm] for bounds in of_kind[kind]]
            fields[f"{kind}_clever_L{norm}"], left_out = average(of_norm, how)
            if left_out:
                print(
                    f"warning: {left_out} of {len(of_norm)} scores of {kind} in L{norm} are "
                    f"infinite (gradients of zero, or nearly) and left out of the {how}"
                )
        summary.append(line("STATS", 0, info=kind, **fields))
    print(*summary, sep="\n")


if __name__ == "__main__":
    run(main)

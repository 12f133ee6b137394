"""Tabulate: average the scores in logs of clever.py per model, kind of target and norm.

Reads what clever.py printed, kept in files, or the tables that it wrote (--csv, --json, --parquet);
prints a line per average and two LaTeX tables. With --save_pickle it also writes pickle_* files to
the current folder.

A row is a model, with the settings of its sub-folder if any (cifar normal defend_jpeg). Experiments
of one model that differ in the folder they were saved to, N, iterations, activation, order or
options of scoring, or that are of another network, have rows of their own, named after the
differences. Files of an untargeted run are one kind, "untargeted": the bound of the nearest class
for each image and norm. A fit is usable if pVal > 0.05 and shape < 1000. With --method maxsamp
there are no fits, and all bounds count. If a bound is printed more than once, the last one counts:
logs are read in the order of the command line, those of a folder from the oldest to the newest.

Logs from before August 2018 are read too: N and the iterations are those in the names of the files.
If a log names no files, the folder that was scored tells the model, or else the name of the log,
PREFIX_DATASET_MODEL.log; such logs are rows apart, since their settings are not known.
"""

import argparse
import codecs
import math
import re
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from lipschitz.data.dataset import DATASETS
from lipschitz.data.targets import UNTARGETED
from lipschitz.file_name import INFO, NUMBER, FileName
from lipschitz.network import NOT_LOGITS, short_fingerprint
from lipschitz.results import table_files
from lipschitz.results.scoring import FITTED, REFUTED, UNKNOWN
from lipschitz.support.command import run
from lipschitz.support.errors import InputError
from lipschitz.support.options import Parser
from lipschitz.support.text import DOUBT, line, printable, read_fields

# rows that begin with these come first in the tables
FIRST_ROWS = (
    "mnist 2-layer",
    "mnist normal",
    "mnist distilled",
    "mnist brelu",
    "cifar 2-layer",
    "cifar normal",
    "cifar distilled",
    "cifar brelu",
    "imagenet inception",
    "imagenet resnet",
    "imagenet mobilenet",
)
FIRST_KINDS = ("least", "random", "top2")
TABLE_NORMS = ("2", "i")
NO_CELL = "-"
LONGEST_LINE = 2**16  # characters: longer lines are read in pieces

# what clever.py says that the files of an experiment come from
SOURCE = (
    "network",
    "sample_norm",
    "radius",
    "transform",
    "compute_slope",
    "seed",
    "drawn",
    "box",
    "outputs",
)
OF_2018 = {"0": "False", "1": "True"}  # how files of 2018 keep a choice
IF_ABSENT = {"cap": "False"}  # from logs of before there was a choice
SCORING = ("method", "use_slope", "shape_reg", "num_samples", "cap")  # options that change a bound
# the fields of a [DEBUG] line, those that it has since August 2018, and those of a fit
IDS = dict.fromkeys(("id", "true_label", "target_label"), int)
FIELDS = IDS | {"info": str, "bnd_norm": str, "bnd": float}
DRAWN = dict.fromkeys(("nsamps", "niters"), int)
WORDS = {"info": INFO, "bnd_norm": "[12i]"} | dict.fromkeys([*IDS, *DRAWN], NUMBER)
FIT = dict.fromkeys(("ks", "pVal", "shape", "loc", "scale", "g_x0"), float)

# the columns of clever.py's tables that hold them
OF_TABLE = {
    "id": "image",
    "true_label": "true_label",
    "target_label": "target_label",
    "info": "kind",
    "bnd_norm": "norm",
    "bnd": "score",
    "nsamps": "N",
    "niters": "iterations",
    "activation": "activation",
    "order": "order",
}
FIT_OF_TABLE = {
    "ks": "ks",
    "pVal": "p_value",
    "shape": "shape",
    "loc": "location",
    "scale": "scale",
    "g_x0": "g_x0",
}
SOURCE_OF_TABLE = {
    "sample_norm": "ball",
    "radius": "radius",
    "transform": "transformation",
    "compute_slope": "compute_slope",
    "seed": "seed",
    "drawn": "drawn",
    "box": "box",
    "outputs": "outputs",
}

# what clever.py says against a bound, below its line
AGAINST_FIT = ("impossible", "outside")
AGAINST = re.compile(rf"bnd_norm [12i]: ({'|'.join(AGAINST_FIT)}):")
AGAINST_BOUND = (*AGAINST_FIT, "refuted")  # the latter is told in the line of the attack
NOTHING_AGAINST = dict.fromkeys(AGAINST_BOUND, False) | {"doubts": ""}

# what tells one bound from another
SETTINGS = ["saved", "nsamps", "niters", "activation", "order", *SCORING, *SOURCE]
EXPERIMENT = ["model", *SETTINGS]
IMAGE = [*EXPERIMENT, "info", "bnd_norm", "id"]
BOUND = [*IMAGE, "target_label"]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = Parser(__doc__)
    add = parser.add_argument
    endings = ", ".join(f".{form}" for form in table_files.READERS)
    places = f"logs, tables ({endings}), or folders (searched recursively for *.log)"
    add("logs", nargs="+", type=Path, help=places)
    frames = "save pandas data frames, a row per bound, as pickle_MODEL_KIND_normP"
    add("--save_pickle", action="store_true", help=frames)
    return parser.parse_args()


def main() -> int:
    """Read, group, print."""
    args = parse()
    bounds, damaged = load(find_logs(args.logs))
    bounds = nearest_class(count_once(bounds))
    bounds["row"] = row_names(bounds)
    bounds["usable"] = bounds["pVal"].isna() | (bounds["pVal"] > 0.05) & (bounds["shape"] < 1000)

    table = average(bounds)
    print_summary(table)
    print_doubts(bounds)
    print_latex("bounds: mean over the usable fits", table["usable_mean"], "{:.3f}")
    print_latex("p-values: usable fits in percent", table["share"], "{:.1f}")
    if args.save_pickle:
        save(bounds)
    return 1 if damaged else 0


def find_logs(places: Iterable[Path]) -> list[Path]:
    """The logs in the places that the user named, each once."""
    logs = []
    for place in places:
        if not place.exists():
            raise InputError(f"{place} does not exist: name logs of clever.py, or their folder")
        if place.is_dir():
            found = (path for path in place.rglob("*.log") if path.is_file())
            logs += sorted(found, key=lambda path: (path.stat().st_mtime, path))
        else:
            logs.append(place)
    return list({log.resolve(): log for log in logs}.values())


def load(logs: list[Path]) -> tuple[pd.DataFrame, int]:
    """The bounds in the logs, one a row, and how many lines are damaged."""
    bounds, damaged = [], 0
    for log in logs:
        is_table = table_files.ending(log) in table_files.READERS
        found, problems = (read_table if is_table else read_log)(log)
        for problem in problems:
            print(printable(f"left out {problem}"), file=sys.stderr)
        if not found and not problems:
            print(f"skipped {log}: no [DEBUG] lines of clever.py in it", file=sys.stderr)
        bounds += found
        damaged += len(problems)
    if not bounds:
        raise InputError("no log has bounds: name what clever.py printed, kept in a file")
    columns = [*BOUND, "true_label", "bnd", *FIT, "log", *NOTHING_AGAINST]
    return pd.DataFrame(bounds).reindex(columns=columns), damaged


def read_log(log: Path) -> tuple[list[dict[str, object]], list[str]]:
    """The bounds of one log, and what is wrong with lines that cannot be used."""
    bounds, problems = [], []
    scoring, source, file = dict.fromkeys(SCORING, ""), dict.fromkeys(SOURCE, ""), None
    names = "", ""  # of the data set and the network
    folder = ""  # that was scored
    begin = 0  # of the bounds of an experiment, whose doubts follow them
    complete = True  # whether a summary followed the last [SETTINGS]
    with log.open(encoding=encoding(log), errors="replace") as lines:
        for number, text in enumerate(iter(partial(lines.readline, LONGEST_LINE), ""), start=1):
            if text.startswith("{") and "'data_folder':" in text:
                folder, file = scored_folder(text), None
                scoring = {name: option(text, name) for name in SCORING}
                source, begin = dict.fromkeys(SOURCE, ""), len(bounds)
                names = "", ""
            elif text.startswith("[SETTINGS][L1] "):
                found = read_fields(text)
                source = {name: printable(found.get(name, "")) for name in SOURCE}
                slope = source["compute_slope"]
                source["compute_slope"] = OF_2018.get(slope, slope)
                names = printable(found.get("dataset", "")), printable(found.get("model_name", ""))
                begin, complete = len(bounds), False
            elif bounds and (found := AGAINST.match(text)):
                bounds[-1][found[1]] = True
            elif bounds and text.startswith("[ATTACK][L1] "):
                bounds[-1]["refuted"] = read_fields(text).get("verdict") == REFUTED
            elif text.startswith(DOUBT):
                for bound in bounds[begin:]:
                    bound["doubts"] += printable(text.removeprefix(DOUBT).rstrip("\n")) + "\n"
            elif text.startswith("[Filename] "):
                file = Path(printable(text.removeprefix("[Filename] ").rstrip("\n")))
            elif text.startswith("[DEBUG][L1] "):
                try:
                    told = experiment(file, *names) if file else model_alone(folder, log)
                    bound = told | source | scoring | read_bound(text)
                    bounds.append(bound | NOTHING_AGAINST | {"log": str(log)})
                except ValueError as error:
                    problems.append(f"{log}, line {number}: {error}")
            elif text.startswith("[STATS][L0] "):
                complete = True
    if not complete:
        print(printable(f"warning: {log} ends before its summary: scores may be missing"))
    return bounds, problems


def read_table(path: Path) -> tuple[list[dict[str, object]], list[str]]:
    """The bounds in a table that clever.py wrote, as a log would have them, and what is wrong."""
    bounds, problems = [], []
    for place, row in enumerate(table_files.read(path).to_dict("records"), start=1):
        try:
            bounds.append(bound_of_row(row) | {"log": str(path)})
        except ValueError as error:
            problems.append(f"{path}, row {place}: {error}")
    return bounds, problems


def bound_of_row(row: dict[str, object]) -> dict[str, object]:
    """A row of a table with the names and words of a log; raises ValueError if it is damaged."""
    bound = {ours: row[theirs] for ours, theirs in OF_TABLE.items()}
    if row["method"] in FITTED:
        bound |= {ours: row[theirs] for ours, theirs in FIT_OF_TABLE.items()}
    for name, pattern in WORDS.items():
        if not re.fullmatch(pattern, str(bound[name]), re.ASCII):
            raise ValueError(f"its {name} is {str(bound[name])[:80]!r}")
    if bound["bnd"] != bound["bnd"]:
        raise ValueError("its score is missing")
    words = {name: printable(str(row[name])) for name in SCORING}
    source = {ours: as_printed(row[theirs]) for ours, theirs in SOURCE_OF_TABLE.items()}
    source["network"] = printable(short_fingerprint(row["network_fingerprint"])) or UNKNOWN
    file, names = Path(row["file"]), (printable(row["dataset"]), printable(row["network"]))
    told = experiment(file, *names)
    if not file.parent.name:  # of a table that clever_scores gave
        told["model"] = " ".join(filter(None, names))
    doubts = "".join(f"{printable(doubt)}\n" for doubt in row["doubts"].splitlines())
    against = {name: row[name] is True for name in AGAINST_BOUND}
    against["outside"] &= not against["impossible"]
    return told | bound | words | source | against | {"doubts": doubts}


def as_printed(value: object) -> str:
    """A setting as clever.py prints it; one that is missing is empty."""
    return "" if pd.isna(value) else printable(str(value))


def encoding(log: Path) -> str:
    """UTF-16, in which PowerShell writes logs, or UTF-8."""
    with log.open("rb") as file:
        return "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"


def option(arguments: str, name: str) -> str:
    """An option in the dict of arguments that clever.py prints."""
    found = re.search(rf"'{name}': '?([^',}}]+)", arguments)
    return printable(found[1]) if found else IF_ABSENT.get(name, "")


def scored_folder(arguments: str) -> str:
    """The folder in that dict, or "" if there are several."""
    found = re.search(r"'data_folder': (\[)?'([^']+)'(?(1)\])", arguments)
    return found[2] if found else ""


def experiment(file: Path, dataset: str = "", model_name: str = "") -> dict[str, object]:
    """What the path of a .mat file tells: the model, and settings that [DEBUG] lines may lack.

    If the names of data set and network are not known, they are taken from the path too. Raises
    ValueError if the file's name has another form.
    """
    name = FileName.parse(file.name)
    folder, settings, known = file.parent, "", f"{dataset}_{model_name}"
    if folder.parent.name == known or (not of_data_set(folder) and of_data_set(folder.parent)):
        folder, settings = folder.parent, folder.name
    model = f"{dataset} {model_name}" if folder.name == known else folder.name.replace("_", " ", 1)
    return {
        "model": f"{model} {settings}".rstrip(),
        "saved": str(folder.parent),
        "activation": name.activation,
        "order": name.order,
        "nsamps": name.nsamp,
        "niters": name.niters,
    }


def model_alone(folder: str, log: Path) -> dict[str, object]:
    """The same without a .mat file: the folder that was scored, or the log's name, has the model.

    Raises ValueError if neither has it.
    """
    datasets = "|".join(DATASETS)
    of_folder = re.fullmatch(f"({datasets})_(.+)", Path(folder).name)
    found = of_folder or re.match(f"[^_]*_({datasets})_([^_]+)", log.stem)
    if not found:
        raise ValueError(
            "no [Filename] line before it tells the model: call the log PREFIX_DATASET_MODEL.log"
        )
    unknown = dict.fromkeys(("activation", "order", *DRAWN), "unknown")
    # the log stands for the folder: what one log has may be of other settings than another's
    return unknown | {"model": printable(" ".join(found.groups())), "saved": printable(str(log))}


def of_data_set(folder: Path) -> bool:
    """Whether a folder's name is DATASET_MODEL."""
    return folder.name.partition("_")[0] in DATASETS


def read_bound(text: str) -> dict[str, object]:
    """The fields of a [DEBUG] line; a line without those of a fit is of --method maxsamp.

    N and iterations may be missing, as before August 2018. Raises ValueError for a damaged line.
    """
    if not text.endswith("\n"):
        raise ValueError("the line is cut off")
    fields = read_fields(text)
    fitted = not fields.keys().isdisjoint(FIT)
    counted = not fields.keys().isdisjoint(DRAWN)
    expected = FIELDS | (DRAWN if counted else {}) | (FIT if fitted else {})
    if missing := expected.keys() - fields.keys():
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    for name, pattern in WORDS.items():
        if name in expected and not re.fullmatch(pattern, fields[name], re.ASCII):
            raise ValueError(f"its {name} is {fields[name][:80]!r}")
    bound = {name: number(fields[name]) for name, number in expected.items()}
    if unknown := [name for name, value in bound.items() if value != value]:
        raise ValueError(f"its {unknown[0]} is not a number")
    return bound if fitted else bound | {"method": "maxsamp"}


def count_once(bounds: pd.DataFrame) -> pd.DataFrame:
    """Keep the last of bounds that were printed more than once; say which logs had them before."""
    bounds = with_known_sources(bounds)
    again = bounds.duplicated(BOUND, keep="last")
    for log, count in bounds.loc[again, "log"].value_counts(sort=False).items():
        print(f"counted once: {count} bounds of {log} come again later, and the later ones count")
    return bounds[~again]


def with_known_sources(bounds: pd.DataFrame) -> pd.DataFrame:
    """Bounds of 2018, whose logs may tell no settings, with those that a table tells of them."""
    of_bound = [name for name in BOUND if name not in SOURCE]
    untold = bounds["network"].eq("")
    told = bounds[bounds["network"].eq(UNKNOWN)].drop_duplicates(of_bound, keep="last")
    known = bounds[of_bound].merge(told[[*of_bound, *SOURCE]], on=of_bound, how="left")[[*SOURCE]]
    filled = untold.to_numpy() & known["network"].notna().to_numpy()
    bounds.loc[filled, [*SOURCE]] = known.to_numpy()[filled]
    return bounds


def nearest_class(bounds: pd.DataFrame) -> pd.DataFrame:
    """Of an untargeted run's kinds class0, class1, ... keep the least bound of each image."""
    classes = bounds["info"].str.fullmatch(UNTARGETED + r"\d+")
    untargeted = bounds[classes].assign(info="untargeted")
    nearest = untargeted.sort_values("bnd", kind="stable").drop_duplicates(IMAGE)
    return pd.concat([bounds[~classes], nearest.sort_index()], ignore_index=True)


def row_names(bounds: pd.DataFrame) -> pd.Series:
    """Each bound's row: its model, and the settings in which that model's experiments differ.

    Of what files come from, that is named which the settings before it do not tell.
    """
    names = bounds["model"].copy()
    for _, of_model in bounds.groupby("model"):
        for setting in SETTINGS:
            alike = names[of_model.index] if setting in SOURCE else of_model["model"]
            if of_model.groupby(alike)[setting].nunique().max() > 1:
                names[of_model.index] += f" {setting}=" + of_model[setting].astype(str)
    return names


def average(bounds: pd.DataFrame) -> pd.DataFrame:
    """Counts and means by (row, kind, norm), in the order of the tables."""
    finite = bounds["bnd"].where(np.isfinite(bounds["bnd"]))
    columns = {
        "finite_bnd": finite,
        "usable_bnd": finite.where(bounds["usable"]),
        "share": (100.0 * bounds["usable"]).where(bounds["pVal"].notna()),  # none without fits
    }
    table = (
        bounds.assign(**columns)
        .groupby(["row", "info", "bnd_norm"])
        .agg(
            images=("bnd", "size"),
            mean=("finite_bnd", "mean"),
            finite=("finite_bnd", "count"),
            usable=("usable", "sum"),
            usable_mean=("usable_bnd", "mean"),
            share=("share", "mean"),
            outputs=("outputs", "first"),
            impossible=("impossible", "sum"),
            outside=("outside", "sum"),
            refuted=("refuted", "sum"),
        )
    )
    table["mean"] = table["mean"].fillna(math.inf)  # of bounds that are all infinite
    return table.loc[sorted(table.index, key=place)]


def place(key: tuple[str, str, str]) -> tuple[int, str, int, str, str]:
    """The place of (row, kind, norm) among the others, for sorting."""
    row, kind, norm = key
    begins = [row.startswith(first) for first in FIRST_ROWS] + [True]
    return begins.index(True), row, *place_of_kind(kind), norm


def place_of_kind(kind: str) -> tuple[int, str]:
    """The place of a kind of target among the others, for sorting."""
    return [*(kind == first for first in FIRST_KINDS), True].index(True), kind


def print_summary(table: pd.DataFrame) -> None:
    """Print a line for each row, kind and norm."""
    for group in table.itertuples():
        row, kind, norm = group.Index
        fields = {"model": row, "Nimg": group.images, "bnd_avg": group.mean}
        if math.isnan(group.share):
            fits = "fits = none (--method maxsamp)"
        else:
            fits = (
                f"pVal>0.05 & shape<1000 gives Nimg = {group.usable}, "
                f"bnd_avg = {group.usable_mean:.5g}, useable = {group.share:.1f} %"
            )
        infinite = group.images - group.finite
        left_out = f", infinite bounds left out = {infinite}" if infinite else ""
        outputs = f", outputs = {group.outputs}" if group.outputs in NOT_LOGITS else ""
        against = [f", {name} = {n}" for name in AGAINST_BOUND if (n := getattr(group, name))]
        more = "".join([left_out, *against, outputs])
        print(f"{line('', 0, **fields)}, {fits}, info = {kind}, bnd_norm = {norm}{more}")


def print_doubts(bounds: pd.DataFrame) -> None:
    """Repeat what sampling found suspicious in the network of a row."""
    for row, doubts in bounds.groupby("row")["doubts"]:
        for doubt in sorted(set("".join(doubts).splitlines())):
            print(f"warning: {row}: {doubt}")


def print_latex(title: str, cells: pd.Series, form: str) -> None:
    """Print a table's rows for LaTeX; a cell without a measurement is `-`."""
    kinds = sorted(cells.index.unique("info"), key=place_of_kind)
    columns = [(kind, norm) for kind in kinds for norm in TABLE_NORMS]
    print(f"\n% {title}")
    print(" & ".join(["% model", *(f"{kind} {norm}" for kind, norm in columns)]) + " &")
    for row in cells.index.unique("row"):
        values = [cells.get((row, *column), math.nan) for column in columns]
        shown = [NO_CELL if math.isnan(value) else form.format(value) for value in values]
        label = re.sub(r"([_%&#])", r"\\\1", row)
        print(" & ".join([label, *shown]) + " &")


def save(bounds: pd.DataFrame) -> None:
    """Write the bounds of each row, kind and norm as a data frame, a row per bound.

    `useable` is `usable`, spelled as in the printed line.
    """
    columns = [*FIELDS, *FIT, "usable", "useable", "log"]
    bounds = bounds.assign(useable=bounds["usable"])
    for (row, kind, norm), group in bounds.groupby(["row", "info", "bnd_norm"]):
        name = re.sub(r"[^A-Za-z0-9.,=-]", "_", f"pickle_{row}_{kind}_norm{norm}")
        group[columns].sort_values("id").reset_index(drop=True).to_pickle(name)
        print(f"saved {name}")


if __name__ == "__main__":
    run(main)

"""ImageNet's pictures as photographs that the toolkit reads, under the names CLASS.NUMBER.jpg.

Puts pictures into the folder of photographs, as hard links where the file system can, else as
copies. The originals stay, and so do photographs that are there already. The validation set of 2012
as it is published, in one folder, needs a file of its classes; in a folder for each synset
(val/n01440764/) it needs none:

    python3 setup_photographs.py val --labels val.txt
    python3 setup_photographs.py val

CLASS is the place, from 1 to 1000, of a picture's synset in the sorted WordNet ids of all 1000.
NUMBER is that in the name ILSVRC2012_val_NUMBER.JPEG. Pictures with other names follow, with
running numbers: one of each class, then another of each, and so on.

Reads the pictures, and the files of classes and synsets. Writes ../imagenetdata/imgs/, or the
folder that CLEVER_IMAGENET names.
"""

import argparse
import os
import re
import shlex
import shutil
import sys
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from lipschitz.data import photographs
from lipschitz.data.background import WITHOUT_BACKGROUND
from lipschitz.data.picture_file import LARGEST_FILE
from lipschitz.data.words import counted, some
from lipschitz.support import regular_file
from lipschitz.support.atomic import prepare, replacing
from lipschitz.support.command import run
from lipschitz.support.errors import InputError
from lipschitz.support.options import Parser, number
from lipschitz.support.text import printable, say

ENDINGS = {".jpeg": ".jpg", ".jpg": ".jpg", ".png": ".png"}  # of pictures, and of photographs
LARGEST_TEXT = 2**25  # bytes
LONGEST = 60  # characters of a line that an error quotes
SYNSET = re.compile(r"n\d{8}", re.ASCII)
PUBLISHED = re.compile(r"ILSVRC2012_val_(\d{8})", re.ASCII)  # names, without their endings

# Lines of files: a picture's name has no path in it.
SYNSET_LINE = re.compile(r"(n\d{8})(?:\s.*)?", re.ASCII)
NUMBER_LINE = re.compile(r"([^\s,/\\]+)\s+(\d{1,9})", re.ASCII)
NAME_AND_SYNSET_LINE = re.compile(r"([^\s,/\\]+)[\s,]\s*(n\d{8})(?:\s.*)?", re.ASCII)
HEADER = "ImageId,PredictionString"
LABEL_FILES = "the val.txt of Caffe or the LOC_val_solution.csv of Kaggle"

# The pictures ----------------------------------------------------------------


def synset_folders(folder: Path) -> list[Path]:
    """The folders in a folder that have the name of a synset."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir()]
    return [folder / name for name in names if SYNSET.fullmatch(name)]


def pictures_in(folders: list[Path]) -> list[Path]:
    """The pictures that lie in the folders themselves, sorted."""
    found = []
    for folder in folders:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_file()]
        found += [folder / name for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.suffix.lower() in ENDINGS)


# Their classes ---------------------------------------------------------------


def classes_by_folder(
    pictures: list[Path], folders: list[Path], synsets: Path | None
) -> dict[Path, int]:
    """The CLASS of each picture that lies in a synset's folder.

    Raises InputError if the folders are not those of all synsets, and no file names these.
    """
    classes = numbered({folder.name for folder in folders}, str(folders[0].parent), synsets)
    return {path: classes[path.parent.name] for path in pictures if path.parent.name in classes}


def classes_by_name(pictures: list[Path], labels: Path, synsets: Path | None) -> dict[Path, int]:
    """The CLASS of each picture that a file of labels names.

    Raises InputError if the file cannot be used.
    """
    classes = read_labels(labels, synsets)
    return {path: classes[path.stem] for path in pictures if path.stem in classes}


def read_labels(path: Path, synsets: Path | None = None) -> dict[str, int]:
    """CLASS by the names of pictures, without their endings; with a number or synset for each.

    Raises InputError if the lines have another form, or numbers that are no classes.
    """
    lines = read_lines(path)
    if all(line.isdecimal() for line in lines):
        raise InputError(
            f"{path} has numbers alone, as ILSVRC2012_validation_ground_truth.txt: these ILSVRC "
            f"ids number the classes in another order; give {LABEL_FILES}"
        )
    if NAME_AND_SYNSET_LINE.fullmatch(lines[-1]):
        lines = [line for line in lines if line != HEADER]
        found = pairs(path, lines, NAME_AND_SYNSET_LINE, "a picture's name and its synset")
        classes = numbered(set(found.values()), str(path), synsets)
        return {name: classes[synset] for name, synset in found.items()}
    found = pairs(path, lines, NUMBER_LINE, f"a picture's name and its class, as in {LABEL_FILES}")
    if synsets:
        raise InputError(f"{path} has the numbers of the classes: leave out --synsets")
    largest = max(map(int, found.values()))
    if largest >= WITHOUT_BACKGROUND:
        raise InputError(
            f"{path} has a class {largest}, not 0 to {WITHOUT_BACKGROUND - 1}: give {LABEL_FILES}"
        )
    return {name: int(label) + 1 for name, label in found.items()}


def numbered(used: set[str], where: str, synsets: Path | None) -> dict[str, int]:
    """The CLASS of each synset: its place, from 1 on, in the sorted ids of all synsets.

    These are in the file `synsets`, or else all in use. Raises InputError if they are not 1000, or
    lack one in use.
    """
    known = read_synsets(synsets) if synsets else used
    if len(known) != WITHOUT_BACKGROUND:
        raise InputError(
            f"{synsets or where} has {counted(len(known), 'synset')}, and classes are numbered "
            f"in the order of all {WITHOUT_BACKGROUND}: give these with --synsets FILE, an id a "
            "line, as in the LOC_synset_mapping.txt of Kaggle"
        )
    if unknown := sorted(used - known):
        raise InputError(f"{synsets} lacks synsets that {where} has: {some(unknown)}")
    return {synset: place for place, synset in enumerate(sorted(known), 1)}


def read_synsets(path: Path) -> set[str]:
    """The WordNet ids at the beginnings of a file's lines."""
    lines = read_lines(path)
    return {found[1] for found in matches(path, lines, SYNSET_LINE, "an id, as n01440764")}


def pairs(path: Path, lines: list[str], pattern: re.Pattern, form: str) -> dict[str, str]:
    """What a file's lines say of pictures, by their names without the endings."""
    found = {Path(each[1]).stem: each[2] for each in matches(path, lines, pattern, form)}
    if len(found) < len(lines):
        raise InputError(f"{path} names a picture twice")
    return found


def matches(path: Path, lines: list[str], pattern: re.Pattern, form: str) -> list[re.Match]:
    """The matches of a file's lines. Raises InputError if one has another form."""
    found = [pattern.fullmatch(line) for line in lines]
    if None in found:
        line = lines[found.index(None)]
        raise InputError(f"{path}: the line {line[:LONGEST]!r} is not {form}")
    return found


def read_lines(path: Path) -> list[str]:
    """The lines of a text that are not blank. Raises InputError if there are none."""
    try:
        text = regular_file.read(path, LARGEST_TEXT).decode("utf-8-sig", "replace")
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{path} is empty")
    return lines


# Their names -----------------------------------------------------------------


def new_names(classes: dict[Path, int]) -> dict[Path, str]:
    """CLASS.NUMBER.jpg for each picture, in the order of NUMBER.

    Raises InputError if two pictures have the same published number.
    """
    numbers: dict[int, Path] = {}
    for path in classes:
        if found := PUBLISHED.fullmatch(path.stem):
            other = numbers.setdefault(int(found[1]), path)
            if other is not path:
                raise InputError(f"{other} and {path} have the same number: move one away")
    others = in_turns({path: classes[path] for path in classes.keys() - set(numbers.values())})
    numbers |= dict(enumerate(others, max(numbers, default=0) + 1))
    return {
        path: f"{classes[path]}.{number:08}{ENDINGS[path.suffix.lower()]}"
        for number, path in sorted(numbers.items())
    }


def in_turns(classes: dict[Path, int]) -> list[Path]:
    """The first picture of each class, then the second of each, and so on."""
    turns = Counter()
    order = {}
    for path in sorted(classes):
        turns[classes[path]] += 1
        order[path] = (turns[classes[path]], classes[path])
    return sorted(order, key=order.get)


# The command -----------------------------------------------------------------


def put(path: Path, photograph: Path) -> str:
    """Link or copy a picture, unless the photograph is there: "linked", "copied" or "kept"."""
    if os.path.lexists(photograph):
        return "kept"
    try:
        os.link(os.path.realpath(path), photograph)  # the picture, if `path` is a symbolic link
    except OSError:  # another disk, or a file system without hard links
        copy(path, photograph)
        return "copied"
    return "linked"


def copy(path: Path, photograph: Path) -> None:
    """Copy a picture, whole or not at all. Raises InputError if it cannot be read."""
    try:
        with (
            regular_file.opened(path, LARGEST_FILE) as picture,
            replacing(photograph, durable=False) as unfinished,
            unfinished.open("wb") as file,
        ):
            shutil.copyfileobj(picture, file)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def parse() -> argparse.Namespace:
    """The command line."""
    parser = Parser(__doc__)
    add = parser.add_argument
    add("pictures", type=Path, help="folder of pictures, or of synset folders")
    add("--labels", type=Path, help=f"file of the pictures' classes: {LABEL_FILES}")
    synsets = "file of all 1000 WordNet ids, one a line: LOC_synset_mapping.txt, synset_words.txt"
    add("--synsets", type=Path, help=synsets)
    add("-n", "--numimg", type=number(1), help="pictures to take, in the order of NUMBER; else all")
    add("-s", "--save", type=Path, default=photographs.folder(), help="folder of photographs")
    args = parser.parse_args()
    check(args)
    return args


def check(args: argparse.Namespace) -> None:
    """Refuse a folder that is not there, or would get photographs beside its own pictures."""
    if not os.path.isdir(args.pictures):
        raise InputError(f"{args.pictures} is not a folder: give that of the pictures")
    if os.path.exists(args.save) and os.path.samefile(args.save, args.pictures):
        raise InputError(f"{args.save} has the pictures: give another folder with --save")


def find_classes(args: argparse.Namespace) -> dict[Path, int]:
    """The pictures with their CLASS; a line says which are left out.

    Raises InputError if there are none.
    """
    folders = synset_folders(args.pictures)
    pictures = pictures_in([args.pictures, *folders])
    if args.labels:
        classes = classes_by_name(pictures, args.labels, args.synsets)
    elif folders:
        classes = classes_by_folder(pictures, folders, args.synsets)
    else:
        raise InputError(
            f"{args.pictures} has no synset folders (n01440764): give the classes of its pictures "
            f"with --labels FILE, {LABEL_FILES}"
        )
    without = [path.name for path in pictures if path not in classes]
    if not classes:
        raise InputError(
            f"{args.pictures} has no picture ({', '.join(ENDINGS)}) with a class"
            + (f": {args.labels or 'no synset folder'} has {some(without)}" if without else "")
        )
    if without:
        say(f"{counted(len(without), 'picture')} left out, without a class: {some(without)}")
    return classes


def print_summary(folder: Path, done: Counter) -> None:
    """How many photographs were put where, and the command that uses them."""
    default = os.path.abspath(folder) == os.path.abspath(photographs.folder())
    named = f"{photographs.FOLDER_VARIABLE}={shlex.quote(os.path.abspath(folder))} "
    counts = ", ".join(f"{done[how]} {how}" for how in ("linked", "copied", "kept"))
    command = "python3 collect_gradients.py -d imagenet -m keras:ResNet50V2"
    print(printable(f"{folder}: {counts}; to use them: {'' if default else named}{command}"))


def main() -> None:
    """Find the pictures' classes and new names, and put them into the folder of photographs."""
    args = parse()
    chosen = list(new_names(find_classes(args)).items())[: args.numimg]
    prepare(args.save)
    watched = tqdm(chosen, desc="photographs", disable=not sys.stderr.isatty())
    print_summary(args.save, Counter(put(path, args.save / name) for path, name in watched))


if __name__ == "__main__":
    run(main)

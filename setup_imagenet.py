"""ImageNet: photographs, and networks trained on it.

`python3 setup_imagenet.py` downloads the archive of 2018 and unpacks its frozen graphs into
tmp/imagenet. No hash of it was ever published: it is taken on trust, its SHA-256 is printed, and a
later download must have the same. Who knows the hash gives it with --sha256.
`python3 setup_imagenet.py --image_file X --model_name Y` prints what a network sees in an image.

Photographs, named CLASS.NUMBER.jpg, lie in ../imagenetdata/imgs or where CLEVER_IMAGENET says.

A network of one's own, frozen, is one more call at the end of the table below:

    AddModel(
        "my_net",                       # for --model_name
        model_filename="my_net.pb",     # in tmp/imagenet
        image_size=224,
        input="images:0",               # tensors of the graph: images,
        logit="my_net/logits:0",        # logits (batch, classes),
        prob="my_net/softmax:0",        # their softmax, or the logits once more,
        shape="",                       # and what the graph reshapes its logits to, if anything
        classes=1001,                   # 1001 with a background class, 1000 without
        preprocess=doubled,             # from [-0.5, 0.5] to what it was trained on
    )
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import random
import re
import shutil
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import scipy

from lipschitz.data import photographs
from lipschitz.data.photographs import Photographs
from lipschitz.support import regular_file
from lipschitz.support.atomic import replacing
from lipschitz.support.command import run
from lipschitz.support.download import DownloadError, download
from lipschitz.support.errors import InputError, first_line
from lipschitz.support.text import printable
from lipschitz.tf_backend.readers import frozen_graph, keras_applications
from lipschitz.tf_backend.readers.keras_applications import PREFIX
from lipschitz.tf_backend.readers.preprocessing import (
    Preprocess,
    centred,
    centred_bgr,
    centred_scaled,
    doubled,
)

if TYPE_CHECKING:
    from lipschitz.network import Network

MODELS = Path("tmp/imagenet")
ARCHIVE = "http://download.huan-zhang.com/models/adv/imagenet/frozen_imagenet_models_v1.1.tar.gz"
LABELS = (
    Path(__file__).with_name("imagenet_labels") / "labels.txt"
)  # where the archive's are absent
LARGEST_FILE = 2**30  # bytes: the largest graph of 2018 has about half
LARGEST_ARCHIVE = 2**33  # bytes, packed or not
LARGEST_PIECE = 2**20  # bytes that are unpacked at once
LARGEST_TEXT = 2**20  # bytes of labels or checksums
CHECKSUMS = "SHA256SUMS"  # of the archives that were taken, beside what they held
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """A frozen graph: its file, its tensors, and what its images go through before it."""

    name: str
    model_filename: str
    image_size: int
    logit: str
    prob: str  # softmax of the logits; where a graph has none, the logits again
    shape: str = ""  # by which the graph reshapes its logits: fed (batch, classes)
    input: str = "input:0"
    classes: int = 1001
    preprocess: Preprocess = doubled
    label_filename: str = "labels.txt"
    url: str = ARCHIVE  # empty: the .pb is placed by hand


ENTRIES: dict[str, Entry] = {}


def AddModel(name: str, **facts: str | int | Preprocess) -> None:
    """Make a frozen graph known by its name; the facts are the fields of `Entry`."""
    ENTRIES[name] = Entry(name, **facts)


def reshaped(scope: str) -> dict[str, str]:
    """The tensors of a graph that reshapes its logits in this scope."""
    return {
        "logit": f"{scope}/Reshape:0",
        "prob": f"{scope}/Reshape_1:0",
        "shape": f"{scope}/Shape:0",
    }


for name in ("resnet_v2_50", "resnet_v2_101", "resnet_v2_152"):
    AddModel(
        name,
        model_filename=f"frozen_{name}.pb",
        image_size=299,
        **reshaped(f"{name}/predictions"),
    )
AddModel(
    "inception_v1",
    model_filename="frozen_inception_v1.pb",
    image_size=224,
    **reshaped("InceptionV1/Logits/Predictions"),
)
AddModel(
    "inception_v2",
    model_filename="frozen_inception_v2.pb",
    image_size=224,
    **reshaped("InceptionV2/Predictions"),
)
AddModel(
    "inception_v3",
    model_filename="frozen_inception_v3.pb",
    image_size=299,
    logit="InceptionV3/Predictions/Reshape:0",
    prob="InceptionV3/Predictions/Softmax:0",
    shape="InceptionV3/Predictions/Shape:0",
)
AddModel(
    "inception_v4",
    model_filename="frozen_inception_v4.pb",
    image_size=299,
    logit="InceptionV4/Logits/Logits/BiasAdd:0",
    prob="InceptionV4/Logits/Predictions:0",
)
AddModel(
    "inception_resnet_v2",
    model_filename="frozen_inception_resnet_v2.pb",
    image_size=299,
    logit="InceptionResnetV2/Logits/Logits/BiasAdd:0",
    prob="InceptionResnetV2/Logits/Predictions:0",
)
for name in ("vgg_16", "vgg_19"):
    AddModel(
        name,
        model_filename=f"frozen_{name}.pb",
        image_size=224,
        logit=f"{name}/fc8/squeezed:0",
        prob=f"{name}/fc8/squeezed:0",
        classes=1000,
        preprocess=centred,
    )
for name in ("mobilenet_v1_025", "mobilenet_v1_050", "mobilenet_v1_100"):
    AddModel(
        name,
        model_filename=f"frozen_{name}.pb",
        image_size=224,
        **reshaped("MobilenetV1/Predictions"),
    )
AddModel(
    "nasnet_large",
    model_filename="frozen_nasnet_large.pb",
    image_size=331,
    logit="final_layer/FC/BiasAdd:0",
    prob="final_layer/predictions:0",
)
for name in ("densenet121_k32", "densenet169_k32", "densenet161_k48"):
    AddModel(
        name,
        model_filename=f"{name}_frozen.pb",
        image_size=224,
        **reshaped(f"{name.partition('_')[0]}/predictions"),
        classes=1000,
        preprocess=centred_scaled,
    )
AddModel(
    "alexnet",
    model_filename="alexnet_frozen.pb",
    image_size=227,
    input="Placeholder:0",
    logit="fc8/fc8:0",
    prob="Softmax:0",
    classes=1000,
    preprocess=centred_bgr,
)


def load(network: Network, generator: random.Random) -> Photographs:
    """The photographs at the network's size, with labels in its numbering."""
    return photographs.load(
        photographs.folder(), network.input_shape[0], network.num_labels, generator
    )


def model_path(model_name: str, folder: Path = MODELS) -> Path | None:
    """The .pb of a network; None for `keras:NAME`, which needs none. Raises InputError."""
    if model_name.startswith(PREFIX):
        return None
    if model_name not in ENTRIES:
        raise InputError(
            f"imagenet has no network named {model_name!r}: choose from {', '.join(ENTRIES)}, "
            f"or {PREFIX}NAME for one of keras.applications"
        )
    path = folder / ENTRIES[model_name].model_filename
    if not path.is_file():
        raise InputError(
            f'{path} not found: place it there, or download the archive with "python3 '
            f'setup_imagenet.py"; {PREFIX}NAME ({PREFIX}ResNet50V2, say) is a network of '
            "keras.applications"
        )
    return path


def network(model_name: str, weights: str = "", folder: Path = MODELS) -> Network:
    """A network by its name; `weights` is a file for those of keras.applications."""
    path = model_path(model_name, folder)
    if path is None:
        return keras_applications.network(model_name, weights)
    if weights:
        raise InputError(f"--weights is for {PREFIX}NAME: {path} holds its own")
    return _graph(path, ENTRIES[model_name], ENTRIES[model_name].logit)


def _graph(path: Path, entry: Entry, output: str) -> Network:
    return frozen_graph.load(
        path,
        entry.image_size,
        entry.classes,
        images=entry.input,
        logits=output,
        shape=entry.shape,
        preprocess=entry.preprocess,
    )


def probabilities(
    image_file: Path, model_name: str, weights: str = "", folder: Path = MODELS
) -> np.ndarray:
    """The probabilities (classes,) that a network gives an image."""
    entry = ENTRIES.get(model_name)
    if entry and not weights and entry.prob != entry.logit:
        classifier = _graph(model_path(model_name, folder), entry, entry.prob)
        normalise = np.asarray
    else:
        classifier = network(model_name, weights, folder)
        normalise = scipy.special.softmax
    image = photographs.decode(image_file, classifier.input_shape[0])
    return normalise(classifier.logits(image[None])[0])


def label_names(model_name: str, folder: Path = MODELS) -> dict[int, str]:
    """Class -> name, 0 the background: the file beside the .pb, or the toolkit's own."""
    entry = ENTRIES.get(model_name)
    path = folder / entry.label_filename if entry else LABELS
    if not path.is_file():
        path = LABELS
    try:
        lines = regular_file.read(path, LARGEST_TEXT).decode(errors="replace").splitlines()
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    pairs = [re.fullmatch(r"(\d{1,4}):(.*)", line, re.ASCII) for line in lines if line]
    if not all(pairs):
        raise InputError(f"{path} has lines that are not N:name; remove it")
    return {int(pair[1]): printable(pair[2]) for pair in pairs}


def fetch(folder: Path = MODELS, sha256: str = "") -> None:
    """Download and unpack what the entries name and the folder lacks.

    Raises InputError where that fails, and where an archive's SHA-256 is not the one that is
    given, or that an earlier download had.
    """
    for url in dict.fromkeys(entry.url for entry in ENTRIES.values() if entry.url):
        entries = [entry for entry in ENTRIES.values() if entry.url == url]
        if not all((folder / entry.model_filename).exists() for entry in entries):
            _fetch_archive(url, entries, folder, sha256)


def _fetch_archive(url: str, entries: list[Entry], folder: Path, sha256: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = {entry.model_filename for entry in entries}
    by_hand = f"Place {', '.join(sorted(names))} in {folder.resolve()}"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".archive-") as scratch:
        archive = Path(scratch, "archive")
        try:
            download([url], archive, _check, LARGEST_ARCHIVE)
            hashes = _checked_hashes(url, archive, folder / CHECKSUMS, sha256)
            unpack(archive, names | {entry.label_filename for entry in entries}, folder)
            _keep(hashes, folder / CHECKSUMS)
        except DownloadError as error:
            raise InputError(
                f"the frozen graphs could not be downloaded ({error}). {by_hand}, "
                f"or use the networks {PREFIX}NAME of keras.applications"
            ) from error
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{url} is damaged ({first_line(error)}). {by_hand}") from error


def _check(archive: Path) -> None:
    """Refuse the page of a server that is gone."""
    try:
        with _opened(archive):
            pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise ValueError("what it gives is no tar archive") from error


def _checked_hashes(url: str, archive: Path, checksums: Path, expected: str) -> dict[str, str]:
    """Hold the archive to the SHA-256 that is expected, else to that of an earlier download.

    Where there is neither, say that none was ever published. Returns all that are known now.
    """
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    name, known = PurePosixPath(url).name, _known_hashes(checksums)
    if expected and found != expected:
        raise InputError(f"{url} has the SHA-256 {found}, not that of --sha256: it is not unpacked")
    if not expected and found != known.get(name, found):
        raise InputError(
            f"{url} has the SHA-256 {found}, an earlier download had {known[name]} (in {checksums})"
            ": it is not unpacked; name the one that is right with --sha256"
        )
    if not expected and name not in known:
        print(f"{url}: SHA-256 {found}, not verified, taken on trust", file=sys.stderr)
    return known | {name: found}


def _keep(hashes: dict[str, str], checksums: Path) -> None:
    with replacing(checksums) as unfinished:
        unfinished.write_text("".join(f"{sha256}  {name}\n" for name, sha256 in hashes.items()))


def _known_hashes(checksums: Path) -> dict[str, str]:
    """SHA-256 by name, in a file for `sha256sum --check`."""
    if not checksums.exists():
        return {}
    try:
        lines = regular_file.read(checksums, LARGEST_TEXT).decode().splitlines()
    except ValueError as error:
        raise InputError(f"{checksums}: {error}; remove it") from error
    pairs = [line.partition("  ") for line in lines]
    if not all(SHA256.fullmatch(sha256) and name for sha256, _, name in pairs):
        raise InputError(f"{checksums} has lines that are not SHA-256 and name; remove it")
    return {name: sha256 for sha256, _, name in pairs}


class _InPieces(gzip.GzipFile):
    """An archive that unpacks little at once: a member's header may declare a name of any size."""

    def read(self, size: int | None = -1) -> bytes:
        """At most `LARGEST_PIECE` bytes. Raises tarfile.ReadError for more."""
        if size is None or not 0 <= size <= LARGEST_PIECE:
            raise tarfile.ReadError(f"a header declares {size} B")
        return super().read(size)


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    with _InPieces(archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as members:
        yield members


def unpack(archive: Path, names: set[str], folder: Path) -> None:
    """Put those members of the archive that have these names into the folder, each whole.

    Nothing else is unpacked: no other file, no link, no path, nothing above `LARGEST_FILE`.
    Files that the folder has already stay. Raises tarfile.TarError where it unpacks to more than
    `LARGEST_ARCHIVE`.
    """
    with _opened(archive) as members:
        for member in members:
            if member.offset_data + member.size > LARGEST_ARCHIVE:
                raise tarfile.ReadError(f"it unpacks to more than {LARGEST_ARCHIVE} B")
            path = folder / PurePosixPath(member.name).name
            if path.name not in names or path.exists() or not member.isreg():
                continue
            if member.size > LARGEST_FILE:
                print(f"{path.name} is left out: {member.size} B", file=sys.stderr)
                continue
            with replacing(path) as unfinished, unfinished.open("wb") as file:
                shutil.copyfileobj(members.extractfile(member), file)


def print_predictions(args: argparse.Namespace) -> None:
    """The most probable classes of an image, in the numbering of the photographs' names."""
    found = probabilities(args.image_file, args.model_name, args.weights, args.model_dir)
    names = label_names(args.model_name, args.model_dir)
    first = photographs.first_class(len(found))
    for label in np.argsort(-found, kind="stable")[: args.num_top_predictions]:
        number = int(label) + first
        print(f"{names.get(number, number)} (class {number}, score = {found[label]:.5f})")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model_dir", type=Path, default=MODELS, help="where the frozen graphs lie")
    add("--image_file", type=Path, help="image to classify; without one: download")
    add("--model_name", default="resnet_v2_101", help=f"{', '.join(ENTRIES)}, {PREFIX}NAME")
    add("--weights", default="", help=f"file of weights for {PREFIX}NAME")
    add("--sha256", default="", help="what the archive must have, before it is unpacked")
    add("--num_top_predictions", type=int, default=5, help="classes to print")
    return parser.parse_args()


def main() -> None:
    """Classify an image, or fetch what is absent."""
    args = parse()
    if args.num_top_predictions < 1:
        raise InputError(f"--num_top_predictions {args.num_top_predictions}: give 1 or more")
    if args.sha256 and not SHA256.fullmatch(args.sha256.lower()):
        raise InputError(f"--sha256 {args.sha256}: give 64 hexadecimal digits")
    if args.image_file:
        if not args.image_file.is_file():
            raise InputError(f"--image_file {args.image_file}: no such file")
        print_predictions(args)
        return
    fetch(args.model_dir, args.sha256.lower())
    for entry in ENTRIES.values():
        path = args.model_dir / entry.model_filename
        print(f"{path}: {f'{path.stat().st_size} B, not verified' if path.exists() else 'absent'}")


if __name__ == "__main__":
    run(main)

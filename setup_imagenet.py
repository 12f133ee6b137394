"""ImageNet: its photographs, networks trained on it, and a command that downloads or classifies.

Without --image_file it downloads the archive of frozen graphs of 2018 and unpacks those that are
missing. No hash of the archive was ever published: the command trusts the first download and prints
its SHA-256, later downloads must have the same one, and --sha256 demands one that you know.
With --image_file it prints the most probable classes of an image.

Reads and writes tmp/imagenet/ (frozen graphs, labels.txt, SHA256SUMS); reads the image.

collect_gradients.py reads photographs, named CLASS.NUMBER.jpg, from ../imagenetdata/imgs/, or from
the folder that CLEVER_IMAGENET names.

To add a frozen graph of your own, add a call at the end of the table in this file:

    AddModel(
        "my_net",                       # for --model_name
        model_filename="my_net.pb",     # in tmp/imagenet
        image_size=224,
        input="images:0",               # tensors of the graph (":0" may be left out): images,
        logit="my_net/logits:0",        # logits (batch, classes),
        prob="my_net/softmax:0",        # their softmax, or the logits again,
        shape="",                       # and what the graph reshapes its logits to, if anything
        classes=1001,                   # as many as the graph has, if it is left out
        preprocess=doubled,             # from [-0.5, 0.5] to what it was trained on
    )

The nine facts of 2018 (url, model_filename, image_size, label_filename, input_tensor, logit, prob,
shape, after the name) are taken too, in this order or by these names.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import scipy

from lipschitz.data import class_names, photographs
from lipschitz.data.background import WITH_BACKGROUND, WITHOUT_BACKGROUND, first_class
from lipschitz.data.photographs import Photographs
from lipschitz.network import MANY, PROBABILITIES, SIGMOIDS, kind_of_outputs
from lipschitz.support import archive
from lipschitz.support.command import run
from lipschitz.support.download import DownloadError, download
from lipschitz.support.errors import InputError, concerning
from lipschitz.support.options import Parser, number
from lipschitz.support.text import say
from lipschitz.tf_backend.readers import frozen_graph, keras_applications
from lipschitz.tf_backend.readers.graph_tensors import tensor_name
from lipschitz.tf_backend.readers.keras_applications import PREFIX as KERAS
from lipschitz.tf_backend.readers.preprocessing import (
    Preprocess,
    centred,
    centred_bgr,
    centred_scaled,
    doubled,
)
from lipschitz.torch_backend.readers import published
from lipschitz.torch_backend.readers.published import TIMM, TORCHVISION

if TYPE_CHECKING:
    from lipschitz.network import Network
    from lipschitz.tf_backend.runtime import tf

MODELS = Path("tmp/imagenet")
ARCHIVE = "http://download.huan-zhang.com/models/adv/imagenet/frozen_imagenet_models_v1.1.tar.gz"
LABELS = Path(__file__).with_name("imagenet_labels") / "labels.txt"  # if the archive's are missing
IMAGENET_CLASSES = (WITHOUT_BACKGROUND, WITH_BACKGROUND)
# what reads the networks that other packages name; weights are downloaded, or in a file
PACKAGES: dict[str, ModuleType] = {
    KERAS: keras_applications,
    TORCHVISION: published,
    TIMM: published,
}
OF_PACKAGES = f"{KERAS}NAME, {TORCHVISION}NAME and {TIMM}NAME"
GREYS = np.linspace(-0.5, 0.5, MANY, dtype=np.float32)  # images that tell what outputs are
LARGEST_FILE = 2**30  # bytes: the largest graph of 2018 has about half
LARGEST_ARCHIVE = 2**33  # bytes, packed or not
CHECKSUMS = "SHA256SUMS"  # of the archives that were unpacked, beside their files

# The table -------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A frozen graph: its file, its tensors, and what is done to images before it."""

    name: str
    model_filename: str
    image_size: int
    logit: str
    prob: str  # softmax of the logits; the logits again if the graph has no softmax
    shape: str  # what the graph reshapes its logits to: it is fed (batch, classes)
    input: str
    classes: int | None  # None: as many as the graph gives logits
    preprocess: Preprocess
    label_filename: str
    url: str  # empty: the user places the .pb


ENTRIES: dict[str, Entry] = {}
FAULTY: dict[str, str] = {}  # what is wrong with entries that cannot be used
# what follows from a part of a name, as in 2018; all others have 1001 classes and take [-1, 1]
FAMILIES: dict[str, Preprocess] = {
    "vgg": centred,
    "alexnet": centred_bgr,
    "densenet": centred_scaled,
}


def AddModel(name: str, *facts: str | int, **named: str | int | Preprocess) -> None:
    """Add a frozen graph to the table; `_entry` says what the facts are.

    One that cannot be used is named when it is asked for: it spoils no other network.
    """
    try:
        ENTRIES[name] = _entry(name, *facts, **named)
    except (TypeError, ValueError) as error:
        FAULTY[str(name)] = str(error).replace("_entry()", "AddModel()")


def _entry(
    name: str,
    url: str = ARCHIVE,
    model_filename: str = "",
    image_size: int = 0,
    label_filename: str = "labels.txt",
    input_tensor: str = "input:0",
    logit: str = "",
    prob: str = "",
    shape: str | None = "",
    *,
    input: str = "",
    classes: int = 0,
    preprocess: Preprocess | None = None,
) -> Entry:
    """An entry from the facts of 2018, in their order, or from today's, which have names.

    `input` is `input_tensor`. Without `classes` they are those of the graph, or of the family that
    the name names if the graph is fed them; so is `preprocess`. Raises TypeError or ValueError if a
    fact is missing or of the wrong kind.
    """
    texts = {
        "name": name,
        "url": url,
        "model_filename": model_filename,
        "label_filename": label_filename,
        "input": input or input_tensor,
        "logit": logit,
        "prob": prob or logit,
        "shape": shape or "",
    }
    for fact, value in texts.items():
        if not isinstance(value, str):
            raise TypeError(f"{fact} is {value!r}, not text")
        if not value and fact not in ("url", "shape"):
            raise ValueError(f"{fact} is missing")
    for fact, value in {"image_size": image_size, "classes": classes or 1}.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{fact} is {value!r}, not a number above 0")
    family = next((part for part in FAMILIES if part in name), "")
    usual = WITHOUT_BACKGROUND if family else WITH_BACKGROUND
    return Entry(
        **texts,
        image_size=image_size,
        classes=classes or (usual if shape else None),
        preprocess=preprocess or FAMILIES.get(family, doubled),
    )


def reshaped(scope: str) -> dict[str, str]:
    """The tensors of a graph that reshapes its logits, all in this scope."""
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
    classes=1001,
)
AddModel(
    "inception_resnet_v2",
    model_filename="frozen_inception_resnet_v2.pb",
    image_size=299,
    logit="InceptionResnetV2/Logits/Logits/BiasAdd:0",
    prob="InceptionResnetV2/Logits/Predictions:0",
    classes=1001,
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
    classes=1001,
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

# Add networks of your own here.

# The loader ------------------------------------------------------------------


def load(network: Network, generator: random.Random) -> Photographs:
    """The photographs at the network's size, with labels in its numbering."""
    return photographs.load(
        photographs.folder(), network.input_shape[0], network.num_labels, generator
    )


def is_named(model_name: str) -> bool:
    """Whether a name is in the table, or has the form of one of a package."""
    return model_name in {*ENTRIES, *FAULTY} or takes_weights(model_name)


def takes_weights(model_name: str) -> bool:
    """Whether a name has the form of one of a package, whose weights may be in a file."""
    return model_name.startswith(tuple(PACKAGES))


def is_of_pytorch(model_name: str) -> bool:
    """Whether PyTorch computes the network of a name."""
    return model_name.startswith((TORCHVISION, TIMM))


def model_path(model_name: str, folder: Path = MODELS) -> Path | None:
    """The .pb of a network; None for those of packages, such as `keras:NAME`, which have none.

    Raises InputError if the name is not in the table, or the file is missing.
    """
    if takes_weights(model_name):
        return None
    if model_name in FAULTY:
        raise InputError(
            f"the entry of {model_name} in setup_imagenet.py is wrong: {FAULTY[model_name]}; the "
            "beginning of that file shows one"
        )
    if model_name not in ENTRIES:
        raise InputError(
            f"imagenet has no network named {model_name!r}: choose from {', '.join(ENTRIES)}, "
            f"{OF_PACKAGES}"
        )
    path = folder / ENTRIES[model_name].model_filename
    if not path.is_file():
        raise InputError(
            f'{path} not found: place it there, or download the archive with "python3 '
            f'setup_imagenet.py"; {OF_PACKAGES} ({KERAS}ResNet50V2, say) are networks of packages'
        )
    return path


def network(model_name: str, weights: str = "", folder: Path = MODELS) -> Network:
    """A network by its name; `weights` is a file for those of packages."""
    path = model_path(model_name, folder)
    if path is None:
        return _network_of_package(model_name, weights)
    if weights:
        raise InputError(f"--weights is for {OF_PACKAGES}: {path} holds its own")
    return _graph(path, ENTRIES[model_name], ENTRIES[model_name].logit)


def _network_of_package(model_name: str, weights: str) -> Network:
    """A network that a package names; errors name the option of its weights."""
    reader = PACKAGES[model_name.partition(":")[0] + ":"]
    reader.find(model_name)
    try:
        with concerning("--weights ") if weights else concerning(after=" with --weights FILE"):
            return reader.network(model_name, weights)
    except ValueError as error:
        raise InputError(f"{model_name} cannot be used: {error}") from error


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
    """The probabilities (classes,) that a network gives an image.

    Outputs that are probabilities, whatever tensor the table names, are not normalised again.
    """
    entry = ENTRIES.get(model_name)
    has_own = bool(entry) and not weights and tensor_name(entry.prob) != tensor_name(entry.logit)
    if has_own:
        classifier = _graph(model_path(model_name, folder), entry, entry.prob)
    else:
        classifier = network(model_name, weights, folder)
    with concerning("--image_file "):
        image = photographs.decode(image_file, classifier.input_shape[0])
    outputs = classifier.logits(np.stack([image, *(np.full_like(image, grey) for grey in GREYS)]))
    given = has_own and outputs.min() >= 0 and outputs.max() <= 1
    if given or kind_of_outputs(outputs) in (PROBABILITIES, SIGMOIDS):
        return outputs[0]
    return scipy.special.softmax(outputs[0])


def label_names(
    model_name: str, folder: Path = MODELS, classes: int = WITH_BACKGROUND
) -> dict[int, str]:
    """Names by CLASS, 0 the background: of the file beside the .pb, or of ImageNet's classes.

    Empty if there are none. A file that names classes that the network lacks is not used.
    """
    entry = ENTRIES.get(model_name)
    beside = folder / entry.label_filename if entry else LABELS
    if beside.is_file():
        names = class_names.read(beside)
        numbered = _numbered_as_classes(names, classes)
        if numbered is not None:
            return numbered
        say(f"{beside} has {len(names)} names, {model_name} has {classes} classes: it is not used")
    return class_names.read(LABELS) if classes in IMAGENET_CLASSES else {}


def _numbered_as_classes(names: dict[int, str], classes: int) -> dict[int, str] | None:
    """The names by CLASS, also if they count the classes from 0 or 1; None if they are others'."""
    first, lowest = first_class(classes), min(names, default=0)
    if lowest in (0, 1) and sorted(names) == list(range(lowest, lowest + classes)):
        return {number - lowest + first: name for number, name in names.items()}
    return names if max(names, default=0) < classes + first else None


# The names of 2018 -----------------------------------------------------------


def ImageNet(img_size: int, load_total_imgs: int = photographs.LARGEST_NUMBER) -> Photographs:
    """The photographs, in the order of Python's own generator, labels with a background class."""
    return photographs.load(
        photographs.folder(), img_size, WITH_BACKGROUND, random, load_total_imgs
    )


class ImageNetModel:
    """A network of the table or of keras.applications, as scripts of 2018 use it.

    `sess` and `create_prediction` are without effect. Raises InputError for networks of PyTorch:
    such scripts give tensors of TensorFlow.
    """

    num_channels = 3

    def __init__(
        self,
        sess: object = None,
        use_softmax: bool = False,
        model_name: str = "resnet_v2_50",
        create_prediction: bool = True,
    ) -> None:
        if is_of_pytorch(model_name):
            raise InputError(f"{model_name} is computed by PyTorch: it takes no tensors here")
        self._network = network(model_name)
        self.use_softmax, self.model_name = use_softmax, model_name
        self.image_size, self.num_labels = self._network.image_size, self._network.num_labels

    def predict(self, img: tf.Tensor) -> tf.Tensor:
        """Logits (n, num_labels) of a tensor of images, or their softmax."""
        from lipschitz.tf_backend.runtime import tf

        logits = self._network.predict(img)
        return tf.nn.softmax(logits) if self.use_softmax else logits


# The download ----------------------------------------------------------------


def fetch(folder: Path = MODELS, sha256: str | None = None) -> None:
    """Download the archives of the table, and unpack what the folder lacks.

    Raises InputError, after all others are there, if one fails, or if its SHA-256 is not `sha256`
    (if one is given) or not that of an earlier download.
    """
    failed = []
    for url in dict.fromkeys(entry.url for entry in ENTRIES.values() if entry.url):
        entries = [entry for entry in ENTRIES.values() if entry.url == url]
        if not all((folder / entry.model_filename).exists() for entry in entries):
            try:
                _fetch_archive(url, entries, folder, sha256)
            except InputError as error:
                failed.append(str(error))
    if failed:
        raise InputError("; ".join(failed))


def _fetch_archive(url: str, entries: list[Entry], folder: Path, sha256: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    graphs = {entry.model_filename for entry in entries}
    names = graphs | {entry.label_filename for entry in entries}
    by_hand = f"Place {', '.join(sorted(graphs))} in {folder.resolve()}"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".archive-") as scratch:
        file = Path(scratch, "archive")
        try:
            download([url], file, archive.check, LARGEST_ARCHIVE)
        except DownloadError as error:
            raise InputError(
                f"the frozen graphs could not be downloaded ({error}). {by_hand}, "
                f"or use the networks {OF_PACKAGES}"
            ) from error
        checksums = _checked(url, archive.sha256(file), folder / CHECKSUMS, sha256)
        try:
            archive.unpack(file, names, folder, LARGEST_FILE, LARGEST_ARCHIVE)
        except ValueError as error:
            raise InputError(f"{url} is damaged ({error}). {by_hand}") from error
        archive.write_checksums(checksums, folder / CHECKSUMS)


def _checked(url: str, found: str, checksums: Path, expected: str | None) -> dict[str, str]:
    """Compare an archive's SHA-256 with the expected one, or with that of an earlier download.

    If there is neither, say that the archive is taken on trust. Returns all known ones, by name.
    """
    name, known = PurePosixPath(url).name, archive.read_checksums(checksums)
    if expected and found != expected:
        raise InputError(f"{url} has the SHA-256 {found}, not that of --sha256: it is not unpacked")
    if not expected and found != known.get(name, found):
        raise InputError(
            f"{url} has the SHA-256 {found}, an earlier download had {known[name]} (in {checksums})"
            ": it is not unpacked; give the right one with --sha256"
        )
    if not expected and name not in known:
        print(f"{url}: SHA-256 {found}, not verified, taken on trust", file=sys.stderr)
    return known | {name: found}


# The command -----------------------------------------------------------------


def parse() -> argparse.Namespace:
    """The command line."""
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--model_dir", type=Path, default=MODELS, help="folder of the frozen graphs")
    add("--image_file", type=Path, help="image to classify; without one: download")
    add("--model_name", default="resnet_v2_101", help=f"{', '.join(ENTRIES)}, {OF_PACKAGES}")
    add("--weights", default="", help=f"weights file of {OF_PACKAGES}")
    add("--sha256", type=hexadecimal, help="refuse an archive that has another SHA-256")
    add("--num_top_predictions", type=number(1), default=5, help="classes to print")
    args = parser.parse_args()
    check(args)
    return args


def hexadecimal(text: str) -> str:
    """An argparse type: a SHA-256, in lower case."""
    if not archive.SHA256.fullmatch(text.lower()):
        raise argparse.ArgumentTypeError(f"{text}: give 64 hexadecimal digits")
    return text.lower()


def check(args: argparse.Namespace) -> None:
    """Refuse options that would have no effect, and a file that is not there."""
    if args.weights and not args.image_file:
        raise InputError("--weights is for classifying an image: give --image_file as well")
    if args.weights and not takes_weights(args.model_name):
        raise InputError(f"--weights is for {OF_PACKAGES}: {args.model_name} has its own")
    if args.sha256 and args.image_file:
        raise InputError("--sha256 is for the download: leave out --image_file")
    if args.image_file and not args.image_file.is_file():
        raise InputError(f"--image_file {args.image_file}: no such file")


def print_predictions(args: argparse.Namespace) -> None:
    """The most probable classes of an image, in the numbering of the photographs' names."""
    found = probabilities(args.image_file, args.model_name, args.weights, args.model_dir)
    names = label_names(args.model_name, args.model_dir, len(found))
    first = first_class(len(found))
    for label in np.argsort(-found, kind="stable")[: args.num_top_predictions]:
        shown, score = int(label) + first, f"score = {found[label]:.5f}"
        if shown in names:
            print(f"{names[shown]} (class {shown}, {score})")
        else:
            print(f"class {shown} ({score})")


def print_files(folder: Path) -> None:
    """The frozen graphs of the table, with their sizes."""
    for entry in ENTRIES.values():
        path = folder / entry.model_filename
        print(f"{path}: {f'{path.stat().st_size} B, not verified' if path.exists() else 'absent'}")


def main() -> None:
    """Classify an image, or download what is missing."""
    args = parse()
    if args.image_file:
        print_predictions(args)
    else:
        fetch(args.model_dir, args.sha256)
        print_files(args.model_dir)


if __name__ == "__main__":
    run(main)

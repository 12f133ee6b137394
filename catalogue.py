"""What can be named on a command line: the data sets and the networks built for them."""

from pathlib import Path
from types import ModuleType

import setup_cifar
import setup_digits
import setup_mnist
from lipschitz import model_file
from lipschitz.architecture import NAMES, Architecture, Family
from lipschitz.dataset import DataSet
from lipschitz.errors import InputError
from lipschitz.networks import Network, keras_network

DATASETS: dict[str, ModuleType] = {
    "mnist": setup_mnist,
    "cifar": setup_cifar,
    "digits": setup_digits,
}


def data_set(
    name: str, network: Network | None = None, generator: random.Random | None = None
) -> DataSet:
    """The images of a data set; ImageNet's in `network`'s size and in `generator`'s order."""
    if name == IMAGENET:
        return setup_imagenet.load(network, generator)
    return _setup(name).load()


def family(dataset: str) -> Family:
    """The networks built for a data set."""
    return _setup(dataset).FAMILY


def architecture(dataset: str, model_name: str, activation: str = "relu") -> Architecture:
    """How a data set's network is built and where it is kept."""
    found = family(dataset).named(model_name, activation)
    if found is None:
        raise InputError(
            f"{dataset} has no network named {model_name!r}: choose from {', '.join(NAMES)}"
        )
    return found


def find(dataset: str, model_name: str, activation: str = "relu") -> str:
    """What a trained network is called: its file, which is there, or its name."""
    if dataset == IMAGENET:
        return str(setup_imagenet.model_path(model_name) or model_name)
    return str(_model_path(dataset, model_name, activation))


def network(dataset: str, model_name: str, activation: str = "relu", weights: str = "") -> Network:
    """A trained network of a data set; `weights` is a file for one of keras.applications."""
    if dataset == IMAGENET:
        return setup_imagenet.network(model_name, weights)
    if weights:
        raise InputError("--weights is for ImageNet networks named keras:NAME")
    path = _model_path(dataset, model_name, activation)
    build = architecture(dataset, model_name, activation).build
    return keras_network(model_file.load(path, build))


def _model_path(dataset: str, model_name: str, activation: str) -> Path:
    chosen = architecture(dataset, model_name, activation)
    path = model_file.find(chosen.stem)
    if path is None:
        raise InputError(
            f'{model_file.MODELS / chosen.stem} not found: train it with "{chosen.train_command}"'
        )
    return path


def lowest_label(dataset: str, network: Network) -> int:
    """The smallest label that an image can have: 1 above ImageNet's background class."""
    return int(dataset == IMAGENET and network.num_labels > setup_imagenet.NUM_CLASSES)


def printed_shift(dataset: str, network: Network) -> int:
    """What is added to the labels of images in print: ImageNet's are counted from 1."""
    return int(dataset == IMAGENET) - lowest_label(dataset, network)


def _setup(dataset: str) -> ModuleType:
    if dataset not in DATASETS:
        raise InputError(f"no data set named {dataset!r}: choose from {', '.join(DATASETS)}")
    return DATASETS[dataset]

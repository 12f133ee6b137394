"""What can be named on a command line: the data sets and the networks built for them."""

from pathlib import Path
from types import ModuleType

import setup_cifar
import setup_digits
import setup_mnist
from lipschitz import model_file
from lipschitz.architecture import NAMES, Architecture
from lipschitz.dataset import DataSet
from lipschitz.errors import InputError
from lipschitz.networks import Network, keras_network

DATASETS: dict[str, ModuleType] = {
    "mnist": setup_mnist,
    "cifar": setup_cifar,
    "digits": setup_digits,
}


def data_set(name: str) -> DataSet:
    """The images of a data set."""
    return _setup(name).load()


def architecture(dataset: str, model_name: str, activation: str = "relu") -> Architecture:
    """How a data set's network is built and where it is kept."""
    found = _setup(dataset).FAMILY.named(model_name, activation)
    if found is None:
        raise InputError(
            f"{dataset} has no network named {model_name!r}: choose from {', '.join(NAMES)}"
        )
    return found


def model_path(dataset: str, model_name: str, activation: str = "relu") -> Path:
    """The file of a trained network."""
    chosen = architecture(dataset, model_name, activation)
    path = model_file.find(chosen.stem)
    if path is None:
        raise InputError(
            f'{model_file.MODELS / chosen.stem} not found: train it with "{chosen.train_command}"'
        )
    return path


def network(dataset: str, model_name: str, activation: str = "relu") -> Network:
    """A trained network of a data set."""
    path = model_path(dataset, model_name, activation)
    build = architecture(dataset, model_name, activation).build
    return keras_network(model_file.load(path, build))


def _setup(dataset: str) -> ModuleType:
    if dataset not in DATASETS:
        raise InputError(f"no data set named {dataset!r}: choose from {', '.join(DATASETS)}")
    return DATASETS[dataset]

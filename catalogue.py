"""What can be named on a command line: the data sets and the networks built for them."""

from pathlib import Path
from types import ModuleType

import setup_digits
import setup_mnist
from lipschitz import model_file
from lipschitz.dataset import DataSet
from lipschitz.errors import InputError
from lipschitz.networks import Architecture, Network

DATASETS: dict[str, ModuleType] = {"mnist": setup_mnist, "digits": setup_digits}


def data_set(name: str) -> DataSet:
    """The images of a data set."""
    return _setup(name).load()


def architecture(dataset: str, model_name: str) -> Architecture:
    """How a data set's network is built and where it is kept."""
    known = _setup(dataset).ARCHITECTURES
    if model_name not in known:
        raise InputError(
            f"{dataset} has no network named {model_name!r}: choose from {', '.join(known)}"
        )
    return known[model_name]


def model_path(dataset: str, model_name: str) -> Path:
    """The file of a trained network."""
    chosen = architecture(dataset, model_name)
    path = model_file.find(chosen.stem)
    if path is None:
        raise InputError(
            f'{model_file.MODELS / chosen.stem} not found: train it with "{chosen.train_command}"'
        )
    return path


def network(dataset: str, model_name: str) -> Network:
    """A trained network of a data set."""
    path = model_path(dataset, model_name)
    model = model_file.load(path, architecture(dataset, model_name).build)
    setup = _setup(dataset)
    return Network(model, setup.IMAGE_SIZE, setup.NUM_CHANNELS, model.output_shape[-1])


def _setup(dataset: str) -> ModuleType:
    if dataset not in DATASETS:
        raise InputError(f"no data set named {dataset!r}: choose from {', '.join(DATASETS)}")
    return DATASETS[dataset]

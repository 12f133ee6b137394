"""The names of the command line: data sets and networks; the only file that knows them all."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import setup_cifar
import setup_digits
import setup_imagenet
import setup_mnist
from lipschitz.builtin import model_file
from lipschitz.builtin.model_names import NAMES, Architecture, Family
from lipschitz.data.dataset import DATASETS, DataSet
from lipschitz.data.photographs import WITH_BACKGROUND, Photographs, first_class
from lipschitz.settings import BATCH_SIZE, IMAGENET_BATCH_SIZE
from lipschitz.support.errors import InputError, concerning
from lipschitz.tf_backend.readers.keras_applications import PREFIX as KERAS

if TYPE_CHECKING:
    from lipschitz.network import Network

# data sets whose networks are trained here
TRAINABLE: dict[str, ModuleType] = {
    "mnist": setup_mnist,
    "cifar": setup_cifar,
    "digits": setup_digits,
}
IMAGENET = "imagenet"  # whose networks come trained
ACCURACY_IMAGES, IMAGENET_ACCURACY_IMAGES = 1000, 100  # the latter are read one by one


def data_set(
    name: str, network: Network | None = None, generator: random.Random | None = None
) -> DataSet | Photographs:
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


def import_framework() -> None:
    """Import what computes the networks, which takes seconds."""
    import lipschitz.tf_backend.network  # noqa: F401


def network(dataset: str, model_name: str, activation: str = "relu", weights: str = "") -> Network:
    """A trained network of a data set; `weights` is a file for one of keras.applications."""
    if dataset == IMAGENET:
        return setup_imagenet.network(model_name, weights)
    if weights:
        raise InputError(f"weights in a file are for ImageNet networks named {KERAS}NAME")
    from lipschitz.tf_backend.network import keras_network

    path = _model_path(dataset, model_name, activation)
    chosen = architecture(dataset, model_name, activation)
    with concerning(after=f'; replace it, or train it with "{chosen.train_command} --overwrite"'):
        model = model_file.load(path, chosen.build)
        try:
            return keras_network(model, input_shape=_image_shape(dataset))
        except ValueError as error:
            raise InputError(f"{path} cannot be used: {error}") from error


def network_of_2018(model: object) -> Network:
    """An object of 2018's: `image_size`, `num_channels` and `predict` of tensors.

    `num_labels` is taken from its logits if it is missing.
    """
    from lipschitz.tf_backend.network import TensorFlowNetwork, count_logits

    needed = ("image_size", "num_channels", "predict")
    if missing := [name for name in needed if not hasattr(model, name)]:
        raise ValueError(
            f"{type(model).__name__} is not a network: it lacks {', '.join(missing)}, and it does "
            "not answer lipschitz.network.Network; keras_network in lipschitz.tf_backend.network "
            "makes one of a Keras model"
        )
    shape = (model.image_size, model.image_size, model.num_channels)
    num_labels = getattr(model, "num_labels", None) or count_logits(model.predict, shape)
    return TensorFlowNetwork(model.predict, shape, num_labels)


def _model_path(dataset: str, model_name: str, activation: str) -> Path:
    chosen = architecture(dataset, model_name, activation)
    path = model_file.find(chosen.stem)
    if path is None:
        wanted, train = model_file.MODELS / chosen.stem, f'train it with "{chosen.train_command}"'
        there = model_file.near(chosen.stem)
        raise InputError(
            f"{wanted} not found, but {there}; or {train}"
            if there
            else f"{wanted} not found: {train}"
        )
    return path


def _image_shape(dataset: str) -> tuple[int, int, int]:
    images = family(dataset)
    return images.image_size, images.image_size, images.num_channels


def batch_size(dataset: str) -> int:
    """Samples in a batch, if the user gives no number."""
    return IMAGENET_BATCH_SIZE if dataset == IMAGENET else BATCH_SIZE


def accuracy_images(dataset: str) -> int:
    """Test images that tell how good a network is, at little cost."""
    return IMAGENET_ACCURACY_IMAGES if dataset == IMAGENET else ACCURACY_IMAGES


def class_offset(dataset: str, network: Network) -> int:
    """What is added to the labels of images in print: ImageNet's classes count from 1 there."""
    return first_class(network.num_labels) if dataset == IMAGENET else 0


def lowest_label(dataset: str, network: Network) -> int:
    """The smallest label that an image can have: 1 if label 0 is ImageNet's background."""
    return int(dataset == IMAGENET and network.num_labels == WITH_BACKGROUND)


def _setup(dataset: str) -> ModuleType:
    if dataset not in TRAINABLE:
        raise InputError(f"no data set named {dataset!r}: choose from {', '.join(DATASETS)}")
    return TRAINABLE[dataset]

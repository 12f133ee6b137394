"""Data sets and networks by what the command line calls them: a name, or a place (places.py)."""

from __future__ import annotations

import importlib
import math
import random
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

import places
import setup_cifar
import setup_digits
import setup_imagenet
import setup_mnist
from lipschitz.builtin import model_file
from lipschitz.builtin.model_names import NAMES, Architecture, Family
from lipschitz.data.background import WITH_BACKGROUND, first_class
from lipschitz.data.dataset import DATASETS, DataSet, EvaluationSet, from_box, one_hot
from lipschitz.data.fitting import arranged, by
from lipschitz.data.on_demand import ImagesOnDemand
from lipschitz.data.own_images import OwnImages
from lipschitz.data.photographs import Photographs
from lipschitz.network import Box, Convention
from lipschitz.settings import BATCH_SIZE, IMAGENET_BATCH_SIZE
from lipschitz.support import user_function
from lipschitz.support.errors import InputError, concerning
from lipschitz.support.text import printable

if TYPE_CHECKING:
    from lipschitz.network import Network

# data sets whose networks are trained here
TRAINABLE: dict[str, ModuleType] = {
    "mnist": setup_mnist,
    "cifar": setup_cifar,
    "digits": setup_digits,
}
IMAGENET = "imagenet"  # whose networks come trained
LARGEST_SMALL = 2**15  # values of an image: 100 x 100 in colour
IMAGES_OF_ACCURACY, PICTURES_OF_ACCURACY = 1000, 100  # the latter are read one by one


def data_set(
    name: str, network: Network | None = None, generator: random.Random | None = None
) -> DataSet | Photographs:
    """The images of a data set in [-0.5, 0.5]; ImageNet's in `generator`'s order.

    ImageNet's have the size and the classes of `network`.
    """
    if name == IMAGENET:
        return setup_imagenet.load(network, generator)
    return _setup(name).load()


def evaluation_set(
    name: str, network: Network, generator: random.Random, own: OwnImages | None = None
) -> EvaluationSet:
    """The test images of a data set, or a user's `own`, in the network's shape and range."""
    if own is not None:
        return places.evaluation_set(own, network)
    found = data_set(name, network, generator)
    paths = getattr(found.test_data, "paths", ())
    return EvaluationSet(
        _in_range_of(network, found.test_data, name),
        _of_classes(found.test_labels, network.num_labels, name),
        tuple(path.name for path in paths),
        f"{len(found.test_data)} images",
    )


def _in_range_of(network: Network, images: Sequence[np.ndarray], name: str) -> Sequence[np.ndarray]:
    """A data set's images in a network's shape and range."""
    shape, box = network.input_shape, network.box
    one = images[0]
    if shape == one.shape and box == Box():
        return images
    if arranged(one, shape) is None:
        raise InputError(f"the images of {name} are {by(one.shape)}, the network takes {by(shape)}")
    return ImagesOnDemand(
        len(images),
        shape,
        lambda place: arranged(from_box(images[place], box.lower, box.upper), shape),
    )


def _of_classes(labels: np.ndarray, num_labels: int, name: str) -> np.ndarray:
    """One-hot labels for so many classes."""
    if labels.shape[1] == num_labels:
        return labels
    classes = labels.argmax(axis=1)
    if classes.max() >= num_labels:
        raise InputError(
            f"{name} has {labels.shape[1]} classes, the network gives {num_labels} numbers"
        )
    return one_hot(classes, num_labels)


def family(dataset: str) -> Family:
    """The networks built for a data set."""
    return _setup(dataset).FAMILY


def architecture(dataset: str, model_name: str, activation: str = "relu") -> Architecture:
    """How a data set's network is built and where it is kept."""
    found = family(dataset).named(model_name, activation)
    if found is None:
        raise InputError(
            f"{dataset} has no network named {model_name!r}: choose from {', '.join(NAMES)}"
            + places.hint(model_name, places.NETWORKS)
        )
    return found


def names_own_images(dataset: str) -> bool:
    """Whether a data set is a place of images; names come first."""
    return dataset not in DATASETS and places.is_images(dataset)


def names_own_network(dataset: str, model_name: str) -> bool:
    """Whether a network is a place; names come first."""
    if not places.is_network(model_name):
        return False
    if dataset in TRAINABLE:
        return family(dataset).named(model_name) is None
    return not setup_imagenet.is_named(model_name)


def find(dataset: str, model_name: str, activation: str = "relu") -> str:
    """What a trained network is called: its file or place, which is there, or its name."""
    if not names_own_images(dataset) and dataset != IMAGENET:
        _setup(dataset)
    if names_own_network(dataset, model_name):
        places.check_network(model_name)
        return model_name
    if _is_of_imagenet(dataset, model_name):
        return str(setup_imagenet.model_path(model_name) or model_name)
    return str(_model_path(dataset, model_name, activation))


def import_framework(model_name: str) -> None:
    """Import what computes a network, which takes seconds; a function's module imports its own."""
    if user_function.is_name(model_name) and not setup_imagenet.is_named(model_name):
        return
    framework, back_end = "TensorFlow", "tf_backend"
    if setup_imagenet.is_of_pytorch(model_name):
        framework, back_end = "PyTorch", "torch_backend"
    try:
        importlib.import_module(f"lipschitz.{back_end}.network")
    except ModuleNotFoundError as error:
        raise InputError(
            f"{model_name} is computed by {framework}: install it ({error})"
        ) from error


def network(
    dataset: str,
    model_name: str,
    activation: str = "relu",
    weights: str = "",
    convention: Convention | None = None,
    image: tuple[int, ...] | None = None,
    **of_place: object,
) -> Network:
    """A trained network of a data set, or the one at a place, which has this convention.

    `weights` is a file for one of a package, such as keras.applications; `image` and `of_place`
    are those of `places.network`.
    """
    if names_own_network(dataset, model_name):
        return places.network(model_name, convention or Convention(), image, **of_place)
    if _is_of_imagenet(dataset, model_name):
        return setup_imagenet.network(model_name, weights)
    if weights:
        raise InputError(
            f"weights in a file are for ImageNet networks named {setup_imagenet.OF_PACKAGES}"
        )
    from lipschitz.tf_backend.network import keras_network

    path = _model_path(dataset, model_name, activation)
    chosen = architecture(dataset, model_name, activation)
    with concerning(after=f'; replace it, or train it with "{chosen.train_command} --overwrite"'):
        model = model_file.load(path, chosen.build)
        try:
            return keras_network(model, input_shape=_image_shape(dataset))
        except ValueError as error:
            raise InputError(f"{path} cannot be used: {error}") from error


def _model_path(dataset: str, model_name: str, activation: str) -> Path:
    chosen = architecture(dataset, model_name, activation)
    path = model_file.find(chosen.stem)
    if path is None:
        wanted, train = model_file.MODELS / chosen.stem, f'train it with "{chosen.train_command}"'
        if not (there := model_file.near(chosen.stem)):
            raise InputError(f"{wanted} not found: {train}")
        place = model_file.readable(chosen.stem)
        as_it_is = (
            f"; or read it with its own layers, -m {printable(shlex.quote(str(place)))}"
            if place
            else ""
        )
        raise InputError(f"{wanted} not found, but {there}{as_it_is}; or {train}")
    return path


def _image_shape(dataset: str) -> tuple[int, int, int]:
    images = family(dataset)
    return images.image_size, images.image_size, images.num_channels


def batch_size(dataset: str, input_shape: tuple[int, ...] = ()) -> int:
    """Samples in a batch, if the user gives no number: fewer if the images are large."""
    large = dataset == IMAGENET or math.prod(input_shape) > LARGEST_SMALL
    return IMAGENET_BATCH_SIZE if large else BATCH_SIZE


def image_shape(dataset: str) -> tuple[int, ...] | None:
    """The shape of a data set's images; None for ImageNet's, which have any size."""
    return None if dataset == IMAGENET else _image_shape(dataset)


def data_name(dataset: str) -> str:
    """What folders of results call a data set."""
    return places.short_name(dataset) if names_own_images(dataset) else dataset


def network_name(dataset: str, model_name: str) -> str:
    """What folders of results call a network."""
    own = names_own_network(dataset, model_name)
    return places.short_name(model_name) if own else model_name


def class_names(
    dataset: str, model_name: str, network: Network, data: EvaluationSet
) -> Mapping[int, str]:
    """The names of a network's labels, as far as they have names."""
    if data.classes:
        return dict(enumerate(data.classes))
    if dataset == IMAGENET:
        first = first_class(network.num_labels)
        named = setup_imagenet.label_names(model_name, classes=network.num_labels)
        return {number - first: name for number, name in named.items()}
    return dict(enumerate(getattr(TRAINABLE.get(dataset), "CLASSES", ())))


def accuracy_images(data: EvaluationSet) -> int:
    """Test images that tell how good a network is, at little cost."""
    return PICTURES_OF_ACCURACY if data.names else IMAGES_OF_ACCURACY


def class_offset(dataset: str, network: Network) -> int:
    """What is added to the labels of images in print: ImageNet's classes count from 1 there."""
    return first_class(network.num_labels) if dataset == IMAGENET else 0


def lowest_label(dataset: str, network: Network) -> int:
    """The smallest label that an image can have: 1 if label 0 is ImageNet's background."""
    return int(dataset == IMAGENET and network.num_labels == WITH_BACKGROUND)


def _is_of_imagenet(dataset: str, model_name: str) -> bool:
    """Whether a network is one of ImageNet's, which see the images of any place."""
    own = names_own_images(dataset)
    return dataset == IMAGENET or (own and setup_imagenet.is_named(model_name))


def _setup(dataset: str) -> ModuleType:
    if dataset in TRAINABLE:
        return TRAINABLE[dataset]
    if names_own_images(dataset):
        raise InputError(f"no network is trained for {dataset}: name the file of one")
    raise InputError(
        f"no data set named {dataset!r}: choose from {', '.join(DATASETS)}"
        + places.hint(dataset, places.IMAGES)
    )

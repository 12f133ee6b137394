"""Networks and images of the user's: files, folders and functions, and what reads each."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.builtin import model_file, near_misses
from lipschitz.data import own_images, pictures
from lipschitz.data.dataset import EvaluationSet, one_hot
from lipschitz.data.own_images import OwnImages
from lipschitz.network import Convention, Network, completed
from lipschitz.support import user_function
from lipschitz.support.alike import files_alike
from lipschitz.support.errors import InputError, concerning
from lipschitz.support.text import printable

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras

KERAS, ONNX, GRAPH = ".keras", ".onnx", ".pb"
WEIGHTS = (".pt", ".pth", ".pt2", ".safetensors")  # of PyTorch: of a network that code makes
NETWORKS = (KERAS, *model_file.HDF5, ONNX, GRAPH, *WEIGHTS)
ARRAYS = (own_images.ARRAYS, own_images.MAPPED)
TABLES = (*own_images.TEXT_TABLES, own_images.PARQUET)
IMAGES = (*ARRAYS, *TABLES, *pictures.ENDINGS)
SIGNATURE = "serving_default"  # of a SavedModel


def is_network(text: str) -> bool:
    """Whether a text has the form of a place of a network, and not of a name."""
    return _is_place(text, NETWORKS)


def is_images(text: str) -> bool:
    """Whether a text has the form of a place of images, and not of a name."""
    return _is_place(text, IMAGES)


def short_name(place: str) -> str:
    """What folders of results call it: a file without its ending, a folder, MODULE.FUNCTION."""
    if user_function.is_name(place):
        return place.replace(":", ".")
    path = Path(os.path.abspath(place))
    return path.stem if path.suffix.lower() in NETWORKS + IMAGES else path.name


def check_there(place: str) -> None:
    """Raise InputError if a file or folder is not there; name what is nearly called so."""
    if user_function.is_name(place) or os.path.exists(place):
        return
    found = files_alike(Path(place))
    if os.sep not in place:
        found += files_alike(model_file.MODELS / place)
    alike = ", ".join(printable(str(path)) for path in found)
    raise InputError(f"{place} not found" + (f", but there is {alike}" if alike else ""))


def check_network(place: str) -> None:
    """Raise InputError if there is no network at a place, or something that is none by itself."""
    check_there(place)
    if not os.path.isdir(place) and place.lower().endswith(WEIGHTS):
        raise InputError(
            f"{place} cannot be used: a file of PyTorch holds weights without a network, or code. "
            "Write a function that makes the network, and give -m MODULE:FUNCTION --weights "
            f"{place}"
        )


def hint(name: str, endings: tuple[str, ...]) -> str:
    """What is in the current folder that a name may mean, to add to an error; empty if nothing."""
    if os.path.exists(name):
        return f"; for the file or folder of that name give {os.curdir}{os.sep}{printable(name)}"
    alike = [path for path in files_alike(Path(name)) if path.suffix.lower() in endings]
    return f"; or is it {' or '.join(printable(str(path)) for path in alike)}?" if alike else ""


# Networks --------------------------------------------------------------------


def network(
    place: str,
    convention: Convention,
    image: tuple[int, ...] | None = None,
    tensors: tuple[str, str] | None = None,
    signature: str = SIGNATURE,
    weights: str = "",
) -> Network:
    """The network at a place, which has this convention.

    Sizes that it leaves open are those of an `image`. `tensors` names the input and the logits of
    a frozen graph, `signature` the function of a SavedModel, `weights` a file for the module of
    PyTorch that a function makes. Raises InputError if it cannot be used.
    """
    check_network(place)
    try:
        return _network(place, convention, image, tensors, signature, weights)
    except ValueError as error:
        raise InputError(f"{place} cannot be used: {error}") from error


def network_of(
    model: object, convention: Convention, image: tuple[int, ...] | None = None
) -> Network:
    """What a user's code gives as a network: of Keras or PyTorch, an object of 2018's, a Network.

    A Network has a convention of its own, so none that changes it may be given. An object of 2018's
    has `image_size`, `num_channels` and `predict` of tensors; `num_labels` is taken from its logits
    if it is missing. Raises ValueError if the model is none of them.
    """
    if isinstance(model, Network):
        _require_own(convention, model)
        return model
    if is_of_pytorch(model):
        return _torch_network(model, convention, image)
    from lipschitz.tf_backend.network import keras_network
    from lipschitz.tf_backend.runtime import keras

    if isinstance(model, keras.Model):
        return keras_network(model, input_shape=_open_sizes(model, image), **vars(convention))
    return _network_of_2018(model, convention)


def _is_place(text: str, endings: tuple[str, ...]) -> bool:
    return (
        os.sep in text
        or text.lower().endswith(endings)
        or text in (os.curdir, os.pardir)
        or user_function.is_name(text)
    )


def _network(
    place: str,
    convention: Convention,
    image: tuple[int, ...] | None,
    tensors: tuple[str, str] | None,
    signature: str,
    weights: str,
) -> Network:
    if user_function.is_name(place):
        model = user_function.result(place)
        if weights:
            _load_weights(model, Path(weights))
        return network_of(model, convention, image)
    path = Path(place)
    if path.is_dir():
        from lipschitz.tf_backend.readers import saved_model

        return saved_model.load(path, convention, image, signature)
    if path.suffix.lower() == GRAPH:
        from lipschitz.tf_backend.readers import frozen_graph

        return frozen_graph.load_own(path, convention, image, tensors)
    if path.suffix.lower() == ONNX:
        return _onnx_network(path, convention, image)
    return network_of(_keras_model(path), convention, image)


def _load_weights(model: object, path: Path) -> None:
    if not is_of_pytorch(model):
        raise ValueError(f"it gives a {type(model).__name__}: weights are for modules of PyTorch")
    from lipschitz.torch_backend.readers import state_dict

    state_dict.load_into(model, path)


def _onnx_network(path: Path, convention: Convention, image: tuple[int, ...] | None) -> Network:
    from lipschitz.tf_backend import network
    from lipschitz.tf_backend.readers import onnx_file

    found = onnx_file.load(path)
    shape = completed(found.input_shape, image) if image else found.input_shape
    if None in shape:
        raise ValueError(f"it leaves sizes of its input open, {shape}, as the images do")
    return network.network_of(found.predict, shape, found.weights, found.structure, convention)


def _keras_model(path: Path) -> keras.Model:
    from lipschitz.tf_backend.readers import keras_file, keras_hdf5

    if near_misses.is_hdf5(path):
        return keras_hdf5.load(path)
    if told := near_misses.misnamed(path):
        raise ValueError(told)
    return keras_file.load(path)


def is_of_pytorch(model: object) -> bool:
    """Whether this is a module of PyTorch, which is imported then: it takes seconds."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def _torch_network(model: object, convention: Convention, image: tuple[int, ...] | None) -> Network:
    from lipschitz.torch_backend.network import module_network

    if image is None:
        raise ValueError(
            "a module of PyTorch does not tell the shape of its input: give images, or input_shape"
        )
    return module_network(model, convention, image)


def _open_sizes(model: keras.Model, image: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The shape of a model's input if the images decide it."""
    inputs = getattr(model, "inputs", None)
    if image is None or (inputs and (len(inputs) > 1 or None not in inputs[0].shape[1:])):
        return None
    return completed(tuple(inputs[0].shape[1:]), image) if inputs else image


def _require_own(convention: Convention, model: object) -> None:
    """Raise ValueError if a convention changes what a model does, for which it is not asked."""
    if convention.structure():
        raise ValueError(
            f"{type(model).__name__} computes its own logits: its mean, std and probabilities are "
            "its own affair"
        )


def _network_of_2018(model: object, convention: Convention) -> Network:
    from lipschitz.tf_backend.network import TensorFlowNetwork, count_logits

    needed = ("image_size", "num_channels", "predict")
    if missing := [name for name in needed if not hasattr(model, name)]:
        raise ValueError(
            f"{type(model).__name__} is not a network: it lacks {', '.join(missing)}, and it does "
            "not answer lipschitz.network.Network; a Keras model is one, and so is a module of "
            "PyTorch (not its class)"
        )
    _require_own(convention, model)
    shape = (model.image_size, model.image_size, model.num_channels)
    num_labels = getattr(model, "num_labels", None) or count_logits(model.predict, shape)
    return TensorFlowNetwork(model.predict, shape, num_labels, convention.box)


# Images ----------------------------------------------------------------------


def images(place: str, names: tuple[str, str] | None = None, label: str | None = None) -> OwnImages:
    """The images at a place.

    `names` are those of the arrays of images and labels in an .npz, `label` is that of a table's
    column. Raises InputError if they cannot be used.
    """
    check_there(place)
    if not user_function.is_name(place):
        return own_images.load(Path(place), names, label)
    found = user_function.result(place)
    with concerning(f"{place}: "):
        return own_images.of_values(*found if isinstance(found, tuple) else (found,))


def evaluation_set(own: OwnImages, network: Network) -> EvaluationSet:
    """A user's images in a network's shape and range, with labels for its classes if they have any.

    Raises InputError if they do not fit.
    """
    labels = own.labels_for(network.num_labels)
    images = own.fitted(network.input_shape, network.box.lower, network.box.upper)
    classes = None if labels is None else one_hot(labels, network.num_labels)
    return EvaluationSet(images, classes, own.names, images.described, own.classes)

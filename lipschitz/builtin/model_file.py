"""Networks on disk: `models/STEM.keras`, or the HDF5 file `models/STEM` of the 2018 toolkit."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from lipschitz.builtin import near_misses, own_architecture, shapes
from lipschitz.builtin.own_architecture import OtherNetwork
from lipschitz.support import regular_file
from lipschitz.support.atomic import replacing
from lipschitz.support.errors import InputError, first_line
from lipschitz.support.text import printable, say
from lipschitz.tf_backend.readers import hdf5, keras_file
from lipschitz.tf_backend.reasons import reason

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras

MODELS = Path("models")
HDF5 = (".h5", ".hdf5")


def with_extension(path: Path) -> Path:
    """The path of a file that Keras writes: in the current format, unless it ends in .h5."""
    if not path.name:
        raise InputError(f"{path} is a folder: name a file")
    has_one = path.suffix in (keras_file.EXTENSION, *HDF5)
    return path if has_one else path.with_name(path.name + keras_file.EXTENSION)


def path_to_save(stem: str) -> Path:
    """Where training saves the network of this stem."""
    return with_extension(MODELS / stem)


def find(stem: str) -> Path | None:
    """The file of this stem, the current format first; None if there is no file."""
    candidates = (path_to_save(stem), MODELS / stem)
    return next((path for path in candidates if path.is_file()), None)


def near(stem: str) -> str:
    """What is there in place of the file of this stem; empty if there is nothing like it."""
    return near_misses.near(MODELS / stem)


def readable(stem: str) -> Path | None:
    """What is there in place of the file of this stem and can be read with its own layers."""
    return near_misses.readable(MODELS / stem)


def save(model: keras.Model, path: Path) -> None:
    """Write the whole model, or nothing."""
    with replacing(path, path.suffix) as unfinished:
        model.save(unfinished)


def load(path: Path, build: Callable[[], keras.Model]) -> keras.Model:
    """Read a model of either format; `build` makes the network whose weights an HDF5 file holds.

    Raises InputError if the file is not a model, if an HDF5 file describes another network, or if
    a model's inputs and outputs do not have the shapes of the network that `build` makes.
    """
    from lipschitz.tf_backend.runtime import own_settings

    if told := near_misses.misnamed(path):
        raise InputError(f"{path} is not read: {told}")
    with own_settings():
        expected = build()
        image, num_labels = expected.input_shape[1:], expected.output_shape[-1]
        if path.suffix == keras_file.EXTENSION:
            model = _own_model(path, image, num_labels)
        else:
            model = expected
            _set_weights(model, path)
        _check_logits(model, path, image, num_labels)
    return model


def _own_model(path: Path, image: tuple[int, ...], num_labels: int) -> keras.Model:
    """The model of a .keras file, which has its own layers."""
    try:
        model = keras_file.load(path)
    except ValueError as error:
        raise InputError(f"{path} is not a Keras model: {error}") from error
    try:
        shapes.check(model, image, num_labels)
    except ValueError as error:
        raise InputError(f"{path} does not fit: {error}") from error
    return shapes.bare(model)


def _set_weights(model: keras.Model, path: Path) -> None:
    """Set the weights from an HDF5 file, layer by layer in the file's order."""
    needed = [tuple(weight.shape) for weight in model.weights]
    try:
        with regular_file.opened(path, hdf5.LARGEST) as content:
            hdf5.check(content)
        with h5py.File(path) as file:
            _check_architecture(file, model, path)
            in_file = _in_order(file.get("model_weights", file))
            if any(weight.dtype.kind == "V" for weight in in_file):
                raise OtherNetwork("its weights are of bfloat16, this name stands for float32")
            found = [weight.shape for weight in in_file]
            weights = [np.asarray(each, np.float32) for each in in_file] if found == needed else []
    except OtherNetwork as error:
        raise InputError(
            f"{path} holds another network: {printable(str(error))}; save it with "
            f'model.save("{with_extension(path)}"), which is read with its own layers'
        ) from error
    except Exception as error:  # h5py has no common class for what can be wrong in a file
        raise InputError(f"{path} is not an HDF5 model: {first_line(error)}") from error
    if found != needed:
        raise InputError(
            f"{path} holds another network: its weights are {reprlib.repr(found)}, "
            f"this one needs {reprlib.repr(needed)}"
        )
    model.set_weights(weights)


def _check_architecture(file: h5py.File, model: keras.Model, path: Path) -> None:
    """Compare the file's layers with the model's; files of weights alone do not describe any."""
    described = file.attrs.get("model_config")
    if described is None:
        return
    version = _text(file.attrs.get("keras_version", ""))
    image = model.input_shape[1:]
    if own_architecture.check(_text(described), version, model.to_json(), image):
        say(f"{path}: the softmax at its end is left out, its logits are scored")


def _text(attribute: object) -> str:
    return attribute.decode(errors="replace") if isinstance(attribute, bytes) else str(attribute)


def _in_order(layers: h5py.Group) -> list[h5py.Dataset]:
    return [
        layers[layer][weight]
        for layer in layers.attrs["layer_names"]
        for weight in layers[layer].attrs["weight_names"]
    ]


def _check_logits(model: keras.Model, path: Path, image: tuple[int, ...], num_labels: int) -> None:
    """Run an image through it: layers that fail and weights that are not finite show there.

    It has all greys: some networks divide by an image's contrast.
    """
    greys = np.linspace(-0.5, 0.5, math.prod(image), dtype=np.float32).reshape(1, *image)
    try:
        logits = np.asarray(model(greys, training=False), np.float32)
    except Exception as error:  # Keras has no common class for what can be wrong in a layer
        told, batch = reason(error), model.inputs[0].shape[0]
        if batch is not None:
            told = f"it has a fixed batch of {batch}: let it begin with keras.Input({image})"
        raise InputError(f"{path} cannot be used: {told}") from error
    if logits.shape != (1, num_labels):
        raise InputError(f"{path} gives an image {logits.shape[1:]} logits, not {num_labels}")
    if not np.isfinite(logits).all():
        raise InputError(f"{path} gives an image of all greys logits that are not finite")

"""Networks on disk: `models/STEM.keras`, or the HDF5 file `models/STEM` of the 2018 toolkit."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from lipschitz.support import regular_file
from lipschitz.support.atomic import replacing
from lipschitz.support.errors import InputError, first_line
from lipschitz.tf_backend.readers import hdf5, keras_file

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras

MODELS = Path("models")


def with_extension(path: Path) -> Path:
    """The path of a file in the current format."""
    if not path.name:
        raise InputError(f"{path} is a folder: name a file")
    return (
        path
        if path.suffix == keras_file.EXTENSION
        else path.with_name(path.name + keras_file.EXTENSION)
    )


def path_to_save(stem: str) -> Path:
    """Where training saves the network of this stem."""
    return with_extension(MODELS / stem)


def find(stem: str) -> Path | None:
    """The file of this stem, the current format first; None if there is no file."""
    candidates = (path_to_save(stem), MODELS / stem)
    return next((path for path in candidates if path.is_file()), None)


def save(model: keras.Model, path: Path) -> None:
    """Write the whole model, or nothing."""
    with replacing(path, keras_file.EXTENSION) as unfinished:
        model.save(unfinished)


def load(path: Path, build: Callable[[], keras.Model]) -> keras.Model:
    """Read a model of either format; `build` makes the network whose weights an HDF5 file holds.

    Raises InputError if the file is not a model, or if its inputs and outputs do not have the
    shapes of the network that `build` makes.
    """
    expected = build()
    if path.suffix != keras_file.EXTENSION:
        _set_weights(expected, path)
        _check_logits(expected, path)
        return expected

    try:
        model = keras_file.load(path)
    except ValueError as error:
        raise InputError(f"{path} is not a Keras model: {error}") from error
    shapes = (model.input_shape, model.output_shape)
    if shapes != (expected.input_shape, expected.output_shape):
        raise InputError(
            f"{path} maps {shapes[0]} to {shapes[1]}; this data set needs "
            f"{expected.input_shape} to {expected.output_shape}"
        )
    _check_logits(model, path)
    return model


def _set_weights(model: keras.Model, path: Path) -> None:
    """Set the weights from an HDF5 file of Keras 2, layer by layer in the file's order."""
    needed = [tuple(weight.shape) for weight in model.weights]
    try:
        with regular_file.opened(path, hdf5.LARGEST) as content:
            hdf5.check(content)
        with h5py.File(path) as file:
            in_file = _in_order(file["model_weights"])
            found = [weight.shape for weight in in_file]
            weights = [np.asarray(weight) for weight in in_file] if found == needed else []
    except Exception as error:  # h5py has no common class for what can be wrong in a file
        raise InputError(f"{path} is not an HDF5 model: {first_line(error)}") from error
    if found != needed:
        raise InputError(
            f"{path} holds another network: its weights are {reprlib.repr(found)}, "
            f"this one needs {reprlib.repr(needed)}"
        )
    model.set_weights(weights)


def _in_order(layers: h5py.Group) -> list[h5py.Dataset]:
    return [
        layers[layer][weight]
        for layer in layers.attrs["layer_names"]
        for weight in layers[layer].attrs["weight_names"]
    ]


def _check_logits(model: keras.Model, path: Path) -> None:
    """Run a grey image through it: layers that fail and weights that are not finite show there."""
    try:
        logits = model(np.zeros((1, *model.input_shape[1:]), np.float32), training=False)
    except Exception as error:  # Keras has no common class for what can be wrong in a layer
        raise InputError(f"{path} cannot be used: {first_line(error)}") from error
    if not np.isfinite(logits).all():
        raise InputError(f"{path} gives a grey image logits that are not finite")

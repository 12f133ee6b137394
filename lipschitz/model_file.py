"""Networks on disk: `models/STEM.keras`, or the HDF5 file `models/STEM` of the 2018 toolkit."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from lipschitz.atomic import replacing
from lipschitz.errors import InputError, first_line

if TYPE_CHECKING:
    from lipschitz.tensorflow import keras

MODELS = Path("models")
EXTENSION = ".keras"


def with_extension(path: Path) -> Path:
    """The path of a file in the current format."""
    if not path.name:
        raise InputError(f"{path} is a folder: name a file")
    return path if path.suffix == EXTENSION else path.with_name(path.name + EXTENSION)


def path_to_save(stem: str) -> Path:
    """Where training writes the network of this stem."""
    return with_extension(MODELS / stem)


def find(stem: str) -> Path | None:
    """The file of this stem, the current format first; None where there is none."""
    candidates = (path_to_save(stem), MODELS / stem)
    return next((path for path in candidates if path.is_file()), None)


def save(model: keras.Model, path: Path) -> None:
    """Write the model whole or not at all."""
    with replacing(path, EXTENSION) as unfinished:
        model.save(unfinished)


def load(path: Path, build: Callable[[], keras.Model]) -> keras.Model:
    """Read a model of either format; `build` makes the network that an HDF5 file has weights of.

    Raises InputError where the file is not a model, or not one that takes and gives what the
    built network does.
    """
    expected = build()
    if path.suffix != EXTENSION:
        _set_weights(expected, path)
        return expected

    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is damaged or not a Keras model: train it with --overwrite")

    from lipschitz.tensorflow import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras has no common class for what can be wrong in a file
        raise InputError(f"{path} is not a Keras model: {first_line(error)}") from error
    shapes = (model.input_shape, model.output_shape)
    if shapes != (expected.input_shape, expected.output_shape):
        raise InputError(
            f"{path} maps {shapes[0]} to {shapes[1]}; this data set needs "
            f"{expected.input_shape} to {expected.output_shape}"
        )
    return model


def _set_weights(model: keras.Model, path: Path) -> None:
    """Take the weights of an HDF5 file of the old Keras, layer by layer in the file's order."""
    try:
        with h5py.File(path) as file:
            layers = file["model_weights"]
            weights = [
                np.asarray(layers[layer][weight])
                for layer in layers.attrs["layer_names"]
                for weight in layers[layer].attrs["weight_names"]
            ]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{path} is not an HDF5 model: {first_line(error)}") from error
    found = [weight.shape for weight in weights]
    needed = [tuple(weight.shape) for weight in model.weights]
    if found != needed:
        raise InputError(f"{path} holds another network: weights {found}, needed {needed}")
    model.set_weights(weights)

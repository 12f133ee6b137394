"""Training as functions with the arguments of 2018, for scripts that import them from train_*.py.

`data` is any object with train_data (N, H, W, C), train_labels (N, 10), validation_data and
validation_labels. Models are saved as `file_name`, with the ending of today's format, unless it is
None. `init` names a model to start from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.builtin import model_file
from lipschitz.builtin.activations import ACTIVATIONS, sharp_softplus
from lipschitz.builtin.architectures import mlp, seven_layer
from lipschitz.builtin.training import (
    EPOCHS,
    MOMENTUM,
    NLAYER_BATCH,
    SEVEN_LAYER_RATE,
    TRAINING_BATCH,
    Rate,
    Recipe,
    fit,
)

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras


def train_seven_layer(
    data: object,
    file_name: str | None,
    params: Sequence[int],
    num_epochs: int = EPOCHS,
    batch_size: int = TRAINING_BATCH,
    train_temp: float = 1,
    init: str | None = None,
) -> keras.Model:
    """`train` of train_models.py: the 7-layer network of these six sizes."""
    recipe = Recipe(SEVEN_LAYER_RATE, num_epochs, batch_size)
    build = partial(seven_layer, *_shape(data), params, ACTIVATIONS["relu"])
    return _trained(build, data, file_name, recipe, train_temp, init)[0]


def train_two_layer(
    data: object,
    file_name: str | None,
    params: Sequence[int],
    num_epochs: int = EPOCHS,
    batch_size: int = TRAINING_BATCH,
    train_temp: float = 1,
    init: str | None = None,
    lr: float = 0.01,
    decay: float = 1e-5,
    momentum: float = MOMENTUM,
) -> keras.Model:
    """`train` of train_2layer.py: an MLP with the activation softplus(10x) / 10."""
    recipe = Recipe(Rate(lr, decay), num_epochs, batch_size, momentum=momentum)
    build = partial(mlp, *_shape(data), params, sharp_softplus, "glorot_uniform")
    return _trained(build, data, file_name, recipe, train_temp, init)[0]


def _train_nlayer(
    architecture: Callable[..., keras.Model],
    data: object,
    file_name: str | None,
    params: Sequence[int],
    num_epochs: int = EPOCHS,
    batch_size: int = NLAYER_BATCH,
    train_temp: float = 1,
    init: str | None = None,
    lr: float = 0.01,
    decay: float = 1e-5,
    momentum: float = MOMENTUM,
    activation: str = "relu",
    optimizer_name: str = "sgd",
) -> dict[str, object]:
    """A dict of the model and Keras's history of its fit."""
    recipe = Recipe(Rate(lr, decay), num_epochs, batch_size, optimizer_name, momentum=momentum)
    build = partial(architecture, *_shape(data), params, ACTIVATIONS[activation])
    model, history = _trained(build, data, file_name, recipe, train_temp, init)
    return {"model": model, "history": history}


# `train` and `train_cnn_7layer` of train_nlayer.py
train_mlp = partial(_train_nlayer, mlp)
train_cnn_7layer = partial(_train_nlayer, seven_layer)


def _shape(data: object) -> tuple[int, int]:
    """Image size and channels."""
    _, image_size, _, num_channels = data.train_data.shape
    return image_size, num_channels


def _trained(
    build: Callable[[], keras.Model],
    data: object,
    file_name: str | None,
    recipe: Recipe,
    temperature: float,
    init: str | None,
) -> tuple[keras.Model, keras.callbacks.History]:
    from lipschitz.tf_backend.runtime import keras

    keras.utils.set_random_seed(recipe.seed)
    model = model_file.load(model_file.with_extension(Path(init)), build) if init else build()
    images = data.train_data, data.train_labels
    validation = data.validation_data, data.validation_labels
    history = fit(model, images, validation, recipe, temperature)
    if file_name is not None:
        model_file.save(model, model_file.with_extension(Path(file_name)))
    return model, history

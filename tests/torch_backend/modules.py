"""Modules of PyTorch, and Keras models with the same weights."""

import numpy as np
import torch
from torch import nn

from lipschitz.tf_backend.runtime import keras

layers = keras.layers
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "softplus": nn.Softplus}


def cnn(activation, filters=(4, 6), units=12):
    """A Keras CNN of digits, and the module with its weights."""
    images = keras.Input((28, 28, 1))
    x = images
    for count in filters:
        x = layers.Conv2D(count, 3, activation=activation)(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dense(units, activation=activation)(layers.Flatten()(x))
    model = keras.Model(images, layers.Dense(10)(x))
    act = ACTIVATIONS[activation]
    first, second = filters
    module = nn.Sequential(
        *(nn.Conv2d(1, first, 3), act(), nn.MaxPool2d(2)),
        *(nn.Conv2d(first, second, 3), act(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(25 * second, units), act(), nn.Linear(units, 10)),
    )
    copy_weights(model, module, (5, 5, second))
    return model, module


def mlp(activation, units=32):
    """A Keras MLP of digits, and the module with its weights."""
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Flatten(),
            layers.Dense(units, activation=activation),
            layers.Dense(10),
        ]
    )
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(784, units), ACTIVATIONS[activation](), nn.Linear(units, 10)
    )
    copy_weights(model, module, (28, 28, 1))
    return model, module


def copy_weights(model, module, flattened):
    """Give both the same weights; the model flattens an image of this shape."""
    height, width, channels = flattened
    rng = np.random.default_rng(0)
    model.set_weights(
        [rng.normal(0, np.prod(w.shape[:-1]) ** -0.5, w.shape) for w in model.weights]
    )
    arrays, is_first_dense = model.get_weights(), True
    for parameter, array in zip(module.parameters(), arrays, strict=True):
        if array.ndim == 4:
            array = array.transpose(3, 2, 0, 1)
        elif array.ndim == 2:
            if is_first_dense:  # PyTorch flattens channels first
                array = array.reshape(height, width, channels, -1).transpose(2, 0, 1, 3)
                array = array.reshape(height * width * channels, -1)
            array, is_first_dense = array.T, False
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))

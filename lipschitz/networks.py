"""The architectures of the built-in networks, and the contract that every network keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # TensorFlow takes seconds to import: only the functions that build do it
    from lipschitz.tensorflow import keras, tf

NUM_LABELS = 10  # of the built-in data sets


@dataclass(frozen=True)
class Network:
    """What the sampler asks of a network."""

    model: keras.Model
    image_size: int
    num_channels: int
    num_labels: int

    def predict(self, x: tf.Tensor) -> tf.Tensor:
        """Logits (B, num_labels) of images x (B, H, W, C), float32 in [-0.5, 0.5]."""
        return self.model(x, training=False)


def two_layer(image_size: int, num_channels: int) -> keras.Sequential:
    """One hidden layer of 1024 units, activation softplus(10x) / 10, logits out."""
    from lipschitz.tensorflow import keras

    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((image_size, image_size, num_channels)),
            layers.Flatten(),
            layers.Dense(1024),
            # layers that every Keras knows: the saved model needs none of this code
            layers.Rescaling(10.0),
            layers.Activation("softplus"),
            layers.Rescaling(0.1),
            layers.Dense(NUM_LABELS),
        ]
    )


def seven_layer(
    image_size: int, num_channels: int, filters: tuple[int, int], units: int
) -> keras.Sequential:
    """Four 3x3 convolutions with two poolings and three dense layers, ReLU, logits out."""
    from lipschitz.tensorflow import keras

    layers = keras.layers
    first, second = filters
    return keras.Sequential(
        [
            layers.Input((image_size, image_size, num_channels)),
            layers.Conv2D(first, 3, activation="relu"),
            layers.Conv2D(first, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(second, 3, activation="relu"),
            layers.Conv2D(second, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(units, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(units, activation="relu"),
            layers.Dense(NUM_LABELS),
        ]
    )


@dataclass(frozen=True)
class Architecture:
    """A network that a data set can name: how it is built, where it is kept, who trains it."""

    stem: str
    build: Callable[[], keras.Model]
    train_command: str


def built_in(
    dataset: str, image_size: int, num_channels: int, filters: tuple[int, int], units: int
) -> dict[str, Architecture]:
    """The networks of 2018 for a data set, by the names that `--model_name` takes."""
    return {
        "normal": Architecture(
            stem=dataset,
            build=partial(seven_layer, image_size, num_channels, filters, units),
            train_command=f"python3 train_models.py --dataset {dataset}",
        ),
        "2-layer": Architecture(
            stem=f"{dataset}_2layer",
            build=partial(two_layer, image_size, num_channels),
            train_command=f"python3 train_2layer.py --dataset {dataset}",
        ),
    }

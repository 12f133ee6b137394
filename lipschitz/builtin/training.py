"""Training as in 2018: cross-entropy, minimised by SGD with Nesterov momentum or by Adam."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipschitz.builtin import model_file
from lipschitz.builtin.model_names import DISTILLATION_TEMPERATURE, Architecture
from lipschitz.data.dataset import DataSet, Images
from lipschitz.settings import SEED
from lipschitz.support.errors import InputError

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras

EPOCHS = 50
TRAINING_BATCH, NLAYER_BATCH = 128, 256
MOMENTUM = 0.9
OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class Rate:
    """The learning rate at a step: initial / (1 + decay * step)."""

    initial: float
    decay: float


SEVEN_LAYER_RATE = Rate(0.01, decay=1e-6)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    rate: Rate
    epochs: int = EPOCHS
    batch: int = TRAINING_BATCH
    optimizer: str = "sgd"
    momentum: float = MOMENTUM  # of sgd
    seed: int = SEED  # of the initial weights, dropout and the order of images

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"{self.epochs} epochs: train for 1 epoch or more")


def train(architecture: Architecture, data: DataSet, recipe: Recipe) -> None:
    """Train a network, save it and print its accuracy on the test images."""
    save(learn(architecture, data, recipe), data, model_file.path_to_save(architecture.stem))


def distil(architecture: Architecture, data: DataSet, recipe: Recipe) -> None:
    """Defensive distillation (Papernot et al., S&P 2016); saved and printed as by `train`.

    A teacher is trained on the labels with softmax(logits / T), then a student on the teacher's
    soft labels, softmax(logits / T). Both start from a network that was trained for one epoch.
    The student is used at T = 1, so its logits are about T times those of other networks.
    """
    from lipschitz.tf_backend.runtime import tf

    T = DISTILLATION_TEMPERATURE

    def start() -> keras.Model:
        return model_file.load(model_file.path_to_save(first), architecture.build)

    def soft_labels(teacher: keras.Model, images: Images) -> Images:
        return images[0], tf.nn.softmax(_logits(teacher, images[0], recipe.batch) / T).numpy()

    first, second = f"{architecture.stem}_init", f"{architecture.stem}_teacher"
    print("one epoch to start from")
    model = learn(architecture, data, replace(recipe, epochs=1))
    save(model, data, model_file.path_to_save(first))

    print("the teacher")
    teacher = start()
    fit(teacher, data.train, data.validation, recipe, T)
    save(teacher, data, model_file.path_to_save(second))

    print("the student (its accuracy here is agreement with the teacher)")
    student = start()
    train, validation = (soft_labels(teacher, images) for images in (data.train, data.validation))
    fit(student, train, validation, recipe, T)
    save(student, data, model_file.path_to_save(architecture.stem))


def learn(architecture: Architecture, data: DataSet, recipe: Recipe) -> keras.Model:
    """Train a network from its initial weights, which are the same in every run of a seed."""
    from lipschitz.tf_backend.runtime import keras

    keras.utils.set_random_seed(recipe.seed)
    model = architecture.build()
    fit(model, data.train, data.validation, recipe)
    return model


def save(model: keras.Model, data: DataSet, path: Path) -> None:
    """Save the model, and print its accuracy on the test images."""
    predicted = np.argmax(_logits(model, data.test_data, 1024), axis=1)
    accuracy = np.mean(predicted == np.argmax(data.test_labels, axis=1))
    model_file.save(model, path)
    print(
        f"saved {path}: {accuracy:.2%} of the {len(data.test_data)} test images are right",
        flush=True,
    )


def fit(
    model: keras.Model,
    images: Images,
    validation: Images,
    recipe: Recipe,
    temperature: float = 1.0,
) -> keras.callbacks.History:
    """Minimise the cross-entropy of softmax(logits / temperature); return Keras's history."""
    from lipschitz.tf_backend.runtime import keras, own_settings

    with own_settings():
        rate = keras.optimizers.schedules.InverseTimeDecay(
            recipe.rate.initial, decay_steps=1, decay_rate=recipe.rate.decay
        )
        optimizers = {
            "sgd": keras.optimizers.SGD(rate, momentum=recipe.momentum, nesterov=True),
            "adam": keras.optimizers.Adam(rate),
        }
        # a model around the model: the saved one has no temperature, loss or optimizer
        learner = keras.Sequential([model, keras.layers.Rescaling(1 / temperature)])
        learner.compile(
            loss=keras.losses.CategoricalCrossentropy(from_logits=True),
            optimizer=optimizers[recipe.optimizer],
            metrics=["accuracy"],
        )
        return learner.fit(
            *images,
            validation_data=validation,
            batch_size=recipe.batch,
            epochs=recipe.epochs,
            verbose=1 if sys.stdout.isatty() else 2,
        )


def _logits(model: keras.Model, images: np.ndarray, batch: int) -> np.ndarray:
    """Logits (N, K) of images (N, *shape)."""
    from lipschitz.tf_backend.runtime import own_settings

    with own_settings():
        return model.predict(images, batch_size=batch, verbose=0)

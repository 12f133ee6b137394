"""Training as in 2018: stochastic gradient descent with momentum on the cross-entropy of logits."""

import sys
from dataclasses import dataclass

from lipschitz import model_file
from lipschitz.dataset import DataSet
from lipschitz.errors import InputError
from lipschitz.networks import Architecture
from lipschitz.sampling import SEED

EPOCHS = 50
TRAINING_BATCH = 128
MOMENTUM = 0.9


@dataclass(frozen=True)
class Rate:
    """The learning rate at a step: initial / (1 + decay * step)."""

    initial: float
    decay: float


def train(
    architecture: Architecture, data: DataSet, rate: Rate, epochs: int, overwrite: bool
) -> None:
    """Train a network, print its accuracy on the test images and save it.

    One that exists is kept unless `overwrite`.
    """
    if epochs < 1:
        raise InputError(f"--epochs {epochs}: train for 1 epoch or more")
    existing = model_file.find(architecture.stem)
    if existing and not overwrite:
        print(f"kept {existing} (--overwrite trains it again)")
        return

    from lipschitz.tensorflow import keras

    keras.utils.set_random_seed(SEED)
    model = architecture.build()
    schedule = keras.optimizers.schedules.InverseTimeDecay(
        rate.initial, decay_steps=1, decay_rate=rate.decay
    )
    model.compile(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        optimizer=keras.optimizers.SGD(schedule, momentum=MOMENTUM, nesterov=True),
        metrics=["accuracy"],
    )
    model.fit(
        data.train_data,
        data.train_labels,
        validation_data=(data.validation_data, data.validation_labels),
        batch_size=TRAINING_BATCH,
        epochs=epochs,
        verbose=1 if sys.stdout.isatty() else 2,
    )
    _, accuracy = model.evaluate(data.test_data, data.test_labels, batch_size=1024, verbose=0)
    path = model_file.path_to_save(architecture.stem)
    model_file.save(model, path)
    print(f"saved {path}: {accuracy:.2%} of the {len(data.test_data)} test images are right")

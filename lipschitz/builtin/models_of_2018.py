"""The networks of MNIST and CIFAR-10 as objects, as scripts of 2018 use them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.builtin import model_file
from lipschitz.builtin.model_names import Architecture, Family
from lipschitz.support.errors import InputError

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras, tf


@dataclass(frozen=True)
class ModelOf2018:
    """A network for images (n, image_size, image_size, num_channels)."""

    model: keras.Model
    use_softmax: bool
    image_size: int
    num_channels: int
    num_labels: int

    def predict(self, data: tf.Tensor) -> tf.Tensor:
        """Logits (n, num_labels) of a tensor of images, or their softmax."""
        from lipschitz.tf_backend.runtime import tf

        logits = self.model(data)
        return tf.nn.softmax(logits) if self.use_softmax else logits


def seven_layer(
    family: Family,
    restore: str | None = None,
    session: object = None,
    use_softmax: bool = False,
    use_brelu: bool = False,
    activation: str = "relu",
) -> ModelOf2018:
    """The 7-layer network of a data set, with the weights in the file `restore`, or random ones.

    `session` is without effect. Raises InputError if there is no such file.
    """
    architecture = family.named("brelu") if use_brelu else family.cnn(activation)
    return _model(family, architecture, restore, use_softmax)


def two_layer(
    family: Family,
    restore: str | None = None,
    session: object = None,
    use_softmax: bool = False,
) -> ModelOf2018:
    """The 2-layer network of a data set; as `seven_layer`."""
    return _model(family, family.named("2-layer"), restore, use_softmax)


def _model(
    family: Family, architecture: Architecture, restore: str | None, use_softmax: bool
) -> ModelOf2018:
    build = architecture.build
    model = build() if restore is None else model_file.load(_file(restore, architecture), build)
    return ModelOf2018(
        model, use_softmax, family.image_size, family.num_channels, model.output_shape[-1]
    )


def _file(restore: str, architecture: Architecture) -> Path:
    """The file of this name, with the ending of today if there is none without."""
    path = Path(restore)
    found = path if path.is_file() else model_file.with_extension(path)
    if not found.is_file():
        raise InputError(f'{found} not found; train it: "{architecture.train_command}"')
    return found

"""The names of a data set's networks: how each is built, where it is saved, what trains it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lipschitz.builtin import model_file
from lipschitz.builtin.activations import ACTIVATIONS, Activation, bounded_relu
from lipschitz.builtin.architectures import mlp, seven_layer, two_layer

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras

DISTILLATION_TEMPERATURE = 100
NAMES = ("2-layer", "normal", "distilled", "brelu", "N,M,OPTS")


@dataclass(frozen=True)
class Architecture:
    """A network that has a name: how it is built, and what trains it."""

    stem: str  # of its file in models/
    build: Callable[[], keras.Model]
    train_command: str


@dataclass(frozen=True)
class Family:
    """The networks of a data set, which have its image size in common."""

    dataset: str
    image_size: int
    num_channels: int
    sizes: tuple[int, ...]  # of the layers of the 7-layer networks

    def named(self, name: str, activation: str = "relu") -> Architecture | None:
        """The network of this name, None if there is none; `activation` is that of "normal"."""
        if name == "normal" and (activation != "relu" or self._trained_as_cnn()):
            return self.cnn(activation)
        dataset, relu = self.dataset, ACTIVATIONS["relu"]
        seven = f"python3 train_models.py --dataset {dataset} --model_name {name}"
        two = f"python3 train_2layer.py --dataset {dataset}"
        known = {
            "2-layer": Architecture(f"{dataset}_2layer", partial(two_layer, *self._images), two),
            "normal": Architecture(dataset, self._seven_layer(relu), seven),
            "distilled": Architecture(
                f"{dataset}-distilled-{DISTILLATION_TEMPERATURE}", self._seven_layer(relu), seven
            ),
            "brelu": Architecture(f"{dataset}_brelu", self._seven_layer(bounded_relu), seven),
        }
        return known.get(name) or self._numbered(name)

    def cnn(self, activation: str, sizes: Sequence[int] = ()) -> Architecture:
        """The 7-layer CNN with any activation, and other sizes if they are given."""
        own = [] if tuple(sizes) in ((), self.sizes) else list(map(str, sizes))
        return Architecture(
            "_".join([self.dataset, "cnn_7layer", activation, *own]),
            self._seven_layer(ACTIVATIONS[activation], sizes),
            " ".join(
                [
                    f"python3 train_nlayer.py --model {self.dataset} --modeltype cnn",
                    f"--activation {activation}",
                    *own,
                ]
            ),
        )

    def mlp(self, widths: list[int], activation: str) -> Architecture:
        """The MLP with hidden layers of these widths."""
        return Architecture(
            f"{self.dataset}_mlp_{len(widths) + 1}layer_{activation}_{widths[0]}",
            partial(mlp, *self._images, widths, ACTIVATIONS[activation]),
            f"python3 train_nlayer.py --model {self.dataset} --activation {activation} "
            + " ".join(map(str, widths)),
        )

    def _numbered(self, name: str) -> Architecture | None:
        """`N,M,OPTS`: an MLP of N layers, the N - 1 hidden ones of M units each.

        OPTS is an activation, or part of the name of a file of 2018.
        """
        pattern = r"([2-9]|[1-9]\d),([1-9]\d{0,4}),([\w.-]{1,64})"
        found = re.fullmatch(pattern, name, re.ASCII)
        if not found:
            return None
        layers, width, options = int(found[1]), int(found[2]), found[3]
        widths = [width] * (layers - 1)
        stem = f"{self.dataset}_{layers}layer_relu_{width}_{options}"
        if options in ACTIVATIONS and not model_file.find(stem):
            return self.mlp(widths, options)
        relu = self.mlp(widths, "relu")
        return Architecture(
            stem, relu.build, f"{relu.train_command} --modelfile {model_file.MODELS / stem}"
        )

    def _trained_as_cnn(self) -> bool:
        """Whether only train_nlayer.py has trained the ReLU network."""
        return not model_file.find(self.dataset) and bool(model_file.find(self.cnn("relu").stem))

    @property
    def _images(self) -> tuple[int, int]:
        return self.image_size, self.num_channels

    def _seven_layer(
        self, activation: Activation, sizes: Sequence[int] = ()
    ) -> Callable[[], keras.Model]:
        return partial(seven_layer, *self._images, sizes or self.sizes, activation)

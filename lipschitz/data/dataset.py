"""A data set: images in [-0.5, 0.5] with one-hot labels, read when they are first used."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

DATASETS = ("mnist", "cifar", "digits", "imagenet")  # catalogue.py finds each by its name
DATA_FOLDER_VARIABLE = "CLEVER_DATA"

Images = tuple[np.ndarray, np.ndarray]  # (N, H, W, C) float32 in [-0.5, 0.5]; (N, labels) one-hot


def data_folder(default: str = "data") -> Path:
    """The folder of downloaded data: $CLEVER_DATA, or `default`."""
    return Path(os.environ.get(DATA_FOLDER_VARIABLE) or default)


class DataSet:
    """Training, validation and test images; `read_*` return the images of one split."""

    def __init__(
        self, read_train: Callable[[], tuple[Images, Images]], read_test: Callable[[], Images]
    ) -> None:
        """`read_train` returns the training and the validation images."""
        self._read_train = read_train
        self._read_test = read_test

    @cached_property
    def _train(self) -> tuple[Images, Images]:
        return self._read_train()

    @cached_property
    def _test(self) -> Images:
        return self._read_test()

    train = property(lambda self: self._train[0])
    train_data = property(lambda self: self.train[0])
    train_labels = property(lambda self: self.train[1])
    validation = property(lambda self: self._train[1])
    validation_data = property(lambda self: self.validation[0])
    validation_labels = property(lambda self: self.validation[1])
    test_data = property(lambda self: self._test[0])
    test_labels = property(lambda self: self._test[1])


@dataclass(frozen=True)
class EvaluationSet:
    """Images to score, as a network takes them; by index (*shape) or slice (n, *shape), float32."""

    images: Sequence[np.ndarray]
    labels: np.ndarray | None  # (N, classes) one-hot
    names: tuple[str, ...] = ()  # of the files that they come from, if each has one
    described: str = ""
    classes: tuple[str, ...] = ()  # the names of the labels 0, 1, ..., if they have names

    def true_labels(self, logits: np.ndarray, ids: Sequence[int] | None = None) -> np.ndarray:
        """One-hot labels (N, classes) of images (all, or `ids`) that have these logits.

        If there are no labels, the network's predictions count as true.
        """
        if self.labels is None:
            return one_hot(logits.argmax(axis=1), logits.shape[1])
        return self.labels if ids is None else self.labels[ids]


VALIDATION_SIZE = 5000


def validation_apart(images: Images) -> tuple[Images, Images]:
    """Training images, and the first 5,000 as the validation set."""
    data, labels = images
    first, rest = slice(VALIDATION_SIZE), slice(VALIDATION_SIZE, None)
    return (data[rest], labels[rest]), (data[first], labels[first])


def one_hot(labels: np.ndarray, num_labels: int) -> np.ndarray:
    """Labels (N,) as rows (N, num_labels) with a single 1."""
    return np.eye(num_labels, dtype=np.float32)[labels]


def pixels_to_box(pixels: np.ndarray) -> np.ndarray:
    """Bytes 0 to 255 as float32 in [-0.5, 0.5]."""
    return pixels.astype(np.float32) / 255 - np.float32(0.5)


def from_box(images: np.ndarray, lower: float, upper: float) -> np.ndarray:
    """Images in [-0.5, 0.5] as float32 in [lower, upper]."""
    scaled = (images + np.float32(0.5)) * np.float32(upper - lower) + np.float32(lower)
    return np.clip(scaled, np.float32(lower), np.float32(upper))

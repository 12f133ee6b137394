"""A data set: images in [-0.5, 0.5] with one-hot labels, read when they are first asked for."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

DATA_FOLDER_VARIABLE = "CLEVER_DATA"

Images = tuple[np.ndarray, np.ndarray]  # (N, H, W, C) float32 in [-0.5, 0.5]; (N, labels) one-hot


def data_folder() -> Path:
    """Where downloaded data lie: $CLEVER_DATA, or `data`."""
    return Path(os.environ.get(DATA_FOLDER_VARIABLE) or "data")


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

    train_data = property(lambda self: self._train[0][0])
    train_labels = property(lambda self: self._train[0][1])
    validation_data = property(lambda self: self._train[1][0])
    validation_labels = property(lambda self: self._train[1][1])
    test_data = property(lambda self: self._test[0])
    test_labels = property(lambda self: self._test[1])


def one_hot(labels: np.ndarray, num_labels: int) -> np.ndarray:
    """Labels (N,) as rows (N, num_labels) with a single 1."""
    return np.eye(num_labels, dtype=np.float32)[labels]

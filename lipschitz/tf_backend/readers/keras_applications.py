"""The classifiers of keras.applications as networks `keras:NAME`, with their preprocessing."""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipschitz.support import regular_file
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.readers import hdf5, keras_file
from lipschitz.tf_backend.readers.preprocessing import Preprocess, pixels
from lipschitz.tf_backend.reasons import reason

if TYPE_CHECKING:
    from lipschitz.tf_backend.network import TensorFlowNetwork
    from lipschitz.tf_backend.runtime import keras

PREFIX = "keras:"
RGB_MEAN, RGB_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in [0, 1]


@dataclass(frozen=True)
class Classifier:
    """A classifier of keras.applications: what builds it, and the preprocessing of its images."""

    build: Callable[..., keras.Model]
    preprocess_input: Preprocess  # of pixels, 0 to 255


def classifiers() -> dict[str, Classifier]:
    """All classifiers of this version of Keras, by name."""
    from lipschitz.tf_backend.runtime import keras

    return {
        name: Classifier(function, inspect.getmodule(function).preprocess_input)
        for name, function in inspect.getmembers(keras.applications, inspect.isfunction)
        if "classifier_activation" in inspect.signature(function).parameters
    }


def network(name: str, weights: str = "") -> TensorFlowNetwork:
    """The network `keras:NAME`: images in the box -> logits of 1000 classes.

    `weights` is a file; without one Keras downloads its own, trained on ImageNet. Raises
    InputError as `find` does, or if there are no weights that fit.
    """
    from lipschitz.tf_backend.network import keras_network
    from lipschitz.tf_backend.runtime import keras, own_settings

    classifier = find(name)
    with own_settings():
        model = _from_file(name, classifier, weights) if weights else _downloaded(name, classifier)
        images = keras.Input(model.input_shape[1:])
        logits = model(classifier.preprocess_input(pixels(images)), training=False)
        return keras_network(keras.Model(images, logits))


def find(name: str) -> Classifier:
    """The classifier `keras:NAME`. Raises InputError if there is none."""
    known, name = classifiers(), name.removeprefix(PREFIX)
    if name not in known:
        alike = get_close_matches(name, known) or known
        raise InputError(
            f"keras.applications has no classifier {name!r}: choose from "
            + ", ".join(PREFIX + each for each in alike)
        )
    return known[name]


def _from_file(name: str, classifier: Classifier, file: str) -> keras.Model:
    if not os.path.isfile(file):
        raise InputError(f"{file}: no such file")
    try:
        _check(Path(file))
    except ValueError as error:
        raise InputError(f"{file} does not fit {name}: {error}") from error
    model = classifier.build(weights=None, classifier_activation=None)
    try:
        with warnings.catch_warnings(action="ignore"):  # weights that do not fit raise errors
            model.load_weights(file)
        _scale_as_with_keras_weights(model)
    except Exception as error:  # Keras has no common class for what can be wrong in a file
        raise InputError(f"{file} does not fit {name}: {reason(error)}") from error
    return model


def _check(file: Path) -> None:
    """Raise ValueError if the file has no weights: nothing else reaches Keras."""
    check = keras_file.check_weights if file.suffix == keras_file.EXTENSION else hdf5.check
    with regular_file.opened(file, hdf5.LARGEST) as content:
        check(content)


def _scale_as_with_keras_weights(model: keras.Model) -> None:
    """Divide what EfficientNet B0 to B7 normalise by the root of ImageNet's deviations.

    Keras adds that division if it downloads the weights, and leaves it out if they come from a
    file. The mean that is stored with the weights tells whether they are Keras's own.
    """
    from lipschitz.tf_backend.runtime import keras

    for layer in model.layers:
        adapted = isinstance(layer, keras.layers.Normalization) and layer.input_mean is None
        if adapted and np.allclose(layer.mean, RGB_MEAN, atol=1e-3):
            layer.adapt_variance.assign(layer.adapt_variance * RGB_DEVIATION)
            layer.finalize_state()


def _downloaded(name: str, classifier: Classifier) -> keras.Model:
    try:
        with redirect_stdout(sys.stderr):  # Keras prints its progress
            return classifier.build(weights="imagenet", classifier_activation=None)
    except Exception as error:  # Keras raises nothing more special if a download fails
        raise InputError(
            f"the weights of {name} could not be downloaded ({reason(error)}): give them in a file"
        ) from error

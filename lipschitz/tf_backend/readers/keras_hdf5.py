"""Whole models in HDF5 files, as `model.save("NAME.h5")` of Keras 2 and 3 writes them."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from lipschitz.support import regular_file
from lipschitz.tf_backend.readers import hdf5, keras_2, keras_2_graph, keras_config, legacy_config
from lipschitz.tf_backend.reasons import reason

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras

COUNTERS = re.compile(r"(_\d+)?(:\d+)?$")  # that Keras 2 and TensorFlow add to a weight's name
UNNAMED = "variable"  # what Keras 3 calls a weight without a name


def load(path: Path) -> keras.Model:
    """Read a model. Raises ValueError if it is not one made of Keras's own parts alone."""
    from lipschitz.tf_backend.runtime import own_settings

    try:
        with regular_file.opened(path, hdf5.LARGEST) as content:
            hdf5.check(content)
            with h5py.File(content) as file, own_settings():
                config = _config(file)
                keras_config.check(config)
                keras_config.check_sizes(config, os.fstat(content.fileno()).st_size)
                model = keras_config.built(config)
                _set_weights(model, file["model_weights"])
                return model
    except Exception as error:  # Keras and h5py have no common class for what can be wrong
        raise ValueError(reason(error)) from error


def _config(file: h5py.File) -> dict[str, object]:
    """The model's configuration in the current form."""
    described = file.attrs.get("model_config")
    if described is None:
        raise ValueError(
            'it holds weights alone: save the whole model with model.save("NAME.keras") where it '
            "was made"
        )
    if len(described) > keras_config.LARGEST:
        raise ValueError(f"its configuration has more than {keras_config.LARGEST} B")
    by_keras_2 = keras_2.wrote(_text(file.attrs.get("keras_version", "")))
    if by_keras_2 and _text(file.attrs.get("backend", "")) == "theano":
        raise ValueError("Theano wrote it, which holds the kernels of convolutions reversed")
    return legacy_config.current(json.loads(described), by_keras_2)


def _set_weights(model: keras.Model, stored: h5py.Group) -> None:
    """Set the weights of each layer from the group of its name."""
    groups = {keras_2_graph.layer_name(name): name for name in _names(stored, "layer_names")}
    for layer in model.layers:
        weights = layer.trainable_weights + layer.non_trainable_weights
        if not weights:
            continue
        if layer.name not in groups:
            raise ValueError(f"it holds no weights of its layer {layer.name!r}")
        group = stored[groups[layer.name]]
        names = _names(group, "weight_names")
        if len(names) != len(weights):
            raise ValueError(
                f"its layer {layer.name!r} needs {len(weights)} weights, it holds {len(names)}"
            )
        for weight, name in zip(weights, names, strict=True):
            _check_weight(layer.name, group[name], weight)
            weight.assign(_values(group[name]))
    for layer in _normalizations(model):
        layer.finalize_state()


def _check_weight(layer: str, stored: h5py.Dataset, needed: keras.Variable) -> None:
    """Compare name and shape. The order of a layer's weights is the same in Keras 2 and 3."""
    found, name = (_plain(each) for each in (stored.name, needed.name))
    # Keras 2 calls the kernel of a depthwise convolution depthwise_kernel
    same = found.endswith(name) or name == UNNAMED
    if not same or stored.shape != tuple(needed.shape):
        raise ValueError(
            f"its layer {layer!r} needs {name} of {tuple(needed.shape)}, it holds {found} of "
            f"{stored.shape}"
        )


def _plain(name: str) -> str:
    return COUNTERS.sub("", name.rpartition("/")[2])


def _values(stored: h5py.Dataset) -> np.ndarray:
    from lipschitz.tf_backend.runtime import tf

    values = stored[()]
    # h5py does not know bfloat16
    return values.view(tf.bfloat16.as_numpy_dtype) if values.dtype.kind == "V" else values


def _normalizations(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers, of models in the model too, that compute with a copy of their weights."""
    from lipschitz.tf_backend.runtime import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _normalizations(layer)
        elif isinstance(layer, keras.layers.Normalization):
            yield layer


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """A list of names, which Keras splits if it is too long for an attribute."""
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    parts = (f"{attribute}{number}" for number in itertools.count())
    held = itertools.takewhile(lambda part: part in group.attrs, parts)
    return [_text(name) for part in held for name in group.attrs[part]]


def _text(attribute: object) -> str:
    return attribute.decode(errors="replace") if isinstance(attribute, bytes) else str(attribute)

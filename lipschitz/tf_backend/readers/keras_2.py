"""The parts of a model that Keras 2 wrote as Keras 3 reads them, where the two differ."""

from __future__ import annotations

import inspect

from lipschitz.tf_backend.readers import keras_2_graph, keras_2_operations, keras_config

Part = dict[str, object]  # class_name and config; of layers in a graph name and inbound_nodes too

CLASSES = {  # and what they are in Keras 3
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Model": "Functional",
    "SyncBatchNormalization": "BatchNormalization",
    "ThresholdedReLU": "ReLU",
}
ENTRIES = {  # of their configurations, and what Keras 3 calls them
    "InputLayer": {"batch_input_shape": "batch_shape"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "ThresholdedReLU": {"theta": "threshold"},
}
# of entries that the oldest files lack, where Keras 3 has another
DEFAULTS = {"GRU": {"reset_after": False}, "GRUCell": {"reset_after": False}}
# entries that Keras 3 lacks, and the value for what it does
NO_LONGER = {"groups": 1, "noise_shape": None, "softmax_robust_masking": False, "time_major": False}
# entries that do not say what the layer computes
WITHOUT_EFFECT = {"batch_input_shape", "key_shape", "query_shape", "rng_type", "value_shape"}
HARD_SIGMOID, CROP = "hard_sigmoid", "RandomCrop"
ACTIVATED = {  # layers that end with their activation
    *("Activation", "Dense", "EinsumDense"),
    *(f"{kind}Conv{n}D" for kind in ("", "Depthwise", "Separable") for n in (1, 2, 3)),
    *(f"Conv{n}DTranspose" for n in (1, 2, 3)),
}


def wrote(version: str) -> bool:
    """Whether this is the version of Keras 2, or of Keras 1; the oldest files have none."""
    return not version or version.startswith(("1.", "2."))


def check_same(config: object) -> None:
    """Raise ValueError if Keras 3 would read a part of Keras 2's as another function."""
    for part in keras_config.dicts(config):
        found = part.get("config")
        if not isinstance(found, dict):
            continue
        if part.get("class_name") == CROP or HARD_SIGMOID in _activations(found):
            raise ValueError(
                f"Keras 2 wrote it, and Keras 3 reads its {str(found.get('name'))[:80]!r} as "
                'another function: save it as HDF5, model.save("NAME.h5")'
            )


def translated(part: Part) -> object:
    """The part as Keras 3 reads it, apart from the parts in it.

    Raises ValueError if Keras 3 has nothing that computes the same, other exceptions if it is no
    part of a model.
    """
    kind = part["class_name"]
    if kind in OTHER_FORMS:
        part = OTHER_FORMS[kind](part)
    if not (isinstance(part, dict) and isinstance(part.get("config"), dict)):
        return part
    return _activated(_renamed(part))


def _renamed(part: Part) -> Part:
    """A part with the names of Keras 3, without entries that Keras 3 lacks and does not need."""
    from lipschitz.tf_backend.runtime import keras

    kind, config = part["class_name"], part["config"]
    names = ENTRIES.get(kind, {})
    config = DEFAULTS.get(kind, {}) | {names.get(key, key): config[key] for key in config}
    kind = CLASSES.get(kind, kind)
    taken = inspect.signature(getattr(keras.layers, kind, object).__init__).parameters
    config = {key: config[key] for key in config if not _is_idle(key, config[key], taken)}
    if isinstance(name := config.get("name"), str):
        config["name"] = keras_2_graph.layer_name(name)
    if isinstance(axis := config.get("axis"), list) and len(axis) == 1:
        config["axis"] = axis[0]
    return part | {"class_name": kind, "config": config}


def _is_idle(key: str, value: object, taken: dict[str, inspect.Parameter]) -> bool:
    """Whether an entry can be left out for a class that takes these arguments."""
    if key == "trainable":
        return "kwargs" not in taken
    return key in WITHOUT_EFFECT or (key not in taken and NO_LONGER.get(key, ...) == value)


def _activated(part: Part) -> Part:
    """A layer whose activation is Keras 2's hard sigmoid: a chain, with layers that compute it.

    It is 0.2 x + 0.5, clipped to [0, 1]. That of Keras 3 has another slope.
    """
    kind, config = part["class_name"], part["config"]
    if HARD_SIGMOID not in _activations(config):
        return part
    name = config["name"]
    if kind not in ACTIVATED:
        raise ValueError(
            f"its {name!r} has Keras 2's hard_sigmoid (0.2 x + 0.5, clipped) inside, which no "
            "layer of Keras 3 has: train it with sigmoid"
        )
    slope = {"name": f"{name}_slope", "trainable": True, "scale": 0.2, "offset": 0.5}
    bound = {"name": f"{name}_bound", "trainable": True, "max_value": 1.0}
    layers = [
        {"class_name": kind, "config": config | {"activation": "linear"}},
        {"class_name": "Rescaling", "config": slope},
        {"class_name": "ReLU", "config": bound},
    ]
    return part | {"class_name": "Sequential", "config": {"name": name, "layers": layers}}


def _activations(config: dict[str, object]) -> list[object]:
    """The names of the functions in a layer."""
    found = (config.get(key) for key in ("activation", "recurrent_activation"))
    return [each.get("config") if isinstance(each, dict) else each for each in found]


def _functional(part: Part) -> Part:
    return part | {"config": keras_2_graph.joined(part["config"])}


def _sequential(part: Part) -> Part:
    """A chain of layers; it begins with an input if the first one says its shape."""
    config = part["config"]
    if isinstance(config, list):  # before 2.2.3
        config = {"name": part.get("name", "sequential"), "layers": config}
    first = config["layers"][0]
    shape = first["config"].get("batch_input_shape")
    if shape and first["class_name"] != "InputLayer":
        images = {"name": f"{config['name']}_input", "batch_input_shape": shape}
        layers = [{"class_name": "InputLayer", "config": images}, *config["layers"]]
        config = config | {"layers": layers}
    return part | {"config": config}


def _crop(part: Part) -> Part:
    raise ValueError(
        f"its {part['config']['name']!r} is a {CROP}, which Keras 3 does in training alone: use "
        "keras.layers.Resizing or CenterCrop"
    )


def _items(part: Part) -> object:
    return part["items"]


def _name(part: Part) -> object:
    return part["config"]["name"]


OTHER_FORMS = {
    "__tuple__": _items,
    "Functional": _functional,
    "Model": _functional,
    "Policy": _name,
    CROP: _crop,
    "Sequential": _sequential,
    "SlicingOpLambda": keras_2_operations.slicing,
    "TensorShape": _items,
    "TFOpLambda": keras_2_operations.function,
}

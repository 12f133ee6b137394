"""What a Keras model computes with its weights, apart from names and from how it was trained."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras

# entries of a configuration that change no logit; Keras numbers names consecutively
WITHOUT_EFFECT = {
    "build_config",
    "compile_config",
    "module",
    "name",
    "registered_name",
    "seed",
    "shared_object_id",
    "trainable",
}
OF_TRAINING = ("_constraint", "_initializer", "_regularizer")  # ends of such entries
REFERENCES = ("keras_history", "input_layers", "output_layers")  # where layers are named


def structure(model: keras.Model) -> object:
    """The layers with their settings and how they are joined, as JSON can hold it.

    Settings that have their default are left out: a later Keras may add others. For a subclass of
    Keras's model without a configuration the structure is the class alone.
    """
    try:
        config = model.get_config()
    except NotImplementedError:
        return type(model).__name__
    return [type(model).__name__, _canonical(config, {})]


def _canonical(found: object, places: dict[str, int]) -> object:
    """A part of the configuration; `places` has the layers' places among each other, by name."""
    if isinstance(found, dict):
        if found.get("class_name") == "DTypePolicy":
            return found["config"]["name"]
        if isinstance(found.get("layers"), list):
            names = [layer["config"].get("name") for layer in found["layers"]]
            places = {name: place for place, name in enumerate(names)}
        if isinstance(found.get("config"), dict):
            settings = _without_defaults(found["config"], str(found.get("class_name")))
            found = found | {"config": settings}
        return {
            key: _places(value, places) if key in REFERENCES else _canonical(value, places)
            for key, value in found.items()
            if not (key in WITHOUT_EFFECT or key.endswith(OF_TRAINING))
        }
    if isinstance(found, list | tuple):
        return [_canonical(each, places) for each in found]
    return found


def _without_defaults(config: dict[str, object], class_name: str) -> dict[str, object]:
    """A layer's settings that are not the default of its class; unknown ones that are set."""
    defaults = _defaults(class_name)
    return {
        key: value
        for key, value in config.items()
        if not _same(value, defaults.get(key, False)) and (key in defaults or value is not None)
    }


@cache
def _defaults(class_name: str) -> dict[str, object]:
    """The defaults of the arguments of a layer of Keras, by name."""
    from lipschitz.tf_backend.runtime import keras

    layer = getattr(keras.layers, class_name, None)
    if layer is None:
        return {}
    arguments = inspect.signature(layer.__init__).parameters.values()
    return {each.name: each.default for each in arguments if each.default is not each.empty}


def _same(value: object, default: object) -> bool:
    """Whether a setting is a default; sizes are lists in a configuration and may be tuples."""
    value, default = (
        list(each) if isinstance(each, list | tuple) else each for each in (value, default)
    )
    return type(value) is type(default) and value == default


def _places(reference: object, places: dict[str, int]) -> object:
    """A reference to layers, [name, node, tensor] or lists of such, by their places."""
    if isinstance(reference, list | tuple):
        return [_places(each, places) for each in reference]
    return places.get(reference, reference) if isinstance(reference, str) else reference

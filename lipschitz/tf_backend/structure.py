"""What a Keras model computes with its weights, apart from names and from how it was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras

# entries of a configuration that change no logit; Keras numbers names through in a process
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

    For a subclass of Keras's model without a configuration it is the class alone.
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
            places = {layer["config"]["name"]: place for place, layer in enumerate(found["layers"])}
        return {
            key: _places(value, places) if key in REFERENCES else _canonical(value, places)
            for key, value in found.items()
            if not (key in WITHOUT_EFFECT or key.endswith(OF_TRAINING))
        }
    if isinstance(found, list | tuple):
        return [_canonical(each, places) for each in found]
    return found


def _places(reference: object, places: dict[str, int]) -> object:
    """A reference to layers, [name, node, tensor] or lists of such, by their places."""
    if isinstance(reference, list | tuple):
        return [_places(each, places) for each in reference]
    return places.get(reference, reference) if isinstance(reference, str) else reference

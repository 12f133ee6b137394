"""The configuration of a model in an HDF5 file, in the form that `.keras` files have."""

from __future__ import annotations

from lipschitz.tf_backend.readers import keras_2, keras_config
from lipschitz.tf_backend.structure import OF_TRAINING

UNUSED = {"build_config", "compile_config"}
MODELS = {"Functional": "keras.src.models.functional", "Sequential": "keras"}
MODULES = (
    "keras.layers",
    *(f"keras.src.applications.{each}" for each in ("convnext", "inception_resnet_v2")),
    *(f"keras.src.ops.{each}" for each in ("core", "image", "math", "nn", "numpy")),
)


def current(found: object, by_keras_2: bool) -> object:
    """A configuration, or a part of one, in the form of `.keras` files; a copy.

    Classes get their modules, and what only training needs is left out, for the file has the
    weights. What Keras 2 wrote is translated: see keras_2. Raises ValueError as that does, other
    exceptions if it is no configuration.
    """
    if isinstance(found, list):
        return [current(each, by_keras_2) for each in found]
    if by_keras_2 and isinstance(found, dict) and "class_name" in found:
        found = keras_2.translated(found)
    if not isinstance(found, dict):
        return found
    found = {
        key: current(value, by_keras_2)
        for key, value in found.items()
        if not (key in UNUSED or key.endswith(OF_TRAINING))
    }
    return _with_module(found) if "class_name" in found else found


def _with_module(part: dict[str, object]) -> dict[str, object]:
    """A part with the module of its class; that of the file if Keras has no such layer."""
    name = part["class_name"]
    if name == "function" or name in keras_config.VALUES:
        return part
    module = MODELS.get(name) or _module(name, part["config"]) or part.get("module")
    return part | {"module": module, "registered_name": None if module else name}


def _module(name: str, config: dict[str, object]) -> str | None:
    known = [each for each in MODULES if keras_config.is_class(each, name)]
    # some operations have the name of a layer: only layers can be trained
    return next(iter(known if "trainable" in config else reversed(known)), None)

"""What a Keras model's configuration may contain: Keras's own layers, initializers and the like.

Keras makes objects of the classes and functions that the file names. Its safe mode stops code in
the file, but not classes that read other files, nor sizes that fill the memory.
"""

from __future__ import annotations

import copy
import inspect
import math
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras

MODULES = frozenset(
    """
    keras keras.constraints keras.dtype_policies keras.initializers keras.layers keras.losses
    keras.metrics keras.models keras.optimizers keras.optimizers.schedules keras.random
    keras.regularizers keras.src.models.functional
    """.split()  # noqa: SIM905
)
# of keras.ops that are applied to a layer's output, and of layers of keras.applications
INNER_MODULES = ("keras.src.ops.", "keras.src.applications.")
FUNCTIONS = ("activations", "losses", "metrics")  # modules of functions that Keras knows by name
NO_FUNCTIONS = {"get", "serialize", "deserialize"}  # of those modules
# they contain code, read files that they name, or make tables of any size
REFUSED_LAYERS = (
    "FlaxLayer",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "MelSpectrogram",
    "STFTSpectrogram",
    "StringLookup",
    "TextVectorization",
    "TFSMLayer",
    "TorchModuleWrapper",
)
VALUES = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
DTYPES = {None, "bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"}
LARGEST = 2**22  # bytes: the largest networks of keras.applications have a quarter
LARGEST_NUMBER = 2**20  # of units, pixels or parts
# whole numbers of any size
NO_SIZES = {"shared_object_id", "seed", "decay_steps", "first_decay_steps", "warmup_steps"}
LARGEST_OUTPUT = 2**26  # numbers that a layer may make of one image
REASON = "Exception encountered: "  # in a message of Keras, after whole configurations


def check(config: object) -> None:
    """Raise ValueError if the configuration names what is not Keras's own, or has absurd sizes."""
    compiled = _compiled(config)
    for found in dicts(config):
        _check_numbers(found)
        if "class_name" in found:
            _check_class(found, id(found) in compiled)
        if isinstance(code := found.get("activation"), dict) and "class_name" not in code:
            raise ValueError(
                f"its {_named(found, 'name')} has an activation of its own, whose code is not run: "
                "use one of Keras"
            )
        # an operation on constants alone would be computed while the file is read
        for node in found.get("inbound_nodes") or ():
            if not any(each.get("class_name") == "__keras_tensor__" for each in dicts(node)):
                raise ValueError(f"its {_named(found, 'name')} takes no other layer's output")


def _compiled(config: object) -> set[int]:
    """The ids of the dicts that say how a model in the model was compiled."""
    found: set[int] = set()
    for each in dicts(config):
        if "compile_config" in each and id(each) not in found:
            found |= {id(inner) for inner in dicts(each["compile_config"])}
    return found


def check_sizes(config: dict[str, object], stored: int) -> None:
    """Raise ValueError if the model has more weights than `stored` bytes hold.

    The model is built without memory for its weights. This happens in a thread of its own,
    because Keras keeps a list in each thread of the weights that wait for their memory.
    """
    for found in dicts(config):
        found.pop("compile_config", None)  # it brings the weights of an optimizer
    with ThreadPoolExecutor(1) as thread:
        weights, output = thread.submit(_sizes, config).result()
    if weights > stored:
        raise ValueError(f"its layers need {weights} B of weights, it holds {stored} B")
    if output > LARGEST_OUTPUT:
        raise ValueError(f"one of its layers makes {output} numbers of an image")


def built(config: dict[str, object]) -> keras.Model:
    """The model of a configuration that `check` has passed. Raises ValueError if it is none."""
    from lipschitz.tf_backend.runtime import keras

    try:
        # Keras empties what it reads
        model = keras.saving.deserialize_keras_object(copy.deepcopy(config), safe_mode=True)
    except Exception as error:  # Keras has no common class for what can be wrong in a layer
        raise ValueError(str(error).rpartition(REASON)[2]) from error
    if not isinstance(model, keras.Model):
        raise ValueError("it is not a model")
    if not model.built:
        raise ValueError("it is not built: let it begin with keras.Input, and save it again")
    return model


def is_class(module: str, name: str) -> bool:
    """Whether the module has a class of this name that a file may name."""
    from lipschitz.tf_backend.runtime import keras

    found = vars(sys.modules.get(module, object)).get(name)
    if not isinstance(found, type):
        return False
    if module.startswith(INNER_MODULES):
        return issubclass(found, keras.Operation) and found.__module__ == module
    return module in MODULES and name not in REFUSED_LAYERS


def dicts(tree: object) -> Iterator[dict[str, object]]:
    """All dicts in a tree that JSON can hold."""
    waiting = [tree]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _check_numbers(found: dict[str, object]) -> None:
    if found.get("unroll"):  # a loop in Python, as long as the file says
        raise ValueError(f"its {_named(found, 'name')} is unrolled")
    for key, value in found.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int) and abs(number) > LARGEST_NUMBER and key not in NO_SIZES:
                raise ValueError(f"its {key[:80]} is {number:.3g}")


def _check_class(found: dict[str, object], compiled: bool) -> None:
    name, module, config = found["class_name"], found.get("module"), found.get("config")
    if name == "function":
        known = isinstance(config, str) and _is_function(config)
    elif isinstance(name, str) and name in VALUES:
        known = not isinstance(config, dict) or config.get("dtype") in DTYPES
    else:
        known = isinstance(name, str) and isinstance(module, str) and is_class(module, name)
    if not known:
        raise ValueError(
            f"it names {_whole_name(found)}, which is not among Keras's layers that are known to "
            f"be safe; {_instead(found, compiled)}"
        )


def _whole_name(found: dict[str, object]) -> str:
    """Where a class comes from, and its name; what users register has no module."""
    if found["class_name"] == "function":
        return f"the function {_named(found, 'config')}"
    if found.get("module") is None and found.get("registered_name"):
        return _named(found, "registered_name")
    return f"{_named(found, 'module')}.{_named(found, 'class_name')}"


def _instead(found: dict[str, object], compiled: bool) -> str:
    """What the author of the model can use, or do if a model in it was compiled with the part."""
    if compiled:
        return (
            'compile the model in it with losses of Keras, compile("adam", "mse"), and save again'
        )
    if found["class_name"] == "Lambda":
        return (
            "use keras.layers.Rescaling to scale images, and Keras's own layers for all else; or "
            "name a function of yours that gives the model, MODULE:FUNCTION, in place of the file"
        )
    if found.get("module") == "keras.quantizers":
        return "save the model before it is quantized: rounding has no gradients"
    return "build the model from Keras's own layers"


def _named(found: dict[str, object], key: str) -> str:
    return str(found.get(key))[:80]


def _is_function(name: str) -> bool:
    from lipschitz.tf_backend.runtime import keras

    return name not in NO_FUNCTIONS and any(
        inspect.isfunction(vars(getattr(keras, module)).get(name)) for module in FUNCTIONS
    )


def _sizes(config: dict[str, object]) -> tuple[int, int]:
    """Bytes of all weights, and the numbers in the largest output for an image."""
    from lipschitz.tf_backend.runtime import keras, tf

    with keras.StatelessScope(initialize_variables=False):
        model = built(config)
        weights = sum(
            math.prod(each.shape) * tf.as_dtype(each.dtype).size for each in model.variables
        )
        shapes = [tensor.shape for tensor in _outputs(model)]
    return weights, max((math.prod(filter(None, shape)) for shape in shapes), default=0)


def _outputs(model: keras.Model) -> Iterator[keras.KerasTensor]:
    """The outputs of a model's layers and operations, and of those of models in it."""
    from lipschitz.tf_backend.runtime import keras

    for each in getattr(model, "operations", model.layers):
        if isinstance(each, keras.Model):
            yield from _outputs(each)
        yield from keras.tree.flatten(each.output)

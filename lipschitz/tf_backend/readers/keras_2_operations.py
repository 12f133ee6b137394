"""Functions of TensorFlow between the layers of a Keras 2 model, as operations of Keras 3."""

from __future__ import annotations

from collections.abc import Callable

# by the names that Keras 2 gives them
OPERATIONS = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.divide": "TrueDivide",
    "math.multiply": "Multiply",
    "math.negative": "Negative",
    "math.sigmoid": "Sigmoid",
    "math.subtract": "Subtract",
    "math.tanh": "Tanh",
    "math.truediv": "TrueDivide",
    "nn.bias_add": "Add",
    "nn.relu": "Relu",
    "nn.relu6": "Relu6",
    "nn.softmax": "Softmax",
}
SECOND = ("y", "bias")  # what they call their second operand
USUAL = {"data_format": "NHWC"}  # an argument that changes nothing


def function(layer: dict[str, object]) -> dict[str, object]:
    """A function of one or two tensors or constants. Raises ValueError if it is another."""
    name, told = layer["config"]["name"], layer["config"]["function"]
    if told not in OPERATIONS:
        raise ValueError(
            f"its {name!r} is TensorFlow's function {told}, which is not among those that are "
            "read: build the model from Keras's own layers"
        )
    return _operation(layer, OPERATIONS[told], _operands)


def slicing(layer: dict[str, object]) -> dict[str, object]:
    """x[..., ::-1] and the like."""
    return _operation(layer, "GetItem", _slices)


def _operation(
    layer: dict[str, object], kind: str, call: Callable[[list, dict], dict[str, object]]
) -> dict[str, object]:
    """An operation of Keras 3; `call` says what it is called with where the layer has these."""
    calls = [call(node["args"], node["kwargs"]) for node in layer["inbound_nodes"]]
    config = {"name": layer["config"]["name"]}
    return layer | {"class_name": kind, "config": config, "inbound_nodes": calls}


def _operands(tensors: list, arguments: dict[str, object]) -> dict[str, object]:
    second = [arguments[key] for key in SECOND if key in arguments]
    unknown = {
        key: value
        for key, value in arguments.items()
        if key not in SECOND and USUAL.get(key, ...) != value
    }
    return {"args": [_constant(each) for each in tensors + second], "kwargs": unknown}


def _constant(operand: object) -> object:
    """An operand: Keras 3 takes numbers, but no lists of them."""
    if not isinstance(operand, list):
        return operand
    return {"class_name": "__numpy__", "config": {"value": operand, "dtype": "float32"}}


def _slices(tensors: list, arguments: dict[str, object]) -> dict[str, object]:
    return {"args": [*tensors, [_slice(each) for each in arguments["slice_spec"]]], "kwargs": {}}


def _slice(found: object) -> object:
    """A number, an ellipsis, or a slice: only the last has no class_name in Keras 2."""
    if not isinstance(found, dict):
        return found
    if "class_name" in found:
        return found | {"config": {}}
    return {"class_name": "__slice__", "config": found}

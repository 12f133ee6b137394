"""How the layers of a Keras 2 model are joined, in the form of Keras 3.

Keras 2 writes a tensor as [layer, call, output, arguments]: an output of a call of a layer, and the
arguments beside it of the call that takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

FUNCTIONAL = {"Functional", "Model"}
MODELS = FUNCTIONAL | {"Sequential"}
CONSTANT = "_CONSTANT_VALUE"  # in place of a layer


def joined(config: dict[str, object]) -> dict[str, object]:
    """The configuration of a functional model with its calls in the form of Keras 3."""
    kinds = {layer["name"]: layer["class_name"] for layer in config["layers"]}
    first = _first_calls(config, {name for name in kinds if kinds[name] in MODELS})
    # of functional models, Keras 3 numbers the calls whose outputs are the model's from 1
    first_of_outputs = {name: first[name] - (kinds[name] in FUNCTIONAL) for name in first}
    layers = [
        layer
        | {
            "name": layer_name(layer["name"]),
            "inbound_nodes": [_call(node, first) for node in layer["inbound_nodes"]],
        }
        for layer in config["layers"]
    ]
    return config | {
        "layers": layers,
        "input_layers": _single(_replaced(config["input_layers"], first, list)),
        "output_layers": _single(_replaced(config["output_layers"], first_of_outputs, list)),
    }


def layer_name(name: str) -> str:
    """What Keras 3 calls a layer of this name: it allows no slashes."""
    return name.replace("/", "_")


def _first_calls(config: dict[str, object], models: set[str]) -> dict[str, int]:
    """The number of the first call of each model in the model: 1 if it has an input, else 0."""
    nodes = [layer["inbound_nodes"] for layer in config["layers"]]
    first: dict[str, int] = {}
    for name, call, *_ in _tensors([nodes, config["output_layers"]]):
        if name in models:
            first[name] = min(call, first.get(name, call))
    return first


def _call(node: object, first: dict[str, int]) -> dict[str, object]:
    """What a layer is called with; None is what it takes without being told."""
    arguments = next((tensor[3] for tensor in _tensors(node) if len(tensor) == 4), {})
    told = {key: value for key, value in arguments.items() if value is not None}
    return {
        "args": [_single(_replaced(node, first, _keras_tensor))],
        "kwargs": _replaced(told, first, _keras_tensor),
    }


def _keras_tensor(history: list) -> dict[str, object]:
    """A tensor as Keras 3 writes it; it knows the shape and type from the layer."""
    config = {"shape": [], "dtype": "float32", "keras_history": history}
    return {"class_name": "__keras_tensor__", "config": config}


def _replaced(tree: object, first: dict[str, int], write: Callable[[list], object]) -> object:
    """The tree with its tensors as `write` writes them; calls are counted from `first`."""
    if _is_tensor(tree):
        name, call, output = tree[:3]
        if name == CONSTANT:
            return output
        return write([layer_name(name), call - first.get(name, 0), output])
    if isinstance(tree, list):
        return [_replaced(each, first, write) for each in tree]
    if isinstance(tree, dict):
        return {key: _replaced(value, first, write) for key, value in tree.items()}
    return tree


def _tensors(tree: object) -> Iterator[list]:
    """The tensors in a tree of lists and dicts, those in the arguments of others too."""
    waiting = [tree]
    while waiting:
        found = waiting.pop()
        if _is_tensor(found):
            yield found
        if isinstance(found, dict | list):
            waiting += found.values() if isinstance(found, dict) else found


def _is_tensor(found: object) -> bool:
    return (
        isinstance(found, list)
        and len(found) in (3, 4)
        and isinstance(found[0], str)
        and isinstance(found[1], int)
    )


def _single(found: object) -> object:
    """A list of one thing as that thing."""
    return found[0] if isinstance(found, list) and len(found) == 1 else found

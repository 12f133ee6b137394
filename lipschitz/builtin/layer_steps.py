"""The steps of a Keras configuration: what its layers do with an image, one after another.

A configuration is the JSON that HDF5 files of Keras 2 and 3 hold, or `get_config` of a model. It
comes from others: nothing in it is executed, no layer is made of it, and no loop here recurses.
"""

from __future__ import annotations

from dataclasses import dataclass

ACTIVATION, LAMBDA, INPUT = "Activation", "Lambda", "InputLayer"
RESHAPE, RESCALING, POOLING = "Reshape", "Rescaling", "MaxPooling2D"
MODELS = {"Sequential", "Functional", "Model"}
NO_EFFECT = {"Dropout", "GaussianDropout", "GaussianNoise"}  # but in training
# layers and operations that are the activation of that name, if their facts are the usual ones
ACTIVATIONS = {"Arctan", "ReLU", "Relu", "Sigmoid", "Softmax", "Softplus", "Tanh"}
SAME = {"Custom>bounded_relu": "bounded_relu", "atan": "arctan"}  # other names
OTHER_HARD_SIGMOID = "hard_sigmoid of Keras 3 (x / 6 + 0.5, not 0.2 x + 0.5)"
MONOTONE = {
    *("arctan", "bounded_relu", "elu", "hard_sigmoid", "relu", "sigmoid", "softplus", "tanh")
}
# what decides a layer's function, with the defaults of Keras; other layers are told by their kind
FACTS: dict[str, dict[str, object]] = {
    "Conv2D": {
        "filters": None,
        "kernel_size": None,
        "strides": (1, 1),
        "padding": "valid",
        "data_format": "channels_last",
        "dilation_rate": (1, 1),
        "use_bias": True,
    },
    "Dense": {"units": None, "use_bias": True},
    "Flatten": {"data_format": "channels_last"},
    POOLING: {
        "pool_size": (2, 2),
        "strides": None,
        "padding": "valid",
        "data_format": "channels_last",
    },
    "ReLU": {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
    RESCALING: {"scale": 1.0, "offset": 0.0},
    RESHAPE: {"target_shape": None},
    "Softmax": {"axis": -1},
}
PAIRS = {"kernel_size", "strides", "dilation_rate", "pool_size"}  # a number stands for two


class NoChain(Exception):
    """The layers are no chain; the message says where."""


@dataclass(frozen=True)
class Step:
    """One layer, or the activation of one."""

    kind: str  # the class of the layer
    facts: dict[str, object]
    layer: str  # its name


def steps(config: object, keras_2: bool = False) -> list[Step]:
    """The steps of a model, in a form that is the same for networks of the same function.

    Activations are steps of their own, layers without effect are left out, and max-pooling comes
    after monotone activations, which changes nothing. `keras_2` says that Keras 2 wrote it.
    Raises NoChain if the layers are not one, other exceptions if it is no configuration.
    """
    found: list[Step] = []
    waiting = [config]
    while waiting:
        layer = waiting.pop()
        if layer["class_name"] in MODELS:
            waiting += reversed(_chain(layer["config"]))
        else:
            found += _steps(layer, keras_2)
    return _pooled_last(_named(found))


def _chain(config: list | dict) -> list[dict]:
    """The layers of one model, from its input to its output."""
    if isinstance(config, list):  # Keras before 2.2.3
        return config
    layers = config["layers"]
    if "output_layers" not in config:
        return layers
    by_name, chain = {layer["name"]: layer for layer in layers}, []
    sources = _sources(config["output_layers"])
    while sources:
        if len(sources) > 1:
            after = f"its layer {_name(chain[-1])!r} takes" if chain else "it gives"
            raise NoChain(f"{after} the results of {len(sources)} layers")
        layer = by_name.pop(sources[0], None)
        if layer is None:
            raise NoChain(f"its layer {str(sources[0])[:80]!r} is used twice or is not there")
        chain.append(layer)
        sources = _sources(layer["inbound_nodes"])
    if by_name:
        raise NoChain(f"its layer {str(min(by_name))[:80]!r} stands beside the others")
    return chain[::-1]


def _sources(nodes: object) -> list[str]:
    """The names of layers whose results are taken, in the forms of Keras 2 and 3."""
    found, waiting = [], [nodes]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            if len(node) >= 3 and isinstance(node[0], str) and isinstance(node[1], int):
                found.append(node[0])
            else:
                waiting += node
    return found


def _steps(layer: dict, keras_2: bool) -> list[Step]:
    """A layer as steps: its input if it has the shape of one, itself, and its activation."""
    kind, config, name = str(layer["class_name"]), layer["config"], _name(layer)
    found = []
    if shape := config.get("batch_shape") or config.get("batch_input_shape"):
        found.append(Step(INPUT, {"shape": _value(shape), "dtype": config.get("dtype")}, name))
    if kind not in NO_EFFECT | {INPUT, ACTIVATION}:
        found += _layer(kind, config, name)
    if (activation := config.get("activation")) is not None:
        found += _activation(activation, name, keras_2)
    return found


def _layer(kind: str, config: dict, name: str) -> list[Step]:
    """A layer without its activation: none if it only changes the shape or nothing."""
    usual = {fact: _value(value) for fact, value in FACTS.get(kind, {}).items()}
    facts = {fact: _fact(fact, config.get(fact), value) for fact, value in usual.items()}
    if kind == POOLING and facts["strides"] is None:
        facts["strides"] = facts["pool_size"]
    if kind in ACTIVATIONS and facts == usual:
        return [Step(ACTIVATION, {"activation": kind.lower()}, name)]
    if kind == "ReLU" and facts == usual | {"max_value": 1.0}:
        return [Step(ACTIVATION, {"activation": "bounded_relu"}, name)]
    if kind in ("Flatten", RESCALING) and facts == usual:
        return []
    return [Step(kind, facts, name)]


def _activation(named: object, name: str, keras_2: bool) -> list[Step]:
    """The activation of this name, which a dict may hold: none if it is linear."""
    if isinstance(named, dict):
        kind = str(named["class_name"])
        if kind == "ReLU":
            return _layer(kind, named["config"], name)
        named = {"function": named["config"], "__lambda__": "<lambda>"}.get(kind, f"{kind} (layer)")
    named = SAME.get(str(named), str(named))
    if named == "<lambda>":
        return [Step(LAMBDA, {}, name)]
    if named == "hard_sigmoid" and not keras_2:
        named = OTHER_HARD_SIGMOID
    return [Step(ACTIVATION, {"activation": named}, name)] if named != "linear" else []


def _fact(name: str, value: object, default: object) -> object:
    value = _value(default if value is None else value)
    return (value, value) if name in PAIRS and isinstance(value, int) else value


def _value(value: object) -> object:
    """Lists of JSON as tuples, the numbers 1 and 1.0 alike."""
    return tuple(value) if isinstance(value, list) else value


def _name(layer: dict) -> str:
    config = layer.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    return str(layer.get("name") or inner or layer.get("class_name"))[:80]


def _named(found: list[Step]) -> list[Step]:
    """Rescaling and a bounded ReLU, which are the hard sigmoid of Keras 2, as that."""
    slope, bound = {"scale": 0.2, "offset": 0.5}, {"activation": "bounded_relu"}
    result: list[Step] = []
    for step in found:
        if step.facts == bound and result and result[-1].facts == slope:
            step = Step(ACTIVATION, {"activation": "hard_sigmoid"}, step.layer)
            result.pop()
        result.append(step)
    return result


def _pooled_last(found: list[Step]) -> list[Step]:
    """Max-pooling after the monotone activations that come after it."""
    result: list[Step] = []
    for step in found:
        place = len(result)
        while _is_monotone(step) and place and result[place - 1].kind == POOLING:
            place -= 1
        result.insert(place, step)
    return result


def _is_monotone(step: Step) -> bool:
    """A Lambda counts too: it is accepted only as a function that is monotone."""
    return step.kind == LAMBDA or step.facts.get("activation") in MONOTONE

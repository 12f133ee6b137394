"""Whether the architecture that an HDF5 file describes is the one that its name stands for.

Only the weights of such a file are used, in the network that its name stands for. Their shapes do
not tell an activation, a stride or a padding; the file's own description of its layers does.
"""

from __future__ import annotations

import json
import math
import reprlib
from itertools import zip_longest

from lipschitz.builtin.layer_steps import (
    ACTIVATION,
    FACTS,
    INPUT,
    LAMBDA,
    RESCALING,
    RESHAPE,
    NoChain,
    Step,
    steps,
)
from lipschitz.network import fits

LARGEST = 2**22  # characters of a description, as of a .keras file's
SOFTMAX = {"activation": "softmax"}
LAMBDAS_OF_2018 = ("arctan", "bounded_relu")  # beside Rescaling


class OtherNetwork(Exception):
    """The file's layers are not those that its name stands for; the message names the first."""


def check(described: str, keras_version: str, built: str, image: tuple[int, ...]) -> bool:
    """Compare a file's `model_config` with `built`, that of the network that its name stands for.

    Both are JSON; `image` is the shape of an image. Returns whether the file's network ends with a
    softmax, which is left out. The Lambda layers of 2018 cannot be read: they pass where the built
    network has what 2018 wrote as one. Raises OtherNetwork, or ValueError if the file's is none.
    """
    try:
        found = _parsed(described, keras_2=not keras_version.startswith("3"))
        _check_input(found, image)
    except NoChain as error:
        raise OtherNetwork(f"{error}, this name stands for a chain of layers") from error
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        # JSON can hold anything in any place
        raise ValueError(f"its model_config cannot be read ({type(error).__name__})") from error
    found, expected = _without_shapes(found, image), _without_shapes(_parsed(built), image)
    softmax = bool(found) and found[-1].facts == SOFTMAX
    if softmax:
        found.pop()
    for its, other in zip_longest(found, expected):
        if its is None or other is None or not _is_same(its, other):
            raise OtherNetwork(_words(its, other))
    return softmax


def _parsed(described: str, keras_2: bool = False) -> list[Step]:
    if len(described) > LARGEST:
        raise ValueError("it is too long")
    return steps(json.loads(described), keras_2)


def _check_input(found: list[Step], image: tuple[int, ...]) -> None:
    """Refuse a network of images of another shape, but for axes that hold the same numbers."""
    first = next((step for step in found if step.kind == INPUT), None)
    if first is None:
        return
    shape, dtype = first.facts["shape"], first.facts["dtype"]
    if isinstance(dtype, str) and "float" not in dtype:
        raise OtherNetwork(f"it takes images of {dtype[:80]}, this name stands for float32")
    sizes = tuple(shape[1:])
    alike = (image, image[:-1], (math.prod(image),))
    if not any(fits(sizes, other) for other in alike):
        raise OtherNetwork(
            f"it takes images of the shape {reprlib.repr(sizes)}, this name stands for {image}"
        )


def _without_shapes(found: list[Step], image: tuple[int, ...]) -> list[Step]:
    """The steps without those that only give the same numbers other axes."""

    def is_shape(step: Step) -> bool:
        target = step.facts.get("target_shape")
        flat = isinstance(target, tuple) and len(target) == 1
        return step.kind == INPUT or (step.kind == RESHAPE and (flat or target == image))

    return [step for step in found if not is_shape(step)]


def _is_same(found: Step, expected: Step) -> bool:
    if found.kind == LAMBDA:
        activation = expected.facts.get("activation")
        return expected.kind == RESCALING or activation in LAMBDAS_OF_2018
    return found.kind == expected.kind and found.facts == expected.facts


def _words(found: Step | None, expected: Step | None) -> str:
    """Where the two networks differ first."""
    if found is None:
        return f"it ends where this name stands for {_described(expected)}"
    if expected is None:
        return f"its {found.layer!r} is {_described(found)}, where the network of this name ends"
    if found.kind == expected.kind:
        fact = next(each for each in found.facts if found.facts[each] != expected.facts[each])
        own, other = (str(step.facts[fact])[:80] for step in (found, expected))
        return f"its {found.layer!r} has {fact} {own}, this name stands for {fact} {other}"
    return (
        f"its {found.layer!r} is {_described(found)}, this name stands for {_described(expected)}"
    )


def _described(step: Step) -> str:
    if step.kind == ACTIVATION:
        return f"the activation {str(step.facts['activation'])[:80]}"
    if step.kind == LAMBDA:
        return "a Lambda, whose code is not run"
    usual = FACTS.get(step.kind, {})
    facts = [f"{key}={str(value)[:80]}" for key, value in step.facts.items() if value != usual[key]]
    return f"{step.kind[:80]}({', '.join(facts)})"

"""The graph of an ONNX file: steps that make tensors of tensors, from images to outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lipschitz.support.text import printable
from lipschitz.tf_backend.reasons import reason

if TYPE_CHECKING:
    from lipschitz.tf_backend.onnx_operators.table import Operator
    from lipschitz.tf_backend.runtime import tf

LARGEST_RATIO = 8  # of what is computed from constants to the constants, in bytes
LARGEST_REPEATED = 2**26  # bytes beyond that, and of what is computed from a shape
LARGEST_SHAPE = 2**6  # numbers: what is larger is no shape, nor axes
LARGEST_RESULTS = 2**31  # numbers that may be made of the images that are tried
TOLERANCE = 1e-3  # of the largest output: what rounding may change


@dataclass(frozen=True)
class Step:
    """A node: an operator, and the names of the tensors that it takes and makes."""

    kind: str
    name: str
    operator: Operator
    attributes: dict[str, object]
    inputs: Sequence[str]  # an empty name stands for none
    outputs: Sequence[str]


@dataclass(frozen=True)
class Graph:
    """Steps in their order, and the constants that they take."""

    steps: list[Step]
    constants: dict[str, tf.Tensor]
    images: str
    dtype: tf.DType  # of the images
    output: str


def run(graph: Graph, x: tf.Tensor) -> dict[str, tf.Tensor]:
    """All tensors that are made of images, by name. Raises ValueError if a step fails."""
    from lipschitz.tf_backend.runtime import tf

    values = {name: _held(constant) for name, constant in graph.constants.items()}
    values[graph.images] = tf.cast(x, graph.dtype)
    for step in graph.steps:
        inputs = [values[name] if name else None for name in step.inputs]
        with _concerning(step), _at_once_if_shape(step, inputs):
            values |= _made(step, inputs)
    return values


def folded(graph: Graph) -> Graph:
    """The graph with constants in place of all steps that take nothing else.

    Raises ValueError if such a step fails, or if they make too much.
    """
    values, steps = dict(graph.constants), []
    room = LARGEST_REPEATED + LARGEST_RATIO * sum(map(_bytes, values.values()))
    for step in graph.steps:
        if not values.keys() >= set(filter(None, step.inputs)):
            steps.append(step)
            continue
        inputs = [values[name] if name else None for name in step.inputs]
        with _concerning(step):
            room -= sum(map(_bytes, _unmade(step, inputs)))
            if room < 0:
                raise ValueError("it makes far more than there is")
            values |= _made(step, inputs)
    taken = [name for step in steps for name in step.inputs if name in values]
    return replace(graph, steps=steps, constants={name: values[name] for name in taken})


def with_operators(graph: Graph, operators: dict[str, Operator]) -> Graph:
    """The graph with these operators in place of its own."""
    steps = [
        replace(step, operator=operators.get(step.kind, step.operator)) for step in graph.steps
    ]
    return replace(graph, steps=steps)


def check(graph: Graph, shape: tuple[int, ...], batch: int = 1) -> None:
    """Try the graph on `batch` + 1 random images of this shape.

    Raises ValueError if it fails, if it makes absurdly many numbers, or if its outputs are not
    floats, not finite, or not those that each image has among others.
    """
    from lipschitz.tf_backend.runtime import tf

    @tf.function(autograph=False)
    def outputs(x: tf.Tensor) -> tf.Tensor:
        values = run(graph, x)
        for name, value in values.items():
            if not value.shape.is_fully_defined():
                raise ValueError(f"the size of its {printable(name)} depends on more than shapes")
        return values[graph.output]

    size = (batch + 1, *shape)
    compiled = outputs.get_concrete_function(tf.TensorSpec(size))
    _check_results(compiled.graph)
    images = np.random.default_rng(0).uniform(-0.5, 0.5, size).astype(np.float32)
    together = compiled(tf.constant(images))
    first, others = (run(graph, tf.constant(x))[graph.output] for x in (images[:-1], images[1:]))
    if not together.dtype.is_floating:
        raise ValueError(f"its output is of {together.dtype.name}, which has no gradients")
    together, first, others = (np.float64(each) for each in (together, first, others))
    if not np.isfinite(together).all():
        raise ValueError("random images give outputs that are not finite")
    if together.shape[:1] != size[:1]:
        raise ValueError(f"{size[0]} images give outputs of the shape {together.shape}")
    room = TOLERANCE * np.abs(together).max()
    if not (
        np.allclose(together[:-1], first, 0, room) and np.allclose(together[1:], others, 0, room)
    ):
        raise ValueError("what it gives for an image depends on the other images")


def structure(graph: Graph) -> list[object]:
    """The steps and what they take, apart from names, as JSON can hold it."""
    places = {graph.images: 0}
    for name in graph.constants:
        places.setdefault(name, len(places))
    found = []
    for step in graph.steps:
        for name in step.outputs:
            places.setdefault(name, len(places))
        taken = [places[name] if name else None for name in step.inputs]
        found.append([step.kind, step.attributes, taken])
    return found


def _made(step: Step, inputs: list[tf.Tensor | None]) -> dict[str, tf.Tensor]:
    made = step.operator(*inputs, **step.attributes)
    made = made if isinstance(made, list) else [made]
    if len(made) < len(step.outputs):
        raise ValueError(f"it has {len(step.outputs)} outputs; {len(made)} are known")
    return dict(zip(step.outputs, made, strict=False))


def _at_once_if_shape(step: Step, inputs: list[tf.Tensor | None]) -> AbstractContextManager:
    """A block that computes what is made of shapes, in place of a graph that does it later.

    Axes, paddings and the like have to be known when a graph is made.
    """
    from lipschitz.tf_backend.runtime import tf

    if tf.executing_eagerly() or any(map(tf.is_symbolic_tensor, inputs)):
        return nullcontext()
    unmade = _unmade(step, inputs)
    if sum(map(_bytes, unmade)) > LARGEST_REPEATED:
        raise ValueError("it makes far more than there is")
    return tf.init_scope() if all(map(_may_be_shape, unmade)) else nullcontext()


def _unmade(step: Step, inputs: list[tf.Tensor | None]) -> list[tf.Tensor]:
    """What a step makes of tensors that are known, without values: nothing is computed.

    Raises ValueError if its size is not known.
    """
    from lipschitz.tf_backend.runtime import tf

    def stand_in(x: tf.Tensor | None) -> tf.Tensor | None:
        if x is None or _may_be_shape(x):
            return x if x is None else tf.constant(x.numpy())
        return tf.compat.v1.placeholder(x.dtype, x.shape)

    with tf.Graph().as_default():
        made = list(_made(step, list(map(stand_in, inputs))).values())
    if not all(each.shape.is_fully_defined() for each in made):
        raise ValueError("its size depends on more than shapes")
    return made


def _held(constant: tf.Tensor) -> tf.Tensor:
    """A constant; one that is large is the result of an operation, in which a graph can be cut."""
    from lipschitz.tf_backend.runtime import tf

    return constant if _may_be_shape(constant) else tf.stop_gradient(constant)


def _may_be_shape(x: tf.Tensor) -> bool:
    return x.shape.num_elements() <= LARGEST_SHAPE


def _bytes(x: tf.Tensor) -> int:
    return x.shape.num_elements() * x.dtype.size


def _check_results(graph: tf.Graph) -> None:
    results = (result for operation in graph.get_operations() for result in operation.outputs)
    sizes = (math.prod(filter(None, each.shape)) for each in results if each.shape.rank)
    if (total := sum(sizes)) > LARGEST_RESULTS:
        raise ValueError(f"it makes {total} numbers of the images that are tried")


@contextmanager
def _concerning(step: Step) -> Iterator[None]:
    """Errors of a step as a ValueError that names it."""
    try:
        yield
    except Exception as error:  # TensorFlow has no common class for what can be wrong
        raise ValueError(f"its {step.kind} {step.name}: {reason(error)}") from error

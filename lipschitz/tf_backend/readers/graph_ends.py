"""Where a frozen graph takes images and gives logits, if its user does not say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.support.errors import InputError, concerning
from lipschitz.support.text import printable
from lipschitz.tf_backend.readers.graph_checks import check_operations
from lipschitz.tf_backend.readers.graph_part import needed
from lipschitz.tf_backend.readers.graph_tensors import NAMES_SHOWN, operation_name

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import tf

CHOICES = ("Identity", "TopK", "TopKV2")  # of floats, made of the scores of all classes
NAME_THEM = "name the tensors of its images and its logits"


class TensorsError(InputError):
    """The tensors of images and logits have to be named."""


def find(path: Path, graph_def: tf.compat.v1.GraphDef, weights: set[str]) -> tuple[str, str]:
    """The only placeholder of floats, and the only end that is made of it, by name.

    An end is a tensor (B, K) of floats that nothing is made of, unless it is the choice of a class.
    `weights` are placeholders that hold weights. Raises TensorsError, which names what there is, if
    there is no such tensor, or several; InputError if the graph cannot be used.
    """
    from lipschitz.tf_backend.runtime import tf

    whole = needed(graph_def, last(graph_def))
    with concerning(after=f"; {NAME_THEM} if those do not need it"):
        check_operations(path, whole.node)
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(whole, name="")
    placeholders = {
        result.name: result.dtype
        for operation in graph.get_operations()
        if operation.type == "Placeholder"
        for result in operation.outputs
        if result.name not in weights
    }
    inputs = {name for name, dtype in placeholders.items() if dtype.is_floating}
    ends = _ends(graph, inputs)
    if len(ends) == 1 and len(*ends.values()) == 1:
        return min(*ends.values()), min(ends)
    raise TensorsError(
        f"{path} may take its images at "
        f"{_listed([f'{name} ({dtype.name})' for name, dtype in placeholders.items()])}, and give "
        f"its logits at {_listed(list(ends))}: {NAME_THEM}"
    )


def last(graph_def: tf.compat.v1.GraphDef) -> list[str]:
    """The operations that no other takes anything of."""
    taken = {operation_name(each) for node in graph_def.node for each in node.input}
    return [node.name for node in graph_def.node if node.name not in taken]


def _ends(graph: tf.Graph, inputs: set[str]) -> dict[str, set[str]]:
    """The ends of a graph, by name, with those of the inputs that each is made of."""
    found = {
        end.name
        for operation in graph.get_operations()
        if not any(result.consumers() for result in operation.outputs)
        for end in map(_scores, operation.outputs)
        if end.dtype.is_floating and end.shape.rank in (2, None)
    }
    made_of = _made_of(graph, found | inputs)
    within = set().union(*(made_of[end] - {end} for end in found))  # of another end
    ends = [end for end in made_of if end in found - within and made_of[end] & inputs]
    return {end: made_of[end] & inputs for end in ends}


def _scores(tensor: tf.Tensor) -> tf.Tensor:
    """The tensor of floats that the choice of a class is made of; any other as it is."""
    while tensor.op.inputs and (tensor.op.type in CHOICES or not tensor.dtype.is_floating):
        tensor = tensor.op.inputs[0]
    return tensor


def _made_of(graph: tf.Graph, marked: set[str]) -> dict[str, frozenset[str]]:
    """Those of the marked tensors that each tensor is made of, itself among them."""
    found: dict[str, frozenset[str]] = {}
    for operation in graph.get_operations():  # in the order in which they were made
        taken = frozenset().union(*(found.get(each.name, ()) for each in operation.inputs))
        for result in operation.outputs:
            found[result.name] = taken | (marked & {result.name})
    return found


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN]) or "no tensor"
    return printable(shown + (", ..." if len(names) > NAMES_SHOWN else ""))

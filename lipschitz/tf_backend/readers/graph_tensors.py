"""The tensors of a graph by their names: NAME:2 is the result 2 of the operation NAME."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.support.errors import InputError
from lipschitz.support.text import printable

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import tf

NAMES_SHOWN = 4  # of each kind, if a tensor is not found


def tensor_name(name: str) -> str:
    """NAME as NAME:0, the first result of an operation; all other names as they are."""
    return f"{name}:0" if name and ":" not in name else name


def operation_name(tensor: str) -> str:
    """The operation that makes a tensor, or that a control input ^NAME waits for."""
    return tensor.removeprefix("^").partition(":")[0]


def result_index(tensor: str) -> int:
    """Which of its operation's results a tensor is: 2 for NAME:2, or NAME:KIND:2 in functions."""
    return int(tensor.rpartition(":")[2])


def behind_identities(nodes: Mapping[str, tf.compat.v1.NodeDef], tensor: str) -> str:
    """The tensor that a chain of Identity operations, of these nodes, hands on as `tensor`."""
    tensor = tensor_name(tensor)
    for _ in nodes:  # a chain that is damaged may be a ring
        node = nodes.get(operation_name(tensor))
        if node is None or node.op not in ("Identity", "IdentityN"):
            break
        tensor = tensor_name(node.input[result_index(tensor)])
    return tensor


def check_tensor(path: Path, graph_def: tf.compat.v1.GraphDef, tensor: str) -> None:
    """Refuse a graph without this tensor; name a few of those that it has."""
    operation, _, result = tensor.partition(":")
    names = [node.name for node in graph_def.node]
    if operation in names and result.isdecimal():
        return
    shown = {
        "placeholders": [node.name for node in graph_def.node if node.op == "Placeholder"],
        "alike": get_close_matches(operation, names, NAMES_SHOWN, cutoff=0.5),
        "last": names[-NAMES_SHOWN:],
    }
    listed = "; ".join(
        f"{kind} {', '.join(f'{name}:0' for name in some[:NAMES_SHOWN])}"
        for kind, some in shown.items()
        if some
    )
    raise InputError(
        f"{path} has no tensor {tensor}; of its {len(names)} it has: {printable(listed)}"
    )

"""The part of a graph that some of its tensors need, and a fingerprint of what it computes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from lipschitz.network import fingerprint
from lipschitz.tf_backend.readers.graph_tensors import (
    behind_identities,
    operation_name,
    result_index,
    tensor_name,
)

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import tf


def needed(
    graph_def: tf.compat.v1.GraphDef, ends: Iterable[str], given: Collection[str] = ()
) -> tf.compat.v1.GraphDef:
    """The nodes that the tensors `ends` need if the tensors `given` are there, without functions.

    Each node comes after those that it takes. Raises ValueError if one is missing.
    """
    from lipschitz.tf_backend.runtime import tf

    nodes = {node.name: node for node in graph_def.node}
    takes = {
        name: [operation_name(each) for each in node.input if tensor_name(each) not in given]
        for name, node in nodes.items()
    }
    first = [operation_name(end) for end in ends if end not in given]
    found = [nodes[name] for name in in_order(first, takes)]
    part = tf.compat.v1.GraphDef(node=found, versions=graph_def.versions)
    plain(part.node)
    return part


def in_order(first: Iterable[str], takes: Mapping[str, Sequence[str]]) -> list[str]:
    """The first names and all that they take, each after those that it takes.

    Raises ValueError if `takes` lacks one.
    """
    found, entered, ahead = {}, set(), list(first)[::-1]
    while ahead:
        name = ahead.pop()
        if name in entered:
            found[name] = None
            continue
        if name not in takes:
            raise ValueError(f"it lacks {name}, which its logits need")
        entered.add(name)
        ahead += [name, *(each for each in reversed(takes[name]) if each not in entered)]
    return list(found)


def plain(nodes: Iterable[tf.compat.v1.NodeDef]) -> None:
    """Take off what tells TensorFlow where to run nodes, how to compile and to train them."""
    for node in nodes:
        node.device = ""
        for name in [name for name in node.attr if name.startswith("_")]:
            del node.attr[name]


def data_inputs(node: tf.compat.v1.NodeDef) -> list[str]:
    """The tensors that a node takes, without the operations that it only waits for."""
    return [tensor for tensor in node.input if not tensor.startswith("^")]


def taken(part: tf.compat.v1.GraphDef) -> set[str]:
    """The tensors that the operations of a part take."""
    return {tensor_name(each) for node in part.node for each in node.input}


def digest(
    part: tf.compat.v1.GraphDef, images: str, end: str, weights: Mapping[str, tf.Tensor]
) -> str:
    """SHA-256 of what a part computes; `weights` are tensors that it is given.

    The names of its nodes do not count, nor do Identity operations.
    """
    nodes = {node.name: node for node in part.node}
    found = {
        tensor: fingerprint([weights[tensor].numpy()]) for tensor in taken(part) & set(weights)
    }
    found[images] = "images"

    def content(tensor: str) -> str:
        """What stands for a tensor: what makes it, and which of the results it is."""
        source = behind_identities(nodes, tensor)
        return found.get(source) or f"{found[operation_name(source)]}:{result_index(source)}"

    for node in part.node:
        attributes = {
            name: value.SerializeToString(deterministic=True).hex()
            for name, value in node.attr.items()
        }
        inputs = list(map(content, data_inputs(node)))
        text = json.dumps([node.op, attributes, inputs], sort_keys=True)
        found[node.name] = hashlib.sha256(text.encode()).hexdigest()
    return hashlib.sha256(content(end).encode()).hexdigest()

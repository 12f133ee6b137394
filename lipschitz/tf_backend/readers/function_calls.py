"""The functions that a graph calls, put in the place of the calls: frozen graphs have none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lipschitz.tf_backend import operations
from lipschitz.tf_backend.readers.graph_checks import VARIABLES, check_operations
from lipschitz.tf_backend.readers.graph_part import data_inputs, in_order, plain
from lipschitz.tf_backend.readers.graph_tensors import operation_name, tensor_name

if TYPE_CHECKING:
    from tensorflow.core.framework.function_pb2 import FunctionDef

    from lipschitz.tf_backend.runtime import tf

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
READ = "ReadVariableOp"
ALLOWED = operations.ALL.union(CALLS, VARIABLES, [READ])
LARGEST_GROWTH = 10  # of a graph, by its calls


class Body(NamedTuple):
    """Nodes by their names, with the tensors that they are given and those that are wanted."""

    arguments: list[str]
    nodes: dict[str, tf.compat.v1.NodeDef]
    results: list[str]

    def order(self) -> list[str]:
        """The nodes that the results need, each after those that it takes."""
        takes = {name: list(map(operation_name, node.input)) for name, node in self.nodes.items()}
        takes |= dict.fromkeys(self.arguments, ())
        order = in_order(map(operation_name, self.results), takes)
        return [name for name in order if name in self.nodes]


def inlined(
    path: Path, graph_def: tf.compat.v1.GraphDef, ends: Iterable[str]
) -> tuple[tf.compat.v1.GraphDef, list[str]]:
    """What the tensors `ends` need of a graph and its functions, and the names they have then.

    Effects of functions, which no result needs, are left out. Raises InputError if an operation is
    not allowed, ValueError if the graph is damaged, or would become absurdly large.
    """
    from lipschitz.tf_backend.runtime import tf

    bodies = {name: _body(path, each) for name, each in _called(graph_def).items()}
    whole = Body([], {node.name: node for node in graph_def.node}, list(map(tensor_name, ends)))
    nodes, ends = _unfolded(whole, [], bodies)
    check_operations(path, nodes, ALLOWED)
    flat = tf.compat.v1.GraphDef(node=nodes, versions=graph_def.versions)
    plain(flat.node)
    return flat, ends


def _unfolded(
    body: Body, given: list[str], bodies: Mapping[str, Body], prefix: str = ""
) -> tuple[list[tf.compat.v1.NodeDef], list[str]]:
    """What the results of a body need, without calls, and the names of the results then.

    Tensors get a prefix; the arguments are called as those that are given in their place.
    """
    names = dict(zip(map(tensor_name, body.arguments), given, strict=True))  # without the prefix
    found = []
    for name in body.order():
        node = body.nodes[name]
        taken = [names.get(each, prefix + each) for each in map(tensor_name, data_inputs(node))]
        if node.op in CALLS:
            called = bodies[node.attr["f"].func.name]
            nodes, results = _unfolded(called, taken, bodies, f"{prefix}{name}/")
            names |= {f"{name}:{place}": result for place, result in enumerate(results)}
            found += nodes
        else:
            waits = [each for each in node.input if each.startswith("^")]
            waits = [each for each in waits if body.nodes[operation_name(each)].op not in CALLS]
            found.append(_copy(node, prefix + name, taken + waits))
    return found, [names.get(each, prefix + each) for each in body.results]


def _copy(node: tf.compat.v1.NodeDef, name: str, inputs: list[str]) -> tf.compat.v1.NodeDef:
    copy = type(node)()
    copy.CopyFrom(node)
    copy.name, copy.input[:] = name, inputs
    return copy


def _called(graph_def: tf.compat.v1.GraphDef) -> dict[str, FunctionDef]:
    """The functions that a graph calls, each after those that it calls itself.

    Raises ValueError if they call themselves, or each other too often.
    """
    functions = {each.signature.name: each for each in graph_def.library.function}
    calls = {name: _calls(function.node_def) for name, function in functions.items()}
    first, sizes = _calls(graph_def.node), {}  # of what takes the place of a call, in bytes
    for name in in_order(first, calls):
        if not sizes.keys() >= set(calls[name]):
            raise ValueError(f"its function {name} calls itself")
        sizes[name] = functions[name].ByteSize() + sum(sizes[each] for each in calls[name])
    if sum(sizes[each] for each in first) > LARGEST_GROWTH * graph_def.ByteSize():
        raise ValueError("its functions call each other too often")
    return {name: functions[name] for name in sizes}


def _calls(nodes: Iterable[tf.compat.v1.NodeDef]) -> list[str]:
    """The functions that nodes call, one name for each call."""
    return [node.attr["f"].func.name for node in nodes if node.op in CALLS]


def _body(path: Path, function: FunctionDef) -> Body:
    """What the results of a function need; there are no effects, and no order of them."""
    signature = function.signature
    arguments = [argument.name for argument in signature.input_arg]
    results = [function.ret[result.name] for result in signature.output_arg]
    nodes = {node.name: _copy(node, node.name, data_inputs(node)) for node in function.node_def}
    needed = {name: nodes[name] for name in Body(arguments, nodes, results).order()}
    check_operations(path, needed.values(), ALLOWED)
    for node in needed.values():
        node.input[:] = [_in_graph(each, nodes) for each in node.input]
    return Body(arguments, needed, [_in_graph(each, nodes) for each in results])


def _in_graph(tensor: str, nodes: Mapping[str, tf.compat.v1.NodeDef]) -> str:
    """The name that a tensor of a function, made by one of these nodes, would have in a graph.

    An argument NAME is NAME:0, and NAME:KIND:1, the second result of a kind, may be NAME:4.
    """
    from lipschitz.tf_backend.runtime import tf

    name, *kind = tensor.split(":")
    if not kind:
        return tensor_name(name)
    node, place = nodes[name], int(kind[1])
    for result in tf.compat.v1.get_default_graph().op_def_for_type(node.op).output_arg:
        if result.name == kind[0]:
            return f"{name}:{place}"
        if result.number_attr:
            place += node.attr[result.number_attr].i
        elif result.type_list_attr:
            place += len(node.attr[result.type_list_attr].list.type)
        else:
            place += 1
    raise ValueError(f"its {name} has no result {kind[0]}")

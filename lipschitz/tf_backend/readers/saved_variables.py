"""The variables of a SavedModel: which stored array belongs to each, and its values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.support import regular_file
from lipschitz.tf_backend.readers.function_calls import READ
from lipschitz.tf_backend.readers.graph_tensors import (
    behind_identities,
    operation_name,
    result_index,
)

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import tf

NAME = "variables"  # of the files
LARGEST_FILE = 2**32  # bytes

Nodes = Mapping[str, "tf.compat.v1.NodeDef"]  # by their names


def read(
    folder: Path, meta_graph: tf.compat.v1.MetaGraphDef, wanted: list[str]
) -> dict[str, tf.Tensor]:
    """The values of variables, by the names of the operations that hold them.

    Raises ValueError if the files in `folder` lack one that is wanted.
    """
    from lipschitz.tf_backend.runtime import tf

    if not wanted:
        return {}
    room = _size(folder)
    names = _stored_names(meta_graph)
    reader = tf.train.load_checkpoint(str(folder / NAME))
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    values = {}
    for variable in wanted:
        name = names.get(variable)
        if name not in shapes:
            raise ValueError(f"its variable {variable} is not stored in {folder.name}")
        room -= math.prod(shapes[name]) * types[name].size
        if room < 0:
            raise ValueError("its variables have more bytes than their files")
        values[variable] = tf.constant(reader.get_tensor(name))
    return values


def _size(folder: Path) -> int:
    """The bytes in the files of variables. Raises ValueError if they are none that can be read."""
    if not (folder / f"{NAME}.index").is_file():
        raise ValueError(f"its folder {folder.name} holds no {NAME}.index")
    size = 0
    for path in folder.glob(f"{NAME}.*"):
        with regular_file.opened(path, LARGEST_FILE) as file:
            size += file.seek(0, 2)
    return size


def _stored_names(meta_graph: tf.compat.v1.MetaGraphDef) -> dict[str, str]:
    """The names under which variables are stored, by the operations that hold them.

    The graph has operations that restore them, which are read here, not run.
    """
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    restore = nodes.get(meta_graph.saver_def.restore_op_name)
    if restore is None or "f" not in restore.attr:  # as TensorFlow 1 wrote it
        return _restored(nodes)
    functions = {each.signature.name: each for each in meta_graph.graph_def.library.function}
    function = functions[restore.attr["f"].func.name]
    arguments = [argument.name for argument in function.signature.input_arg]
    variables = dict(zip(arguments, map(operation_name, restore.input), strict=True))
    restored = _restored({node.name: node for node in function.node_def})
    names = {variables[argument]: name for argument, name in restored.items()}
    for copy, read, _ in _assigned(nodes, READ):  # Keras 3 also restores copies of its variables
        if copy in names:
            names.setdefault(operation_name(read.input[0]), names[copy])
    return names


def _restored(nodes: Nodes) -> dict[str, str]:
    """The names under which the variables are stored that some of these nodes restore."""
    found = {}
    for variable, restore, place in _assigned(nodes, "RestoreV2"):
        names = nodes[operation_name(restore.input[1])].attr["value"].tensor.string_val
        found[variable] = names[place].decode()
    return found


def _assigned(nodes: Nodes, kind: str) -> Iterator[tuple[str, tf.compat.v1.NodeDef, int]]:
    """The variables that get a result of an operation of a kind, with that, and which result."""
    for node in nodes.values():
        if node.op in ("Assign", "AssignVariableOp"):
            value = behind_identities(nodes, node.input[1])
            source = nodes.get(operation_name(value))
            if source is not None and source.op == kind:
                yield operation_name(node.input[0]), source, result_index(value)

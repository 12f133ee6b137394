"""SavedModels, the folders that TensorFlow and Keras export, as frozen graphs.

TensorFlow's own loader would run what a folder asks for. Here only the operations between images
and logits are run, and only the values of their variables are read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.network import Convention
from lipschitz.support import regular_file
from lipschitz.support.errors import InputError, first_line
from lipschitz.support.text import printable
from lipschitz.tf_backend.readers import graph_network, saved_variables
from lipschitz.tf_backend.readers.frozen_graph import LARGEST_FILE
from lipschitz.tf_backend.readers.function_calls import READ, inlined
from lipschitz.tf_backend.readers.graph_checks import VARIABLES
from lipschitz.tf_backend.readers.graph_tensors import behind_identities, operation_name

if TYPE_CHECKING:
    from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

    from lipschitz.tf_backend.network import TensorFlowNetwork
    from lipschitz.tf_backend.runtime import tf

FILE = "saved_model.pb"
FOLDER = "variables"
SERVE = "serve"  # the tag of a graph that is not for training
HIDDEN = "__saved_model_init_op"  # among the signatures, but none
TensorInfos = Mapping[str, "TensorInfo"]  # of a signature, by the names that it gives them


def load(
    path: Path,
    convention: Convention,
    input_shape: tuple[int, ...] | None = None,
    signature: str = "serving_default",
) -> TensorFlowNetwork:
    """The SavedModel in the folder `path` as a network that takes and gives what is said.

    Its signature has one input and one output, both of floats. `input_shape`, of one image, is used
    for sizes that it leaves open. Raises InputError if the folder has no such model.
    """
    import lipschitz.tf_backend.runtime  # noqa: F401  # first: TensorFlow then starts in silence

    meta_graph = _meta_graph(path)
    with graph_network.usable(path):
        images, logits = _tensors(path, meta_graph, signature)
        graph_def, (logits,) = inlined(path, meta_graph.graph_def, [logits])
        weights = graph_network.take_weights(graph_def) | _variables(path, meta_graph, graph_def)
    return graph_network.network(path, graph_def, images, logits, weights, convention, input_shape)


def _meta_graph(path: Path) -> tf.compat.v1.MetaGraphDef:
    """The graph for serving in a folder, with what is said of it."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    if not os.path.isfile(path / FILE):  # Path.is_file raises if a name is too long
        raise InputError(f"{path} holds no {FILE}")
    try:
        content = regular_file.read(path / FILE, LARGEST_FILE)
        graphs = SavedModel.FromString(content).meta_graphs
    except (ValueError, DecodeError) as error:
        raise InputError(f"{path / FILE} cannot be read: {first_line(error)}") from error
    for graph in graphs:
        if SERVE in graph.meta_info_def.tags:
            return graph
    tags = sorted({tag for graph in graphs for tag in graph.meta_info_def.tags})
    raise InputError(f"{path} has no graph with the tag {SERVE}; it has {_listed(tags)}")


def _tensors(path: Path, meta_graph: tf.compat.v1.MetaGraphDef, signature: str) -> tuple[str, str]:
    """The tensors of images and logits that a signature names."""
    signatures = meta_graph.signature_def
    if signature not in signatures:
        found = sorted(set(signatures) - {HIDDEN})
        raise InputError(f"{path} has no signature {printable(signature)}; it has {_listed(found)}")
    inputs, outputs = signatures[signature].inputs, signatures[signature].outputs
    images, logits = _floats(inputs), _floats(outputs)
    if len(inputs) == len(images) == len(logits) == 1:
        return images[0], logits[0]
    raise InputError(
        f"{path} takes {_described(inputs)} and gives {_described(outputs)} by its signature "
        f"{signature}; needed is one that takes and gives one tensor of floats"
    )


def _floats(tensors: TensorInfos) -> list[str]:
    from lipschitz.tf_backend.runtime import tf

    return [each.name for each in tensors.values() if tf.as_dtype(each.dtype).is_floating]


def _described(tensors: TensorInfos) -> str:
    from lipschitz.tf_backend.runtime import tf

    return _listed(
        [f"{name} ({tf.as_dtype(tensors[name].dtype).name})" for name in sorted(tensors)]
    )


def _listed(names: list[str]) -> str:
    return printable(", ".join(names)) or "none"


def _variables(
    path: Path, meta_graph: tf.compat.v1.MetaGraphDef, graph_def: tf.compat.v1.GraphDef
) -> dict[str, tf.Tensor]:
    """The values of variables, by the tensors of the graph that have them."""
    nodes = {node.name: node for node in graph_def.node}
    held = {name: name for name, node in nodes.items() if node.op in VARIABLES}
    held |= {
        name: operation_name(behind_identities(nodes, node.input[0]))
        for name, node in nodes.items()
        if node.op == READ
    }
    values = saved_variables.read(path / FOLDER, meta_graph, sorted(set(held.values())))
    return {f"{name}:0": values[variable] for name, variable in held.items()}

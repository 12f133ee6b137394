"""ONNX files for tests, made node by node, and what onnx.reference makes of them."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

VERSION = 20  # of the operator set
TYPES = {np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE, np.int64: TensorProto.INT64}


def node(kind, inputs, outputs, **attributes):
    """A node; the names of tensors are separated by spaces."""
    return helper.make_node(
        kind, inputs.split(" ") if inputs else [], outputs.split(" "), **attributes
    )


def model(nodes, shape, constants=(), dtype=np.float64, version=VERSION, outputs=("y",)):
    """From images "x" (B, *shape) to "y"; constants are arrays by name."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TYPES[dtype], shape)],
        [helper.make_tensor_value_info(name, TYPES[dtype], None) for name in outputs],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in dict(constants).items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10)


def reference(made, x):
    """What onnx.reference makes of images x."""
    dtype = helper.tensor_dtype_to_np_dtype(made.graph.input[0].type.tensor_type.elem_type)
    return ReferenceEvaluator(made).run(None, {"x": x.astype(dtype)})[0]

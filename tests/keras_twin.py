"""A module of PyTorch with the layers and weights of a Keras model, for tests and benchmarks."""

import operator
from functools import reduce

import numpy as np
import torch
from torch import fx, nn

from lipschitz.tf_backend.runtime import keras

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "softplus": nn.Softplus}
IN_PLACE = ("Activation", "Dropout", "ReLU", "Rescaling")  # layers that move no value


class Rescaling(nn.Module):
    """scale x + offset."""

    def __init__(self, scale: float, offset: float) -> None:
        super().__init__()
        self.scale, self.offset = float(scale), float(offset)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Values of the same shape."""
        return x * self.scale + self.offset


def twin(model: keras.Model) -> nn.Module:
    """The module, in evaluation mode; it takes images with their channels first.

    A chain of layers is an nn.Sequential. Each layer is used once in the model. Raises ValueError
    if there is no module for a layer.
    """
    whole = keras.Model(model.inputs, model.outputs)  # a Sequential has no graph to walk
    graph, modules = fx.Graph(), {}
    values = {id(whole.inputs[0]): graph.placeholder("images")}
    for layer in whole.operations:  # a layer comes after those that give its inputs
        if isinstance(layer, keras.layers.InputLayer):
            continue
        inputs = [values[id(tensor)] for tensor in keras.tree.flatten(layer.input)]
        value = reduce(lambda x, y: graph.call_function(operator.add, (x, y)), inputs)
        for module in () if isinstance(layer, keras.layers.Add) else _modules(layer):
            name = str(len(modules))
            modules[name] = module
            value = graph.call_module(name, (value,))
        values[id(layer.output)] = value
    graph.output(values[id(whole.outputs[0])])
    is_chain = all(node.op != "call_function" for node in graph.nodes)
    return (nn.Sequential(*modules.values()) if is_chain else fx.GraphModule(modules, graph)).eval()


def _modules(layer: keras.layers.Layer) -> list[nn.Module]:
    """What a layer is in PyTorch, one module after the other."""
    kind = type(layer).__name__
    pads = isinstance(layer, keras.layers.MaxPooling2D) and layer.padding == "same"
    if kind not in MODULES or pads:
        raise ValueError(f"{layer.name}: there is no module for such a {kind}")
    modules = MODULES[kind](layer)
    activation = getattr(layer, "activation", keras.activations.linear).__name__
    return modules if activation == "linear" else [*modules, ACTIVATIONS[activation]()]


def _with_weights(module: nn.Module, *arrays: np.ndarray) -> list[nn.Module]:
    """The module with these arrays as its weights, in the order of its state dict."""
    names = [name for name in module.state_dict() if name != "num_batches_tracked"]
    weights = {name: torch.tensor(array) for name, array in zip(names, arrays, strict=True)}
    module.load_state_dict(weights, strict=False)
    return [module]


def _convolution(layer: keras.layers.Layer) -> list[nn.Module]:
    kernel, *bias = layer.get_weights()
    groups = getattr(layer, "groups", 0)
    if not groups:  # DepthwiseConv2D: (height, width, channels, filters of each)
        groups, kernel = kernel.shape[2], kernel.reshape(*kernel.shape[:2], 1, -1)
    padding = 0 if layer.padding == "valid" else "same"
    module = nn.Conv2d(
        *(kernel.shape[2] * groups, kernel.shape[3]),
        *(layer.kernel_size, layer.strides, padding, layer.dilation_rate, groups, bool(bias)),
    )
    return _with_weights(module, kernel.transpose(3, 2, 0, 1), *bias)


def _linear(layer: keras.layers.Layer) -> list[nn.Module]:
    kernel, *bias = layer.get_weights()
    before = layer.input._keras_history.operation
    while type(before).__name__ in IN_PLACE:
        before = before.input._keras_history.operation
    if isinstance(before, keras.layers.Flatten) and len(before.input.shape) == 4:
        apart = kernel.reshape(*before.input.shape[1:], -1)
        kernel = apart.transpose(2, 0, 1, 3).reshape(kernel.shape)  # PyTorch's come channels first
    return _with_weights(nn.Linear(*kernel.shape, bias=bool(bias)), kernel.T, *bias)


def _relu(layer: keras.layers.Layer) -> list[nn.Module]:
    if layer.negative_slope or layer.threshold:
        raise ValueError(f"{layer.name} is no ReLU of PyTorch's")
    return [nn.ReLU() if layer.max_value is None else nn.Hardtanh(0, float(layer.max_value))]


def _batch_norm(layer: keras.layers.Layer) -> list[nn.Module]:
    module = nn.BatchNorm2d(layer.moving_mean.shape[0], layer.epsilon)
    return _with_weights(module, *layer.get_weights())


MODULES = {
    "Activation": lambda layer: [],
    "BatchNormalization": _batch_norm,
    "Conv2D": _convolution,
    "Dense": _linear,
    "DepthwiseConv2D": _convolution,
    "Dropout": lambda layer: [nn.Dropout(layer.rate)],
    "Flatten": lambda layer: [nn.Flatten()],
    "GlobalAveragePooling2D": lambda layer: [nn.AdaptiveAvgPool2d(1), nn.Flatten()],
    "MaxPooling2D": lambda layer: [nn.MaxPool2d(layer.pool_size, layer.strides)],
    "ReLU": _relu,
    "Rescaling": lambda layer: [Rescaling(layer.scale, layer.offset)],
    "ZeroPadding2D": lambda layer: [nn.ZeroPad2d((*layer.padding[1], *layer.padding[0]))],
}

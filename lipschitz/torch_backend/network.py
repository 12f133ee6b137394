"""A PyTorch module as a network that the sampler can measure."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lipschitz.network import (
    Box,
    Convention,
    Gradients,
    Maxima,
    Products,
    check_outputs,
    fingerprint,
    network_fingerprint,
)
from lipschitz.support.errors import InputError, RunError, first_line
from lipschitz.support.text import say
from lipschitz.torch_backend import (
    final_activation,
    gradients,
    hessian,
    narrow_convolution,
    piecewise_linear,
)
from lipschitz.torch_backend.runtime import (
    DEVICE,
    STREAMS,
    computing,
    device_name,
    not_deterministic,
    torch,
)

if TYPE_CHECKING:
    from lipschitz.torch_backend.gradients import Predict

GREYS = (0.25, 0.75)  # images that a network is tried on: places in its range
CHANNELS = (1, 3)


@dataclass(frozen=True)
class TorchNetwork:
    """A network (`lipschitz.network.Network`) that PyTorch computes.

    `predict` maps images (B, *input_shape) float32, channels last, to logits (B, num_labels) of
    float32; it is called from several threads.
    """

    predict: Predict
    input_shape: tuple[int, ...]
    num_labels: int
    box: Box = field(default_factory=Box)
    fingerprint: str = ""

    streams = STREAMS
    device = property(lambda self: device_name())

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Logits (B, num_labels)."""
        with _computing():
            return gradients.logits(self.predict, x)

    def gradient_maxima(self, x: np.ndarray, weights: np.ndarray, slopes: bool = False) -> Maxima:
        """The largest norms of the margins' gradients, and slopes (see `gradients`)."""
        with _computing():
            return gradients.gradient_maxima(self.predict, x, weights, slopes)

    def gradients(self, x: np.ndarray, weights: np.ndarray) -> Gradients:
        """Logits and the margins' gradients, a margin for each image."""
        with _computing():
            return gradients.gradients(self.predict, x, weights)

    def hessian_products(self, x: np.ndarray, weights: np.ndarray) -> Products:
        """Products with the Hessians of a margin at x."""
        multiply = hessian.products(self.predict, x, weights)

        def multiplied(active: np.ndarray, v: np.ndarray) -> np.ndarray:
            with _computing():
                return multiply(active, v)

        return multiplied

    def is_piecewise_linear(self) -> bool:
        """Whether all operations between images and logits are known to be piecewise linear."""
        with _computing():
            x = gradients.on_device(_grey(self.input_shape, self.box)).requires_grad_()
            return piecewise_linear.is_piecewise_linear(self.predict(x))


def module_network(
    module: torch.nn.Module, convention: Convention, image: tuple[int, ...]
) -> TorchNetwork:
    """A module as a network for images of this shape; it is copied, and stays as it is.

    An image's channels may come first or last: the network takes them last, the module first. A
    softmax or sigmoid module at the end is taken off, with a line. Raises ValueError if the outputs
    are not a number for each class, or if no shape of the image is what the module takes.
    """
    own = _copy(module)
    shape, layers = _that_takes(own, image, convention)
    outputs = layers(_images(shape, convention.box))
    ending = ""
    if not convention.probabilities:
        ending = final_activation.take_off(own, lambda: layers(_images(shape, convention.box)))
        outputs = layers(_images(shape, convention.box))
    if outputs.ndim != 2:
        raise ValueError(_not_logits(outputs))
    check_outputs(outputs.detach().float().cpu().numpy(), convention.probabilities, ending)

    def predict(x: torch.Tensor) -> torch.Tensor:
        found = layers(x).float()
        if convention.probabilities:
            return final_activation.of_probabilities(found)
        return final_activation.two_classes(found)

    weights = fingerprint(each.cpu().numpy() for each in own.state_dict().values())
    _try_gradient(layers, _images(shape, convention.box))
    structure = [re.sub(r" at 0x[0-9a-f]+", "", repr(module)), _operations(layers, shape)]
    narrow_convolution.speed_up(own)
    around = [*convention.structure(), *([ending] if ending else [])]
    return TorchNetwork(
        predict,
        shape,
        max(outputs.shape[1], 2),
        convention.box,
        network_fingerprint(weights, [structure, around] if around else structure),
    )


def _copy(module: torch.nn.Module) -> torch.nn.Module:
    """The module in evaluation mode and float32, where the device is, without gradients of weights.

    Raises ValueError if it cannot be copied.
    """
    try:
        own = copy.deepcopy(module).eval().requires_grad_(False)
    except Exception as error:  # the user's classes raise anything
        raise ValueError(f"the module cannot be copied: {first_line(error)}") from error
    own = own.to(DEVICE).float()
    # as the images are: convolutions are faster so
    return torch.nn.utils.convert_conv2d_weight_memory_format(own, torch.channels_last)


def _that_takes(
    module: torch.nn.Module, image: tuple[int, ...], convention: Convention
) -> tuple[tuple[int, ...], Predict]:
    """The shape, channels last, in which a module takes such images, and what computes them."""
    reasons = []
    for shape in _candidates(image):
        layers = _layers(module, shape, convention)
        try:
            with torch.no_grad():
                outputs = layers(_images(shape, convention.box))
        except Exception as error:  # PyTorch and the user's code raise anything
            reasons.append(first_line(error))
            continue
        if not isinstance(outputs, torch.Tensor):
            raise ValueError(_not_logits(outputs))
        if len(outputs) == len(GREYS):
            return shape, layers
        reasons.append(f"{len(GREYS)} images give {_described(outputs)}")
    raise ValueError(f"the module takes no images of the shape {image}: {reasons[0]}")


def _candidates(image: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Shapes of an image, channels last: as it is, turned, with and without a channel."""
    first_are_channels = len(image) > 2 and image[0] in CHANNELS and image[-1] not in CHANNELS
    if first_are_channels:
        yield (*image[1:], image[0])
    if len(image) == 2:
        yield (*image, 1)
    yield image
    if len(image) > 2 and image[-1] == 1:
        yield image[:-1]


def _layers(
    module: torch.nn.Module, shape: tuple[int, ...], convention: Convention
) -> Callable[[torch.Tensor], object]:
    """The module, for images of this shape, after its normalization."""
    mean, std = _normalization(convention, shape)

    def call(x: torch.Tensor) -> object:
        if convention.is_normalized:
            x = (x - mean) / std
        # a view: channels last is a memory format of PyTorch's
        return module(x.movedim(-1, 1) if len(shape) > 2 else x)

    return call


def _normalization(
    convention: Convention, shape: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    number = len(convention.mean)
    if number > 1 and shape[-1] != number:
        raise ValueError(
            f"there are {number} means, one for each channel; an image has the shape {shape}"
        )
    mean, std = (torch.tensor(each, device=DEVICE) for each in (convention.mean, convention.std))
    return mean, std


def _not_logits(outputs: object) -> str:
    return (
        f"its outputs for {len(GREYS)} images are {_described(outputs)}, not a number for each "
        "class"
    )


def _described(outputs: object) -> str:
    if isinstance(outputs, torch.Tensor):
        return f"a tensor {tuple(outputs.shape)}"
    return f"a {type(outputs).__name__}"


def _try_gradient(layers: Predict, x: torch.Tensor) -> None:
    """Warn of operations that make a rerun differ in the last digits.

    Raises InputError or ValueError if there is no gradient.
    """

    def gradient() -> None:
        outputs = layers(x.requires_grad_())
        if outputs.grad_fn is None:
            raise InputError("the network has no gradient: its outputs do not depend on its input")
        torch.autograd.grad(outputs.sum(), x)

    try:
        names = not_deterministic(gradient)
    except RuntimeError as error:
        raise ValueError(f"its gradient cannot be computed: {first_line(error)}") from error
    if names:
        say(
            f"warning: PyTorch has no deterministic kernel for {', '.join(names)} here: a rerun "
            "may have other last digits"
        )


@computing()
def _operations(layers: Predict, shape: tuple[int, ...]) -> list[str]:
    """The operations of a network: what its code computes, which its modules do not tell."""
    outputs = layers(_images(shape, Box(0, 1)).requires_grad_())
    return [name for name, _ in piecewise_linear.operations(outputs)]


def _grey(shape: tuple[int, ...], box: Box) -> np.ndarray:
    lower, width = (np.broadcast_to(np.float32(each), shape) for each in (box.lower, box.width))
    return np.stack([lower + grey * width for grey in GREYS])


def _images(shape: tuple[int, ...], box: Box) -> torch.Tensor:
    return gradients.on_device(_grey(shape, box))


@contextmanager
def _computing() -> Iterator[None]:
    """A rerun of this block is the same to the bit; if PyTorch fails, one line says why."""
    with computing():
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise MemoryError(first_line(error)) from error
        except RuntimeError as error:
            raise RunError(f"the network cannot be computed: {first_line(error)}") from error

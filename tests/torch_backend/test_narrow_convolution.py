"""Convolutions of few channels give PyTorch's own numbers."""

import copy

import pytest

pytest.importorskip("torch")
import torch
from torch import nn

from lipschitz.torch_backend.narrow_convolution import Convolution, speed_up

pytestmark = pytest.mark.extra

CONVOLUTIONS = {
    "grey": nn.Conv2d(1, 8, 3),
    "stride and padding": nn.Conv2d(3, 8, 5, stride=2, padding=2),
    "dilation, no square": nn.Conv2d(3, 8, (3, 2), (1, 2), (1, 0), 2, bias=False),
    "on more than four channels": nn.Conv2d(6, 8, 3),
    "in groups": nn.Conv2d(4, 8, 3, groups=2),
    "padded by reflection": nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"),
    "padding by name": nn.Conv2d(3, 8, 3, padding="same"),
}
FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("memory_format", FORMATS)
def test_first_and_second_derivatives(name, memory_format):
    theirs = CONVOLUTIONS[name].double().requires_grad_(False).to(memory_format=memory_format)
    ours = copy.deepcopy(theirs)
    speed_up(ours)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, theirs.in_channels, 12, 13, generator=generator, dtype=torch.float64)
    x = x.contiguous(memory_format=memory_format).requires_grad_()
    for found, expected in zip(derivatives(ours, x), derivatives(theirs, x), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def derivatives(layer, x):
    """The gradient of a curved function of a layer's outputs, and a Hessian-vector product."""
    (gradient,) = torch.autograd.grad(torch.tanh(layer(x)).sum(), x, create_graph=True)
    (product,) = torch.autograd.grad(gradient, x, torch.cos(x.detach()))
    return gradient.detach(), product


@pytest.mark.parametrize(("name", "is_narrow"), [("grey", True), ("in groups", False)])
def test_only_plain_convolutions_of_few_channels_change(name, is_narrow):
    layer = copy.deepcopy(CONVOLUTIONS[name])
    speed_up(layer)
    x = torch.rand(1, layer.in_channels, 9, 9, dtype=layer.weight.dtype, requires_grad=True)
    assert isinstance(layer(x).grad_fn, Convolution._backward_cls) == is_narrow


def test_an_image_without_a_batch():
    layer = copy.deepcopy(CONVOLUTIONS["grey"]).double()
    image = torch.rand(1, 9, 9, dtype=torch.float64)
    expected = layer(image)
    speed_up(layer)
    torch.testing.assert_close(layer(image), expected)

"""Convolutions of few channels, such as those of images: their gradient by matrix products.

PyTorch's kernels for CPUs take 2 to 5 times as long for it.
"""

import functools

from lipschitz.torch_backend.runtime import GPU, torch

MOST_CHANNELS = 4


class Convolution(torch.autograd.Function):
    """A convolution of images (B, C, H, W); its gradient is by the images alone."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        *geometry: tuple[int, ...],
    ) -> torch.Tensor:
        """`geometry` is stride, padding and dilation."""
        ctx.save_for_backward(weight)
        ctx.image, ctx.geometry = x.shape[2:], geometry
        return torch.nn.functional.conv2d(x, weight, bias, *geometry)

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        """The share of each output in each value that it was computed from, summed up."""
        (weight,) = ctx.saved_tensors
        batch, filters = gradient.shape[:2]
        # a view of either memory format
        by_place = gradient.movedim(1, -1).reshape(batch, -1, filters).mT
        shares = weight.reshape(filters, -1).mT @ by_place
        stride, padding, dilation = ctx.geometry
        summed = torch.nn.functional.fold(
            shares, ctx.image, weight.shape[2:], dilation, padding, stride
        )
        return summed, None, None, None, None, None


def speed_up(module: torch.nn.Module) -> None:
    """Have a module's convolutions of few channels, whose weights are fixed, compute like this."""
    if GPU:  # its kernels are fast
        return
    for layer in module.modules():
        if _is_narrow(layer):
            layer.forward = functools.partial(_convolved, layer)


def _is_narrow(layer: torch.nn.Module) -> bool:
    return (
        type(layer) is torch.nn.Conv2d
        and layer.in_channels <= MOST_CHANNELS
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _convolved(layer: torch.nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    if x.ndim == 3:  # an image without a batch
        return type(layer).forward(layer, x)
    geometry = layer.stride, layer.padding, layer.dilation
    return Convolution.apply(x, layer.weight, layer.bias, *geometry)

"""Gradient norms of a batch for many targets: one forward pass, one backward pass a target."""

import functools
from collections.abc import Callable

import numpy as np

from lipschitz.network import Gradients, Maxima
from lipschitz.support.slices import map_slices
from lipschitz.torch_backend.runtime import DEVICE, GPU, STREAMS, torch

Predict = Callable[["torch.Tensor"], "torch.Tensor"]

SLICE = 1024 if GPU else 256  # samples per call: activations stay small
LARGEST_SLICE = 2**24 if GPU else 2**21  # values of the images per call, whatever their size


def gradient_maxima(
    predict: Predict, x: np.ndarray, weights: np.ndarray, slopes: bool = False
) -> Maxima:
    """The largest L2, L1 and L-infinity norm of dg/dx over a batch (B, *shape), for T targets.

    `weights` (T, K) are those of the margins g. With `slopes` three more columns follow, the
    largest slopes of pairs (see `_slopes`; Wood and Zhang, 1996). A sample is left out if a logit,
    its gradient or its slope is not finite; if all are left out, the maxima are 0.
    """
    rows = on_device(weights)

    def slice_maxima(part: np.ndarray) -> Maxima:
        x = on_device(part).requires_grad_()
        logits = predict(x)
        valid = torch.isfinite(logits.detach()).all(dim=1)
        of_pairs = _slopes(x.detach(), logits.detach() @ rows.T) if slopes else None
        maxima = []
        for target, row in enumerate(rows):
            last = target == len(rows) - 1
            (gradient,) = torch.autograd.grad(
                logits, x, row.expand_as(logits), retain_graph=not last
            )
            values = _norms(gradient.flatten(1))
            if slopes:  # a pair's are those of both its samples
                values = torch.cat([values, of_pairs[:, target].repeat_interleave(2, 0)], dim=1)
            maxima.append(_largest(values, valid))
        found = torch.stack(maxima).cpu().numpy()
        return Maxima(found[:, :-1], found[:, -1].astype(int))

    return functools.reduce(Maxima.merged, _map_slices(slice_maxima, x))


def gradients(predict: Predict, x: np.ndarray, weights: np.ndarray) -> Gradients:
    """f(x), and dg/dx (B, *shape), with a row of margin weights (B, K) for each image."""

    def slice_gradients(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = on_device(x[places]).requires_grad_()
        logits = predict(images)
        (found,) = torch.autograd.grad(logits, images, on_device(weights[places]))
        return logits.detach().cpu().numpy(), found.cpu().numpy()

    places = np.arange(len(x))
    found = map_slices(slice_gradients, places, _largest_slice(x), STREAMS)
    return Gradients(*map(np.concatenate, zip(*found, strict=True)))


def logits(predict: Predict, x: np.ndarray) -> np.ndarray:
    """Logits (N, K) of images (N, *shape)."""

    def slice_logits(part: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return predict(on_device(part)).cpu().numpy()

    return np.concatenate(_map_slices(slice_logits, x))


def on_device(values: np.ndarray) -> "torch.Tensor":
    """The values as a tensor where the network is."""
    found = torch.from_numpy(np.ascontiguousarray(values, np.float32))
    if not GPU:
        return found.clone()  # samples lie in memory that workers write to
    return found.pin_memory().to(DEVICE, non_blocking=True)


def _map_slices(function: Callable, images: np.ndarray) -> list:
    return map_slices(function, images, _largest_slice(images), STREAMS)


def _largest_slice(images: np.ndarray) -> int:
    return max(2, min(SLICE, LARGEST_SLICE // images[0].size // 2 * 2))


def _norms(vectors: "torch.Tensor") -> "torch.Tensor":
    """L2, L1 and L-infinity norms (B, 3) of vectors (B, n)."""
    size = vectors.abs()
    largest = size.amax(dim=1)
    # squares of the vector itself would vanish below 1e-19, and be infinite above 1e19
    scaled = vectors / torch.where(largest > 0, largest, 1)[:, None]
    l2 = largest * scaled.square().sum(dim=1).sqrt()
    return torch.stack([l2, size.sum(dim=1), largest], dim=1)


def _slopes(x: "torch.Tensor", margins: "torch.Tensor") -> "torch.Tensor":
    """The slopes (pairs, T, 3) of margins (B, T) between samples 0 and 1, 2 and 3, ...

    |g(a) - g(b)| / |a - b|; the slope in a norm takes the distance in the dual norm: L2,
    L-infinity and L1 for the columns L2, L1 and L-infinity. Two equal samples have none.
    """
    distance = _norms((x[0::2] - x[1::2]).flatten(1))
    dual = distance[:, None, [0, 2, 1]]
    rise = (margins[0::2] - margins[1::2]).abs()[:, :, None]
    return torch.where(dual > 0, rise / dual, 0)


def _largest(values: "torch.Tensor", valid: "torch.Tensor") -> "torch.Tensor":
    """The maxima of values (B, columns) over valid, finite samples, then the count of others."""
    valid = valid & torch.isfinite(values).all(dim=1)
    maxima = torch.where(valid[:, None], values, 0).amax(dim=0)
    return torch.cat([maxima, (~valid).sum()[None].to(maxima.dtype)])

"""Hessian-vector products of a margin, for many samples and few vectors each."""

import numpy as np

from lipschitz.network import Products
from lipschitz.support.slices import raise_if_cancelled
from lipschitz.torch_backend.gradients import Predict, on_device
from lipschitz.torch_backend.runtime import computing, torch


def products(predict: Predict, x: np.ndarray, weights: np.ndarray) -> Products:
    """Products (active, n) with the Hessians of g = w . f at those images of x that are active.

    H_b v_b is the derivative of v . dg/dx, for the Hessian is symmetric: the passes that give
    dg/dx are shared by all v. Products of a sample whose logits are not finite are nan.
    """
    held = np.arange(0)
    image = gradient = finite = None

    def hold(active: np.ndarray) -> None:
        nonlocal held, image, gradient, finite
        held = active
        image = on_device(x[active]).requires_grad_()
        logits = predict(image)
        finite = torch.isfinite(logits.detach()).all(dim=1)
        row = on_device(weights).expand_as(logits)
        (gradient,) = torch.autograd.grad(logits, image, row, create_graph=True)

    def multiplied(active: np.ndarray, v: np.ndarray) -> np.ndarray:
        raise_if_cancelled()
        with computing():
            # finished samples stay in until they are half: to leave them out costs two passes
            if image is None or 2 * len(active) <= len(held):
                hold(active)
            places = np.searchsorted(held, active)
            along = np.zeros((len(held), v.shape[1]), np.float32)
            along[places] = v
            found = _along(gradient, image, on_device(along.reshape(-1, *x.shape[1:])))
            found = torch.where(finite[:, None], found.flatten(1), torch.nan)
            return found.cpu().numpy()[places]

    return multiplied


def _along(gradient: "torch.Tensor", image: "torch.Tensor", v: "torch.Tensor") -> "torch.Tensor":
    """The derivative of v . gradient; 0 where the gradient is constant."""
    if not gradient.requires_grad:
        return torch.zeros_like(image)
    (found,) = torch.autograd.grad(gradient, image, v, retain_graph=True, allow_unused=True)
    return torch.zeros_like(image) if found is None else found

"""The softmax or sigmoid module that a network ends with: CLEVER scores what comes before it."""

from __future__ import annotations

from collections.abc import Callable

from lipschitz.torch_backend.runtime import torch

# LogSoftmax too: its margins are those of logits, but they round where probabilities are 0
MODULES = {
    torch.nn.Softmax: "softmax",
    torch.nn.LogSoftmax: "softmax",
    torch.nn.Sigmoid: "sigmoid",
}


def take_off(module: torch.nn.Module, call: Callable[[], torch.Tensor]) -> str:
    """Make the last module give its input if it is one of `MODULES`; which it was, or "".

    `call` computes outputs (B, K) by the module, of which this changes a copy of the user's. A
    softmax counts only if it is one over all K classes.
    """
    given: list[tuple[torch.nn.Module, torch.Tensor]] = []

    def remember(each: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        given.append((each, output))

    watched = [each for each in module.modules() if type(each) in MODULES]
    hooks = [each.register_forward_hook(remember) for each in watched]
    outputs = call()
    for hook in hooks:
        hook.remove()
    # a view is the same: modules such as dropout pass on what they get
    last = next((each for each, found in given if found.data_ptr() == outputs.data_ptr()), None)
    if last is None or not _is_over_classes(last, outputs):
        return ""
    last.register_forward_hook(lambda _, inputs, output: inputs[0])
    return MODULES[type(last)]


def of_probabilities(outputs: torch.Tensor) -> torch.Tensor:
    """Logarithms of probabilities (B, K): their margins are those of logits.

    One number (B, 1) is the probability of class 1.
    """
    if outputs.shape[-1] == 1:
        outputs = torch.cat([1 - outputs, outputs], dim=1)
    return outputs.clamp_min(torch.finfo(torch.float32).tiny).log()


def two_classes(logits: torch.Tensor) -> torch.Tensor:
    """Logits (B, K); for K = 1 those of two classes, 0 and z, whose softmax is the sigmoid of z."""
    if logits.shape[-1] != 1:
        return logits
    return torch.cat([torch.zeros_like(logits), logits], dim=1)


def _is_over_classes(last: torch.nn.Module, outputs: torch.Tensor) -> bool:
    dim = getattr(last, "dim", -1)
    return dim is None or dim % outputs.ndim == outputs.ndim - 1

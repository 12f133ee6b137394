"""Weights of a module in a file: PyTorch's state dicts, and safetensors."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

from lipschitz.support import regular_file
from lipschitz.support.errors import InputError, first_line
from lipschitz.support.text import printable, say
from lipschitz.torch_backend.runtime import torch

SAFETENSORS = ".safetensors"
LARGEST = 2**35  # bytes
HOLDERS = ("state_dict", "model_state_dict", "model", "net")  # of a state dict among other things
HOW_TO_SAVE = "save one with torch.save(net.state_dict(), FILE)"
SHOWN = 3  # names


def load_into(module: torch.nn.Module, path: Path) -> None:
    """Give a module the weights of a file, of which nothing is executed.

    Raises InputError if the file has none, or not those of the module.
    """
    try:
        with regular_file.opened(path, LARGEST) as file:
            found = _safetensors(path) if path.suffix == SAFETENSORS else _pickled(file)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} is no state dict: it holds no weights, or more (a whole module, say); "
            f"{HOW_TO_SAVE}"
        ) from error
    except Exception as error:  # PyTorch has no common class for what can be wrong in a file
        raise InputError(f"{path} is no state dict: {first_line(error)}") from error
    expected = module.state_dict()
    weights = _without_prefix(_weights(found, path), list(expected), path)
    if missing := [name for name in expected if name not in weights]:
        raise InputError(f"{path} lacks {_some(missing)}: it is of another network")
    if unknown := [name for name in weights if name not in expected]:
        raise InputError(f"{path} has {_some(unknown)}, which the network has not")
    for name, tensor in expected.items():
        if not _is_plain(weights[name]):
            raise InputError(f"{path}: {printable(name)} holds no plain numbers")
        if tensor.shape != weights[name].shape:
            raise InputError(
                f"{path}: {printable(name)} has the shape {tuple(weights[name].shape)}, the "
                f"network takes {tuple(tensor.shape)}"
            )
    try:
        module.load_state_dict(weights)
    except Exception as error:  # a file may say anything of the versions of its layers
        raise InputError(f"{path} cannot be loaded: {first_line(error)}") from error


def _is_plain(found: torch.Tensor) -> bool:
    """Whether a tensor holds real numbers, one by one."""
    is_strided = found.layout is torch.strided and not (found.is_nested or found.is_meta)
    is_real = found.dtype is torch.bool or torch.can_cast(found.dtype, torch.float64)
    return is_strided and is_real and not (found.is_quantized or found.is_complex())


def _pickled(file: object) -> object:
    return torch.load(file, map_location="cpu", weights_only=True)


def _safetensors(path: Path) -> object:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise InputError(
            f"{path} needs the package safetensors: pip install safetensors"
        ) from error
    return load_file(path)


def _weights(found: object, path: Path) -> Mapping[str, torch.Tensor]:
    """The state dict in what a file holds."""
    for holder in HOLDERS:
        if isinstance(found, Mapping) and isinstance(found.get(holder), Mapping):
            found = found[holder]
            say(f"{path}: the weights are those of {holder!r}")
    named = isinstance(found, Mapping) and all(isinstance(name, str) for name in found)
    if not named or not all(isinstance(each, torch.Tensor) for each in found.values()):
        raise InputError(f"{path} is no state dict: {HOW_TO_SAVE}")
    return found


def _without_prefix(
    weights: Mapping[str, torch.Tensor], expected: list[str], path: Path
) -> Mapping[str, torch.Tensor]:
    """The weights of a network that was part of another: their names begin with its own.

    So are those of networks that several devices or a training loop such as Lightning's trained.
    """
    if not expected or set(expected) <= set(weights):
        return weights
    for name in weights:
        prefix = name.removesuffix(expected[0])
        if prefix != name and all(prefix + each in weights for each in expected):
            say(f"{path}: the weights are those whose names begin with {printable(prefix)}")
            return {each: weights[prefix + each] for each in expected}
    return weights


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return printable(", ".join(names[:SHOWN])) + more

"""Weights of a module in a file: PyTorch's state dicts, and safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lipschitz.support import regular_file
from lipschitz.support.errors import InputError, first_line
from lipschitz.support.text import printable
from lipschitz.torch_backend.runtime import torch

SAFETENSORS = ".safetensors"
LARGEST = 2**35  # bytes
HOLDERS = ("state_dict", "model_state_dict", "model", "net")  # of a state dict among other things
PREFIX = "module."  # of the names in a network that was trained on several devices
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
    except Exception as error:  # PyTorch has no common class for what can be wrong in a file
        raise InputError(f"{path} is no state dict: {first_line(error)}") from error
    weights = _weights(found, path)
    expected = module.state_dict()
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
    """The state dict in what a file holds, with the names of one device."""
    for holder in HOLDERS:
        if isinstance(found, Mapping) and isinstance(found.get(holder), Mapping):
            found = found[holder]
    named = isinstance(found, Mapping) and all(isinstance(name, str) for name in found)
    if not named or not all(isinstance(each, torch.Tensor) for each in found.values()):
        raise InputError(
            f"{path} is no state dict: save one with torch.save(net.state_dict(), FILE)"
        )
    if found and all(name.startswith(PREFIX) for name in found):
        return {name.removeprefix(PREFIX): each for name, each in found.items()}
    return found


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return printable(", ".join(names[:SHOWN])) + more

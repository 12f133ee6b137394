"""ImageNet's classifiers of torchvision and timm as networks, with their own normalization.

`torchvision:NAME` and `timm:NAME` have the published weights that the package takes by default,
`torchvision:NAME.IMAGENET1K_V1` and `timm:NAME.TAG` others of its own names.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.network import Box, Convention
from lipschitz.support.errors import InputError, first_line
from lipschitz.support.text import say

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

    from lipschitz.torch_backend.network import TorchNetwork
    from lipschitz.torch_backend.runtime import torch

TORCHVISION, TIMM = "torchvision:", "timm:"
CLASSES = 1000  # of ImageNet
SHOWN = 10  # names, if none is nearly the one that was given
INSTALL = {"torchvision": "pip install torchvision", "timm": "pip install -e '.[timm]'"}
# how torchvision makes a network otherwise if it loads published weights
WITH_WEIGHTS = {
    "googlenet": {"transform_input": True, "aux_logits": False, "init_weights": False},
    "inception_v3": {"transform_input": True, "init_weights": False},
}
RESIZING = {  # timm's, by its names
    "center": "a shorter side of {0}",
    "squash": "{0} x {0}",
    "border": "a longer side of {0}, with borders",
}


@dataclass(frozen=True)
class Classifier:
    """A classifier: what builds it, and the preprocessing that its published weights expect."""

    build: Callable[[], torch.nn.Module]  # without weights
    download: Callable[[], torch.nn.Module]  # with the published ones
    weights: str  # what these are called; empty if there are none
    size: tuple[int, int]  # height and width of an image
    mean: Sequence[float]  # of values from 0 to 1, as is std
    std: Sequence[float]
    resizing: str  # of photographs, before their centre is cut out


def network(name: str, weights: str = "") -> TorchNetwork:
    """The network `torchvision:NAME` or `timm:NAME`: images in the box -> logits of 1000 classes.

    `weights` is a file; without one the package downloads its own. A line tells the preprocessing.
    Raises InputError as `find` does, or if there are no weights that fit; ValueError if the module
    cannot be scored.
    """
    from lipschitz.torch_backend.network import module_network

    found = find(name)
    module = _from_file(found, weights) if weights else _downloaded(name, found)
    mean = tuple(each - 0.5 for each in found.mean)  # in the units of the box
    convention = Convention(Box(), mean, tuple(found.std))
    made = module_network(module, convention, (*found.size, 3))
    say(_preprocessing(name, found))
    return made


def find(name: str) -> Classifier:
    """The classifier of this name, with its package; nothing is downloaded.

    Raises InputError if there is none of ImageNet's classes, or if the package cannot be imported.
    """
    if name.startswith(TIMM):
        return _of_timm(name)
    return _of_torchvision(name)


def _of_torchvision(name: str) -> Classifier:
    with _importing("torchvision", name):
        from torchvision import models

    architecture, dot, wanted = name.removeprefix(TORCHVISION).partition(".")
    _require(architecture, models.list_models(module=models), "torchvision", TORCHVISION)
    known = models.get_model_weights(architecture)
    if dot:
        of_classes = [each.name for each in known if each.meta["categories"]]  # some are features
        _require(wanted, of_classes, TORCHVISION + architecture, f"{TORCHVISION}{architecture}.")
    published = known[wanted] if dot else known.DEFAULT
    expected = published.transforms()
    (side,) = expected.crop_size
    return Classifier(
        partial(models.get_model, architecture, **_changed_by(published, architecture, side)),
        partial(models.get_model, architecture, weights=published),
        published.name,
        (side, side),
        expected.mean,
        expected.std,
        f"a shorter side of {expected.resize_size[0]} ({expected.interpolation.value})",
    )


def _changed_by(published: WeightsEnum, architecture: str, side: int) -> dict[str, object]:
    """How torchvision makes a network otherwise if it loads these weights."""
    if architecture.startswith("vit_"):
        return {"image_size": side}
    return WITH_WEIGHTS.get(architecture, {})


def _of_timm(name: str) -> Classifier:
    with _importing("timm", name):
        import timm
        from timm.data import resolve_data_config

    own_name = name.removeprefix(TIMM)
    architecture, dot, wanted = own_name.partition(".")
    _require(architecture, timm.list_models(), "timm", TIMM)
    if dot:
        tagged = timm.list_models(architecture, pretrained=True)
        tags = [each.partition(".")[2] for each in tagged]
        _require(wanted, tags, TIMM + architecture, f"{TIMM}{architecture}.")
    published = timm.get_pretrained_cfg(own_name)
    if published.num_classes != CLASSES:
        raise InputError(
            f"{name} has {published.num_classes} outputs, not one for each of ImageNet's {CLASSES} "
            "classes: to score it, name a function of yours that makes it, MODULE:FUNCTION"
        )
    expected = resolve_data_config(pretrained_cfg=published.to_dict())
    size, mode = expected["input_size"][1:], expected["crop_mode"]
    resizing = RESIZING[mode].format(math.floor(size[0] / expected["crop_pct"]))
    return Classifier(
        partial(timm.create_model, own_name, pretrained=False),
        partial(timm.create_model, own_name, pretrained=True),
        (published.tag or own_name) if published.has_weights else "",
        size,
        expected["mean"],
        expected["std"],
        f"{resizing} ({expected['interpolation']})",
    )


@contextmanager
def _importing(package: str, name: str) -> Iterator[None]:
    """What can go wrong in the block, which imports a package for a name, as one line."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"{name} needs the package {error.name}, which is not installed: {INSTALL[package]}"
        ) from error
    except Exception as error:  # what torchvision raises beside another torch has no common class
        raise InputError(
            f"{name}: {package} cannot be imported ({first_line(error)}): torchvision "
            f"{_version('torchvision')} may not be made for torch {_version('torch')}"
        ) from error


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of an unknown version"


def _require(name: str, known: list[str], owner: str, prefix: str) -> None:
    """Raise InputError with names to choose from if a name is not among the known ones."""
    if name not in known:
        shown = get_close_matches(name, known) or known[:SHOWN]
        more = f" and {len(known) - SHOWN} more" if shown == known[:SHOWN] != known else ""
        choice = f": choose from {', '.join(prefix + each for each in shown)}{more}"
        raise InputError(f"{owner} has no {name!r}{choice if shown else ''}")


def _preprocessing(name: str, found: Classifier) -> str:
    """The preprocessing that is part of a network, and how photographs are resized before it."""
    height, width = found.size
    mean, std = (" ".join(f"{each:g}" for each in values) for values in (found.mean, found.std))
    published = f" (of {found.weights})" if found.weights else ""
    return (
        f"{name}: {height} x {width}, mean {mean}, std {std}{published}; photographs are resized "
        f"to a shorter side of {height} (lanczos), by its publishers to {found.resizing}"
    )


def _from_file(found: Classifier, file: str) -> torch.nn.Module:
    from lipschitz.torch_backend.readers import state_dict

    if not os.path.isfile(file):
        raise InputError(f"{file}: no such file")
    module = found.build()
    state_dict.load_into(module, Path(file))
    return module


def _downloaded(name: str, found: Classifier) -> torch.nn.Module:
    if not found.weights:
        raise InputError(f"no weights of {name} are published: give them in a file")
    try:
        with redirect_stdout(sys.stderr):  # of the download's progress
            return found.download()
    except Exception as error:  # the packages have no common class for a download that fails
        raise InputError(
            f"the weights of {name} could not be downloaded ({first_line(error).rstrip('.')}): "
            "give them in a file"
        ) from error

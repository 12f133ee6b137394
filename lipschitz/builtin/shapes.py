"""Whether a Keras model takes the images of a data set and gives their logits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lipschitz.network import fits

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras


def check(model: keras.Model, image: tuple[int, ...], num_labels: int) -> None:
    """Raise ValueError if it does not take images of the shape `image`, or gives anything else.

    Sizes that the model leaves open fit.
    """
    inputs, outputs = _tensors(model, "inputs"), _tensors(model, "outputs")
    if not inputs or not outputs:
        raise ValueError(
            f"it has no inputs yet: let it begin with keras.Input({image}), and save it again"
        )
    if len(inputs) > 1:
        raise ValueError(f"it takes {len(inputs)} inputs, this data set has one of {image}")
    if len(outputs) > 1:
        raise ValueError(
            f"it gives {len(outputs)} outputs, this data set needs one of {num_labels} logits: "
            "save keras.Model(model.inputs, THE LOGITS)"
        )
    _check_input(tuple(inputs[0].shape[1:]), inputs[0].dtype, image)
    _check_output(tuple(outputs[0].shape[1:]), num_labels)


def bare(model: keras.Model) -> keras.Model:
    """The model, with an input and output that are no list or dict of one."""
    from lipschitz.tf_backend.runtime import keras

    structures = (getattr(model, "input", None), getattr(model, "output", None))
    if any(isinstance(each, dict | list | tuple) for each in structures):
        return keras.Model(model.inputs[0], model.outputs[0])
    return model


def _tensors(model: keras.Model, which: str) -> list[keras.KerasTensor]:
    """The model's inputs or outputs; none if it is not built."""
    try:
        return list(getattr(model, which) or ())
    except (AttributeError, ValueError):
        return []


def _check_input(shape: tuple[int | None, ...], dtype: str, image: tuple[int, ...]) -> None:
    if "float" not in dtype:
        raise ValueError(
            f"it takes images of {dtype}, which have no gradients: let it begin with "
            f'keras.Input({image}, dtype="float32")'
        )
    if not fits(shape, image):
        told = f"it takes images of the shape {shape}, this data set has {image}"
        if layer := _in_front(shape, image):
            told += f": let it begin with keras.Input({image}), keras.layers.{layer}"
        raise ValueError(told)


def _in_front(shape: tuple[int | None, ...], image: tuple[int, ...]) -> str:
    """The layer that makes inputs of this shape of images; empty if none does."""
    if shape == (image[-1], *image[:-1]):  # channels first
        return "Permute((3, 1, 2))"
    same = None not in shape and math.prod(shape) == math.prod(image)
    return f"Reshape({shape})" if same else ""


def _check_output(shape: tuple[int | None, ...], num_labels: int) -> None:
    if fits(shape, (num_labels,)):
        return
    given, end = f"outputs of the shape {shape}", ": let it end with Flatten and Dense"
    if len(shape) == 1:
        given, end = "one number" if shape == (1,) else f"{shape[0]} numbers", ""
    raise ValueError(f"it gives {given} for an image, this data set needs {num_labels} logits{end}")

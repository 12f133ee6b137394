"""The tensors of a frozen graph that a user names, checked before the graph is built."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.network import fits
from lipschitz.support.errors import InputError
from lipschitz.support.text import printable

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import tf

PLACEHOLDERS = ("Placeholder", "PlaceholderWithDefault")
NAMES_SHOWN = 4  # of each kind, if a tensor is not found


def tensor_name(name: str) -> str:
    """NAME as NAME:0, the first result of an operation; all other names as they are."""
    return f"{name}:0" if name and ":" not in name else name


def check_tensor(path: Path, graph_def: tf.compat.v1.GraphDef, tensor: str) -> None:
    """Refuse a graph without this tensor; name a few of those that it has."""
    operation, _, result = tensor.partition(":")
    names = [node.name for node in graph_def.node]
    if operation in names and result.isdecimal():
        return
    shown = {
        "placeholders": [node.name for node in graph_def.node if node.op == "Placeholder"],
        "alike": get_close_matches(operation, names, NAMES_SHOWN, cutoff=0.5),
        "last": names[-NAMES_SHOWN:],
    }
    listed = "; ".join(
        f"{kind} {', '.join(f'{name}:0' for name in some[:NAMES_SHOWN])}"
        for kind, some in shown.items()
        if some
    )
    raise InputError(
        f"{path} has no tensor {tensor}; of its {len(names)} it has: {printable(listed)}"
    )


def check_images(
    path: Path, graph_def: tf.compat.v1.GraphDef, images: str, image_size: int
) -> tf.DType:
    """The type of the tensor of images.

    Raises InputError if it is a placeholder of another size than (B, image_size, image_size, 3),
    or of whole numbers.
    """
    from lipschitz.tf_backend.runtime import tf

    name, _, result = images.partition(":")
    node = next(node for node in graph_def.node if node.name == name)
    if node.op not in PLACEHOLDERS:
        return tf.float32
    if int(result):
        raise InputError(f"{path} has no tensor {images}: the images are {name}:0")
    shape, needed = node.attr["shape"].shape, (image_size, image_size, 3)
    sizes = tuple(None if size.size < 0 else size.size for size in shape.dim[1:])
    known = not shape.unknown_rank and len(shape.dim) > 0  # old graphs write () for any shape
    if known and not fits(sizes, needed):
        raise InputError(
            f"{path} takes images of the shape {sizes} at {images}; the image size and channels "
            f"given for it make {needed}"
        )
    dtype = tf.as_dtype(node.attr["dtype"].type or tf.float32)
    if not dtype.is_floating:
        raise InputError(
            f"{path} takes images of {dtype.name} at {images}, which have no gradients: name the "
            "tensor after their cast to float32"
        )
    return dtype


def check_batch(
    path: Path, function: tf.types.experimental.ConcreteFunction, image_size: int
) -> None:
    """Refuse a graph whose logits have a fixed number of rows."""
    shape = function.outputs[0].shape
    if shape.rank == 2 and shape[0] is not None:
        raise InputError(
            f"{path} has a fixed batch of {shape[0]}: freeze it with an open one, a placeholder of "
            f"the shape (None, {image_size}, {image_size}, 3), and reshapes to -1 in place of "
            f"{shape[0]}"
        )

"""TensorFlow and Keras as this toolkit needs them: `from lipschitz.tf_backend.runtime import tf`.

Quiet, in full float32; GPU memory is taken as it is needed.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from lipschitz.support.machine import cpu_name

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@contextmanager
def _messages_only_on_failure() -> Iterator[None]:
    """Hold back what native code writes to stderr, unless the block raises.

    TensorFlow greets with several lines, before any log level applies, on every start.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


with _messages_only_on_failure():
    import keras
    import tensorflow as tf
    from tensorflow.python.framework import config as framework  # its switch back is not public

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    # TensorFloat-32 keeps 10 bits of the mantissa: too few for gradients that are compared
    tf.config.experimental.enable_tensor_float_32_execution(False)

STREAMS = 1 if gpus else 2  # slices computed at a time; one keeps a GPU busy

__all__ = ["STREAMS", "deterministic", "device_name", "gpus", "keras", "own_settings", "tf"]

_switching = Lock()
_inside = 0  # blocks of `deterministic` that run, in all threads
_before = False  # whether the first of them found it switched on


def device_name() -> str:
    """The device that computes, for people to read."""
    if not gpus:
        return cpu_name()
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name)


@contextmanager
def deterministic() -> Iterator[None]:
    """In this block a rerun is the same to the bit; the last block that ends restores the user's.

    Not for the whole process: random numbers would need a seed, and training would be slow.
    """
    global _inside, _before
    with _switching:
        if not _inside:
            _before = framework.is_op_determinism_enabled()
            tf.config.experimental.enable_op_determinism()
        _inside += 1
    try:
        yield
    finally:
        with _switching:
            _inside -= 1
            if not (_inside or _before):
                framework.disable_op_determinism()


@contextmanager
def own_settings() -> Iterator[None]:
    """Keras as the toolkit's own networks need it, whatever the user's keras.json or script set."""
    config = keras.config
    image_data_format, floatx = config.image_data_format(), config.floatx()
    dtype_policy = config.dtype_policy()
    config.set_image_data_format("channels_last")
    config.set_floatx("float32")
    config.set_dtype_policy("float32")
    try:
        yield
    finally:
        config.set_image_data_format(image_data_format)
        config.set_floatx(floatx)
        config.set_dtype_policy(dtype_policy)

"""TensorFlow and Keras as this toolkit needs them: `from lipschitz.tf_backend.runtime import tf`.

Quiet, in full float32; GPU memory is taken as it is needed.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from lipschitz.support.machine import cores

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

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    # TensorFloat-32 keeps 10 bits of the mantissa: too few for gradients that are compared
    tf.config.experimental.enable_tensor_float_32_execution(False)

STREAMS = 1 if gpus else 2  # slices computed at a time; one keeps a GPU busy

__all__ = ["STREAMS", "device_name", "gpus", "keras", "tf"]


def device_name() -> str:
    """The device that computes, for people to read."""
    if not gpus:
        return f"CPU, {cores()} cores"
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name)

"""The machine: what it is, and the rate at which it multiplies float32 matrices."""

import os
import platform
import time
from pathlib import Path

import numpy as np

SIZE = 2048


def describe() -> str:
    """Processor, cores, device and versions, in a line."""
    from lipschitz.support.machine import cores
    from lipschitz.tf_backend.runtime import device_name, tf

    return (
        f"{_processor()}, {cores()} of {os.cpu_count()} cores, on the {device_name()}; "
        f"Python {platform.python_version()}, TensorFlow {tf.__version__}, "
        f"NumPy {np.__version__}"
    )


def _processor() -> str:
    try:
        rows = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (row.partition(":")[2].strip() for row in rows if row.startswith("model name"))
    return next(names, platform.machine())


class MatrixProducts:
    """Multiplies two float32 matrices, as TensorFlow does for a dense layer."""

    def __init__(self) -> None:
        from lipschitz.tf_backend.runtime import tf

        factors = np.random.default_rng(0).standard_normal((2, SIZE, SIZE), np.float32)
        self._factors = [tf.constant(factor) for factor in factors]
        self._product = tf.function(lambda a, b: tf.reduce_max(tf.matmul(a, b)))
        self.rate(count=1)

    def rate(self, count: int = 8) -> float:
        """Floating-point operations a second of some products made now, about half a second."""
        start = time.perf_counter()
        for _ in range(count):
            self._product(*self._factors).numpy()
        return count * 2 * SIZE**3 / (time.perf_counter() - start)

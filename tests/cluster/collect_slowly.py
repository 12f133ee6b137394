"""collect_gradients.py with a network of NumPy's that takes its time; iterations come one by one.

It starts in no time, for faults that do not meet the framework. What goes wrong: NETWORK_FILE, in
the environment of a process, has the weights that there are on its machine, or weights.npy where
it works; and who samples the image that FATAL names dies of it.
"""

import functools
import hashlib
import os
import signal
import time
from pathlib import Path

import numpy as np

import catalogue
import collect_gradients
import setup_digits
from lipschitz.results import checkpoint
from lipschitz.sampling import cluster_experiment, image_job
from lipschitz.support.command import run
from tests.sampling.numpy_network import NumPyNetwork, nearest_mean

SECONDS = 0.03  # that a batch takes, or more

digits = setup_digits.load()
SHAPE = digits.test_data.shape[1:]


class SlowNetwork(NumPyNetwork):
    """One that kills the process which samples around an image, if it is not the run's own."""

    def __init__(self, a, b, fatal, of_run):
        super().__init__(a, b, SHAPE)
        self.fatal, self.of_run = fatal, of_run
        self.fingerprint = f"{hashlib.sha256(a.tobytes()).hexdigest()[:16]}-nearest mean"

    def logits(self, x):
        if os.getpid() != self.of_run and np.array_equal(x, [self.fatal]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().logits(x)

    def gradient_maxima(self, *args):
        time.sleep(SECONDS)
        return super().gradient_maxima(*args)


def load(a, b, fatal, of_run, *_):
    """The network, in the process that asks for it."""
    image_job.parts.__defaults__ = None, None, 0.0  # the seconds after which iterations come
    place = Path(os.environ.get("NETWORK_FILE", "weights.npy"))
    return SlowNetwork(np.load(place) if place.exists() else a, b, fatal, of_run)


fatal = digits.test_data[int(os.environ["FATAL"])] if "FATAL" in os.environ else None
network = nearest_mean(digits.train_data, digits.train_labels.argmax(axis=1))
checkpoint.INTERVAL = cluster_experiment.CHECKPOINT_INTERVAL = 0
catalogue.find = lambda *_: "the nearest mean"
catalogue.import_framework = lambda model_name: None
catalogue.network = functools.partial(load, network.a, network.b, fatal, os.getpid())
run(collect_gradients.main)

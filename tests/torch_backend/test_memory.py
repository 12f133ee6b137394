"""Memory that tensors free is used again."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT

pytest.importorskip("torch")
from lipschitz.torch_backend.runtime import GPU

pytestmark = [pytest.mark.extra, pytest.mark.skipif(GPU, reason="a GPU has memory of its own")]

ACTIVATIONS = 512 * 30 * 30 * 64 * 4  # bytes of the first layer's, in a batch
# the settings hold for threads that start later, so this is a process of its own
CODE = """
from resource import RUSAGE_SELF, getpagesize, getrusage

import numpy as np
from torch import nn

from lipschitz.network import Convention, margin_weights
from lipschitz.torch_backend.network import module_network

module = nn.Sequential(
    *(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 8, 3), nn.ReLU()),
    *(nn.Flatten(), nn.Linear(28 * 28 * 8, 5)),
)
network = module_network(module, Convention(), (32, 32, 3))
x = np.random.default_rng(0).uniform(0, 1, (512, 32, 32, 3)).astype(np.float32)
for _ in range(16):
    before = getrusage(RUSAGE_SELF).ru_minflt
    network.gradient_maxima(x, margin_weights(5, 0, [1, 2]))
    print((getrusage(RUSAGE_SELF).ru_minflt - before) * getpagesize())
"""


def test_a_batch_asks_the_system_for_no_memory_that_one_before_it_freed():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True)
    asked = [int(line) for line in done.stdout.split()]  # bytes, of one batch after the other
    assert asked[0] > ACTIVATIONS
    assert min(asked[1:]) < ACTIVATIONS / 10

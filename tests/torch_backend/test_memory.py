"""Memory that tensors free is used again."""

from resource import RUSAGE_SELF, getpagesize, getrusage

import numpy as np
import pytest

pytest.importorskip("torch")
from torch import nn

from lipschitz.network import Convention, margin_weights
from lipschitz.torch_backend.network import module_network
from lipschitz.torch_backend.runtime import GPU

pytestmark = [pytest.mark.extra, pytest.mark.skipif(GPU, reason="a GPU has memory of its own")]


def test_a_batch_asks_the_system_for_no_memory_that_one_before_it_freed():
    module = nn.Sequential(
        *(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 8, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(28 * 28 * 8, 5)),
    )
    network = module_network(module, Convention(), (32, 32, 3))
    x = np.random.default_rng(0).uniform(0, 1, (512, 32, 32, 3)).astype(np.float32)
    activations = 512 * 30 * 30 * 64 * 4  # bytes of the first layer's
    asked = []
    for _ in range(6):
        before = getrusage(RUSAGE_SELF).ru_minflt
        network.gradient_maxima(x, margin_weights(5, 0, [1, 2]))
        asked.append((getrusage(RUSAGE_SELF).ru_minflt - before) * getpagesize())
    assert min(asked) < activations / 10

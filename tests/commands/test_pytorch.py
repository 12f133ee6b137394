"""Modules of PyTorch through the commands: trained, saved, sampled and scored."""

import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.io import loadmat

import setup_digits
from tests.helpers import LONG, ROOT, lines, run, run_here, shared_memory_of

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.extra
SIZES = "-N", 64, "-b", 64, "-i", 3, "--nthreads", 1
DIGITS = setup_digits.load()
CODE = """
import atexit
import sys

import torch
from torch import nn


def make():
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10), nn.Softmax(1)
    )


def trained():
    net = make()
    net.load_state_dict(torch.load("net.pth", weights_only=True))
    atexit.register(lambda: print("TensorFlow:", "tensorflow" in sys.modules, file=sys.stderr))
    return net


def curved():
    net = trained()
    net[1] = nn.Tanh()
    return net
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with the code of a network, its trained weights, and images, channels first."""
    folder = tmp_path_factory.mktemp("torch")
    (folder / "nets.py").write_text(CODE)
    code = {}
    exec(CODE, code)  # noqa: S102
    torch.manual_seed(0)
    net = code["make"]()
    images = torch.from_numpy((DIGITS.train_data + 0.5).transpose(0, 3, 1, 2).copy())
    labels = torch.from_numpy(DIGITS.train_labels.argmax(axis=1))
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(8):
        for places in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net[:-1](images[places]), labels[places]).backward()
            optimizer.step()
    torch.save(net.state_dict(), folder / "net.pth")
    pixels = np.rint(255 * (DIGITS.test_data + 0.5)).astype(np.uint8).transpose(0, 3, 1, 2)
    np.savez(folder / "digits.npz", x=pixels, y=DIGITS.test_labels.argmax(axis=1))
    return folder


def collect(here, *arguments):
    return run_here("collect_gradients.py", *SIZES, *arguments, cwd=here)


def test_two_commands_score_a_module_without_tensorflow(here):
    arguments = "-m", "nets:trained", "-d", "digits.npz", "--numimg", 3, *SIZES
    done = run("collect_gradients.py", *arguments, cwd=here)
    assert done.returncode == 0, done.stderr
    assert "the softmax at the network's end is taken off" in done.stderr
    assert "257 images 1x28x28 as 28x28x1 (uint8, 0 to 255 as 0 to 1), 10 classes" in done.stderr
    assert "TensorFlow: False" in done.stderr
    scores = run_here("clever.py", "lipschitz_mat/digits_nets.trained", cwd=here)
    assert len(lines(scores.stdout, "[STATS][L0]")) == 3


def test_weights_in_a_file_give_the_same_numbers(here):
    maxima = []
    networks = {"in_code": ["nets:trained"], "in_file": ["nets:make", "--weights", "net.pth"]}
    for folder, network in networks.items():
        images = "-d", "digits.npz", "--target_type", 1
        done = collect(here, "-m", *network, *images, "-s", folder)
        assert done.returncode == 0, done.stderr
        maxima.append(loadmat(next(here.joinpath(folder).rglob("*.mat")))["G2_max"])
    np.testing.assert_array_equal(*maxima)


def test_the_second_order_is_sampled(here):
    images = "-d", "digits.npz", "-n", 1
    done = collect(here, "-m", "nets:curved", *images, "--order", 2)
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout, "[STATS][L1] bnd_H2_max")
    done = collect(here, "-m", "nets:trained", *images, "--order", 2)
    assert done.returncode == 2
    assert "this network is piecewise linear" in done.stderr


def test_files_without_a_network_are_refused_with_what_to_give(here):
    done = collect(here, "-m", "net.pth", "-d", "digits.npz")
    assert done.returncode == 2
    assert "give -m MODULE:FUNCTION --weights net.pth" in done.stderr


def test_a_run_that_is_ended_is_resumed_and_leaves_nothing(here):
    """The samples and the maxima are those of a run that nothing disturbs."""
    arguments = ["-m", "nets:trained", "-d", "digits.npz", "-n", "1", "--target_type", "1"]
    sizes = ["-N", "256", "-b", "256", "-i", "100", "--nthreads", "2"]
    command = [sys.executable, ROOT / "collect_gradients.py", *arguments, *sizes]
    whole = subprocess.run([*command, "-s", "whole"], cwd=here, capture_output=True, timeout=LONG)
    assert whole.returncode == 0, whole.stderr
    with subprocess.Popen(
        [*command, "-s", "ended"], cwd=here, stdout=subprocess.PIPE, text=True
    ) as process:
        for printed in process.stdout:
            if "loop = 30," in printed:
                break
        process.terminate()
    time.sleep(1)
    assert shared_memory_of(process.pid) == set()
    again = subprocess.run([*command, "-s", "ended"], cwd=here, capture_output=True, timeout=LONG)
    assert again.returncode == 0, again.stderr
    assert b"resumed at iteration" in again.stderr
    files = [loadmat(next(here.joinpath(name).rglob("*.mat"))) for name in ("whole", "ended")]
    for key in ("G2_max", "G1_max", "Gi_max"):
        np.testing.assert_array_equal(files[0][key], files[1][key])

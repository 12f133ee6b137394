"""Runs on a network of PyTorch survive what runs on the built-in networks survive."""

import random
import shutil
import signal
import time

import pytest

from lipschitz.tf_backend.runtime import keras
from tests.faults import test_killed_runs, test_space
from tests.faults.conftest import end_all
from tests.faults.runs import FILES, Run
from tests.faults.test_killed_runs import end_and_resume
from tests.faults.test_space import small_shared_memory

torch = pytest.importorskip("torch")
from tests.keras_twin import twin  # noqa: E402

pytestmark = pytest.mark.extra

CODE = """
from torch import nn


def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 1024), nn.Softplus(10), nn.Linear(1024, 10))
"""
NETWORK = "-d digits -m net:make --weights net.pth --input_range -0.5 0.5 "
ONE_IMAGE = NETWORK + "-N 512 -b 512 -i 60 --nthreads 2"
ARGUMENTS = ONE_IMAGE + " -n 2"


class PyTorchRun(Run):
    """A run on a network of PyTorch."""

    def start(self, arguments=ARGUMENTS, before=()):
        return super().start(arguments, before)

    def finish(self, arguments=ARGUMENTS, before=()):
        return super().finish(arguments, before)


@pytest.fixture(scope="module")
def network(digits_folder, tmp_path_factory):
    """A folder with the code of a network, and the weights of the trained 2-layer network."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "net.py").write_text(CODE)
    trained = twin(keras.models.load_model(digits_folder / "models" / "digits_2layer.keras"))
    code = {}
    exec(CODE, code)  # noqa: S102
    names, weights = code["make"]().state_dict(), trained.state_dict().values()
    torch.save(dict(zip(names, weights, strict=True)), folder / "net.pth")
    return folder


@pytest.fixture(scope="module")
def reference(network, tmp_path_factory):
    """An undisturbed run, and its seconds of starting up."""
    run = PyTorchRun(tmp_path_factory.mktemp("reference"))
    shutil.copytree(network, run.folder, dirs_exist_ok=True)
    began = time.monotonic()
    process = run.start()
    run.wait_for(".*.checkpoint", process)
    run.start_up = time.monotonic() - began
    run.ended(process, (0,))
    assert len(list(run.folder.rglob("*.mat"))) == FILES
    return run


@pytest.fixture
def disturbed(network, tmp_path, ctrl_c):
    """A run to be disturbed; whatever a test leaves running is ended."""
    shutil.copytree(network, tmp_path, dirs_exist_ok=True)
    run = PyTorchRun(tmp_path)
    yield run
    end_all(run)


@pytest.mark.slow
@pytest.mark.parametrize("number", test_killed_runs.EACH)
def test_a_run_that_is_ended_while_it_samples_is_resumed(disturbed, reference, number):
    end_and_resume(disturbed, reference, random.Random(number), [], [number])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_is_ended_again_and_again_is_resumed(disturbed, reference, seed):
    """In the middle of its start too, when PyTorch is imported."""
    rng = random.Random(seed)
    starting = [signal.SIGTERM, signal.SIGINT]
    sampling = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
    end_and_resume(disturbed, reference, rng, starting, sampling)


@pytest.mark.slow
def test_a_process_group_that_is_killed_is_resumed(disturbed, reference):
    test_killed_runs.test_a_process_group_that_is_killed_is_resumed(disturbed, reference, 0)


@pytest.mark.slow
def test_workers_that_are_killed_change_nothing(disturbed, reference):
    test_killed_runs.test_workers_that_are_killed_change_nothing(disturbed, reference, 0)


def test_a_ring_is_made_smaller_to_fit_shared_memory(disturbed, reference):
    said = disturbed.finish(ONE_IMAGE, before=small_shared_memory("3500k"))
    assert "has 3.6 MB of 6.4 MB: room for 2 batches in place of 4" in said
    disturbed.check_same(reference, files=3)


def test_shared_memory_without_room_for_a_batch_is_said_before_sampling(disturbed):
    test_space.test_shared_memory_without_room_for_a_batch_is_said_before_sampling(disturbed)

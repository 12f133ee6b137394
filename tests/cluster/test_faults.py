"""Faults on a cluster: nothing that is finished is lost, nothing is left, and the rest resumes."""

import contextlib
import os
import random
import shutil
import signal

import numpy as np
import pytest

from lipschitz.support.atomic import UNFINISHED
from tests.cluster.runs import HERE, ON_CLUSTER, ray_folder
from tests.faults.runs import fill_disk

pytest.importorskip("ray", reason="Ray is not installed")

pytestmark = [pytest.mark.extra, pytest.mark.usefixtures("joined")]

ONCE = [0, *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20)]]
HALF = [0, *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10)]]
GIVEN_UP = 3  # workers


def iterations_before(rng):
    """After how many a fault comes: there are 20 of each of 6 images."""
    return rng.randint(1, 60)


@pytest.mark.parametrize("seed", HALF)
def test_workers_that_are_killed_cost_nothing(disturbed, undisturbed, seed):
    """Two in each run."""
    rng = random.Random(seed)
    process = disturbed.start(ON_CLUSTER)
    for _ in range(2):
        disturbed.wait_for_iterations(process, rng.randint(1, 25))
        with contextlib.suppress(ProcessLookupError):  # it has died of the first
            os.kill(rng.choice(disturbed.workers()), signal.SIGKILL)
    said = disturbed.ended(process, (0,))
    assert "its worker is lost: its process or its machine is gone" in said
    disturbed.check_same(undisturbed)


@pytest.mark.parametrize("seed", ONCE)
def test_a_node_that_is_lost_costs_nothing(joined, disturbed, undisturbed, seed):
    rng = random.Random(seed)
    process = disturbed.start(ON_CLUSTER)
    disturbed.wait_for_iterations(process, iterations_before(rng))
    node = rng.choice(list(joined.worker_nodes))
    try:
        (raylet,) = node.all_processes["raylet"]
        raylet.process.kill()
        raylet.process.wait()  # else it is there still, for those that look whether it lives
        disturbed.ended(process, (0,))
    finally:
        joined.remove_node(node)
        joined.add_node(num_cpus=1)
    disturbed.check_same(undisturbed)


AGENTS_STAY = pytest.mark.slow  # those of Ray look once a minute whether their node is there


@pytest.mark.parametrize("where", [ON_CLUSTER, pytest.param(HERE, marks=AGENTS_STAY)])
@pytest.mark.parametrize("seed", HALF)
def test_a_driver_that_is_killed_loses_nothing(disturbed, undisturbed, where, seed):
    """The same command goes on, on the cluster or without it. Ray's own folder stays."""
    rng = random.Random(seed)
    process = disturbed.start(where)
    disturbed.wait_for_iterations(process, iterations_before(rng))
    finished, saved = disturbed.finished(), disturbed.saved()
    process.kill()
    said = disturbed.ended(process, (-signal.SIGKILL,))
    if where == HERE:
        shutil.rmtree(ray_folder(said))
    for half_written in disturbed.folder.rglob(f"*{UNFINISHED}"):
        half_written.unlink()  # a run does it, an hour later
    assert disturbed.saved() >= saved > 0
    said = disturbed.finish(rng.choice([where, ""]))
    assert said.count("kept ") >= len(finished)
    assert finished.items() <= disturbed.finished().items()
    disturbed.check_same(undisturbed)


def interrupt(process):
    """Ctrl-C comes to all processes of a terminal's job."""
    os.killpg(process.pid, signal.SIGINT)
    return 128 + signal.SIGINT


def terminate(process):
    process.terminate()
    return 128 + signal.SIGTERM


@pytest.mark.parametrize("seed", ONCE)
@pytest.mark.parametrize(("where", "end"), [(HERE, interrupt), (ON_CLUSTER, terminate)])
def test_a_run_that_is_ended_is_resumed(disturbed, undisturbed, where, end, seed):
    rng = random.Random(seed)
    process = disturbed.start(where)
    disturbed.wait_for_iterations(process, iterations_before(rng))
    finished, saved = disturbed.finished(), disturbed.saved()
    code = end(process)
    said = disturbed.ended(process, (code,))
    if where == HERE:
        assert not ray_folder(said).exists()
    assert disturbed.saved() >= saved > 0
    said = disturbed.finish()
    assert said.count("kept ") >= len(finished)
    assert finished.items() <= disturbed.finished().items()
    disturbed.check_same(undisturbed)


@pytest.mark.parametrize("seed", ONCE)
def test_a_full_disk_ends_the_run_which_is_resumed(disturbed, undisturbed, mounted, seed):
    mounted(disturbed.folder / "lipschitz_mat", "1m")
    process = disturbed.start(ON_CLUSTER)
    disturbed.wait_for_iterations(process, iterations_before(random.Random(seed)))
    folder = disturbed.wait_for("*.checkpoint", process).parent
    process.send_signal(signal.SIGSTOP)  # it must not save the rest meanwhile
    finished, ballast = disturbed.finished(), folder / "ballast"
    fill_disk(ballast)
    process.send_signal(signal.SIGCONT)
    said = disturbed.ended(process, (1,))
    assert "No space left on device" in said
    ballast.unlink()
    disturbed.finish(ON_CLUSTER)
    assert finished.items() <= disturbed.finished().items()
    disturbed.check_same(undisturbed)


@pytest.fixture
def other_network(tmp_path):
    """A file of other weights than those of the run."""
    path = tmp_path / "elsewhere" / "weights.npy"
    path.parent.mkdir()
    np.save(path, np.ones((10, 784), np.float32))
    return path


@pytest.mark.parametrize("seed", ONCE)
def test_a_node_with_another_network_is_not_used(
    joined, disturbed, undisturbed, other_network, seed
):
    node = joined.add_node(num_cpus=1, env_vars={"NETWORK_FILE": str(other_network)})
    try:
        said = disturbed.finish(ON_CLUSTER)
    finally:
        joined.remove_node(node)
    assert "a machine is not used: it has another network, " in said
    disturbed.check_same(undisturbed)


def test_a_cluster_with_another_network_samples_nothing(disturbed, other_network):
    """The network's file is in the folder that Ray sends, and differs from that of the run."""
    where = f"{ON_CLUSTER} --working_dir {other_network.parent}"
    said = disturbed.ended(disturbed.start(where), (1,))
    assert "no worker can be used (see above" in said
    assert not list(disturbed.folder.rglob("*.mat*"))


def test_an_image_that_kills_its_workers_is_given_up_by_name(disturbed, undisturbed):
    said = disturbed.ended(disturbed.start(ON_CLUSTER, FATAL="2"), (1,))
    assert said.count("image 2: its worker is lost: ") == GIVEN_UP
    assert f"given up after {GIVEN_UP} workers" in said
    assert "3 of 18 targets have no score (see above)" in said
    assert len(disturbed.finished()) == 15
    disturbed.finish(ON_CLUSTER)
    disturbed.check_same(undisturbed)

"""A cluster of three nodes on this machine, and runs on it."""

import os
import shutil
import tempfile
from unittest import mock

import pytest

from tests.cluster.runs import ClusterRun
from tests.faults.conftest import end_all, mounted  # noqa: F401, a fixture
from tests.helpers import ROOT


@pytest.fixture(scope="session")
def cluster():
    """Three nodes of one core each."""
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="cluster-")  # sockets have no room for longer names
    head = {"num_cpus": 1, "include_dashboard": False, "temp_dir": folder}
    with mock.patch.dict(os.environ, PYTHONPATH=str(ROOT)):
        cluster = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def joined(cluster, monkeypatch):
    """The cluster, which runs with `--ray auto` join; its nodes know the tests."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return cluster


@pytest.fixture
def disturbed(tmp_path, ctrl_c):
    """A run to be disturbed; whatever a test leaves running is ended."""
    run = ClusterRun(tmp_path)
    yield run
    end_all(run)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The same run without a cluster, and without faults."""
    run = ClusterRun(tmp_path_factory.mktemp("undisturbed"))
    run.finish()
    return run

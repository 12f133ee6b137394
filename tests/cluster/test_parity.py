"""A file does not tell where it was sampled: here, by the workers of a machine, or of a cluster."""

import re
import shutil

import pytest

from tests.cluster.runs import HERE, ON_CLUSTER, ClusterRun

pytest.importorskip("ray", reason="Ray is not installed")

needs_taskset = pytest.mark.skipif(not shutil.which("taskset"), reason="taskset is not here")
pytestmark = [pytest.mark.extra, pytest.mark.usefixtures("joined"), needs_taskset]

COLLECT = "collect_gradients.py"
FEW = " -n 12 -N 256 -b 128 -i 5 --nthreads 1"
IMAGES = 11  # of 12, or more: the others are misclassified
ONE_CORE = ("taskset", "-c", "0")  # the number of cores shows in the last bits
SECONDS = re.compile(r"(time|overhead) = [\d.e-]+")


def sampled(folder, models, arguments, where=""):
    """A run in a folder, here on one core or elsewhere, and what it printed."""
    run = ClusterRun(folder, COLLECT, arguments + FEW)
    (folder / "models").symlink_to(models)
    process = run.start(where, () if where else ONE_CORE)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    run.check_nothing_is_left()
    return run, SECONDS.sub("", output).splitlines()[1:]  # the first has the options


def check_parity(tmp_path_factory, where, *of_run):
    """The same files, to the bit, and the same lines but for times, wherever a run samples."""
    here, expected = sampled(tmp_path_factory.mktemp("here"), *of_run)
    assert len(list(here.folder.rglob("*.mat"))) >= 3 * IMAGES
    for each in where:
        run, printed = sampled(tmp_path_factory.mktemp("there"), *of_run, each)
        assert printed == expected
        run.check_same(here)


def test_digits(tmp_path_factory, digits_folder):
    of_run = digits_folder / "models", "-d digits -m 2-layer"
    check_parity(tmp_path_factory, [HERE, ON_CLUSTER], *of_run)


@pytest.mark.parametrize("where", [ON_CLUSTER, pytest.param(HERE, marks=pytest.mark.slow)])
def test_mnist(tmp_path_factory, models_of_2018, mnist_data, monkeypatch, where):
    monkeypatch.setenv("CLEVER_DATA", str(mnist_data))
    check_parity(tmp_path_factory, [where], models_of_2018, "-d mnist -m 2-layer")

"""Runs to disturb, and a run that nothing disturbs."""

import shutil
import subprocess
import time

import pytest

from tests.faults.runs import FILES, WITHOUT_FRAMEWORK, Run


@pytest.fixture(scope="session")
def reference(digits_folder, tmp_path_factory):
    """An undisturbed run, and its seconds of starting up."""
    folder = tmp_path_factory.mktemp("reference")
    shutil.copytree(digits_folder / "models", folder / "models")
    run = Run(folder)
    began = time.monotonic()
    process = run.start()
    run.wait_for(".*.checkpoint", process)
    run.start_up = time.monotonic() - began
    run.ended(process, (0,))
    assert len(list(folder.rglob("*.mat"))) == FILES
    return run


@pytest.fixture
def disturbed(workplace, ctrl_c):
    """A run to be disturbed; whatever a test leaves running is ended."""
    run = Run(workplace)
    yield run
    end_all(run)


@pytest.fixture(scope="session")
def light_reference(tmp_path_factory):
    """An undisturbed run without TensorFlow."""
    run = Run(tmp_path_factory.mktemp("reference"), WITHOUT_FRAMEWORK)
    run.finish()
    assert len(list(run.folder.rglob("*.mat"))) == FILES
    return run


@pytest.fixture
def light(tmp_path, ctrl_c):
    """A run without TensorFlow to be disturbed where the framework plays no part."""
    run = Run(tmp_path, WITHOUT_FRAMEWORK)
    yield run
    end_all(run)


def end_all(run):
    for process in run.running:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def mounted(tmp_path):
    """A function that puts a file system in memory of a size on a folder, if that is allowed."""
    folders = []

    def mount(folder, size):
        folder.mkdir(parents=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
        )
        if done.returncode:
            pytest.skip("file systems cannot be mounted here")
        folders.append(folder)

    yield mount
    for folder in folders:
        subprocess.run(["umount", folder], check=True)

"""Runs to disturb, and a run that nothing disturbs."""

import shutil
import subprocess
import time

import pytest

from tests.faults.runs import FILES, Run


@pytest.fixture(scope="session")
def reference(digits_folder, tmp_path_factory):
    """An undisturbed run, and its seconds of starting up and of sampling."""
    folder = tmp_path_factory.mktemp("reference")
    shutil.copytree(digits_folder / "models", folder / "models")
    run = Run(folder)
    began = time.monotonic()
    process = run.start()
    run.wait_for(".*.checkpoint", process)
    sampling = time.monotonic()
    run.ended(process, (0,))
    run.start_up, run.sampling = sampling - began, time.monotonic() - sampling
    assert len(list(folder.rglob("*.mat"))) == FILES
    return run


@pytest.fixture
def disturbed(workplace, ctrl_c):
    """A run to be disturbed; whatever a test leaves running is ended."""
    run = Run(workplace)
    yield run
    for process in run.running:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def mounted(tmp_path):
    """A function that puts a file system in memory of a size on a folder, where that is allowed."""
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

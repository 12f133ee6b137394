"""A disk that is full, and shared memory that is small."""

import shutil
import signal
import subprocess

import pytest

from tests.faults.runs import FILES, ONE_IMAGE, fill_disk


def test_a_disk_that_fills_up_ends_the_run_and_keeps_what_is_saved(light, light_reference, mounted):
    mounted(light.folder / "lipschitz_mat", "1m")
    process = light.start()
    first = light.wait_for("*.mat", process)
    process.send_signal(signal.SIGSTOP)  # it must not save the rest meanwhile
    ballast = first.parent / "ballast"
    fill_disk(ballast)
    process.send_signal(signal.SIGCONT)
    said = light.ended(process, (1,))
    assert "order1.mat: No space left on device" in said
    saved = list(light.folder.rglob("*.mat"))
    assert 0 < len(saved) < FILES
    said = light.ended(light.start(), (1,))
    assert "cannot be written to: No space left on device" in said
    assert "[STATS]" not in said
    ballast.unlink()
    assert light.finish().count("kept lipschitz_mat/") == len(saved)
    light.check_same(light_reference)


def small_shared_memory(size):
    """Words before a command that give it /dev/shm of a size, and no other process."""
    script = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"'
    before = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if not shutil.which("unshare") or subprocess.run([*before, "true"]).returncode:
        pytest.skip("file systems cannot be mounted here")
    return before


def test_a_ring_is_made_smaller_to_fit_shared_memory(light, light_reference):
    """A batch of 512 images of 784 numbers takes 1.6 MB, and two workers want four."""
    said = light.finish(ONE_IMAGE, before=small_shared_memory("3500k"))
    assert "has 3.6 MB of 6.4 MB: room for 2 batches in place of 4" in said
    light.check_same(light_reference, files=3)


def test_shared_memory_without_room_for_a_batch_is_said_before_sampling(light):
    process = light.start(before=small_shared_memory("1500k"))
    said = light.ended(process, (1,))
    assert "has no room for a batch: it has 1.5 MB, 1.6 MB are needed and 6.4 MB wanted" in said
    assert "[DATAGEN]" not in said

"""Runs that share a folder, at once or one after the other."""

from tests.faults.runs import ARGUMENTS, ONE_IMAGE


def test_runs_at_once_do_not_disturb_each_other(disturbed, reference):
    """Twice the same command, and one of other targets and iterations."""
    other = "-d digits -m 2-layer -N 1024 -i 20 -n 2 --target_type 1"
    for process in [disturbed.start(ARGUMENTS), disturbed.start(ARGUMENTS), disturbed.start(other)]:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    disturbed.check_nothing_is_left()
    disturbed.check_same(reference)
    assert len(list(disturbed.folder.rglob("1024_20_*_top2_*.mat"))) == 2


def test_a_truncated_checkpoint_is_named_and_not_used(disturbed, reference):
    process = disturbed.start(ONE_IMAGE)
    path = disturbed.wait_for(".*.checkpoint", process)
    process.kill()
    process.communicate()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    said = disturbed.finish(ONE_IMAGE)
    assert f"{path.relative_to(disturbed.folder)} is not used: it is damaged" in said
    disturbed.check_same(reference, files=3)

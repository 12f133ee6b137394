"""Runs that share a folder, at once."""

from tests.faults.runs import ARGUMENTS
from tests.helpers import LONG


def test_runs_at_once_do_not_disturb_each_other(light, light_reference):
    """Twice the same command, and one of other targets and iterations."""
    other = "-d digits -m 2-layer -N 1024 -i 20 -n 2 --target_type 1"
    for process in [light.start(ARGUMENTS), light.start(ARGUMENTS), light.start(other)]:
        _, errors = process.communicate(timeout=LONG)
        assert process.returncode == 0, errors
    light.check_nothing_is_left()
    light.check_same(light_reference)
    assert len(list(light.folder.rglob("1024_20_*_top2_*.mat"))) == 2

"""What `make demo` promises."""

import re
import subprocess
import sys

import pytest

from tests.helpers import ROOT, lines


@pytest.mark.slow
def test_the_demo_scores_ten_images(tmp_path):
    """Its commands, as the Makefile has them, run in a folder of their own."""
    (tmp_path / "logs").mkdir()
    recipe = subprocess.run(
        ["make", "--dry-run", "demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    commands = re.findall(r"^\S+/python (\w+\.py .*)$", recipe, re.MULTILINE)
    assert len(commands) == 3
    trained, *_ = (
        # the Makefile's own lines, as its shell runs them
        subprocess.run(  # noqa: S602
            f"{sys.executable} {ROOT}/{command}",
            shell=True,
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for command in commands
    )
    accuracy = float(re.search(r": ([\d.]+)% of the 257 test images", trained)[1])
    assert accuracy >= 95
    scores = (tmp_path / "logs/demo_scores.log").read_text()
    assert len(lines(scores, "[STATS][L0]")) == 3
    assert len(lines(scores, "[ATTACK][L1]")) == len(lines(scores, "[INTERVAL][L1]")) == 90
    table = scores[scores.index("\nimage true") :].splitlines()[2:32]
    assert [row.split()[:2] for row in table[::3]] == [
        row.split()[:2] for row in table[1::3]
    ]  # three targets an image
    p_values = [float(p) for p in re.findall(r"pVal = ([-\d.e]+)", scores)]
    assert len(p_values) == 90
    assert sum(p > 0.05 for p in p_values) > 80
    assert len(list((tmp_path / "plots").glob("*.png"))) == 90
    assert len(list((tmp_path / "lipschitz_mat").rglob("*.mat"))) == 30
    assert recipe.rstrip().endswith("plots/report.html'")
    report = (tmp_path / "plots/report.html").read_text()
    (signature,) = lines(scores, "[SIGNATURE]")
    assert signature.removeprefix("[SIGNATURE][L1] ") in report

"""clever.py --compare: two networks and more, on the pairs that they have in common."""

import json
import shutil

import pytest
from scipy.io import loadmat

from lipschitz.results import matfile
from lipschitz.support.text import read_fields
from tests.helpers import GOLDEN, lines, run_here


@pytest.fixture
def other(attacked_folder):
    """A function that makes a copy of the files, of a network with margins so many times larger."""

    def copy(name, factor):
        folder = shutil.copytree(attacked_folder, attacked_folder.with_name(name))
        for path in folder.iterdir():
            contents = loadmat(path)
            told = json.loads(contents["settings"].item()) | {"network": name}
            margin = factor * contents["g_x0"].item()
            matfile.add(path, {"settings": json.dumps(told), "g_x0": margin})
        return folder

    return copy


def compared(*folders, cwd):
    return run_here("clever.py", *folders, "--compare", cwd=cwd)


def test_a_network_with_twice_the_margins_has_twice_the_scores(attacked_folder, other, tmp_path):
    done = compared(attacked_folder, other("twice", 2), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = list(map(read_fields, lines(done.stdout, "[COMPARE][L0]")))
    assert [(each["info"], each["norm"]) for each in found] == [
        (kind, norm) for kind in ("least", "random", "top2") for norm in "12i"
    ]
    means = dict(
        part.split(" = ")
        for line in lines(done.stdout, "[STATS][L0]")[:3]
        for part in line.split(", ")[1:]
    )
    for each in found:
        mean = float(means[f"{each['info']}_clever_L{each['norm']}"])
        assert float(each["difference"]) == pytest.approx(mean, rel=1e-4)
        assert float(each["ratio"]) == 2
        assert (each["images"], each["pairs"], each["higher"]) == ("2", "2", "2")


def test_identical_files_differ_by_nothing(attacked_folder, tmp_path):
    same = shutil.copytree(attacked_folder, tmp_path / "same")
    done = compared(attacked_folder, same, cwd=tmp_path)
    for each in map(read_fields, lines(done.stdout, "[COMPARE][L0]")):
        assert (each["difference"], each["ratio"], each["p"]) == ("0", "1", "1")


def test_pairs_of_one_alone_are_left_out_and_counted(attacked_folder, other, tmp_path):
    second = other("second", 1)
    next(second.glob("*_top2_*")).unlink()
    next(attacked_folder.glob("*_least_*")).unlink()
    done = compared(attacked_folder, second, cwd=tmp_path)
    assert "pairs only in 1: 1, only in 2: 1" in done.stdout
    pairs = {each["info"]: each["pairs"] for each in map(read_fields, lines(done.stdout, "[COM"))}
    assert pairs == {"least": "1", "random": "2", "top2": "1"}


def test_unequal_settings_are_warned_of(attacked_folder, other, tmp_path):
    second = other("second", 1)
    for path in list(second.iterdir()):
        told = json.loads(loadmat(path)["settings"].item()) | {"Niters": 25}
        arrays = {key: loadmat(path)[key][:, :25] for key in ("G1_max", "G2_max", "Gi_max")}
        matfile.add(path, arrays | {"settings": json.dumps(told)})
        path.rename(path.with_name(path.name.replace("1024_50_", "1024_25_")))
    done = compared(attacked_folder, second, cwd=tmp_path)
    assert "warning: the number of iterations is 50 and 25: " in done.stdout


def test_three_networks_are_compared_with_the_first(attacked_folder, other, tmp_path):
    done = compared(attacked_folder, other("twice", 2), other("half", 0.5), cwd=tmp_path)
    table = [line.split() for line in done.stdout.splitlines() if line.endswith(" order 1")]
    ratios = {(row[0], row[2]) for row in table}
    assert ratios == {("2", "2.000"), ("3", "0.500")}
    assert done.stdout.splitlines()[-1].startswith("[COMPARE][L0]")


def test_one_experiment_or_no_common_pair_is_an_error_in_a_line(attacked_folder, other, tmp_path):
    done = compared(attacked_folder, cwd=tmp_path)
    said = "clever.py: --compare: there is one experiment only: name the folders of two\n"
    assert (done.returncode, done.stderr) == (2, said)
    orders = compared(attacked_folder, GOLDEN / "order2", "--csv", "a.csv", cwd=tmp_path)
    assert orders.stderr.endswith("they are bounds of two kinds; choose one with --order\n")
    assert not (tmp_path / "a.csv").exists()  # it is told before the fits
    first, second = other("first", 1), other("second", 1)
    for folder, gone in ((first, "least"), (second, "top2"), (first, "random"), (second, "random")):
        for path in folder.glob(f"*_{gone}_*"):
            path.unlink()
    done = compared(first, second, "--report", "report.html", cwd=tmp_path)
    assert done.returncode == 2
    assert (tmp_path / "report.html").exists()
    assert done.stderr == "a report in report.html\n" + (
        "clever.py: --compare: no pair is in both, for their targets differ: sample the second "
        "with the images and targets of the first (collect_gradients.py --like FOLDER)\n"
    )
    assert len(lines(done.stdout, "[STATS][L0]")) == 2  # the scores of both come before

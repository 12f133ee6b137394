"""Files of maxima whose names lack the ending, or the activation and order, as some of 2018 do."""

import shutil
import subprocess

import pytest

from tests.helpers import GOLDEN, lines, run_here

NORMAL = GOLDEN / "l2/mnist_normal"


def clever(*args, cwd):
    return run_here("clever.py", *args, cwd=cwd)


@pytest.fixture
def renamed(tmp_path):
    """A function: a copy of six golden files in `mat files/mnist_normal`, one ending replaced."""

    def copy(ending, by):
        folder = shutil.copytree(NORMAL, tmp_path / "mat files" / "mnist_normal")
        for path in folder.iterdir():
            path.rename(path.with_name(path.name.replace(ending, by)))
        return folder

    return copy


def summary(done):
    assert done.returncode == 0, done.stderr
    return lines(done.stdout, "[STATS][L0]")


@pytest.fixture(scope="module")
def expected():
    return summary(clever(NORMAL, cwd=GOLDEN))


@pytest.mark.parametrize("by", ["_relu_order1", "", "_relu_order1.MAT"])
def test_files_that_are_named_are_scored(renamed, expected, tmp_path, by):
    files = renamed("_relu_order1.mat", by).iterdir()
    assert summary(clever(*files, cwd=tmp_path)) == expected


@pytest.mark.parametrize("by", [".mat", "_relu_order1.MAT"])
def test_a_folder_of_old_names_is_scored(renamed, expected, tmp_path, by):
    folder = renamed("_relu_order1.mat", by)
    for options in ([], ["--activation", "relu", "--order", 1]):
        assert summary(clever(folder, *options, cwd=tmp_path)) == expected


@pytest.mark.parametrize("by", ["_relu_order1", ""])
def test_a_folder_without_endings_is_told_how_to_rename_them(renamed, expected, tmp_path, by):
    renamed("_relu_order1.mat", by)
    refused = clever("mat files", cwd=tmp_path)
    assert refused.returncode == 2
    (said,) = refused.stderr.splitlines()
    assert "no .mat files in mat files, but 6 files whose names lack only the ending .mat" in said
    command = said.partition("rename them with: ")[2]
    # as the user's shell runs it
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)  # noqa: S602
    assert summary(clever("mat files", cwd=tmp_path)) == expected


def test_files_without_an_ending_are_not_left_out_in_silence(renamed, tmp_path):
    folder = renamed("_7_6_least_relu_order1.mat", "_7_6_least_relu_order1")
    (without,) = folder.glob("*_order1")
    (folder / "notes").touch()
    done = clever(folder, cwd=tmp_path)
    assert len(lines(done.stdout, "[Filename]")) == 5
    (said,) = done.stderr.splitlines()
    assert said.startswith("left out 1 files whose names lack only the ending .mat: name the")
    named = clever(folder, without, cwd=tmp_path)
    assert len(lines(named.stdout, "[Filename]")) == 6
    assert named.stderr == ""


def test_logs_of_such_files_are_tabulated(renamed, tmp_path):
    files = renamed("_relu_order1.mat", "").iterdir()
    (tmp_path / "a.log").write_text(clever(*files, cwd=tmp_path).stdout)
    done = run_here("process_log.py", "a.log", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(lines(done.stdout, "[L0] model = mnist normal, Nimg = 2")) == 9

"""The files that clever.py writes beside its lines, and what process_log.py makes of them."""

import errno
import os
import re
import shutil
import subprocess
import sys
from unittest import mock

import pandas as pd

from lipschitz.results import matfile, table_files
from tests.helpers import GOLDEN, ROOT, lines, run_here


def clever(*args, cwd):
    return run_here("clever.py", *args, cwd=cwd)


def signature_of(done):
    return lines(done.stdout, "[SIGNATURE][L1]")[0].removeprefix("[SIGNATURE][L1] ")


def test_a_signature_is_checked_and_what_differs_is_told(attacked_folder, tmp_path):
    signature = signature_of(clever(attacked_folder, cwd=tmp_path))
    same = clever(attacked_folder, "--check_signature", signature, cwd=tmp_path)
    assert (same.returncode, same.stderr.count("the same signature")) == (0, 1)
    other = clever(attacked_folder, "--method", "mle", "--check_signature", signature, cwd=tmp_path)
    assert other.returncode == 1
    assert "another signature: method is mle, not mle_reg,0.01\n" in other.stderr
    assert other.stdout.splitlines()[-1].startswith("[STATS][L0]")
    for text in ("v:1", ""):  # the latter of a variable that is not set
        none = clever(attacked_folder, "--check_signature", text, cwd=tmp_path)
        assert none.returncode == 2
    none = clever(attacked_folder, "--check_signature", "v:1", cwd=tmp_path)
    assert none.stderr.startswith("clever.py: --check_signature 'v:1' is no signature: ")


def test_an_unreadable_file_is_named_and_the_rest_is_written(attacked_folder, tmp_path):
    spoiled = next(attacked_folder.glob("*_random_*"))
    spoiled.write_bytes(b"half")
    done = clever(attacked_folder, "--json", "scores.json", cwd=tmp_path)
    assert done.returncode == 1
    assert f"skipped {spoiled}: " in done.stderr
    assert "1 of 6 files were left out" in done.stderr
    assert len(table_files.read(tmp_path / "scores.json")) == 15


def test_a_full_disk_leaves_the_table_that_was_there(attacked_folder, tmp_path):
    (tmp_path / "scores.csv").write_text("earlier")

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with mock.patch.object(pd.DataFrame, "to_csv", full):
        done = clever(attacked_folder, "--csv", "scores.csv", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "clever.py: scores.csv: No space left on device\n"
    assert done.stdout.splitlines()[-1].startswith("[STATS][L0]")
    assert (tmp_path / "scores.csv").read_text() == "earlier"
    assert not list(tmp_path.glob(".*"))


def test_what_cannot_be_written_is_told_before_the_fits(attacked_folder, tmp_path):
    done = clever(attacked_folder, "--csv", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert f"--csv {tmp_path} is a folder: name a file in it" in done.stderr
    (tmp_path / "file").touch()
    done = clever(attacked_folder, "--csv", "file/scores.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "file cannot be written to" in done.stderr


def test_only_regular_files_are_replaced(attacked_folder, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    done = clever(attacked_folder, "--csv", "pipe", cwd=tmp_path)
    assert done.stderr == "clever.py: --csv pipe is no regular file: name another\n"
    (tmp_path / "real").mkdir()
    (tmp_path / "link.csv").symlink_to("real/scores.csv")
    assert clever(attacked_folder, "--csv", "link.csv", cwd=tmp_path).returncode == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert len(table_files.read(tmp_path / "real/scores.csv")) == 18
    for options in (["--csv", "a", "--report", "a"], ["--figures", "real/scores.csv"]):
        assert clever(attacked_folder, *options, cwd=tmp_path).returncode == 2
    assert clever(attacked_folder, "--figures", "", cwd=tmp_path).returncode == 2


def test_hidden_files_of_others_stay_in_the_folder_of_a_table(attacked_folder, tmp_path):
    others = tmp_path / ".thesis.unfinished.tex"
    others.write_text("years of work")
    ours = tmp_path / ".a.csv.0123456789abcdef.unfinished"
    ours.touch()
    for path in (others, ours):
        os.utime(path, (0, 0))
    clever(attacked_folder, "--csv", "a.csv", cwd=tmp_path)
    assert others.exists()
    assert not ours.exists()


def test_a_reader_that_goes_away_does_not_keep_tables_from_being_written(attacked_folder, tmp_path):
    """Several copies: their lines do not fit into the buffer of a pipe."""
    for copy in range(12):
        shutil.copytree(attacked_folder, tmp_path / "copies" / str(copy))
    command = [
        sys.executable,
        ROOT / "clever.py",
        "copies",
        "--method",
        "maxsamp",
        "--csv",
        "a.csv",
    ]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert said == "216 scores in a.csv\n"
    assert len(table_files.read(tmp_path / "a.csv")) == 216


def test_parquet_without_its_package_is_told_before_the_fits(attacked_folder, tmp_path):
    with mock.patch.dict("sys.modules", pyarrow=None):
        done = clever(attacked_folder, "--parquet", "scores.parquet", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "clever.py: --parquet: parquet needs pyarrow: pip install pyarrow\n"


def test_abbreviations_of_2018_stay_unambiguous(attacked_folder, tmp_path):
    """--p was --plot_dir before there was --parquet."""
    for abbreviated in ("--p", "--plot"):
        assert clever(attacked_folder, abbreviated, "plots", cwd=tmp_path).returncode == 0
        assert (
            "[Figname] plots/" in clever(attacked_folder, abbreviated, "plots", cwd=tmp_path).stdout
        )


def test_tables_and_logs_give_the_same_means(attacked_folder, tmp_path):
    done = clever(attacked_folder, "--csv", "a.csv", "--json", "a.json", cwd=tmp_path)
    (tmp_path / "a.log").write_text(done.stdout)
    log, csv, json = (
        run_here("process_log.py", f"a.{form}", cwd=tmp_path) for form in ("log", "csv", "json")
    )
    assert csv.stdout == json.stdout
    assert csv.returncode == 0, csv.stderr
    assert latex(csv) == latex(log)
    assert "outside = " in csv.stdout
    both = run_here("process_log.py", "a.log", "a.csv", cwd=tmp_path)
    assert both.stdout.startswith("counted once: 18 bounds of a.log come again later")
    assert latex(both) == latex(csv)


def latex(done):
    return done.stdout.partition("% bounds")[2]


def test_what_is_against_bounds_is_counted_alike(attacked_folder, tmp_path):
    """Scores that no input can have are not counted as outside once more; refuted ones count."""
    for path in attacked_folder.iterdir():
        matfile.add(path, {"farthest_L2": 3.1, "sampled_L2": 3.05})
    done = clever(attacked_folder, "--csv", "a.csv", cwd=tmp_path)
    (tmp_path / "a.log").write_text(done.stdout)
    counted = [
        re.findall(r"bnd_norm = (\w)|(impossible|outside|refuted) = (\d+)", of.stdout)
        for of in (run_here("process_log.py", f"a.{form}", cwd=tmp_path) for form in ("log", "csv"))
    ]
    assert counted[0] == counted[1]
    assert ("", "impossible", "1") in counted[0]
    assert ("", "refuted", "1") in counted[0]


def test_a_log_and_a_table_of_2018_count_once(tmp_path):
    """A log of one experiment tells no settings, of several it does."""
    for places in ([GOLDEN / "l2/mnist_normal"], [GOLDEN / "l1", GOLDEN / "li"]):
        done = clever(*places, "--csv", "a.csv", cwd=tmp_path)
        (tmp_path / "a.log").write_text(done.stdout)
        alone = run_here("process_log.py", "a.csv", cwd=tmp_path)
        both = run_here("process_log.py", "a.log", "a.csv", cwd=tmp_path)
        assert both.stdout.startswith("counted once: ")
        assert lines(both.stdout, "[L0]") == lines(alone.stdout, "[L0]")


def test_a_table_without_files_has_the_names_of_networks(attacked_folder, tmp_path):
    """As clever_scores gives it."""
    clever(attacked_folder, "--csv", "a.csv", cwd=tmp_path)
    text = (tmp_path / "a.csv").read_text().replace(f"{attacked_folder}/", "")
    (tmp_path / "a.csv").write_text(text)
    done = run_here("process_log.py", "a.csv", cwd=tmp_path)
    assert "[L0] model = mnist normal, Nimg = 2" in done.stdout


def test_experiments_of_unequal_settings_are_rows_apart(attacked_folder, tmp_path):
    first = next(attacked_folder.glob("*_least_*"))
    longer = attacked_folder / first.name.replace("1024_50_", "1024_100_")
    longer.write_bytes(first.read_bytes())
    clever(attacked_folder, "--csv", "a.csv", cwd=tmp_path)
    done = run_here("process_log.py", "a.csv", cwd=tmp_path)
    assert "model = mnist normal niters=50, " in done.stdout
    assert "model = mnist normal niters=100, " in done.stdout


def test_a_damaged_table_is_one_line(attacked_folder, tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    done = run_here("process_log.py", "other.csv", cwd=tmp_path)
    said = "process_log.py: other.csv is no table of scores: it lacks the column experiment\n"
    assert (done.returncode, done.stderr) == (2, said)
    clever(attacked_folder, "--csv", "a.csv", cwd=tmp_path)
    text = (tmp_path / "a.csv").read_text()
    (tmp_path / "a.csv").write_text(text.replace("1024_50_0_7_6_least_relu_order1.mat", "x.mat"))
    done = run_here("process_log.py", "a.csv", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("left out a.csv, row 1: its name is not NSAMP_")

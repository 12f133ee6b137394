"""Tables of scores: the printed lines value by value, and files that hold the same frame."""

import json

import numpy as np
import pandas as pd
import pytest

from lipschitz.results import scoring, table_files, tables
from lipschitz.results.scored import Scoring, scored
from lipschitz.support.errors import InputError
from lipschitz.support.text import read_fields
from tests.helpers import lines, run_here

# the columns that hold a field of a printed line
DEBUG = {
    **{"id": "image", "true_label": "true_label", "target_label": "target_label", "info": "kind"},
    **{"nsamps": "N", "niters": "iterations", "bnd_norm": "norm", "bnd": "score", "ks": "ks"},
    **{"pVal": "p_value", "shape": "shape", "loc": "location", "scale": "scale", "g_x0": "g_x0"},
}
INTERVAL = {"low": "low", "high": "high", "level": "level", "bounded": "bounded"}
INTERVAL |= {"bnd": "score", "inside": "inside", "target_label": "target_label"}
ATTACK = {"distance": "distance", "ratio": "ratio", "bnd": "score", "norm": "norm"}


def experiments(folder, **how):
    records = scoring.load(scoring.find_files([folder])).records
    found = scoring.experiments(records)
    return [
        scored(members, heading, Scoring(**how))
        for members, heading in zip(found, scoring.headings(found), strict=True)
    ]


def agrees(value, printed):
    if isinstance(value, float):
        return f"{value:.5g}" == f"{float(printed):.5g}"
    return str(value) == printed


def test_a_row_has_the_values_of_the_printed_lines(attacked_folder, tmp_path):
    done = run_here("clever.py", attacked_folder, "--csv", "scores.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("[STATS][L0]")
    assert done.stderr == "18 scores in scores.csv\n"
    rows = table_files.read(tmp_path / "scores.csv").to_dict("records")
    for kind, columns in {"DEBUG": DEBUG, "INTERVAL": INTERVAL, "ATTACK": ATTACK}.items():
        printed = list(map(read_fields, lines(done.stdout, f"[{kind}][L1]")))
        assert len(printed) == len(rows) == 18
        for row, fields in zip(rows, printed, strict=True):
            assert all(agrees(row[column], fields[name]) for name, column in columns.items())
            if kind == "ATTACK":
                assert row["refuted"] == ("verdict" in fields)
    (signature,) = lines(done.stdout, "[SIGNATURE][L1]")
    assert {row["signature"] for row in rows} == {signature.removeprefix("[SIGNATURE][L1] ")}


def test_a_row_tells_what_the_numbers_come_from(attacked_folder):
    row = tables.frame(experiments(attacked_folder)).iloc[9]
    assert (row.dataset, row.network, row.image) == ("mnist", "normal", 1)
    assert (row.ball, row.radius, row.seed, row.drawn, row.order) == ("l2", 3.0, 1215, 1024, 1)
    assert (row.image_name, row.true_name, row.target_name) == ("dog,1.png", "seven; 7", 'a "1"')
    assert row.network_fingerprint == "0123456789abcdef-fedcba9876543210"
    assert row.file.endswith("/mnist_normal/1024_50_1_2_5_least_relu_order1.mat")


@pytest.mark.parametrize("form", ["csv", "json", pytest.param("parquet", marks=pytest.mark.extra)])
def test_a_file_is_read_back_as_the_same_frame(attacked_folder, tmp_path, form):
    """With infinite distances, text with commas and quotes, and what is not known."""
    first = tables.frame(experiments(attacked_folder))
    first.loc[0, ["drawn", "seed", "inside", "radius"]] = pd.NA
    first.loc[1, "doubts"] = 'two\nlines, "quoted"'
    first.loc[2, "seed"] = 2**63 - 1
    path = tmp_path / f"scores.{form}"
    table_files.write(first, path, form)
    pd.testing.assert_frame_equal(table_files.read(path), first, check_exact=True)
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == [path.name]


def test_json_has_a_schema_and_no_numbers_that_json_lacks(attacked_folder, tmp_path):
    table_files.write(tables.frame(experiments(attacked_folder)), tmp_path / "a.json", "json")
    found = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert (found["format"], found["schema"], len(found["rows"])) == ("clever scores", 1, 18)
    assert {row["distance"] for row in found["rows"]} == {"inf", 20.0, 1.0, 0.5}


def test_files_that_are_no_tables_are_input_errors(attacked_folder, tmp_path):
    contents = {
        "other.csv": (b"a,b\n1,2\n", "it lacks the column experiment"),
        "empty.csv": (b"", "it lacks the column experiment"),
        "heading.csv": (b"a,b\n", "it lacks the column experiment"),
        "longer.csv": (b"a,b\n1,2,3\n", "row 1 has 3 values, the heading 2"),
        "list.json": (b"[1]", "its format is not"),
        "later.json": (b'{"format": "clever scores", "schema": 2}', "its schema is 2"),
        "deep.json": (b"[" * 10**5, "maximum recursion"),
    }
    for name, (content, said) in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name} is no table of scores: .*{said}"):
            table_files.read(tmp_path / name)
    with pytest.raises(InputError, match=r"scores.txt: its ending does not tell .*\.csv, \.json"):
        table_files.read(tmp_path / "scores.txt")
    with pytest.raises(InputError, match=r"absent\.csv does not exist"):
        table_files.read(tmp_path / "absent.csv")
    good = tmp_path / "good.csv"
    table_files.write(tables.frame(experiments(attacked_folder)), good, "csv")
    for old, new, said in ((",True,", ",yes,", "'yes' is neither"), (",1024,", ",many,", "many")):
        (tmp_path / "bad.csv").write_text(good.read_text().replace(old, new))
        with pytest.raises(InputError, match=said):
            table_files.read(tmp_path / "bad.csv")


def test_a_table_has_the_rows_of_several_experiments(attacked_folder, tmp_path):
    first = next(attacked_folder.glob("*_least_*"))
    (attacked_folder / first.name.replace("1024_50_", "1024_100_")).write_bytes(first.read_bytes())
    frame = tables.frame(experiments(attacked_folder))
    counts = frame.groupby("iterations")["experiment"].agg(["nunique", "size"])
    assert counts.to_dict("index") == {
        50: {"nunique": 1, "size": 18},
        100: {"nunique": 1, "size": 3},
    }


def test_without_fits_and_attacks_the_columns_are_empty(attacked_folder):
    frame = tables.frame(experiments(attacked_folder, method="maxsamp"))
    assert frame[["low", "high"]].isna().all(axis=None)
    assert set(frame["p_value"]) == {-1.0}
    assert np.isfinite(frame["score"]).all()


def test_a_table_that_a_spreadsheet_saved_is_read(attacked_folder, tmp_path):
    """With a byte-order mark, and truth in capitals."""
    first = tables.frame(experiments(attacked_folder))
    table_files.write(first, tmp_path / "a.csv", "csv")
    text = (tmp_path / "a.csv").read_text().replace(",True", ",TRUE").replace(",False", ",FALSE")
    (tmp_path / "a.csv").write_text("\ufeff" + text)
    pd.testing.assert_frame_equal(table_files.read(tmp_path / "a.csv"), first)

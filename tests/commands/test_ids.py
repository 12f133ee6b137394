"""collect_gradients.py --ids: files that name no targets."""

import argparse

import pytest

from collect_gradients import ids_file
from lipschitz.support.errors import InputError
from tests.helpers import lines, run_here


def given_options(path, target_type):
    return argparse.Namespace(ids=str(path), firstimg=0, numimg=9, target_type=target_type)


@pytest.fixture
def without_targets(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("id,label\n3,1\n5,2\n")
    return path


def test_images_without_targets_have_the_usual_ones(workplace):
    (workplace / "ids.txt").write_text("id\n5\n7\n")
    options = {"-d": "digits", "-m": "2-layer", "-i": 1, "-b": 32, "-N": 32, "--ids": "ids.txt"}
    arguments = [part for option in options.items() for part in option]
    done = run_here("collect_gradients.py", *arguments, "-n", 2, cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{")
    assert "'target_type': 15" in done.stdout.splitlines()[0]
    assert all(
        line.endswith("info = ['least', 'top2', 'random']")
        for line in lines(done.stdout, "[DATAGEN]")
    )


@pytest.mark.parametrize(("given", "left"), [(15, 7), (9, 1), (24, 16)])
def test_without_a_column_of_targets_8_is_left_out(without_targets, capsys, given, left):
    args = given_options(without_targets, given)
    assert [image.image_id for image in ids_file(args).images] == [3, 5]
    assert args.target_type == left
    said, _ = capsys.readouterr().out.splitlines()
    assert said == (
        f"--ids {without_targets} has no column 'target' (separated by commas; it has 'id', "
        f"'label'): --target_type {given} is taken as {left}"
    )


def test_8_alone_needs_the_column(without_targets):
    with pytest.raises(InputError, match=r"--ids .* has no column 'target' .*--target_type 8"):
        ids_file(given_options(without_targets, 8))


@pytest.mark.parametrize("given", [7, 16])
def test_nothing_is_said_if_8_was_not_asked_for(without_targets, capsys, given):
    args = given_options(without_targets, given)
    ids_file(args)
    assert args.target_type == given
    assert len(capsys.readouterr().out.splitlines()) == 1

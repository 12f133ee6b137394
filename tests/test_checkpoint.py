"""What is kept of an image that is being sampled, and what is not gone on from."""

import errno
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipschitz import checkpoint
from lipschitz.checkpoint import Checkpoint, Progress, Unusable, beside, read, write

SETTINGS = {"seed": 1215, "network": "0123456789abcdef", "radius": 0.1}
FOUND = np.float64(np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32))
TIMES = np.cumsum(np.full((7, 2), 0.1), axis=0)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / ".checkpoint"
    write(path, SETTINGS, FOUND, TIMES)
    return path


def test_numbers_come_back_to_the_bit(path):
    found, times = read(path, SETTINGS, columns=4)
    np.testing.assert_array_equal(found, FOUND)
    np.testing.assert_array_equal(times, TIMES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 7}, "its seed is 1215, now 7"),
        ({"network": "fedcba98"}, "it is of another network (0123456789ab, now fedcba98)"),
        ({"batch_size": 32}, "its batch_size is None, now 32"),
    ],
)
def test_other_settings_are_named(path, change, said):
    with pytest.raises(Unusable) as error:
        read(path, SETTINGS | change, columns=4)
    assert str(error.value) == said


def spoiled(contents):
    text = json.dumps(contents).encode()
    return checkpoint._checksum(text) + b"\n" + text


@pytest.mark.parametrize(
    "contents",
    [
        [],
        {},
        {"settings": SETTINGS, "found": [[1, 2]], "times": [[1, 2]]},
        {"settings": SETTINGS, "found": [[1, 2, 3, 4], [1]], "times": [[1, 2], [1, 2]]},
        {"settings": SETTINGS, "found": [[1, 2, 3, 4]], "times": []},
        {"settings": SETTINGS, "found": [[1, 2, 3, float("nan")]], "times": [[1, 2]]},
        {"settings": SETTINGS, "found": [[1, 2, 3, 10**400]], "times": [[1, 2]]},
        {"settings": SETTINGS, "found": [[1, 2, 3, "x"]], "times": [[1, 2]]},
        {"settings": 3, "found": FOUND.tolist(), "times": TIMES.tolist()},
    ],
)
def test_contents_are_checked(path, contents):
    path.write_bytes(spoiled(contents))
    with pytest.raises(Unusable, match="damaged"):
        read(path, SETTINGS, columns=4)


def test_a_folder_in_its_place_is_unusable(tmp_path):
    with pytest.raises(Unusable):
        read(tmp_path, SETTINGS, columns=4)


def test_brackets_without_end_are_unusable(path):
    text = b"[" * 10**6
    path.write_bytes(checkpoint._checksum(text) + b"\n" + text)
    with pytest.raises(Unusable):
        read(path, SETTINGS, columns=4)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=600, deadline=None, derandomize=True, database=None)
@given(
    st.binary()
    | st.fixed_dictionaries({key: json_values for key in ("settings", "found", "times")})
    | st.fixed_dictionaries(
        {"settings": st.just(SETTINGS), "found": json_values, "times": json_values}
    )
)
def test_whatever_stands_there_is_unusable_and_nothing_worse(tmp_path_factory, contents):
    path = tmp_path_factory.getbasetemp() / "fuzzed.checkpoint"
    path.write_bytes(contents if isinstance(contents, bytes) else spoiled(contents))
    try:
        found, times = read(path, SETTINGS, columns=4)
    except Unusable:
        return
    assert found.shape == (len(times), 4)
    assert np.isfinite(found).all()


def some(iterations):
    progress = Progress()
    for i in range(iterations):
        progress.add(np.add(i, [[0.0] * 4, [0.5] * 4]), ended=i + 1.0, waited=0.25)
    return progress


def test_targets_go_on_from_what_all_of_them_have(tmp_path):
    first, second = files = [tmp_path / "first.mat", tmp_path / "second.mat"]
    Checkpoint(files, SETTINGS).write(some(5))
    Checkpoint([first], SETTINGS).write(some(8))
    progress = Checkpoint(files, SETTINGS).restore(columns=4)
    np.testing.assert_array_equal(progress.found, some(5).found)
    assert progress.ended == [1, 2, 3, 4, 5]
    assert progress.waited == [0.25] * 5
    assert len(Checkpoint([first], SETTINGS).restore(columns=4)) == 8
    alone = Checkpoint([second], SETTINGS).restore(columns=4)  # the first is finished, say
    np.testing.assert_array_equal(alone.found, [found[1:] for found in some(5).found])
    assert len(Checkpoint([*files, tmp_path / "third.mat"], SETTINGS).restore(columns=4)) == 0


def test_it_is_written_when_the_time_has_come_and_removed_at_the_end(tmp_path, monkeypatch):
    file = tmp_path / "file.mat"
    kept = Checkpoint([file, tmp_path / "other.mat"], SETTINGS)
    kept.keep(some(1))
    assert not beside(file).exists()
    monkeypatch.setattr(checkpoint, "INTERVAL", 0)
    kept.keep(some(2))
    assert beside(file).exists()
    assert not file.exists()
    kept.remove()
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_cannot_be_written_is_said_once_and_ends_no_run(
    tmp_path, monkeypatch, capsys
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", ".file.mat.checkpoint")

    monkeypatch.setattr(checkpoint, "write", full)
    kept = Checkpoint([tmp_path / "file.mat"], SETTINGS)
    kept.write(some(1))
    kept.write(some(2))
    said = capsys.readouterr().err
    assert said == (".file.mat.checkpoint: No space left on device: the run goes on without it\n")


def test_a_damaged_one_is_named_and_not_used(tmp_path, capsys):
    file = tmp_path / "file.mat"
    Checkpoint([file], SETTINGS).write(some(3))
    beside(file).write_bytes(beside(file).read_bytes()[:-1])
    assert len(Checkpoint([file], SETTINGS).restore(columns=4)) == 0
    assert capsys.readouterr().err == f"{beside(file)} is not used: it is damaged\n"

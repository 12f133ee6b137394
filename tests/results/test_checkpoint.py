"""The iterations of an image that is being sampled are kept, and resumed from if they can be."""

import contextlib
import errno
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipschitz.results import checkpoint
from lipschitz.results.checkpoint import Checkpoint, Unusable, checkpoint_path, read, write
from lipschitz.results.estimate import Iteration
from lipschitz.support.errors import ImageError, InputError, Interrupted
from tests.fuzz.cases import cases

SETTINGS = {"seed": 1215, "network": "0123456789abcdef", "radius": 0.1, "logit": 16.25}
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
        (
            {"logit": 0.997},
            "it is of another network, of the same weights (largest logit 16.25, now 0.997)",
        ),
    ],
)
def test_other_settings_are_named(path, change, said):
    with pytest.raises(Unusable) as error:
        read(path, SETTINGS | change, columns=4)
    assert str(error.value) == said


def test_a_logit_of_another_device_is_the_same(path):
    read(path, SETTINGS | {"logit": 16.2501}, columns=4)


def spoiled(contents):
    text = json.dumps(contents).encode()
    return checkpoint.checksum(text) + b"\n" + text


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
    path.write_bytes(checkpoint.checksum(text) + b"\n" + text)
    with pytest.raises(Unusable):
        read(path, SETTINGS, columns=4)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@cases(80)
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
    """Iterations of two targets."""
    return [
        Iteration(np.add(i, [[0.0] * 4, [0.5] * 4]), ended=i + 1.0, waited=0.25)
        for i in range(iterations)
    ]


def kept(files, iterations):
    """The checkpoint of these files after so many iterations."""
    checkpoint = Checkpoint(files, SETTINGS, needed=10)
    checkpoint.iterations += some(iterations)
    return checkpoint


def restored(files):
    """The iterations that a run begins with."""
    checkpoint = Checkpoint(files, SETTINGS, needed=10)
    checkpoint.restore(columns=4)
    return checkpoint.iterations


def test_targets_are_resumed_from_what_all_of_them_have(tmp_path):
    first, second = files = [tmp_path / "first.mat", tmp_path / "second.mat"]
    kept(files, 5).write()
    kept([first], 8).write()
    done = restored(files)
    assert [each[1:] for each in done] == [each[1:] for each in some(5)]
    np.testing.assert_array_equal([each.found for each in done], [each.found for each in some(5)])
    assert len(restored([first])) == 8
    (alone, *_) = restored([second])  # the first is finished, say
    np.testing.assert_array_equal(alone.found, some(1)[0].found[1:])
    assert not restored([*files, tmp_path / "third.mat"])


def test_it_is_written_when_the_time_has_come_and_removed_with_each_file(tmp_path, monkeypatch):
    first, second = files = [tmp_path / "first.mat", tmp_path / "second.mat"]
    one, two, three = some(3)
    checkpoint = Checkpoint(files, SETTINGS, needed=10)
    checkpoint.add(one)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("lipschitz.results.checkpoint.INTERVAL", 0)
    checkpoint.add(two)
    assert set(tmp_path.iterdir()) == {checkpoint_path(first), checkpoint_path(second)}
    assert len(restored(files)) == 2
    checkpoint.remove(0)
    checkpoint.add(three)  # as when a signal comes between the two files
    assert list(tmp_path.iterdir()) == [checkpoint_path(second)]


@pytest.mark.parametrize(
    ("error", "left"),
    [(Interrupted(2), True), (OSError(), True), (InputError(), False), (ImageError(), False)],
)
def test_an_end_in_the_middle_leaves_what_is_done(tmp_path, capsys, error, left):
    """But not where the same command would only meet the error again."""
    file = tmp_path / "file.mat"
    with contextlib.suppress(BaseException), kept([file], 3):
        raise error
    assert checkpoint_path(file).exists() == left
    said = "3 of 10 iterations are saved: rerun the same command to resume\n"
    assert capsys.readouterr().err == (said if left else "")


def test_a_checkpoint_that_cannot_be_written_is_said_once_and_ends_no_run(
    tmp_path, monkeypatch, capsys
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", ".file.mat.checkpoint")

    monkeypatch.setattr(checkpoint, "write", full)
    full_disk = kept([tmp_path / "file.mat"], 1)
    full_disk.write()
    full_disk.write()
    said = ".file.mat.checkpoint: No space left on device: the run continues without it\n"
    assert capsys.readouterr().err == said


def test_a_damaged_one_is_named_and_not_used(tmp_path, capsys):
    file = tmp_path / "file.mat"
    kept([file], 3).write()
    checkpoint_path(file).write_bytes(checkpoint_path(file).read_bytes()[:-1])
    assert not restored([file])
    assert capsys.readouterr().err == f"{checkpoint_path(file)} is not used: it is damaged\n"

"""Images sampled one after the other: files that are written, kept, replaced and refused."""

import io
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from lipschitz.data.targets import SelectedImage
from lipschitz.network import Box, Maxima
from lipschitz.results import attack_checkpoint, attacked, checkpoint, matfile
from lipschitz.results.attack_checkpoint import attack_checkpoint_path
from lipschitz.results.checkpoint import checkpoint_path, checksum
from lipschitz.sampling import attack, saved_attack
from lipschitz.sampling.attack import Plan, work
from lipschitz.sampling.experiment import Experiment, sample_image
from lipschitz.sampling.image_attack import Margins, Seen, restored
from lipschitz.sampling.run_files import RunFiles
from lipschitz.sampling.sampler import Sampler
from lipschitz.sampling.saved_attack import SavedAttack
from lipschitz.sampling.tasks import ImageTasks
from lipschitz.settings import Settings
from lipschitz.support.errors import InputError, Interrupted
from tests.helpers import ROOT
from tests.sampling.numpy_network import A, NumPyNetwork

SETTINGS = Settings("own", "tanh", Nsamps=64, Niters=4, batch_size=32)
X_0 = np.zeros(6, np.float32)
FEATURES = Box(np.float32([0, -3, 10, 0, 0, -1]), np.float32([1, 3, 90, 0.1, 7, 1]))
IN_BOX = np.float32([0.5, 1, 50, 0.05, 3, 0.5])


@pytest.fixture(scope="module")
def sampler():
    with Sampler(NumPyNetwork(), 32, nthreads=1) as sampler:
        yield sampler


def tasks(folder, ids=(0,), x_0=X_0):
    """The images of a run; they are all alike, and differ by their samples."""
    chosen = [SelectedImage(i, 0, 0, True, 5.0, [2, 1], ["least", "top2"]) for i in ids]
    images = dict.fromkeys(ids, x_0)
    return ImageTasks(chosen, images, folder, SETTINGS, NumPyNetwork())


def paths(done):
    """The files that a run wrote for an image."""
    return [file.path for file, _ in done.sampled]


def test_what_is_saved_is_what_sampling_an_image_gives(sampler, tmp_path):
    estimates = sample_image(sampler, SETTINGS, X_0, 0, [2, 1], image_id=7)
    (done,) = Experiment(sampler, RunFiles(SETTINGS)).run(tasks(tmp_path, ids=[7]))
    assert [file.target for file, _ in done.sampled] == [2, 1]
    for path, estimate in zip(paths(done), estimates, strict=True):
        contents = loadmat(path, squeeze_me=True)
        np.testing.assert_array_equal(contents["G2_max"], estimate.G2_max)
        assert contents["g_x0"] == estimate.g_x0 == 5
    assert done.seconds > 0
    assert not done.kept + done.lost
    assert sorted(tmp_path.iterdir()) == sorted(paths(done))  # no checkpoint is left


def test_a_file_says_how_far_its_scores_can_reach(sampler, tmp_path):
    """In the box of width 1, around its centre; L2 balls of radius 3 were sampled, of 6 values."""
    list(Experiment(sampler, RunFiles(SETTINGS)).run(tasks(tmp_path)))
    contents = loadmat(next(tmp_path.iterdir()), squeeze_me=True)
    assert [contents[f"farthest_L{p}"] for p in "12i"] == [3, np.sqrt(6 / 4), 0.5]
    assert [contents[f"sampled_L{p}"] for p in "12i"] == [3, 3, 3 / np.sqrt(6)]


def test_a_file_keeps_what_was_suspicious(sampler, tmp_path):
    files = RunFiles(SETTINGS, wrong_images=[3, 8], doubts=["the first", "the second"])
    run = Experiment(sampler, files)
    list(run.run(tasks(tmp_path)))
    record = matfile.load(next(tmp_path.iterdir()))
    assert record.wrong_images == {3, 8}
    assert record.doubts == ("the first", "the second")
    assert record.outputs == "logits"


def test_files_of_another_network_beside_those_of_a_run_are_counted(sampler, tmp_path, monkeypatch):
    monkeypatch.setattr(NumPyNetwork, "fingerprint", "of other weights-of structure")
    list(Experiment(sampler, RunFiles(SETTINGS)).run(tasks(tmp_path, ids=[0, 1])))
    monkeypatch.undo()
    (tmp_path / "64_4_9_0_1_least_relu_order2.mat").touch()  # of another order
    run = Experiment(sampler, RunFiles(SETTINGS))
    ((different, count),) = run.files.others(tmp_path, tasks(tmp_path, ids=[2])).items()
    assert different == "it is of another network (of other wei, now of weights-o)"
    assert count == 4
    list(run.run(tasks(tmp_path / "apart", ids=[0, 1])))
    assert not run.files.others(tmp_path / "apart", tasks(tmp_path / "apart", ids=[2]))


IMAGES = np.random.default_rng(4).uniform(-0.5, 0.5, (50, 6)).astype(np.float32)
STEEP = NumPyNetwork(A, np.float32([0.3, 0, 0]))  # its targets can be reached in the box
SEEN = Seen(IMAGES, STEEP.logits(IMAGES))


@pytest.fixture(scope="module")
def steep():
    with Sampler(STEEP, 32, nthreads=1) as sampler:
        yield sampler


def attacking(sampler, steps=20, save_images=False):
    attack = SavedAttack(STEEP, Plan(steps, 3), SEEN, save_images=save_images)
    return Experiment(sampler, RunFiles(SETTINGS), attack=attack)


def test_each_target_is_attacked_and_its_file_says_how_far_away_it_was_found(steep, tmp_path):
    (done,) = attacking(steep, save_images=True).run(tasks(tmp_path))
    for path, target in zip(paths(done), (2, 1), strict=True):
        found = matfile.attacked(path)
        assert (found.settings["steps"], found.settings["starts"]) == (20, 3)
        assert found.work == work(Plan(20, 3))
        images = np.load(path.with_suffix(".npz"))
        np.testing.assert_array_equal(images["x_0"], X_0)
        for norm, name, order in (("1", "L1", 1), ("2", "L2", 2), ("i", "Linf", np.inf)):
            x = images[name]
            assert found.distances[norm] == np.linalg.norm(x.astype(float) - X_0, order)
            logits = STEEP.logits(x[None])[0]
            assert logits[0] <= logits[target]
            assert found.predicted[norm] == (logits.argmax() == target)
    assert not list(tmp_path.glob(".*"))  # no checkpoint is left


def test_without_an_attack_a_file_has_none(steep, tmp_path):
    (done,) = Experiment(steep, RunFiles(SETTINGS)).run(tasks(tmp_path))
    assert matfile.attacked(paths(done)[0]) is None


def test_a_finished_target_is_attacked_later_with_the_same_result(steep, tmp_path):
    (at_once,) = attacking(steep).run(tasks(tmp_path / "at once"))
    list(Experiment(steep, RunFiles(SETTINGS)).run(tasks(tmp_path / "later")))
    (later,) = attacking(steep).run(tasks(tmp_path / "later"))
    assert (later.sampled, len(later.kept)) == ([], 2)
    for one, other in zip(paths(at_once), later.attacked, strict=True):
        assert matfile.attacked(one) == matfile.attacked(other)
        for key in ("G2_max", "g_x0", "settings"):
            np.testing.assert_array_equal(loadmat(one)[key], loadmat(other)[key])
    (again,) = attacking(steep).run(tasks(tmp_path / "later"))
    assert (len(again.kept), again.attacked) == (2, {})


@pytest.mark.parametrize("steps", [[2, 40], [40, 2]])
def test_of_two_attacks_the_nearer_input_counts_and_is_the_one_that_is_kept(steep, tmp_path, steps):
    (first,) = attacking(steep, steps[0]).run(tasks(tmp_path))
    before = {path: matfile.attacked(path) for path in paths(first)}
    (done,) = attacking(steep, steps[1], save_images=True).run(tasks(tmp_path))
    assert done.attacked.keys() == before.keys()
    for path in paths(first):
        found = matfile.attacked(path)
        assert found.settings["steps"] == 40
        images = attacked.load_images(path, found, X_0)
        for norm, distance in found.distances.items():
            assert distance <= before[path].distances[norm]
            assert norm in images or distance == before[path].distances[norm]


def test_inputs_that_are_kept_stay_those_of_the_file(steep, tmp_path):
    (first,) = attacking(steep, 2, save_images=True).run(tasks(tmp_path))
    list(attacking(steep, 40).run(tasks(tmp_path)))
    for path in paths(first):
        found = matfile.attacked(path)
        assert found.settings["steps"] == 40
        assert attacked.load_images(path, found, X_0).keys() == {"1", "2", "i"}


def test_inputs_of_another_attack_are_found_again(steep, tmp_path):
    (first,) = attacking(steep, save_images=True).run(tasks(tmp_path))
    one, other = paths(first)
    one.with_suffix(".npz").write_bytes(other.with_suffix(".npz").read_bytes())
    other.with_suffix(".npz").write_bytes(b"half")
    (again,) = attacking(steep, save_images=True).run(tasks(tmp_path))
    assert set(again.attacked) == {one, other}
    for path in (one, other):
        assert len(attacked.load_images(path, matfile.attacked(path), X_0)) == 3


@pytest.mark.parametrize("spoiled", [{"attack_L1": -1.0}, {"attack_settings": "no"}])
def test_an_attack_that_cannot_be_read_is_made_again(steep, tmp_path, spoiled):
    (first,) = attacking(steep).run(tasks(tmp_path))
    before = matfile.attacked(paths(first)[0])
    matfile.add(paths(first)[0], spoiled)
    (again,) = attacking(steep).run(tasks(tmp_path))
    assert list(again.attacked) == paths(first)[:1]
    assert matfile.attacked(paths(first)[0]) == before


def test_a_file_that_another_run_replaces_gets_no_attack(steep, tmp_path, monkeypatch, capsys):
    list(Experiment(steep, RunFiles(SETTINGS)).run(tasks(tmp_path)))
    real = saved_attack.results

    def replaced(*arguments):
        for path in tmp_path.glob("*.mat"):
            matfile.add(path, {"settings": "{}"})
        return real(*arguments)

    monkeypatch.setattr(saved_attack, "results", replaced)
    list(attacking(steep).run(tasks(tmp_path)))
    assert capsys.readouterr().err.count("its attack is not added: its ") == 2
    assert all(matfile.attacked(path) is None for path in tmp_path.glob("*.mat"))


def test_an_attack_that_is_ended_goes_on_where_it_was(steep, tmp_path, monkeypatch, capsys):
    (whole,) = attacking(steep).run(tasks(tmp_path / "whole"))
    steps = []

    def interrupted(*arguments):
        for state in attack.search(*arguments):
            steps.append(int(state.step))
            yield state
            if len(steps) == 9:
                raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(saved_attack, "search", interrupted)
    with pytest.raises(Interrupted):
        list(attacking(steep).run(tasks(tmp_path / "ended")))
    (done,) = attacking(steep).run(tasks(tmp_path / "ended"))
    assert steps == [*range(9), *range(9, 21)]
    assert "image 0: attack resumed at step 8" in capsys.readouterr().err
    for one, other in zip(paths(whole), done.attacked, strict=True):
        assert matfile.attacked(one) == matfile.attacked(other)
    assert not list((tmp_path / "ended").glob(".*"))


def test_a_log_tells_how_far_a_long_attack_is(steep, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(attack_checkpoint, "INTERVAL", 0)
    list(attacking(steep).run(tasks(tmp_path)))
    assert "image 0: attack, step 7 of 20\n" in capsys.readouterr().err


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return checksum(file.getvalue()) + b"\n" + file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"half",
        checksum(b"half") + b"\nhalf",
        archive(step=np.array(3)),
        archive(provenance=np.array("{}"), step=np.array(3)),
    ],
)
def test_a_state_that_is_not_of_the_attack_is_named_and_not_used(steep, tmp_path, capsys, content):
    (task,) = tasks(tmp_path)
    path = attack_checkpoint_path(task.files[0].path)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    (done,) = attacking(steep).run([task])
    assert len(done.attacked) == 2
    assert f"{path} is not used: " in capsys.readouterr().err
    assert not path.exists()


def test_a_state_of_another_form_is_not_used():
    margins = Margins(STEEP, X_0, 0, [2, 1])
    (first, *_) = attack.search(*margins, [IMAGES[:0]] * 2, Plan(5, 3))
    arrays = {name: np.asarray(value) for name, value in first._asdict().items()}
    assert restored(arrays, margins, Plan(5, 3)).step == 0
    for other in (
        arrays | {"x": arrays["x"][:1]},
        arrays | {"radii": arrays["radii"].astype(str)},
        {"x": arrays["x"]},
    ):
        assert restored(other, margins, Plan(5, 3)) is None


def test_without_an_attack_its_state_is_removed(steep, tmp_path):
    (first,) = Experiment(steep, RunFiles(SETTINGS)).run(tasks(tmp_path))
    attack_checkpoint_path(paths(first)[0]).write_bytes(b"half")
    list(Experiment(steep, RunFiles(SETTINGS)).run(tasks(tmp_path)))
    assert not list(tmp_path.glob(".*"))


def test_what_is_finished_is_kept(sampler, tmp_path):
    run = Experiment(sampler, RunFiles(SETTINGS))
    first, second = run.run(tasks(tmp_path, ids=[0, 1]))
    second.sampled[0][0].path.unlink()
    again = list(run.run(tasks(tmp_path, ids=[0, 1])))
    assert [file.path for file in again[0].kept] == paths(first)
    assert (again[0].sampled, again[0].seconds) == ([], 0)
    kept, sampled = again[1:]  # kept files are told before the others are sampled
    assert [file.path for file in kept.kept] == paths(second)[1:]
    assert paths(sampled) == paths(second)[:1]


def test_a_file_of_something_else_is_an_error_unless_it_is_to_be_replaced(sampler, tmp_path):
    list(Experiment(sampler, RunFiles(SETTINGS)).run(tasks(tmp_path)))
    other = tasks(tmp_path, x_0=X_0 + np.float32(0.01))
    with pytest.raises(InputError, match="is not what this run would give: it is of another image"):
        RunFiles(SETTINGS).check(other)
    with pytest.raises(InputError, match="it is of another image"):
        list(Experiment(sampler, RunFiles(SETTINGS)).run(other))
    replacing = Experiment(sampler, RunFiles(SETTINGS, overwrite=True))
    replacing.files.check(other)
    (done,) = replacing.run(other)
    assert len(done.sampled) == 2
    RunFiles(SETTINGS).check(other)  # now it is this run's


def test_an_image_is_resumed_from_its_checkpoints_to_the_bit(sampler, tmp_path, monkeypatch):
    (whole,) = Experiment(sampler, RunFiles(SETTINGS)).run(tasks(tmp_path / "whole"))
    measured = []

    class Interrupting(NumPyNetwork):
        def gradient_maxima(self, *args):
            measured.append(args)
            if len(measured) == 6:  # in the middle of the third iteration, of two batches each
                raise Interrupted(2)
            return super().gradient_maxima(*args)

    monkeypatch.setattr(sampler, "network", Interrupting())
    with pytest.raises(Interrupted):
        list(Experiment(sampler, RunFiles(SETTINGS)).run(tasks(tmp_path / "cut")))
    assert not list(tmp_path.glob("cut/**/*.mat"))
    (resumed,) = Experiment(sampler, RunFiles(SETTINGS)).run(tasks(tmp_path / "cut"))
    assert len(measured) == 6 + 4
    for path, expected in zip(paths(resumed), paths(whole), strict=True):
        assert not checkpoint_path(path).exists()
        for key in matfile.GRADIENT_KEYS.values():
            np.testing.assert_array_equal(loadmat(path)[key], loadmat(expected)[key])


def test_a_target_that_is_lost_costs_no_other(sampler, tmp_path, monkeypatch):
    """As if no sample of its second iteration were finite."""
    calls = []

    class Overflowing(NumPyNetwork):
        def gradient_maxima(self, x, *args):
            calls.append(1)
            lost = len(x) if len(calls) in (3, 4) else 0
            return Maxima(super().gradient_maxima(x, *args).largest, np.array([lost, 0]))

    monkeypatch.setattr(sampler, "network", Overflowing())
    (done,) = Experiment(sampler, RunFiles(SETTINGS)).run(tasks(tmp_path))
    assert [file.info for file in done.lost] == ["least"]
    assert [path.exists() for path in paths(done)] == [False, True]


def test_an_image_that_cannot_be_scored_does_not_end_the_run(sampler, tmp_path):
    wrong, right = tasks(tmp_path, ids=[0, 1])
    wrong = replace(wrong, image=replace(wrong.image, true_label=1), files=wrong.files[:1])
    first, second = Experiment(sampler, RunFiles(SETTINGS)).run([wrong, right])
    assert first.lost == wrong.files
    assert "only an image that is classified correctly has a score" in str(first.error)
    assert len(second.sampled) == 2


def test_images_that_are_misclassified_are_no_task(tmp_path):
    """And files are numbered through."""
    targets = {"targets": [2, 1], "info": ["least", "top2"]}
    right = SelectedImage(3, 0, 0, correct=True, largest_logit=5.0, **targets)
    wrong = SelectedImage(4, 1, 0, correct=False, largest_logit=5.0, targets=[], info=[])
    images = dict.fromkeys((3, 4, 5), X_0)
    chosen = [right, wrong, replace(right, image_id=5)]
    found = ImageTasks(chosen, images, tmp_path, SETTINGS, NumPyNetwork())
    assert [task.image.image_id for task in found] == [3, 5]
    files = [file for task in found for file in task.files]
    assert [file.number for file in files] == [0, 1, 2, 3]
    assert files[0].path == tmp_path / "64_4_3_0_2_least_relu_order1.mat"


def test_options_are_kept_in_the_file(sampler, tmp_path):
    options = {"Nsamps": 64, "radius": None}
    (done,) = Experiment(sampler, RunFiles(SETTINGS, options=options)).run(tasks(tmp_path))
    args = loadmat(paths(done)[0])["args"][0, 0]
    assert args["Nsamps"].item() == 64
    assert args["radius"].size == 0


def run_of_its_own(folder):
    """What `test_a_run_that_is_killed_is_resumed` starts; every iteration is checkpointed."""
    checkpoint.INTERVAL = 0
    settings = replace(SETTINGS, Niters=12, radius=0.5, box=FEATURES)
    network = NumPyNetwork(box=FEATURES)
    image = SelectedImage(5, 0, 0, True, 5.0, [2, 1], ["least", "top2"])
    (task,) = ImageTasks([image], {5: IN_BOX}, Path(folder), settings, network)
    with Sampler(network, 32, 1) as sampler:
        if count := os.environ.get("KILL_AFTER"):
            sampler.iterations = killed_after(sampler.iterations, int(count))
        list(Experiment(sampler, RunFiles(settings)).run([task]))


def killed_after(iterations, count):
    """Iterations that end with SIGKILL, which nothing can answer."""

    def call(*args):
        for place, iteration in enumerate(iterations(*args)):
            if place == count:
                os.kill(os.getpid(), signal.SIGKILL)
            yield iteration

    return call


def test_a_run_that_is_killed_is_resumed(tmp_path):
    """In a box of each value."""

    def run(folder, **environment):
        code = "import sys; from tests.sampling.test_experiment import run_of_its_own; "
        code += "run_of_its_own(sys.argv[1])"
        return subprocess.run(
            [sys.executable, "-c", code, folder], cwd=ROOT, env=os.environ | environment
        ).returncode

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    assert run(killed, KILL_AFTER="5") == -signal.SIGKILL
    assert len(list(killed.rglob("*.checkpoint"))) == 2
    assert not list(killed.rglob("*.mat"))
    assert run(killed) == run(whole) == 0
    assert not list(killed.rglob("*.checkpoint"))
    files = sorted(path.relative_to(whole) for path in whole.rglob("*.mat"))
    assert len(files) == 2
    for file in files:
        for key in matfile.GRADIENT_KEYS.values():
            np.testing.assert_array_equal(loadmat(killed / file)[key], loadmat(whole / file)[key])

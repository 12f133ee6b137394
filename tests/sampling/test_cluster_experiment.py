"""A run whose images others sample: files, order and faults are those of a run on one machine."""

import errno
import os
import signal
import weakref
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lipschitz.data.targets import SelectedImage
from lipschitz.network import Maxima
from lipschitz.results import matfile
from lipschitz.results.checkpoint import checkpoint_path
from lipschitz.sampling import cluster_experiment
from lipschitz.sampling.attack import Plan
from lipschitz.sampling.cluster_experiment import MOST_LOSSES, ClusterExperiment
from lipschitz.sampling.experiment import Experiment
from lipschitz.sampling.image_attack import Seen
from lipschitz.sampling.image_job import Attack, Ended, Lost, parts
from lipschitz.sampling.run_files import RunFiles
from lipschitz.sampling.sampler import Sampler
from lipschitz.sampling.saved_attack import SavedAttack
from lipschitz.sampling.tasks import ImageTasks
from lipschitz.settings import Settings
from lipschitz.support.errors import InputError, Interrupted, RunError
from tests.sampling.numpy_network import A, NumPyNetwork
from tests.sampling.same_files import check_same_files, files

SETTINGS = Settings("own", "tanh", Nsamps=64, Niters=4, batch_size=32)
IMAGES = np.random.default_rng(4).uniform(-0.1, 0.1, (20, 6)).astype(np.float32)
NETWORK = NumPyNetwork(A, np.float32([0.7, 0, 0]))  # its targets can be reached in the box
PLAN, SEEN = Plan(20, 3), Seen(IMAGES, NETWORK.logits(IMAGES))
RIGHT = [i for i in range(20) if SEEN.logits[i].argmax() == 0]


class Crew:
    """Workers of this process; the last that has a job gives the next part of it.

    After each iteration a part comes. A worker is lost in place of what it gives next if `loses`
    says so, of its job and the number of parts that it gave.
    """

    def __init__(self, samplers, attack=None, loses=lambda job, given: False):
        self.workers = [
            SimpleNamespace(sampler=sampler, ready=SimpleNamespace(device="NumPy"), given=None)
            for sampler in samplers
        ]
        self.attack, self.loses, self.jobs = attack, loses, []

    @property
    def size(self):
        return len(self.workers)

    @property
    def idle(self):
        return [worker for worker in self.workers if worker.given is None]

    def hire(self, jobs):
        assert jobs > 0

    def hand(self, worker, key, job):
        job = replace(job, x_0=np.array(job.x_0))  # it is sent
        self.jobs.append(replace(job, x_0=None))
        attack = None if self.attack is None else Attack(self.attack.plan, self.attack.seen)
        worker.key, worker.job, worker.given = key, job, 0
        worker.parts = parts(job, worker.sampler, SETTINGS, attack=attack, interval=0)

    def events(self, seconds):
        worker = [worker for worker in self.workers if worker.given is not None][-1]
        if self.loses(worker.job, worker.given):
            event = Lost("it was unplugged")
        else:
            event = next(worker.parts, Ended())
            worker.given += 1
        if isinstance(event, Lost | Ended):
            worker.given = None
        yield worker.key, event


@pytest.fixture(scope="module")
def samplers():
    made = [Sampler(NETWORK, 32, nthreads=1) for _ in range(3)]
    yield made
    for sampler in made:
        sampler.close()


def tasks(folder, ids=RIGHT[:3], images=IMAGES):
    chosen = [SelectedImage(i, 0, 0, True, 5.0, [2, 1], ["least", "top2"]) for i in ids]
    return ImageTasks(chosen, images, folder, SETTINGS, NETWORK)


ATTACK = SavedAttack(NETWORK, PLAN, SEEN)


def on_cluster(samplers, todo, attack=None, **faults):
    """The results of a run on a cluster, and its crew."""
    crew = Crew(samplers, attack, **faults)
    return list(ClusterExperiment(crew, RunFiles(SETTINGS), attack).run(todo)), crew


def on_one_machine(samplers, todo, attack=None):
    return list(Experiment(samplers[0], RunFiles(SETTINGS), attack=attack).run(todo))


def told(results):
    """What is printed of results, but for times and folders."""
    return [
        {
            "image": each.image.image_id,
            "kept": [file.path.name for file in each.kept],
            "attacked": {path.name: found for path, found in each.attacked.items()},
            "sampled": [(file.number, file.path.name, est.g_x0) for file, est in each.sampled],
            "lost": [file.path.name for file in each.lost],
            "error": str(each.error),
        }
        for each in results
    ]


def test_files_and_results_are_those_of_one_machine(samplers, tmp_path):
    here = on_one_machine(samplers, tasks(tmp_path / "one", RIGHT[:5]), ATTACK)
    there, _ = on_cluster(samplers, tasks(tmp_path / "many", RIGHT[:5]), ATTACK)
    assert told(there) == told(here)
    assert all(found.distances["2"] < np.inf for each in here for found in each.attacked.values())
    check_same_files(tmp_path / "many", tmp_path / "one")


@pytest.fixture
def few_ahead(monkeypatch):
    """How many images are handed out before the oldest is done, for each worker."""
    monkeypatch.setattr(cluster_experiment, "AHEAD", 4)
    return 4


def test_results_come_in_the_order_of_the_images_and_wait_for_the_slowest(
    samplers, tmp_path, few_ahead
):
    """Of two workers the second does all that it is given before the first goes on."""
    assert len(RIGHT) > 2 * few_ahead + 1
    results, crew = on_cluster(samplers[:2], tasks(tmp_path, RIGHT))
    assert [job.image_id for job in crew.jobs] == RIGHT
    assert [each.image.image_id for each in results] == RIGHT


def test_images_that_wait_for_the_oldest_are_few(samplers, tmp_path, few_ahead):
    """Also on disk: nothing is sampled that is further ahead."""
    crew = Crew(samplers[:2])
    run = ClusterExperiment(crew, RunFiles(SETTINGS)).run(tasks(tmp_path, RIGHT))
    next(run)
    assert len(crew.jobs) <= 2 * few_ahead + 1
    run.close()


def test_what_is_finished_is_kept(samplers, tmp_path):
    on_one_machine(samplers, tasks(tmp_path))
    first, *_, last = sorted(tmp_path.iterdir())
    for path in (first, last):
        path.unlink()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    results, crew = on_cluster(samplers, tasks(tmp_path))
    assert [len(job.targets) for job in crew.jobs] == [1, 1]
    assert [len(each.kept) for each in results] == [1, 0, 2, 1, 0]  # kept files are told first
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert len(files(tmp_path)) == 6
    again, crew = on_cluster(samplers, tasks(tmp_path))
    assert [len(each.kept) for each in again] == [2, 2, 2]
    assert not crew.jobs


def test_only_files_without_an_attack_are_attacked(samplers, tmp_path):
    on_one_machine(samplers, tasks(tmp_path / "one"), ATTACK)
    on_one_machine(samplers, tasks(tmp_path / "many"))
    on_one_machine(samplers, tasks(tmp_path / "many", RIGHT[:1]), ATTACK)
    results, crew = on_cluster(samplers, tasks(tmp_path / "many"), ATTACK)
    assert [(job.image_id, job.targets, job.to_attack) for job in crew.jobs] == [
        (image_id, [], [2, 1]) for image_id in RIGHT[1:3]
    ]
    assert [len(each.attacked) for each in results] == [0, 2, 2]
    check_same_files(tmp_path / "many", tmp_path / "one")


class Interrupting(NumPyNetwork):
    """Ctrl-C comes while the third iteration, of two batches each, is measured."""

    def __init__(self):
        super().__init__(NETWORK.a, NETWORK.b)
        self.batches = 0

    def gradient_maxima(self, *args):
        self.batches += 1
        if self.batches == 6:
            raise Interrupted(signal.SIGINT)
        return super().gradient_maxima(*args)


def test_a_run_of_one_machine_goes_on_on_a_cluster(samplers, tmp_path):
    on_one_machine(samplers, tasks(tmp_path / "whole"))
    with (
        pytest.raises(Interrupted),
        Sampler(Interrupting(), 32, nthreads=1) as interrupted,
    ):
        on_one_machine([interrupted], tasks(tmp_path / "ended"))
    assert not list((tmp_path / "ended").glob("*.mat"))
    _, crew = on_cluster(samplers, tasks(tmp_path / "ended"))
    assert [len(job.done) for job in crew.jobs] == [2, 0, 0]
    check_same_files(tmp_path / "ended", tmp_path / "whole")


def interrupting(job, given):
    """Ctrl-C comes when the last of three images has begun and given two iterations."""
    if (job.image_id, given) == (RIGHT[2], 3):
        raise Interrupted(signal.SIGINT)


def test_a_run_on_a_cluster_goes_on_on_one_machine(samplers, tmp_path, capsys):
    on_one_machine(samplers, tasks(tmp_path / "whole"))
    with pytest.raises(Interrupted):
        on_cluster(samplers, tasks(tmp_path / "ended"), loses=interrupting)
    said = "iterations of 1 unfinished images are saved: rerun the same command to resume"
    assert said in capsys.readouterr().err
    on_one_machine(samplers, tasks(tmp_path / "ended"))
    assert f"image {RIGHT[2]}: resumed at iteration 2" in capsys.readouterr().err
    check_same_files(tmp_path / "ended", tmp_path / "whole")


def test_iterations_that_came_from_a_lost_worker_are_not_sampled_again(samplers, tmp_path, capsys):
    on_one_machine(samplers, tasks(tmp_path / "whole"))

    def loses(job, given):
        return (job.image_id, given, len(job.done)) == (RIGHT[1], 4, 0)

    _, crew = on_cluster(samplers[:1], tasks(tmp_path / "lost"), loses=loses)
    handed = [(job.image_id, len(job.done)) for job in crew.jobs]
    assert handed == [(RIGHT[0], 0), (RIGHT[1], 0), (RIGHT[1], 3), (RIGHT[2], 0)]
    said = f"image {RIGHT[1]}: its worker is lost: it was unplugged; another goes on at iteration 3"
    assert capsys.readouterr().err == said + "\n"
    check_same_files(tmp_path / "lost", tmp_path / "whole")


def test_an_image_that_costs_worker_after_worker_is_given_up(samplers, tmp_path):
    """By its name, with the iterations that came; the others are done."""

    def loses(job, given):
        return job.image_id == RIGHT[1] and (given == 2 or len(job.done) > 0)

    results, crew = on_cluster(samplers, tasks(tmp_path), loses=loses)
    of_image = [job for job in crew.jobs if job.image_id == RIGHT[1]]
    assert [len(job.done) for job in of_image] == [0, *[1] * (MOST_LOSSES - 1)]
    assert [len(each.lost) for each in results] == [0, 2, 0]
    assert str(results[1].error) == (
        f"image {RIGHT[1]}: its worker is lost: it was unplugged; given up after 3 workers"
    )
    kept = sorted(tmp_path.glob(".*.checkpoint"))
    assert kept == sorted(checkpoint_path(file.path) for file in results[1].lost)
    _, crew = on_cluster(samplers, tasks(tmp_path))
    assert [(job.image_id, len(job.done)) for job in crew.jobs] == [(RIGHT[1], 1)]


def test_a_fault_that_all_images_share_ends_the_run(samplers, tmp_path):
    """A night is not spent on starting workers."""
    with pytest.raises(RunError, match="3 images in a row: no worker can do them"):
        on_cluster(samplers, tasks(tmp_path, RIGHT), loses=lambda job, given: given == 1)


def test_an_image_that_changed_while_it_was_sampled_is_not_saved(samplers, tmp_path):
    """Its maxima are those of other values."""
    images = IMAGES.copy()

    def loses(job, given):
        images[RIGHT[0]] = IMAGES[RIGHT[0]] + (given > 0) * np.float32(0.01)
        return False

    results, _ = on_cluster(samplers[:1], tasks(tmp_path, RIGHT[:1], images), loses=loses)
    assert "has changed since it was sampled" in str(results[0].error)
    assert not list(tmp_path.glob("*.mat"))


def test_losses_that_make_progress_do_not_count(samplers, tmp_path):
    """A worker that lives for an iteration at a time is enough."""
    on_one_machine(samplers, tasks(tmp_path / "whole", RIGHT[:1]))

    def loses(job, given):
        return given == 2 and len(job.done) < 3  # Begun and an iteration

    _, crew = on_cluster(samplers[:1], tasks(tmp_path / "lost", RIGHT[:1]), loses=loses)
    assert [len(job.done) for job in crew.jobs] == [0, 1, 2, 3]
    assert len(crew.jobs) > MOST_LOSSES
    check_same_files(tmp_path / "lost", tmp_path / "whole")


def test_a_worker_that_is_lost_in_an_attack_costs_no_samples(samplers, tmp_path):
    on_one_machine(samplers, tasks(tmp_path / "whole"), ATTACK)

    def loses(job, given):
        return bool(job.targets) and given == 5  # Begun and four iterations

    _, crew = on_cluster(samplers, tasks(tmp_path / "lost"), ATTACK, loses=loses)
    of_image = [job for job in crew.jobs if job.image_id == RIGHT[0]]
    assert [(job.targets, job.to_attack) for job in of_image] == [([2, 1], []), ([], [2, 1])]
    check_same_files(tmp_path / "lost", tmp_path / "whole")


def test_an_image_whose_attack_costs_worker_after_worker_keeps_its_maxima(samplers, tmp_path):
    def loses(job, given):
        return job.image_id == RIGHT[0] and given == (0 if job.to_attack else 5)

    results, _ = on_cluster(samplers, tasks(tmp_path), ATTACK, loses=loses)
    assert [len(each.sampled) for each in results] == [2, 2, 2]
    assert "given up after 3 workers" in str(results[0].error)
    assert not results[0].lost
    results, crew = on_cluster(samplers, tasks(tmp_path), ATTACK, loses=loses)
    assert not any(job.targets for job in crew.jobs)
    assert "given up after 3 workers" in str(results[0].error)  # its files were kept this time


def test_an_image_that_cannot_be_scored_costs_no_other(samplers, tmp_path):
    def todo(folder):
        first, second, third = tasks(folder)
        label = int(SEEN.logits[RIGHT[1]].argmin())
        files = [file for file in second.files if file.target != label]
        wrong = replace(second, image=replace(second.image, true_label=label), files=files)
        return [first, wrong, third]

    here = on_one_machine(samplers, todo(tmp_path / "one"))
    there, _ = on_cluster(samplers, todo(tmp_path / "many"))
    assert told(there) == told(here)
    assert "only an image that is classified correctly has a score" in str(there[1].error)
    check_same_files(tmp_path / "many", tmp_path / "one")


def test_iterations_of_an_image_that_cannot_be_scored_are_not_kept(tmp_path):
    class Overflowing(NumPyNetwork):
        batches = 0

        def gradient_maxima(self, x, *args):
            self.batches += 1
            lost = len(x) if self.batches > 4 else 0  # from the third iteration on
            return Maxima(super().gradient_maxima(x, *args).largest, np.array([lost, lost]))

    with Sampler(Overflowing(NETWORK.a, NETWORK.b), 32, nthreads=1) as sampler:
        (result,), _ = on_cluster([sampler], tasks(tmp_path, RIGHT[:1]))
    assert "iteration 2: no logits or no derivatives" in str(result.error)
    assert len(result.lost) == 2
    assert not files(tmp_path)


def test_a_network_that_cannot_be_used_ends_the_run_and_leaves_what_is_done(samplers, tmp_path):
    class Mixing(NumPyNetwork):
        def logits(self, x):
            return super().logits(x) * len(x)

    with (
        Sampler(Mixing(NETWORK.a, NETWORK.b), 32, nthreads=1) as mixing,
        pytest.raises(InputError, match="another image stands beside it"),
    ):
        on_cluster([mixing, samplers[0]], tasks(tmp_path))
    _, crew = on_cluster(samplers, tasks(tmp_path))
    assert [job.image_id for job in crew.jobs] == RIGHT[:1]


def test_a_full_disk_ends_the_run_and_leaves_the_iterations(samplers, tmp_path, monkeypatch):
    on_one_machine(samplers, tasks(tmp_path / "whole"))
    saved = []

    def full(path, contents):
        if len(saved) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        saved.append(path)
        real(path, contents)

    real = matfile.save
    monkeypatch.setattr(matfile, "save", full)
    with pytest.raises(OSError, match="No space left on device"):
        on_cluster(samplers[:1], tasks(tmp_path / "full"))
    monkeypatch.undo()
    assert sorted((tmp_path / "full").glob("*.mat")) == sorted(saved)
    _, crew = on_cluster(samplers, tasks(tmp_path / "full"))
    assert [(job.targets, len(job.done)) for job in crew.jobs] == [([1], 4), ([2, 1], 0)]
    check_same_files(tmp_path / "full", tmp_path / "whole")


class Counted(np.ndarray):
    """An image that can be told from others while it lives."""


class OnDemand(Mapping):
    """Images that are made when they are asked for; `most` of them lived at a time."""

    def __init__(self, count):
        self.count, self.most, self.read = count, 0, 0
        self.living = set()

    def __getitem__(self, image_id):
        image = IMAGES[RIGHT[0]].copy().view(Counted)
        self.read += 1
        self.living.add(number := self.read)
        weakref.finalize(image, self.living.discard, number)
        self.most = max(self.most, len(self.living))
        return image

    def __iter__(self):
        return iter(range(self.count))

    def __len__(self):
        return self.count


@pytest.mark.parametrize("count", [10, 40])
def test_few_images_are_in_memory_however_many_there_are(samplers, tmp_path, count):
    """Those that are next, and that are saved: workers have their own."""
    images = OnDemand(count)
    for todo in (count // 2, count):  # half of them are kept the second time
        results, _ = on_cluster(samplers, tasks(tmp_path, range(todo), images), ATTACK)
        assert len(results) == todo
    assert images.most <= 3

"""What comes back of an image in parts is what one machine finds in one go."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from lipschitz.network import Box
from lipschitz.sampling.attack import Plan
from lipschitz.sampling.experiment import sample_image
from lipschitz.sampling.image_attack import Margins, Seen, attack_group
from lipschitz.sampling.image_job import Attack, Begun, Failed, GroupAttacked, Job, Sampled, parts
from lipschitz.sampling.sampler import Sampler
from lipschitz.settings import Settings
from lipschitz.support.errors import ImageError, InputError
from tests.sampling.numpy_network import NumPyNetwork

SETTINGS = Settings("own", "tanh", Nsamps=64, Niters=4, batch_size=32)
X_0 = np.zeros(6, np.float32)
JOB = Job(image_id=7, x_0=X_0, true_label=0, targets=[2, 1])
ATTACK = Attack(Plan(20, 3), None)
NEVER, ALWAYS = 1e9, 0.0  # seconds after which iterations come back


@pytest.fixture(scope="module")
def sampler():
    with Sampler(NumPyNetwork(), 32, nthreads=1) as sampler:
        yield sampler


def found(each):
    """The findings of all iterations that came, (iterations, targets, columns)."""
    return np.array([one.found for part in each if isinstance(part, Sampled) for one in part[0]])


@pytest.mark.parametrize(("interval", "count"), [(NEVER, 1), (ALWAYS, 4)])
def test_iterations_come_each_once_and_in_order(sampler, interval, count):
    begun, *sampled = parts(JOB, sampler, SETTINGS, interval=interval)
    assert isinstance(begun, Begun)
    assert begun.image.margins == [5, 5]
    assert begun.image.x_0.size == 0  # who asked has it
    assert len(sampled) == count
    whole = sample_image(sampler, SETTINGS, X_0, 0, [2, 1], image_id=7)
    for target, estimate in enumerate(whole):
        np.testing.assert_array_equal(found(sampled)[:, target, 0], estimate.G2_max)
    ended = [one.ended for part in sampled for one in part.iterations]
    assert all(one < later for one, later in pairwise(ended))


@pytest.mark.parametrize("done", [1, 3, 4])
def test_iterations_that_are_done_are_not_sampled_again(sampler, done):
    _, (whole,) = parts(JOB, sampler, SETTINGS)
    rest = replace(JOB, done=tuple(whole[:done]))
    _, (came,) = parts(rest, sampler, SETTINGS)
    assert len(came) == 4 - done
    np.testing.assert_array_equal(
        np.array([one.found for one in whole[:done] + came]),
        np.array([one.found for one in whole]),
    )


def test_targets_are_attacked_once_they_are_sampled(sampler):
    kinds = [type(part) for part in parts(JOB, sampler, SETTINGS, attack=ATTACK)]
    assert kinds == [Begun, Sampled, GroupAttacked]


def test_finished_targets_are_attacked_without_sampling(sampler):
    job = replace(JOB, targets=[], to_attack=[1])
    (attacked,) = parts(job, sampler, SETTINGS, attack=ATTACK)
    margins = Margins(sampler.network, X_0, 0, [1])
    assert attacked.results == attack_group(margins, ATTACK.seen, ATTACK.plan)


def test_what_large_images_leave_of_memory_is_attacked_target_by_target(sampler, monkeypatch):
    monkeypatch.setattr("lipschitz.sampling.image_attack.LARGEST_GROUP", 1)
    attack = Attack(Plan(20, 3), Seen(X_0[None], sampler.network.logits(X_0[None])))
    job = replace(JOB, targets=[], to_attack=[2, 1])
    each = [part.results for part in parts(job, sampler, SETTINGS, attack=attack)]
    assert [len(results) for results in each] == [1, 1]


def test_an_image_that_cannot_be_scored_is_told(sampler):
    (failed,) = parts(replace(JOB, true_label=1, targets=[0]), sampler, SETTINGS)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ImageError)


def test_a_network_that_mixes_images_is_told():
    class Mixing(NumPyNetwork):
        def logits(self, x):
            return super().logits(x) * len(x)

    (failed,) = parts(JOB, Sampler(Mixing(), 32, nthreads=1), SETTINGS)
    assert isinstance(failed.error, InputError)


def test_other_errors_are_not_the_images(sampler):
    """They say that who works on the job is broken."""
    with pytest.raises(ValueError, match="the settings are for batches of 32 in the box"):
        list(parts(JOB, sampler, replace(SETTINGS, box=Box(0, 1))))

"""Means over images, and scores beside attacks, by hand."""

from dataclasses import replace

import numpy as np

from lipschitz.results import scoring, summary
from lipschitz.results.attacked import Attacked
from lipschitz.results.summary import Pair
from tests.helpers import GOLDEN


def loaded(folder):
    return scoring.load(scoring.find_files([folder])).records


def test_untargeted_takes_the_least_of_each_image():
    files = loaded(GOLDEN / "untargeted/mnist_2-layer")
    assert all(map(scoring.is_untargeted, files))
    scores = scoring.score(files[1:], method="maxsamp")
    (image,) = summary.untargeted(scores)
    assert (image.image_id, image.targets, image.absent) == (0, 8, 1)  # one of 9 is left out
    for norm in "12i":
        assert image.least[norm] == min(each.score for each in scores if each.norm == norm)


def test_untargeted_keeps_images_apart():
    files = loaded(GOLDEN / "untargeted/mnist_2-layer")
    other = [replace(each, name=each.name._replace(image_id=5), g_x0=100.0) for each in files]
    first, second = summary.untargeted(scoring.score(files + other, method="maxsamp"))
    assert (first.image_id, second.image_id) == (0, 5)
    assert first.absent == second.absent == 0
    assert first.least["2"] < second.least["2"]


def test_averages_are_over_finite_scores_of_a_kind_and_a_norm():
    pairs = [
        Pair("top2", "2", 1.0),
        Pair("top2", "2", 4.0),
        Pair("top2", "2", np.inf),
        Pair("top2", "1", 8.0),
        Pair("least", "2", np.inf),
    ]
    assert summary.averages(pairs) == {
        "least": {"2": (np.inf, 1, 1, None)},
        "top2": {"2": (2.5, 3, 1, None), "1": (8.0, 1, 0, None)},
    }
    assert summary.averages(pairs, "min")["top2"]["2"].score == 1
    assert list(summary.averages(pairs)) == ["least", "top2"]


def test_means_of_five_images_or_more_have_an_interval():
    pairs = [Pair("top2", "2", float(score)) for score in range(1, 6)]
    assert summary.averages(pairs[:4])["top2"]["2"].interval is None
    assert summary.averages(pairs, "min")["top2"]["2"].interval is None
    low, high = summary.averages(pairs)["top2"]["2"].interval
    assert 1 < low < 3 < high < 5


def test_scores_are_counted_beside_the_attacks_that_found_an_image():
    pairs = [
        Pair("top2", "2", 1.0, 2.0),
        Pair("top2", "2", 3.0, 2.0),
        Pair("top2", "2", 1.6, 2.0),
        Pair("top2", "2", 1.0, np.inf),
        Pair("top2", "1", 1.0, None),
        Pair("least", "i", 1.0, 0.0),
    ]
    assert summary.attacks(pairs) == {"least": {"i": (1, np.inf, 1)}, "top2": {"2": (3, 0.8, 1)}}


def test_untargeted_scores_stand_beside_the_nearest_attack():
    files = loaded(GOLDEN / "untargeted/mnist_2-layer")
    far, near = (Attacked(dict.fromkeys("12i", d), dict.fromkeys("12i", True)) for d in (3.0, 2.0))
    files = [replace(each, attack=far) for each in files[:-1]] + [replace(files[-1], attack=near)]
    (image,) = summary.untargeted(scoring.score(files, method="maxsamp"))
    assert image.nearest == dict.fromkeys("12i", 2.0)
    (image,) = summary.untargeted(scoring.score(loaded(GOLDEN / "untargeted"), method="maxsamp"))
    assert image.nearest == {}

"""Two experiments compared, by hand and by scipy.stats."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lipschitz.results import scoring
from lipschitz.results.attacked import Attacked
from lipschitz.results.comparison import compare, lines, matrix
from lipschitz.results.scored import Scoring, scored
from lipschitz.support.errors import InputError
from lipschitz.support.text import read_fields
from tests.helpers import GOLDEN

NORMAL = GOLDEN / "l2/mnist_normal"
WITHOUT_FIT = Scoring(method="maxsamp")
FIRST, SECOND = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.5, 2.0, 4.0, 3.0, 7.0, 8.5]


def loaded(folder):
    return scoring.load(scoring.find_files([folder])).records


@pytest.fixture(scope="module")
def a_file():
    return loaded(NORMAL)[0]


@pytest.fixture(scope="module")
def experiment(a_file):
    """An experiment with these scores, of (image, target, kind); they are the same in all norms."""

    def of(scores, heading="", true_label=7, how=WITHOUT_FIT, told=(), **of_file):
        of_name = {key: of_file.pop(key) for key in a_file.name._fields if key in of_file}
        files = [
            replace(
                a_file,
                name=a_file.name._replace(
                    image_id=image,
                    true_label=true_label,
                    target_label=target,
                    info=info,
                    **of_name,
                ),
                g_x0=score if np.isfinite(score) else 1.0,
                maxima={norm: np.full(50, float(np.isfinite(score))) for norm in "12i"},
                provenance={**a_file.provenance, **dict(told)},
                **of_file,
            )
            for (image, target, info), score in scores.items()
        ]
        return scored(files, heading, how)

    return of


def of_images(scores, target=1, info="top2"):
    """The scores of images 0, 1, ..."""
    return {(image, target, info): score for image, score in enumerate(scores)}


def in_l2(compared):
    """The only comparison in the L2 norm."""
    (found,) = [each for each in compared.comparisons if each.norm == "2"]
    return found


def test_an_experiment_does_not_differ_from_itself():
    records = loaded(NORMAL)
    compared = compare(scored(records), scored(records))
    assert [(each.kind, each.norm) for each in compared.comparisons] == [
        (kind, norm) for kind in ("least", "random", "top2") for norm in "12i"
    ]
    for each in compared.comparisons:
        assert (each.difference, each.ratio, each.p_value, each.equal) == (0, 1, 1, 2)
    assert compared.only_first == compared.only_second == compared.other_images == 0
    assert compared.warnings == []


def test_images_are_compared_pair_by_pair(experiment):
    found = in_l2(compare(experiment(of_images(FIRST)), experiment(of_images(SECOND))))
    differences = np.subtract(SECOND, FIRST)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (found.images, found.pairs, found.infinite) == (6, 6, 0)
    assert (found.mean_first, found.mean_second) == pytest.approx((3.5, 26 / 6))
    assert found.difference == pytest.approx(5 / 6)
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.ratio == pytest.approx(np.median(np.divide(SECOND, FIRST)))
    assert (found.higher, found.lower, found.equal) == (4, 1, 1)
    assert found.p_value == pytest.approx(stats.binomtest(4, 5).pvalue)


def test_few_images_have_no_interval(experiment):
    found = compare(experiment(of_images(FIRST[:4])), experiment(of_images(SECOND[:4])))
    assert in_l2(found).interval is None


def test_targets_of_one_image_and_kind_are_averaged_first(experiment):
    """Or many targets of few images would make the interval too narrow."""
    first = {(0, 1, "user"): 1.0, (0, 2, "user"): 3.0, (1, 1, "user"): 4.0}
    second = {(0, 1, "user"): 2.0, (0, 2, "user"): 6.0, (1, 1, "user"): 3.0}
    found = in_l2(compare(experiment(first), experiment(second)))
    assert (found.images, found.pairs) == (2, 3)
    assert (found.mean_first, found.mean_second, found.difference) == (3, 3.5, 0.5)
    assert found.ratio == np.median([4 / 2, 3 / 4])
    assert (found.higher, found.lower) == (1, 1)


def test_pairs_that_the_other_lacks_are_counted(experiment):
    first = experiment(of_images(FIRST) | {(0, 2, "least"): 1.0})
    second = experiment(of_images([*SECOND, 1.0, 1.0]))
    compared = compare(first, second)
    assert (compared.only_first, compared.only_second) == (1, 2)
    assert in_l2(compared).pairs == 6


def test_the_kind_of_a_target_is_that_of_the_first(experiment):
    first = experiment(of_images(FIRST, info="user"), how=replace(WITHOUT_FIT, user_type="next"))
    second = experiment(of_images(SECOND, info="random"))
    assert in_l2(compare(first, second)).kind == "next"
    assert in_l2(compare(second, first)).kind == "random"


def test_one_target_of_two_kinds_is_compared_in_both(experiment):
    """With two classes the runner-up is the least likely one too."""
    both = {(0, 1, "least"): 1.0, (0, 1, "top2"): 1.0}
    compared = compare(experiment(both), experiment(both))
    assert [each.kind for each in compared.comparisons if each.norm == "2"] == ["least", "top2"]
    assert compared.only_first == 0


def test_untargeted_takes_the_least_over_the_targets_that_both_have(experiment):
    how = replace(WITHOUT_FIT, untargeted=True)
    first = {(0, 1, "class1"): 3.0, (0, 2, "class2"): 2.0, (0, 3, "class3"): 1.0}
    second = {(0, 1, "class1"): 4.0, (0, 2, "class2"): np.inf}
    compared = compare(experiment(first, how=how), experiment(second, how=how))
    found = in_l2(compared)
    assert (found.kind, found.images, found.pairs) == ("untargeted", 1, 1)
    assert (found.mean_first, found.mean_second) == (2, 4)
    assert compared.only_first == 1


def test_pairs_with_an_infinite_score_are_left_out_and_counted(experiment):
    infinite = [np.inf, *SECOND[1:]]
    compared = compare(experiment(of_images(FIRST)), experiment(of_images(infinite)))
    found = in_l2(compared)
    assert (found.images, found.pairs, found.infinite) == (5, 5, 1)
    assert found.mean_first == 4
    assert lines(compared)[-1].endswith(", infinite = 1")
    alone = in_l2(compare(experiment(of_images([1.0])), experiment(of_images([np.inf]))))
    assert (alone.images, alone.infinite, alone.p_value) == (0, 1, 1)
    assert np.isnan([alone.mean_first, alone.difference, alone.ratio]).all()


def test_classes_of_imagenet_move_by_one_without_the_background(experiment):
    with_background = {"true_label": 8, "num_labels": 1001}
    without = {"true_label": 7, "num_labels": 1000}
    first = experiment(of_images(FIRST, target=2), **with_background)
    second = experiment(of_images(SECOND, target=1), **without)
    assert in_l2(compare(first, second)).pairs == in_l2(compare(second, first)).pairs == 6
    with pytest.raises(InputError, match="targets differ"):
        compare(first, experiment(of_images(SECOND, target=2), **without))


def test_images_of_another_class_are_no_pair(experiment):
    first, other = experiment(of_images(FIRST)), experiment(of_images(SECOND), true_label=3)
    with pytest.raises(InputError, match="other true labels: is it the same data set"):
        compare(first, other)
    mixed = replace(other, scores=first.scores[:9] + other.scores[9:])
    assert (compare(first, mixed).only_first, compare(first, mixed).only_second) == (3, 3)


def test_other_images_under_the_same_number_are_left_out(experiment):
    """Fingerprints tell it, of networks that get images of one form."""
    form = {"input_shape": (28, 28, 1)}
    first = experiment(of_images(FIRST), told={"image": "a"}, **form)
    other = experiment(of_images(SECOND), told={"image": "b"}, **form)
    with pytest.raises(InputError, match="images of the same number are others"):
        compare(first, other)
    mixed = replace(other, scores=first.scores[:9] + other.scores[9:])
    compared = compare(first, mixed)
    assert (compared.other_images, in_l2(compared).pairs) == (3, 3)
    assert lines(compared)[0].endswith("only in 1: 0, only in 2: 0, of another image: 3")
    for untold in (
        experiment(of_images(SECOND), told={"image": "b"}, input_shape=(784,)),
        experiment(of_images(SECOND), told={"image": "b"}),
        experiment(of_images(SECOND), told={"image": "b", "box": "[0.0, 1.0]"}, **form),
        experiment(of_images(SECOND), **form),
    ):
        assert in_l2(compare(first, untold)).pairs == 6


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"nsamp": 512}, "the N is 1024 and 512: a larger N finds steeper places"),
        ({"niters": 100}, "the number of iterations is 50 and 100: "),
        ({"told": {"drawn": 992}}, "the number of samples is 1024 and 992: "),
        ({"told": {"sample_norm": "li", "radius": 0.1}}, "the ball is l2 and li: "),
        ({"told": {"radius": 2.0}}, "the radius is 3 and 2: "),
        ({"told": {"seed": 7}}, "the seed is 1215 and 7: "),
        ({"told": {"box": "[0.0, 255.0]", "radius": 765.0}}, "the box is [-0.5, 0.5] and [0.0, "),
        ({"input_shape": (32, 32, 3)}, "the number of values in an input is 784 and 3072: "),
        ({"outputs": "sigmoids"}, "the kind of outputs is logits and sigmoids: "),
        ({"dataset": "cifar"}, "the data set is mnist and cifar: "),
        ({"how": Scoring(method="maxsamp", cap=True)}, "scored with cap False and True: "),
    ],
)
def test_what_should_be_alike_and_is_not_is_warned_of(experiment, a_file, other, said):
    form = {"input_shape": (28, 28, 1), "limits": a_file.limits}
    told = {"sample_norm": "l2", "radius": 3.0, "seed": 1215, "drawn": 1024, "box": "[-0.5, 0.5]"}
    first = experiment(of_images(FIRST), told=told, **form)
    of_other = {**form, **other, "told": told | other.get("told", {})}
    if "how" in other:
        of_other["how"] = WITHOUT_FIT
        second = replace(experiment(of_images(SECOND), **of_other), how=other["how"])
    else:
        second = experiment(of_images(SECOND), **of_other)
    compared = compare(first, second)
    (warning,) = compared.warnings
    assert warning.startswith(said)
    assert lines(compared)[1] == f"warning: {warning}"


def test_networks_that_get_as_many_values_are_compared_without_a_word(experiment):
    first, second = (of_images(scores, info="random") for scores in (FIRST, SECOND))
    flat = experiment(first, input_shape=(784,), network="2-layer", activation="tanh")
    assert compare(flat, experiment(second, input_shape=(28, 28, 1))).warnings == []


def test_targets_that_one_of_two_networks_chose_are_warned_of(experiment):
    """A network's runner-up is nearer to it than to others."""
    first, second = (of_images(scores, info="top2") for scores in (FIRST, SECOND))
    (warning,) = compare(experiment(first), experiment(second, network="2-layer")).warnings
    assert warning.startswith("top2 targets are chosen by the logits of one network")
    one, two = ({"network": "a-b"}, {"network": "a-c"})
    assert len(compare(experiment(first, told=one), experiment(second, told=two)).warnings) == 1
    defended = experiment(second, told=one, network="another/place")
    assert compare(experiment(first, told=one), defended).warnings == []


def test_cut_to_as_many_maxima_runs_of_other_lengths_are_alike(experiment):
    how = replace(WITHOUT_FIT, num_samples=50)
    first, second = (experiment(of_images(FIRST), how=how, niters=n) for n in (50, 500))
    assert compare(first, second).warnings == []


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({(0, 3, "top2"): 1.0}, "targets differ: sample the second with the images and targets of"),
        ({(9, 1, "top2"): 1.0}, "they have no image in common: sample the second with the images"),
    ],
)
def test_without_a_pair_it_says_why(experiment, other, said):
    with pytest.raises(InputError, match=said):
        compare(experiment(of_images(FIRST)), experiment(other))


def test_orders_are_not_compared():
    first, second = (scored(loaded(GOLDEN / each)) for each in ("l2/mnist_normal", "order2"))
    with pytest.raises(InputError, match="scores of order 1 and 2 are not compared"):
        compare(first, second)


def test_the_lines(experiment):
    first = experiment(of_images(FIRST), heading="one")
    second = experiment(of_images(SECOND), heading="two\n[COMPARE][L0] info = x")
    heading, *printed = lines(compare(first, second), 3)
    assert heading == (
        "comparing 3 (two\\n[COMPARE][L0] info = x) with 1 (one); pairs only in 1: 0, only in 3: 0"
    )
    assert len(printed) == 3
    assert printed[1].startswith("[COMPARE][L0] info = top2, norm = 2, images = 6, pairs = 6, ")
    fields = read_fields(printed[1].removeprefix("[COMPARE][L0] "))
    assert fields["mean_1"], fields["mean_3"] == ("3.5", "4.3333")
    assert fields["p"] == f"{stats.binomtest(4, 5).pvalue:.5g}"


def test_three_experiments_are_a_table(experiment):
    first, second, third = (
        experiment(of_images(scores), heading=heading)
        for scores, heading in ((FIRST, "one"), (SECOND, "two"), (FIRST[:4], "three"))
    )
    table = matrix([compare(first, second), compare(first, third)])
    half = stats.t.ppf(0.975, 5) * np.std(np.subtract(SECOND, FIRST), ddof=1) / np.sqrt(6)
    interval = f"{5 / 6 - half:.4g} to {5 / 6 + half:.4g}"
    assert table[4:8] == [
        "top2, L2, compared with 1",
        "    images   ratio difference  interval",
        f"  2      6   1.367     0.8333  {interval:24} two",
        "  3      4   1.000          0                           three",
    ]


def test_attacks_on_both_are_counted_beside_the_scores(experiment):
    """Of three pairs one has no attack on the second, and one an attack that needs more."""

    def attacked(scores, distances):
        plain = experiment(of_images(scores))
        files = [
            replace(
                record,
                attack=None
                if distance is None
                else Attacked(dict.fromkeys("12i", distance), dict.fromkeys("12i", True)),
            )
            for record, distance in zip(plain.members, distances, strict=True)
        ]
        return scored(files, "", WITHOUT_FIT)

    first, second = attacked([1, 2, 3], [2, 3, 4]), attacked([2, 3, 4], [None, 3.5, 3.9])
    for found in compare(first, second).comparisons:
        assert (found.higher, found.attacked, found.attack_farther) == (3, 2, 1)


def test_what_rounding_alone_makes_different_is_equal(experiment):
    scores = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    rounded = experiment(of_images([score * (1 + 1e-7) for score in scores]))
    for found in compare(experiment(of_images(scores)), rounded).comparisons:
        assert (found.equal, found.difference, found.ratio, found.p_value) == (6, 0, 1, 1)

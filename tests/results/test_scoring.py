"""From files to scores, against the golden files of 2018 and by hand."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from lipschitz.maths.scores import DUAL_NORM
from lipschitz.maths.weibull import fit
from lipschitz.results import reading, scoring
from lipschitz.results.attacked import Attacked
from lipschitz.settings import Limits
from lipschitz.support.errors import InputError
from tests.helpers import EXPECTED, GOLDEN

NORMAL = GOLDEN / "l2/mnist_normal"


def loaded(folder):
    return scoring.load(scoring.find_files([folder])).records


def numbers(score):
    return score.fit, score.interval, score.merged


@pytest.fixture(scope="module")
def records():
    """Two images with three targets each."""
    return loaded(NORMAL)


def test_files_are_found_below_a_folder_each_once(tmp_path):
    shutil.copytree(NORMAL, tmp_path / "a" / "b")
    (tmp_path / "a" / ".1024_50_9_7_6_least_relu_order1.mat").touch()  # it is being written
    file = next((tmp_path / "a" / "b").glob("*_least_*"))
    assert len(scoring.find_files([tmp_path, tmp_path / "a", file])) == 6
    assert scoring.find_files([file]) == [file]


def test_places_without_files_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist: name the folder that sampling"):
        scoring.find_files([tmp_path / "nowhere"])
    with pytest.raises(InputError, match=r"no \.mat files in .*: sample with collect_gradients"):
        scoring.find_files([tmp_path])


def test_files_of_one_kind_are_chosen_by_their_names(tmp_path):
    shutil.copytree(NORMAL, tmp_path, dirs_exist_ok=True)
    shutil.copytree(GOLDEN / "order2/mnist_normal", tmp_path, dirs_exist_ok=True)
    paths = scoring.find_files([tmp_path])
    assert len(scoring.of_kind(paths, "order", 1)) == 6
    assert len(scoring.of_kind(paths, "activation", "tanh")) == len(paths) - 6
    with pytest.raises(InputError, match="elu: there are files of relu and tanh"):
        scoring.of_kind(paths, "activation", "elu")


def test_what_cannot_be_used_is_counted(tmp_path, capsys):
    shutil.copytree(NORMAL, tmp_path, dirs_exist_ok=True)
    spoiled = tmp_path / "1024_50_0_7_6_least_relu_order1.mat"
    spoiled.write_bytes(b"half")
    found = scoring.load(scoring.find_files([tmp_path]))
    assert (len(found.records), found.unreadable, found.without_slopes) == (5, 1, 0)
    assert f"skipped {spoiled}" in capsys.readouterr().err
    found = scoring.load(scoring.find_files([tmp_path]), slope=True)
    assert (len(found.records), found.unreadable, found.without_slopes) == (0, 1, 5)


def test_many_files_are_read_by_processes_and_what_is_skipped_is_told_in_order(
    tmp_path, capsys, monkeypatch
):
    spoiled = [tmp_path / f"1024_50_{image}_7_6_least_relu_order1.mat" for image in range(200, 500)]
    for path in spoiled:
        path.touch()
    shutil.copytree(NORMAL, tmp_path, dirs_exist_ok=True)
    alone = scoring.load(scoring.find_files([tmp_path])), capsys.readouterr().err
    monkeypatch.setattr(reading, "FEWEST", 2)
    monkeypatch.setattr(reading, "cores", lambda: 2)
    together = scoring.load(scoring.find_files([tmp_path])), capsys.readouterr().err
    assert alone[1] == together[1]
    assert [line.split()[1] for line in together[1].splitlines()] == [
        f"{path}:" for path in spoiled
    ]
    assert [each.name for each in together[0].records] == [each.name for each in alone[0].records]


def test_scores_do_not_depend_on_how_many_are_fitted_together(records, monkeypatch):
    together = scoring.score(records)
    monkeypatch.setattr(scoring, "AT_A_TIME", 4)
    assert [numbers(each) for each in scoring.score(records)] == [
        numbers(each) for each in together
    ]


def test_scores_are_those_of_2018(records):
    found = {
        (score.file.name.image_id, score.file.name.info, score.norm): score.score
        for score in scoring.score(records)
    }
    rows = EXPECTED["l2/mnist_normal"]["rows"]
    assert len(found) == len(rows) == 18
    for row in rows:
        ours = found[row["id"], row["info"], row["bnd_norm"]]
        assert ours == pytest.approx(row["bnd"], rel=6e-3)


@pytest.mark.parametrize("norm", ["1", "2", "i"])
def test_without_a_fit_the_margin_is_divided_by_the_largest_maximum_in_the_dual_norm(records, norm):
    for score in scoring.score(records, method="maxsamp"):
        if score.norm == norm:
            largest = score.file.maxima[DUAL_NORM[norm]].max()
            assert score.score == pytest.approx(score.file.g_x0 / largest, rel=1e-12)
            assert score.fit.end_point == largest


def test_second_order_is_scored_by_its_formula():
    """The root of g - a r - H r^2 / 2."""
    for score in scoring.score(loaded(GOLDEN / "order2/mnist_normal"), method="maxsamp"):
        g, a = score.file.g_x0, score.file.g_x0_grad_2_norm
        largest, r = score.file.maxima["2"].max(), score.score
        assert g - a * r - largest * r**2 / 2 == pytest.approx(0, abs=1e-9 * g)
        assert score.norm == "2"


def test_without_penalty_the_weight_is_0(records):
    plain = scoring.score(records, method="mle")
    assert plain == scoring.score(records, shape_reg=0.0)
    assert plain != scoring.score(records)


def test_files_are_cut_to_their_first_maxima(records):
    record = records[0]
    cut = scoring.first_maxima(record, 30)
    np.testing.assert_array_equal(cut.maxima["2"], record.maxima["2"][:30])
    assert scoring.first_maxima(record, 51) is None


def test_experiments_are_apart_and_in_the_order_of_their_images(records):
    shuffled = [*records[::-1], *loaded(GOLDEN / "l1/mnist_2-layer")]
    first, second = scoring.experiments(shuffled)
    assert {record.path.parent for record in first} == {NORMAL.resolve()}
    names = [(record.name.image_id, record.name.info) for record in first]
    assert names == sorted(names)
    assert {record.path.parent.name for record in second} == {"mnist_2-layer"}


def of(record, **provenance):
    """The record as if it said what it comes from."""
    settings = {"network": "aaaabbbbccccdddd-1111222233334444", "seed": 1215, "logit": 9.5}
    return replace(record, provenance=settings | provenance)


def test_networks_and_settings_that_names_do_not_tell_are_experiments_of_their_own(records):
    one, two, three, four, *of_2018 = records
    other = {"network": "eeeeffff-11112222"}
    files = [of(one), of(two, **other), of(three, image="b", logit=3.0), of(four, seed=7), *of_2018]
    experiments = scoring.experiments(files)
    assert [len(each) for each in experiments] == [2, 1, 1, 2]
    known, another, seed, unknown = scoring.headings(experiments)
    assert known.endswith("order 1, network aaaabbbbcccc-111122223333, seed 1215")
    assert another.endswith("order 1, network eeeeffff-11112222, seed 1215")
    assert seed.endswith("order 1, network aaaabbbbcccc-111122223333, seed 7")
    assert unknown.endswith("order 1, network unknown, seed 1215")


def test_files_of_one_source_need_no_longer_heading(records):
    (experiment,) = scoring.experiments([of(each, logit=9.0) for each in records])
    assert scoring.headings([experiment])[0].endswith("relu, order 1")


def test_a_fingerprint_of_the_weights_alone_is_of_the_same_network(records):
    old, new = of(records[0], network="aaaabbbbccccdddd"), of(records[1])
    assert len(scoring.experiments([old, new])) == len(scoring.experiments([new, old])) == 1


def test_scores_are_compared_with_what_was_sampled_and_what_is_possible(records):
    (plain, *_) = scoring.score(records[:1], method="maxsamp")
    assert not plain.is_outside  # a file of 2018 does not tell
    assert not plain.is_impossible
    for farthest, sampled, expected in [(9, 9, ""), (9, 3, "outside"), (4, 3, "impossible")]:
        limits = Limits(dict.fromkeys("12i", float(farthest)), dict.fromkeys("12i", float(sampled)))
        record = replace(records[0], g_x0=5.0, maxima={p: np.ones(3) for p in "12i"}, limits=limits)
        for score in scoring.score([record], method="maxsamp"):
            assert score.score == 5
            assert score.is_outside == (expected != "")
            assert score.is_impossible == (expected == "impossible")


def test_an_interval_holds_the_score_and_comes_from_the_end_points(records):
    for score in scoring.score(records):
        assert 0 < score.low < score.score < score.high
        assert score.low == pytest.approx(score.file.g_x0 / score.interval.high, rel=1e-12)
    (replaced, *_) = scoring.score([replace(records[0], maxima={p: np.ones(30) for p in "12i"})])
    assert (replaced.low, replaced.high) == (None, None)


def test_an_interval_of_second_order_solves_its_formula_at_both_ends():
    """G - a r - H r^2 / 2 = 0 with the interval's ends for H."""
    for score in scoring.score(loaded(GOLDEN / "order2/mnist_normal")):
        g, a = score.file.g_x0, score.file.g_x0_grad_2_norm
        for r, curvature in [(score.low, score.interval.high), (score.high, score.interval.low)]:
            assert g - a * r - curvature * r**2 / 2 == pytest.approx(0, abs=1e-9 * g)


def test_capped_scores_are_at_most_what_was_sampled(records):
    limits = Limits(dict.fromkeys("12i", 9.0), dict.fromkeys("12i", 2.8))
    with_limits = [replace(record, limits=limits) for record in records]
    capped = scoring.score(with_limits, cap=True)
    for score, before in zip(capped, scoring.score(with_limits), strict=True):
        assert score.score == min(before.score, 2.8)
        assert score.high == min(before.high, 2.8)
        assert score.is_outside == before.is_outside == (before.score > 2.8)
    (steep, *_) = scoring.score([replace(with_limits[0], g_x0=1e4)], cap=True)
    assert (steep.score, steep.is_impossible) == (2.8, True)
    flat = replace(with_limits[0], maxima={p: np.zeros(3) for p in "12i"})
    assert scoring.score([flat], cap=True)[0].score == np.inf  # which says nothing
    with pytest.raises(InputError, match="do not tell how far they sampled"):
        scoring.score(records, cap=True)


def attacked(distance):
    return Attacked(dict.fromkeys("12i", distance), dict.fromkeys("12i", True))


def test_a_score_above_the_distance_of_an_attack_is_refuted(records):
    files = [
        replace(each, g_x0=6.0, maxima={p: np.full(3, 2.0) for p in "12i"}) for each in records
    ]
    for distance, ratio, refuted in [(4, 0.75, False), (2, 1.5, True), (0, np.inf, True)]:
        for score in scoring.score([replace(files[0], attack=attacked(distance))], "maxsamp"):
            assert (score.score, score.ratio, score.is_refuted) == (3, ratio, refuted)
    (score, *_) = scoring.score([replace(files[0], attack=attacked(np.inf))], "maxsamp")
    assert np.isnan(score.ratio)
    assert not score.is_refuted
    (score, *_) = scoring.score(files, "maxsamp")
    assert (score.distance, score.ratio, score.is_refuted) == (None, None, False)


def test_merged_iterations_keep_the_end_point_of_exact_maxima(records):
    """The largest of several Weibull maxima is a Weibull maximum with the same end point."""
    exact = 10 - np.random.default_rng(5).weibull(4, 4000)
    (score, *_) = scoring.score([replace(records[0], maxima=dict.fromkeys("12i", exact))])
    assert score.merged == pytest.approx({2: 10, 4: 10}, rel=0.02)
    assert not score.grows
    few = replace(records[0], maxima=dict.fromkeys("12i", exact[:50]))
    assert scoring.score([few])[0].merged.keys() == {2}  # 12 maxima are too few for a fit


def test_a_constant_that_grows_with_n_beyond_its_interval_is_marked():
    """Of a real pair, whose iterations are merged here by hand."""
    path = next((GOLDEN / "l2/mnist_2-layer").glob("*_4_4_6_*"))
    marked = [each for each in scoring.score(loaded(path)) if each.grows]
    assert [score.norm for score in marked] == ["i"]
    x = marked[0].file.maxima["1"]
    merged = fit([np.maximum(x[::2], x[1::2])])[0].end_point
    assert marked[0].merged[2] == pytest.approx(merged, rel=1e-9)
    assert marked[0].merged[4] > marked[0].interval.high


def test_what_sampling_found_suspicious_is_told_once(records):
    one, two, *others = records
    files = [replace(one, doubts=("a", "b")), replace(two, doubts=("b",)), *others]
    assert scoring.doubts(files) == ["a", "b"]
    softmax = [replace(one, outputs="probabilities"), *files]
    assert scoring.doubts(softmax)[0].startswith("the network's outputs look like probabilities")
    assert scoring.outputs(softmax) == "probabilities"

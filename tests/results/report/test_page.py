"""The page of a report: what it says, that text stays text, and that nothing is asked of others."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from benchmarks import made_up
from lipschitz.network import fingerprint
from lipschitz.results import attacked, comparison, scoring
from lipschitz.results.attacked import Attacked
from lipschitz.results.report import marks, trust
from lipschitz.results.report import page as report
from lipschitz.results.scored import Scoring, scored
from lipschitz.results.signature import signature
from tests.helpers import GOLDEN

HOSTILE = "<script>alert(1)</script>\"'&amp;"
COMPARED = comparison.Comparison(
    *("top2", "2", 6, 6, 0, 1.0, 1.5, 0.5, (0.1, 0.9), 1.5, 5, 1, 0, 0.01, 0, 0)
)
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """What a browser finds in a page, without one."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.headings, self.text, self.alt = [], [], [], "", []
        self.references = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.alt += [found.get("alt", found.get("aria-label"))] if tag in ("img", "svg") else []
        for name in ("href", "src", "aria-labelledby", "for"):
            self.references += [found[name]] if name in found else []
        self.references += re.findall(r"url\((#\w+)\)", " ".join(filter(None, found.values())))

    def handle_data(self, data):
        self.text += f" {data}"


def golden(folder, **how):
    """The scores of an experiment of 2018."""
    files = scoring.load(scoring.find_files([GOLDEN / folder])).records
    return scored(files, how=Scoring(**how))


def with_attack(scores, distance):
    """The experiment as if an attack on each of its files had found this distance, in each norm."""
    found = Attacked(dict.fromkeys("12i", distance), dict.fromkeys("12i", True))
    return scored([replace(each, attack=found) for each in scores.members])


@pytest.fixture(scope="module")
def small():
    """Some made-up images, three targets each."""
    return scored(made_up.records(4))


@pytest.fixture(scope="module")
def page(small):
    return report.page([small])


def test_the_same_scores_give_the_same_page(small, page):
    assert report.page([small]) == page


def test_ids_are_there_once_and_every_reference_has_its_id(page):
    found = Page(page)
    assert len(set(found.ids)) == len(found.ids)
    named = [each.removeprefix("#") for each in found.references if not each.startswith("data:")]
    assert named
    assert set(named) <= set(found.ids)


def test_headings_are_in_order_and_pictures_have_text(small, page):
    for text in (page, report.page([small, golden("order2")])):
        found = Page(text)
        assert found.headings[0] == 1
        assert found.headings.count(1) == 1
        assert max(np.diff(found.headings)) <= 1
        assert all(found.alt)


def test_names_of_files_and_classes_stay_text(small):
    page = report.page([scored(made_up.records(2, names=HOSTILE), HOSTILE)])
    found = Page(page)
    assert found.tags.count("script") == 1
    assert f"{HOSTILE}0.png" in found.text
    assert f"{HOSTILE}dog" in found.text
    assert "<script>alert" not in page


def test_nothing_in_the_page_can_be_loaded_from_elsewhere(page):
    own = re.sub(r"<script>.*</script>", "", page, flags=re.DOTALL)
    assert "http://" not in own
    assert "https://" not in own
    assert "default-src &#39;none&#39;" in page
    assert " style=" not in page  # which its own policy would refuse
    assert " onclick=" not in page


def test_it_says_what_was_scored(small, page):
    text = " ".join(Page(page).text.split())
    for told in ("Network up", "Data set made", "100 iterations of N = 1024", "L2, radius 3"):
        assert told in text
    assert signature(small) in text
    assert "FMN, 42 steps" in text


def test_it_has_a_row_for_each_score(small, page):
    rows = re.search(r'class="wide rows.*?<tbody>(.*?)</table>', page, re.DOTALL)[1]
    assert rows.count("<tr>") == len(small.scores) == 4 * 3 * 3


def test_the_most_fragile_image_is_the_one_that_the_attack_reaches_first(small, page):
    nearest = min((each for each in small.scores if each.norm == "2"), key=lambda s: s.distance)
    card = page[page.index("-fragile", page.index("<main")) :]
    card = card[: card.index("</section>")]
    assert f"<strong>image {nearest.file.name.image_id} " in card
    assert f"<strong>{nearest.distance:.4g}</strong>" in card


def test_refuted_scores_make_the_answer_no():
    for each in trust.by_norm(with_attack(golden("l2/mnist_2-layer"), 1e-6)):
        assert (each.answer, each.refuted) == (trust.NO, each.scores)


def test_an_attack_that_needs_more_than_every_score_leaves_nothing_against_them():
    answers = {
        each.norm: each for each in trust.by_norm(with_attack(golden("l2/mnist_2-layer"), 1e6))
    }
    assert answers["2"].answer == trust.YES
    assert answers["i"].answer == trust.WITH_CARE  # one constant still grows with N
    assert answers["i"].grows == 1


def test_without_an_attack_the_answer_is_not_known():
    for each in trust.by_norm(golden("order2")):
        assert (each.answer, each.attacked) == (trust.UNKNOWN, 0)


def test_scores_that_are_cut_are_not_called_too_large():
    (cut,) = (
        each
        for each in trust.by_norm(scored(made_up.records(40), how=Scoring(cap=True)))
        if each.norm == "1"
    )
    assert cut.outside > 0
    assert "cut to" in replace(cut, refuted=0, grows=0).reason


def test_a_mark_says_what_to_do():
    score = with_attack(golden("l2/mnist_2-layer"), 0.01).scores[0]
    (refuted,) = marks.marks(score)
    assert refuted.word == "REFUTED"
    assert "0.01" in refuted.said
    assert refuted.advice.startswith("Quote the attack’s distance, 0.01")


def test_the_worst_fits_come_first():
    shown = marks.to_look_at(with_attack(golden("l2/mnist_2-layer"), 1.0).scores)
    refuted = [each.is_refuted for each in shown]
    assert refuted == sorted(refuted, reverse=True)
    ratios = [each.ratio for each in shown if each.is_refuted]
    assert ratios == sorted(ratios, reverse=True)
    assert len(marks.to_look_at(shown, most=7)) == 7


def test_an_image_and_what_the_attack_made_of_it_are_shown(small, tmp_path):
    x_0 = np.zeros((4, 4, 1), np.float32)
    moved = x_0.copy()
    moved[0, 0] = 0.25
    found = Attacked(
        dict.fromkeys("12i", 0.25), dict.fromkeys("12i", True), dict.fromkeys("12i", moved)
    )
    first = small.members[0]
    record = replace(
        first,
        path=tmp_path / first.path.name,
        attack=found,
        provenance={**first.provenance, "image": fingerprint([x_0])},
    )
    attacked.save_images(record.path, found, x_0)
    assert "called 1 dog, at 0.25" not in report.page([scored([first])])
    assert "called 1 dog, at 0.25" in report.page([scored([record])])
    other = replace(record, provenance={**first.provenance, "image": "of another"})
    assert "called 1 dog, at 0.25" not in report.page([scored([other])])


def test_two_experiments_are_compared(small):
    twice = scored([replace(each, g_x0=2 * each.g_x0) for each in small.members])
    text = report.page([small, twice], [comparison.compare(small, twice)])
    found = " ".join(Page(text).text.split())
    assert "Experiment 2 against experiment 1" in found
    assert "too few images to tell" in found  # four of them
    assert "Experiment 2:" in found


def test_the_least_score_is_not_called_a_mean(small):
    text = report.page([replace(small, how=Scoring(average="min"))])
    assert "Can the least score be trusted?" in text
    assert "Can the mean" not in text


@pytest.mark.parametrize("folder", ["synthetic", "slope", "untargeted"])
def test_files_of_all_kinds_make_a_page(folder, tmp_path):
    files = scoring.load(scoring.find_files([GOLDEN / folder])).records
    members = scoring.experiments(files)[:3]
    how = Scoring(untargeted=folder == "untargeted")
    report.write(tmp_path / "report.html", [scored(each, "", how) for each in members])
    assert Page((tmp_path / "report.html").read_text()).tags.count("h1") == 1


def test_infinite_scores_make_a_page(small):
    flat = [
        replace(each, maxima=dict.fromkeys(each.maxima, np.zeros(30)), attack=None)
        for each in small.members
    ]
    text = " ".join(Page(report.page([scored(flat)])).text.split())
    assert "All scores are infinite" in text


def test_images_that_an_attack_moves_equally_far_are_not_singled_out():
    tied = with_attack(golden("l2/mnist_2-layer"), 0.1255)
    text = " ".join(Page(report.page([tied])).text.split())
    assert "An attack moves 15 images and targets by 0.1255" in text


def test_most_scores_outside_the_ball_make_the_answer_no():
    files = [
        replace(each, limits=each.limits._replace(sampled=dict.fromkeys("12i", 1e-6)))
        for each in made_up.records(2)
    ]
    for each in trust.by_norm(scored(files)):
        assert each.answer == trust.NO
        assert "6 of 6 scores are larger than the distance that was sampled" in each.reason


def test_a_refuted_score_whose_interval_holds_the_attack_says_so():
    (score, *_) = golden("l2/mnist_2-layer").scores
    inside = (score.low + score.score) / 2
    for distance, said in ((inside, True), (score.low / 2, False)):
        attack = Attacked(dict.fromkeys("12i", distance), dict.fromkeys("12i", True))
        (mark, *_) = marks.marks(replace(score, file=replace(score.file, attack=attack)))
        assert (", though within its interval" in mark.said) == said


def test_a_difference_of_few_images_is_called_perhaps():
    """Six images: one scores far higher, five a little; the sign test cannot tell."""
    half = {"p_value": 0.22, "interval": (0.1, 0.9)}
    assert report._outcome(replace(COMPARED, **half)) == "perhaps scores higher"
    assert report._outcome(replace(COMPARED, **half | {"p_value": 0.03})) == "scores higher"
    assert report._outcome(replace(COMPARED, interval=(-0.9, -0.1))) == "scores lower"
    assert report._outcome(replace(COMPARED, interval=(-0.1, 0.1))) == "is not clearly different"
    assert report._outcome(replace(COMPARED, interval=None)) == "too few images to tell"


def test_an_untargeted_run_is_judged_by_the_scores_that_are_averaged():
    """A score that is refuted, but is not the least of its image, decides nothing."""
    files = golden("untargeted/mnist_2-layer").members
    plain = scored(files, how=Scoring(untargeted=True))
    largest = max(plain.scores, key=lambda score: score.score)
    attacks = {True: 0.9 * largest.score, False: 1e6}
    found = [
        replace(
            each,
            attack=Attacked(
                dict.fromkeys("12i", attacks[each.path == largest.file.path]),
                dict.fromkeys("12i", True),
            ),
        )
        for each in files
    ]
    for each in trust.by_norm(scored(found, how=Scoring(untargeted=True))):
        assert (each.scores, each.refuted) == (1, 0)


def test_files_that_could_not_be_read_are_told(small):
    text = " ".join(Page(report.page([small], unreadable=5)).text.split())
    assert "Warning: 5 files could not be read." in text


def test_names_with_marks_of_mathematics_or_of_a_terminal_make_a_page(small):
    odd = scored(small.members, "a$\\bad{$ \x1b[31m", Scoring())
    assert "\x1b" not in report.page([replace(odd, heading=scoring.headings([small.members])[0])])
    for name in ("$\\bad{$", "$x$"):
        user = [replace(each, name=each.name._replace(info="user")) for each in small.members[:3]]
        assert name in Page(report.page([scored(user, how=Scoring(user_type=name))])).text


def test_maxima_that_are_not_all_or_not_of_gradients_are_told(small):
    for how, said in (
        (Scoring(num_samples=50), "Maxima the first 50 of gradients"),
        (Scoring(use_slope=True), "Maxima of slopes"),
    ):
        text = Page(report.page([replace(small, how=how)])).text
        assert said in " ".join(text.split())

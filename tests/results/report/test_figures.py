"""Figures for papers: which there are, and that they are the same each time."""

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmarks import made_up
from lipschitz.maths.weibull import fit
from lipschitz.results.report import drawing, figures
from lipschitz.results.report.inline_svg import Ids, as_svg
from lipschitz.results.scored import scored


@pytest.fixture(scope="module")
def experiment():
    return scored(made_up.records(2))


@pytest.fixture(scope="module")
def one_file():
    """The scores of a target in three norms."""
    return scored(made_up.records(1)[:1])


@pytest.fixture(scope="module")
def saved(one_file, tmp_path_factory):
    return figures.save([one_file], tmp_path_factory.mktemp("figures"))


def test_each_figure_is_there_as_pdf_and_png(saved):
    names = {path.name for path in saved}
    for figure in ("summary", "scatter_L2", "scatter_L1", "scatter_Linf", "distribution_Linf"):
        assert {f"{figure}.pdf", f"{figure}.png"} <= names
    fits = [name for name in names if name.startswith("fit_")]
    assert len(fits) == 2 * 3
    assert all(re.fullmatch(r"fit_\d+_\d+_[a-z0-9]+_L(1|2|inf)\.(pdf|png)", each) for each in fits)
    assert all(path.is_file() for path in saved)


def test_a_png_is_a_column_wide_at_300_dots_an_inch(saved):
    for path in saved:
        if path.suffix == ".png":
            image = Image.open(path)
            assert image.width == 990
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_the_same_scores_give_the_same_bytes(one_file, saved, tmp_path):
    again = figures.save([one_file], tmp_path)
    assert [path.name for path in again] == [path.name for path in saved]
    for one, two in zip(saved, again, strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_a_pdf_holds_its_fonts_and_no_date(saved):
    (summary,) = (path.read_bytes() for path in saved if path.name == "summary.pdf")
    assert b"/FontFile2" in summary  # TrueType, as publishers ask for
    assert b"/Type3" not in summary
    assert b"CreationDate" not in summary


def test_several_experiments_have_a_folder_each(one_file, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FORMS", (".pdf",))
    paths = figures.save([one_file, one_file], tmp_path)
    assert {path.parent for path in paths} == {tmp_path / "1", tmp_path / "2"}


def test_figures_do_not_depend_on_the_styles_of_the_user(experiment):
    import matplotlib as mpl

    (score, *_), ids = experiment.scores, Ids
    usual = as_svg(drawing.fit(score), "", ids())
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "lines.linewidth": 9}):
        assert as_svg(drawing.fit(score), "", ids()) == usual


def test_a_figure_in_a_page_has_its_colours_and_no_style_of_its_own(experiment):
    svg = as_svg(drawing.fit(experiment.scores[0]), 'a "label"', Ids())
    assert 'aria-label="a &quot;label&quot;"' in svg
    assert "var(--ink)" in svg
    assert "style" not in svg
    assert not re.search(r"#[0-9a-f]{6}", svg)
    assert "largest L∞ norm of the gradient" in svg  # text stays text; the dual norm of L1


def test_many_points_are_one_path(experiment):
    many = scored(made_up.records(30))
    scores = [each for each in many.scores if each.norm == "2"]
    svg = as_svg(drawing.against_attacks(scores), "", Ids())
    paths = re.findall(r'<path d="(M[^"]*)" fill="none" marker-start', svg)
    points = sum(len(each.split("L")) for each in paths)
    refuted = sum(each.is_refuted for each in scores)
    assert points == 90 - (refuted if refuted < 20 else 0)


def test_scores_that_differ_much_have_logarithmic_axes(experiment):
    scores = [each for each in experiment.scores if each.norm == "2"]
    (axes,) = drawing.against_attacks(scores).axes
    assert axes.get_xscale() == "linear"
    far = replace(scores[0], file=replace(scores[0].file, g_x0=1e4))
    (axes,) = drawing.against_attacks([far, *scores[1:]]).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


@pytest.mark.parametrize(
    "maxima",
    [
        np.full(30, 2.0),  # of a linear network
        np.zeros(30),
        np.r_[np.linspace(1, 1 + 1e-9, 29), 1e30],  # quartiles alike, one far away
        np.array([3.0]),
    ],
)
def test_maxima_of_all_kinds_can_be_drawn(experiment, maxima, tmp_path):
    score = experiment.scores[0]
    record = replace(score.file, maxima=dict.fromkeys("12i", maxima))
    (fitted,) = fit([maxima])
    figure = drawing.fit(replace(score, file=record, fit=fitted, interval=None))
    assert drawing.save(figure, tmp_path / "fit.png").stat().st_size > 1000

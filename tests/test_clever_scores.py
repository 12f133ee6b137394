"""One call from a model and images to a table: the scores that the commands give."""

import numpy as np
import pytest

import setup_digits
from clever_scores import clever_scores
from lipschitz.support.errors import InputError
from lipschitz.support.text import read_fields
from lipschitz.tf_backend.runtime import keras
from tests.helpers import lines, run_here

DIGITS = setup_digits.load()
PIXELS = np.rint(255 * (DIGITS.test_data[:4] + 0.5)).astype(np.uint8)
LABELS = DIGITS.test_labels[:4]
SIZES = {"Nsamp": 32, "Niters": 4, "batch_size": 32, "nthreads": 1}


@pytest.fixture(scope="module")
def model(digits_folder):
    """The digits network with a softmax."""
    logits = keras.saving.load_model(digits_folder / "models" / "digits_2layer.keras")
    return keras.Sequential([*logits.layers, keras.layers.Softmax()])


@pytest.fixture(scope="module")
def frame(model):
    return clever_scores(model, PIXELS, LABELS, input_range=(-0.5, 0.5), **SIZES)


def test_scores_are_those_of_the_commands(frame, model, tmp_path):
    model.save(tmp_path / "net.keras")
    np.savez(tmp_path / "digits.npz", x=PIXELS, y=LABELS)
    arguments = "-m net.keras -d digits.npz --input_range -0.5 0.5 -n 4 -N 32 -b 32 -i 4"
    done = run_here("collect_gradients.py", *arguments.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    scored = run_here("clever.py", "lipschitz_mat", cwd=tmp_path).stdout
    printed = {
        (fields["id"], fields["info"], fields["bnd_norm"]): float(fields["bnd"])
        for fields in map(read_fields, lines(scored, "[DEBUG]"))
    }
    ours = {
        (str(row.image), row.kind, row.norm): row.score for row in frame.itertuples(index=False)
    }
    assert ours.keys() == printed.keys()
    for key, score in ours.items():
        assert score == pytest.approx(printed[key], rel=1e-4)
    distances = [float(read_fields(line)["distance"]) for line in lines(scored, "[ATTACK][L1]")]
    assert np.isfinite(distances).all()
    assert sorted(frame.distance) == pytest.approx(sorted(distances), rel=1e-4)


def test_a_score_is_the_margin_over_the_end_point(frame):
    np.testing.assert_allclose(frame.score, frame.g_x0 / frame.end_point)
    assert set(frame.norm) == {"1", "2", "i"}
    assert set(frame.kind) == {"least", "top2", "random"}


def test_images_that_are_classified_wrongly_have_no_rows(model, capsys):
    wrong = np.roll(LABELS, 1, axis=1)
    wrong[0] = LABELS[0]
    few = clever_scores(model, PIXELS, wrong, input_range=(-0.5, 0.5), target_type=1, **SIZES)
    assert set(few.image) == {0}
    assert "3 of 4 images are classified wrongly and have no score" in capsys.readouterr().err


def test_without_labels_predictions_count_as_true(frame, model):
    found = clever_scores(model, PIXELS, input_range=(-0.5, 0.5), **SIZES)
    np.testing.assert_array_equal(found.score, frame.score)


def test_images_of_another_range_are_refused(model):
    with pytest.raises(InputError, match="the images have values from 0 to 255, the network takes"):
        clever_scores(model, PIXELS.astype(np.float32), LABELS, **SIZES)


def test_a_place_is_a_model_too(frame, model, tmp_path):
    model.save(tmp_path / "net.keras")
    found = clever_scores(
        tmp_path / "net.keras", PIXELS[:1], LABELS[:1], input_range=(-0.5, 0.5), **SIZES
    )
    np.testing.assert_array_equal(found.score, frame.score[:9])


def test_another_range_in_which_more_images_are_right_is_named(model, capsys):
    pixels = np.rint(255 * (DIGITS.test_data[:60] + 0.5)).astype(np.uint8)
    clever_scores(model, pixels, DIGITS.test_labels[:60], target_type=1, **SIZES)
    assert "warning: the network is better on values in [-0.5, 0.5]: " in capsys.readouterr().err

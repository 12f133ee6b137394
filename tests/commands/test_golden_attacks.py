"""Scores of the networks of 2018 beside the attacks that they must stay below."""

import re

import pytest

from tests.helpers import lines, run_here

REFUTED = {  # network, activation: pairs of image 0 whose L2 score an attack needs less than
    ("normal", "tanh"): {"top2", "least"},
    ("normal", "relu"): {"top2"},
}


@pytest.mark.slow
@pytest.mark.parametrize(("network", "activation"), REFUTED)
def test_scores_that_an_attack_needs_less_than_are_refuted(
    tmp_path, models_of_2018, mnist_data, network, activation
):
    (tmp_path / "models").symlink_to(models_of_2018)
    options = ["-m", network, "--activation", activation, "--target_type", 5, "-i", 50]
    sampled = run_here("collect_gradients.py", *options, cwd=tmp_path, CLEVER_DATA=str(mnist_data))
    assert sampled.returncode == 0, sampled.stderr
    scored = run_here("clever.py", "lipschitz_mat", cwd=tmp_path)
    of_l2 = [line for line in lines(scored.stdout, "[ATTACK][L1]") if "norm = 2," in line]
    found = {re.search(r"info = (\w+)", line)[1] for line in of_l2 if "REFUTED" in line}
    assert found == REFUTED[network, activation]

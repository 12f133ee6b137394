"""Scores of the networks of 2018 beside the attacks that they must stay below."""

import json
import re

import numpy as np
import pytest

import catalogue
from lipschitz.sampling import attack
from lipschitz.sampling.attack import MOST_STARTS, Plan
from lipschitz.sampling.image_attack import SHARE, Margins, Seen, attack_image
from tests.helpers import SHARED, lines, run_here

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


BEST = {"2-layer": ("mnist_2layer", [6, 8, 3]), "normal": ("mnist (7-layer CNN)", [6, 8, 9])}
ORDERS = {"1": 1, "2": 2, "i": np.inf}
OF_100_ITERATIONS = attack.plan(int(SHARE * 1024 * 100))


@pytest.mark.slow
@pytest.mark.parametrize("network", BEST)
@pytest.mark.parametrize(
    ("plan", "median", "worst"),
    [(Plan(1000, MOST_STARTS), 1.05, 1.25), (OF_100_ITERATIONS, 1.15, 1.6)],
)
def test_distances_are_near_the_best_that_other_attacks_reach(
    monkeypatch, models_of_2018, mnist_data, network, plan, median, worst
):
    """Long runs of DDN, FMN, PGD with bisection and EAD, on image 0."""
    monkeypatch.chdir(models_of_2018.parent)
    monkeypatch.setenv("CLEVER_DATA", str(mnist_data))
    name, targets = BEST[network]
    best = json.loads((SHARED / "golden" / "attacks.json").read_text())[name]
    attacked, x = catalogue.network("mnist", network), catalogue.data_set("mnist").test_data
    seen = Seen(x[:1000], attacked.logits(x[:1000]))
    ratios = []
    for target, found in zip(
        targets, attack_image(Margins(attacked, x[0], 7, targets), seen, plan), strict=True
    ):
        for norm, of_best in (("1", "L1"), ("2", "L2"), ("i", "Linf")):
            ratios.append(found.distances[norm] / best[f"target {target}"]["margin"][of_best])
            image = found.images[norm]
            logits = attacked.logits(image[None])[0]
            assert logits[7] <= logits[target]
            assert np.abs(image).max() <= 0.5
            distance = np.linalg.norm(np.ravel(image - x[0]).astype(float), ORDERS[norm])
            assert found.distances[norm] == pytest.approx(distance, rel=1e-6)
    assert np.median(ratios) <= median
    assert max(ratios) <= worst

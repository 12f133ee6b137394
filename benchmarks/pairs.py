"""A table of scores beside what bounds them: a certificate from below, an attack from above.

    python benchmarks/pairs.py FOLDER... [--certify --dataset NAME]

FOLDER are results of collect_gradients.py. With --certify pairs of the data set's network 2-layer
have a certificate.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import catalogue
from benchmarks.certificate import TwoLayers, certified
from lipschitz.builtin import model_file
from lipschitz.results import scoring
from lipschitz.results.attacked import SHOWN
from lipschitz.results.scoring import Score
from lipschitz.results.tables import REFUTED


def main() -> None:
    """Score, certify where that can be done, print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--certify", action="store_true", help="certify the pairs of 2-layer")
    parser.add_argument("--dataset", default="mnist")
    args = parser.parse_args()
    certify = certificate_of(args.dataset) if args.certify else lambda score: ""
    print("| network | image | classes | norm | certified | score | interval | attack | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for score in scoring.score(scoring.load(scoring.find_files(args.folders)).records):
        print(row(score, certify(score)))


def certificate_of(dataset: str) -> Callable[[Score], str]:
    """What certifies a pair of the data set's 2-layer network, as text; empty for others."""
    architecture = catalogue.architecture(dataset, "2-layer")
    model = model_file.load(model_file.find(architecture.stem), architecture.build)
    images = catalogue.data_set(dataset).test_data
    inner, hidden_bias, outer, bias = (each.astype(float) for each in model.get_weights())
    network = TwoLayers(inner.T, hidden_bias, outer.T, bias)

    def certify(score: Score) -> str:
        name = score.file.name
        if score.file.model != f"{dataset}_2-layer":
            return ""
        x_0 = images[name.image_id].ravel().astype(float)
        return f"{certified(network, x_0, name.true_label, name.target_label, score.norm):.3g}"

    return certify


def row(score: Score, bound: str) -> str:
    """A row of the table."""
    name = score.file.name
    interval = "" if score.interval is None else f"{score.low:.3g} to {score.high:.3g}"
    attack = "" if score.distance is None else f"{score.distance:.3g}"
    return (
        f"| {score.file.model.partition('_')[2]} {name.activation} | {name.image_id} | "
        f"{name.true_label} to {name.target_label} ({name.info}) | {SHOWN[score.norm]} | {bound} | "
        f"{score.score:.3g} | {interval} | {attack} | {REFUTED if score.is_refuted else ''} |"
    )


if __name__ == "__main__":
    main()

"""Train the 7-layer networks."""

import argparse

import catalogue
from lipschitz.errors import run
from lipschitz.training import EPOCHS, Rate, train

RATE = Rate(0.01, decay=1e-6)


def main() -> None:
    """Train each model that is asked for on each data set that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dataset", nargs="+", choices=("mnist", "digits"), default=["mnist"], help="data sets"
    )
    parser.add_argument(
        "--model_name", nargs="+", choices=("normal",), default=["normal"], help="networks"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--overwrite", action="store_true", help="train one that exists again")
    args = parser.parse_args()

    for dataset in args.dataset:
        for model_name in args.model_name:
            architecture = catalogue.architecture(dataset, model_name)
            train(architecture, catalogue.data_set(dataset), RATE, args.epochs, args.overwrite)


if __name__ == "__main__":
    run(main)

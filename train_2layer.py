"""Train the 2-layer network, 1024 hidden units with the activation softplus(10x) / 10."""

import argparse

import catalogue
from lipschitz.errors import run
from lipschitz.training import EPOCHS, Rate, train

RATES = {"mnist": Rate(0.1, decay=1e-3), "digits": Rate(0.1, decay=1e-3)}


def main() -> None:
    """Train for each data set that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dataset", nargs="+", choices=RATES, default=["mnist"], help="data sets to train for"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--overwrite", action="store_true", help="train one that exists again")
    args = parser.parse_args()

    for dataset in args.dataset:
        architecture = catalogue.architecture(dataset, "2-layer")
        data = catalogue.data_set(dataset)
        train(architecture, data, RATES[dataset], args.epochs, args.overwrite)


if __name__ == "__main__":
    run(main)

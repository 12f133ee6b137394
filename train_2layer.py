"""Train the 2-layer network, 1024 hidden units with the activation softplus(10x) / 10."""

import argparse

import catalogue
from lipschitz.builtin.training import EPOCHS, Rate, Recipe, train
from lipschitz.support.command import run

RATES = {
    "mnist": Rate(0.1, decay=1e-3),
    "cifar": Rate(0.2, decay=1e-3),
    "digits": Rate(0.1, decay=1e-3),
}


def main() -> None:
    """Train for each data set that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dataset",
        nargs="+",
        choices=RATES,
        default=["mnist", "cifar"],
        help="data sets (mnist and cifar)",
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--overwrite", action="store_true", help="train one that exists again")
    args = parser.parse_args()

    for dataset in args.dataset:
        recipe = Recipe(RATES[dataset], args.epochs)
        architecture = catalogue.architecture(dataset, "2-layer")
        train(architecture, catalogue.data_set(dataset), recipe, args.overwrite)


if __name__ == "__main__":
    run(main)

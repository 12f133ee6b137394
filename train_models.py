"""Train the 7-layer networks: normal, distilled at temperature 100, and with a bounded ReLU."""

import argparse

import catalogue
from lipschitz.builtin.training import EPOCHS, Rate, Recipe, distil, train
from lipschitz.support.command import run

RATE = Rate(0.01, decay=1e-6)
TRAIN = {"normal": train, "distilled": distil, "brelu": train}


def main() -> None:
    """Train each network that is asked for on each data set that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dataset",
        nargs="+",
        choices=catalogue.TRAINABLE,
        default=["cifar", "mnist"],
        help="data sets (cifar and mnist)",
    )
    parser.add_argument(
        "--model_name", nargs="+", choices=TRAIN, default=list(TRAIN), help="networks (all)"
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--overwrite", action="store_true", help="train one that exists again")
    args = parser.parse_args()

    recipe = Recipe(RATE, args.epochs)
    for dataset in args.dataset:
        data = catalogue.data_set(dataset)
        for model_name in args.model_name:
            architecture = catalogue.architecture(dataset, model_name)
            TRAIN[model_name](architecture, data, recipe, args.overwrite)


if __name__ == "__main__":
    run(main)

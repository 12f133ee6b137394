"""Train the 2-layer network: 1024 hidden units with the activation softplus(10x) / 10.

Reads the images of the data sets; MNIST (data/) and CIFAR-10 (cifar-10-batches-bin/) are downloaded
if they are missing. Writes models/DATASET_2layer.keras.
"""

import catalogue
from lipschitz.builtin import model_file
from lipschitz.builtin.training import EPOCHS, Rate, Recipe, train
from lipschitz.support.command import run
from lipschitz.support.options import Parser, number

RATES = {
    "mnist": Rate(0.1, decay=1e-3),
    "cifar": Rate(0.2, decay=1e-3),
    "digits": Rate(0.1, decay=1e-3),
}


def main() -> None:
    """Train the network on each data set that is asked for."""
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--dataset", nargs="+", choices=RATES, default=["mnist", "cifar"], help="data sets")
    add("--epochs", type=number(1), default=EPOCHS, help="times that all images are seen")
    add("--overwrite", action="store_true", help="train networks again that exist")
    args = parser.parse_args()

    for dataset in args.dataset:
        architecture = catalogue.architecture(dataset, "2-layer")
        if not args.overwrite and (path := model_file.find(architecture.stem)):
            print(f"kept {path} (--overwrite trains it again)")
            continue
        train(architecture, catalogue.data_set(dataset), Recipe(RATES[dataset], args.epochs))


if __name__ == "__main__":
    run(main)

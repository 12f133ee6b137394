"""Train the 2-layer network: 1024 hidden units with the activation softplus(10x) / 10.

Reads the images of the data sets; MNIST (data/) and CIFAR-10 (cifar-10-batches-bin/) are downloaded
if they are missing. Writes models/DATASET_2layer.keras.
"""

import catalogue
from lipschitz.builtin import model_file, training, training_of_2018
from lipschitz.builtin.training import EPOCHS, Rate, Recipe
from lipschitz.settings import SEED
from lipschitz.support.command import run
from lipschitz.support.options import Parser, number

train = training_of_2018.train_two_layer  # as scripts of 2018 import it

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
    add("--seed", type=number(0), default=SEED, help="of weights, dropout and order of images")
    add("--overwrite", action="store_true", help="train networks again that exist")
    args = parser.parse_args()

    for dataset in args.dataset:
        architecture = catalogue.architecture(dataset, "2-layer")
        if not args.overwrite and (path := model_file.find(architecture.stem)):
            print(f"kept {path} (--overwrite trains it again)")
            continue
        recipe = Recipe(RATES[dataset], args.epochs, seed=args.seed)
        training.train(architecture, catalogue.data_set(dataset), recipe)


if __name__ == "__main__":
    run(main)

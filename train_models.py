"""Train the 7-layer networks: normal, distilled at temperature 100, and with a bounded ReLU.

Reads the images of the data sets; MNIST (data/) and CIFAR-10 (cifar-10-batches-bin/) are downloaded
if they are missing. Writes models/DATASET.keras, models/DATASET-distilled-100.keras (and the two
networks that it starts from, _init and _teacher) and models/DATASET_brelu.keras.
"""

import catalogue
from lipschitz.builtin import model_file, training, training_of_2018
from lipschitz.builtin.training import EPOCHS, SEVEN_LAYER_RATE, Recipe
from lipschitz.settings import SEED
from lipschitz.support.command import run
from lipschitz.support.options import Parser, number

train = training_of_2018.train_seven_layer  # as scripts of 2018 import it

TRAIN = {"normal": training.train, "distilled": training.distil, "brelu": training.train}
DATASETS = ["cifar", "mnist"]  # of 2018


def main() -> None:
    """Train each network that is asked for on each data set that is asked for."""
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--dataset", nargs="+", choices=catalogue.TRAINABLE, default=DATASETS, help="data sets")
    add("--model_name", nargs="+", choices=TRAIN, default=list(TRAIN), help="networks")
    add("--epochs", type=number(1), default=EPOCHS, help="times that all images are seen")
    add("--seed", type=number(0), default=SEED, help="of weights, dropout and order of images")
    add("--overwrite", action="store_true", help="train networks again that exist")
    args = parser.parse_args()

    for dataset in args.dataset:
        data = catalogue.data_set(dataset)
        for model_name in args.model_name:
            architecture = catalogue.architecture(dataset, model_name)
            if not args.overwrite and (path := model_file.find(architecture.stem)):
                print(f"kept {path} (--overwrite trains it again)")
                continue
            recipe = Recipe(SEVEN_LAYER_RATE, args.epochs, seed=args.seed)
            TRAIN[model_name](architecture, data, recipe)


if __name__ == "__main__":
    run(main)

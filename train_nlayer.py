"""Train a 7-layer CNN, or an MLP of any depth, with any of the activations."""

import argparse
import math
from pathlib import Path

import catalogue
from lipschitz.builtin import model_file
from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.names import Architecture
from lipschitz.builtin.training import EPOCHS, OPTIMIZERS, Rate, Recipe, learn, save
from lipschitz.support.command import run
from lipschitz.support.errors import InputError

BATCH = 256
RATES = {"sgd": Rate(0.01, decay=1e-5), "adam": Rate(0.001, decay=0.0)}
BY_OPTIMIZER = -1  # value of --lr and --wd that stands for the rate above


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("layer_sizes", nargs="*", type=int, help="hidden units of an MLP's layers: 256 256")
    add("--model", default="mnist", choices=catalogue.TRAINABLE, help="data set")
    add("--modeltype", default="mlp", choices=("mlp", "cnn"))
    add("--activation", default="relu", choices=ACTIVATIONS)
    add("--modelfile", default="", help="where to save; replaces --modelpath and the usual name")
    add("--modelpath", type=Path, default=model_file.MODELS, help="folder to save to (models)")
    add("--lr", type=float, default=BY_OPTIMIZER, help="learning rate (sgd: 0.01, adam: 0.001)")
    add("--wd", type=float, default=BY_OPTIMIZER, help="its decay a step (sgd: 1e-5, adam: 0)")
    add("--epochs", type=int, default=EPOCHS)
    add("--optimizer", default="sgd", choices=OPTIMIZERS)
    add("--overwrite", action="store_true", help="replace a file that exists")
    return parser.parse_intermixed_args()


def main() -> None:
    """Train one network and save it."""
    args = parse()
    recipe = Recipe(rate(args), args.epochs, BATCH, args.optimizer)
    architecture = chosen(args)
    path = model_file.with_extension(
        Path(args.modelfile) if args.modelfile else args.modelpath / architecture.stem
    )
    if path.exists() and not args.overwrite:
        raise InputError(f"{path} exists: --overwrite replaces it")
    data = catalogue.data_set(args.model)
    save(learn(architecture, data, recipe), data, path)


def rate(args: argparse.Namespace) -> Rate:
    """The learning rate that the options ask for."""
    usual = RATES[args.optimizer]
    initial = usual.initial if args.lr == BY_OPTIMIZER else args.lr
    decay = usual.decay if args.wd == BY_OPTIMIZER else args.wd
    if not (0 < initial < math.inf and 0 <= decay < math.inf):
        raise InputError(
            f"--lr {args.lr:g}, --wd {args.wd:g}: give numbers above 0 (--wd 0 or more)"
        )
    return Rate(initial, decay)


def chosen(args: argparse.Namespace) -> Architecture:
    """The network that the options ask for."""
    sizes, family = args.layer_sizes, catalogue.family(args.model)
    if args.modeltype == "cnn":
        if sizes:
            raise InputError(f"layer sizes {sizes} are for --modeltype mlp: the CNN's are fixed")
        return family.cnn(args.activation)
    if not sizes or min(sizes) < 1:
        raise InputError("an MLP needs the sizes of its hidden layers, 1 or more each: 256 256")
    return family.mlp(sizes, args.activation)


if __name__ == "__main__":
    run(main)

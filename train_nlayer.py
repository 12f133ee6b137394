"""Train a 7-layer CNN, or an MLP of any depth, with any of the activations.

Reads the images of the data set; MNIST (data/) and CIFAR-10 (cifar-10-batches-bin/) are downloaded
if they are missing. Writes MODELPATH/DATASET_mlp_Nlayer_ACTIVATION_WIDTH.keras, where N counts the
output layer too and WIDTH is the first layer's, or MODELPATH/DATASET_cnn_7layer_ACTIVATION.keras;
a CNN of other sizes has these at the end of its name.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import catalogue
from lipschitz.builtin import model_file, training_of_2018
from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.model_names import Architecture
from lipschitz.builtin.training import EPOCHS, NLAYER_BATCH, OPTIMIZERS, Rate, Recipe, learn, save
from lipschitz.settings import SEED
from lipschitz.support.command import run
from lipschitz.support.errors import InputError
from lipschitz.support.options import Parser, number

# as scripts of 2018 import them
train = training_of_2018.train_mlp
train_cnn_7layer = training_of_2018.train_cnn_7layer

RATES = {"sgd": Rate(0.01, decay=1e-5), "adam": Rate(0.001, decay=0.0)}
BY_OPTIMIZER = -1  # value of --lr and --wd that stands for the rate above


def parse() -> argparse.Namespace:
    """The command line."""
    parser = Parser(__doc__)
    add = parser.add_argument
    sizes = "units of an MLP's hidden layers, one number for each: 256 256; of a CNN, if not the "
    sizes += "usual ones, the filters of its 4 convolutions and the units of its 2 dense layers"
    add("layer_sizes", nargs="*", type=number(1), help=sizes)
    add("--model", default="mnist", choices=catalogue.TRAINABLE, help="data set")
    add("--modeltype", default="mlp", choices=("mlp", "cnn"), help="kind of network")
    add("--activation", default="relu", choices=ACTIVATIONS, help="of all hidden layers")
    add("--modelfile", default="", help="file to save; replaces --modelpath and the usual name")
    add("--modelpath", type=Path, default=model_file.MODELS, help="folder to save to")
    above_0, from_0 = (number(0, above=above, kind=float) for above in (True, False))
    usual = "; -1: " + ", ".join(f"{name} {rate.initial:g}" for name, rate in RATES.items())
    add("--lr", type=or_usual(above_0), default=BY_OPTIMIZER, help=f"learning rate{usual}")
    usual = "; -1: " + ", ".join(f"{name} {rate.decay:g}" for name, rate in RATES.items())
    decay = "decay of the learning rate per step"
    add("--wd", type=or_usual(from_0), default=BY_OPTIMIZER, help=f"{decay}{usual}")
    add("--epochs", type=number(1), default=EPOCHS, help="times that all images are seen")
    add("--optimizer", default="sgd", choices=OPTIMIZERS, help="with Nesterov momentum if sgd")
    add("--seed", type=number(0), default=SEED, help="of weights, dropout and order of images")
    add("--overwrite", action="store_true", help="replace a file that exists")
    return parser.parse_intermixed_args()


def or_usual(number: Callable[[str], float]) -> Callable[[str], float]:
    """An argparse type: such a number, or -1 for the usual rate of the optimizer."""

    def parse(text: str) -> float:
        return BY_OPTIMIZER if text in ("-1", "-1.0") else number(text)

    return parse


def main() -> None:
    """Train one network and save it."""
    args = parse()
    recipe = Recipe(rate(args), args.epochs, NLAYER_BATCH, args.optimizer, seed=args.seed)
    architecture = chosen(args)
    path = model_file.with_extension(
        Path(args.modelfile) if args.modelfile else args.modelpath / architecture.stem
    )
    if path.exists() and not args.overwrite:
        raise InputError(f"{path} exists: --overwrite replaces it")
    data = catalogue.data_set(args.model)
    save(learn(architecture, data, recipe), data, path)
    if path != model_file.path_to_save(architecture.stem) or has_own_sizes(args):
        print(f"to score it: -d {args.model} -m {path} --input_range -0.5 0.5")


def has_own_sizes(args: argparse.Namespace) -> bool:
    """Whether this is a CNN that no name stands for."""
    usual = catalogue.family(args.model).sizes
    return args.modeltype == "cnn" and tuple(args.layer_sizes) not in ((), usual)


def rate(args: argparse.Namespace) -> Rate:
    """The learning rate that the options ask for."""
    usual = RATES[args.optimizer]
    return Rate(
        usual.initial if args.lr == BY_OPTIMIZER else args.lr,
        usual.decay if args.wd == BY_OPTIMIZER else args.wd,
    )


def chosen(args: argparse.Namespace) -> Architecture:
    """The network that the options ask for."""
    sizes, family = args.layer_sizes, catalogue.family(args.model)
    if args.modeltype == "cnn":
        if sizes and len(sizes) != len(family.sizes):
            usual = " ".join(map(str, family.sizes))
            raise InputError(f"a CNN has 6 layer sizes, not {len(sizes)}: {usual}, say")
        return family.cnn(args.activation, sizes)
    if not sizes:
        raise InputError("an MLP needs the sizes of its hidden layers, 1 or more each: 256 256")
    return family.mlp(sizes, args.activation)


if __name__ == "__main__":
    run(main)

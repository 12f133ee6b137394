"""Gradient sampling: the toolkit against a plain port of the published method, in one run.

    python benchmarks/collect.py [--case NAME ...] [--repeats 5] [--json FILE]

Every repeat times the machine's matrix products, the toolkit and a plain port, one after the other,
in TensorFlow and, if it is installed, with the same weights in PyTorch. Each figure is the median
of the repeats, each ratio the median of the repeats' own ratios. The networks are untrained
(weights do not change the time), but for the second order, where the number of products depends on
them: there one is trained on the UCI digits.
"""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import catalogue
import setup_digits
from benchmarks import figures, machine, plain_draw, plain_port, plain_torch_port
from estimate_gradient_norm import EstimateLipschitz
from lipschitz.builtin import training
from lipschitz.maths.lanczos import MOST_PRODUCTS, RELATIVE_ERROR
from lipschitz.network import Box, Convention, Network
from lipschitz.settings import BATCH_SIZE, IMAGENET_BATCH_SIZE
from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.runtime import keras


@dataclass(frozen=True)
class Case:
    """A network to sample; `iterations` of `batch` samples are one timing."""

    name: str
    build: Callable[[], keras.Model]
    targets: int
    iterations: int
    batch: int = BATCH_SIZE


def imagenet_size() -> keras.Model:
    """ResNet50V2 of keras.applications, untrained, with logits."""
    return keras.applications.ResNet50V2(weights=None, classifier_activation=None)


CASES = [
    Case("MNIST normal, 3 targets", catalogue.architecture("mnist", "normal").build, 3, 4),
    Case("MNIST normal, 9 targets", catalogue.architecture("mnist", "normal").build, 9, 2),
    Case("MNIST 2-layer, 9 targets", catalogue.architecture("mnist", "2-layer").build, 9, 20),
    Case("CIFAR normal, 3 targets", catalogue.architecture("cifar", "normal").build, 3, 1),
    Case("ResNet50V2 224 x 224, 3 targets", imagenet_size, 3, 1, IMAGENET_BATCH_SIZE),
]
SECOND_ORDER = "MNIST normal tanh, second order"
SECOND_ORDER_BATCH = 100


def main() -> None:
    """Run the cases that are asked for; print a table and write the figures."""
    parser = figures.parser(__file__, __doc__)
    parser.add_argument("--case", nargs="*", default=[], help="parts of the names of cases")
    args = parser.parse_args()
    print(machine.describe())
    products = machine.MatrixProducts()
    all_figures = {"machine": machine.describe(), "repeats": args.repeats, "cases": []}
    for case in CASES:
        if chosen(case.name, args.case):
            for found in first_order(case, products, args.repeats):
                all_figures["cases"].append(found)
                print(row(found), flush=True)
    if chosen(SECOND_ORDER, args.case):
        found = second_order(products, args.repeats)
        all_figures["cases"].append(found)
        print(second_order_row(found))
    figures.write(all_figures, args.json)


def chosen(name: str, parts: list[str]) -> bool:
    """Whether a case is asked for."""
    return not parts or any(part.lower() in name.lower() for part in parts)


def first_order(case: Case, products: machine.MatrixProducts, repeats: int) -> list[dict]:
    """For each framework: seconds for 1,024 gradients of a target, shares of the product rate."""
    keras.utils.set_random_seed(1)
    model = case.build()
    network, forward = keras_network(model), operations(model)
    box = network.box
    x_0 = np.random.default_rng(0).uniform(box.lower, box.upper, network.input_shape)
    x_0 = x_0.astype(np.float32)
    true, *targets = map(int, np.argsort(-network.logits(x_0[None])[0])[: case.targets + 1])
    with ExitStack() as stack:
        contestants = {}
        for framework, compared in COMPARED.items():
            own, plain = compared(stack, model, x_0, true, targets[0], case)
            sampler = stack.enter_context(sampler_of(own, case.batch))
            contestants[framework] = sampling(sampler, x_0, true, targets, case), plain
        for sample, plain in contestants.values():
            sample(), plain(1)
        repeated = {framework: [] for framework in contestants}
        gradients = case.batch * forward  # operations of one pass
        passes = (1 + case.targets) / case.targets  # the toolkit's for a target
        for _ in range(repeats):
            for framework, (sample, plain) in contestants.items():
                rate = products.rate()
                start = time.perf_counter()
                waited = sample()
                ours = (time.perf_counter() - start) / case.iterations / case.targets
                theirs = plain(case.iterations) / case.iterations
                repeated[framework].append(
                    {
                        "rate": rate,
                        "toolkit_seconds": ours * BATCH_SIZE / case.batch,
                        "port_seconds": theirs * BATCH_SIZE / case.batch,
                        "ratio": theirs / ours,
                        "toolkit_share": passes * gradients / ours / rate,
                        "port_share": 2 * gradients / theirs / rate,
                        "waited": waited,
                    }
                )
    return [
        {"name": case.name, "framework": framework, "operations": forward} | medians(figures)
        for framework, figures in repeated.items()
    ]


Seconds = Callable[[int], float]  # that so many iterations take


def tensorflow_and_plain_port(
    stack: ExitStack, model: keras.Model, x_0: np.ndarray, true: int, target: int, case: Case
) -> tuple[Network, Seconds]:
    """The network of TensorFlow, and the plain port of the method."""
    network = keras_network(model)
    iteration = plain_port.gradient_maxima(network.predict, x_0, true, target, case.batch)

    def seconds(iterations: int) -> float:
        start = time.perf_counter()
        for _ in range(iterations):
            iteration()
        return time.perf_counter() - start

    return network, seconds


def pytorch_and_plain_loop(
    stack: ExitStack, model: keras.Model, x_0: np.ndarray, true: int, target: int, case: Case
) -> tuple[Network, Seconds]:
    """The same network of PyTorch, and a plain loop, whose process the stack ends."""
    from lipschitz.torch_backend.network import module_network
    from tests.keras_twin import twin

    module = twin(model)
    process = stack.enter_context(plain_torch_port.process(module, x_0, true, target, case.batch))
    network = module_network(module, Convention(Box()), x_0.shape)
    return network, lambda iterations: process.submit(plain_torch_port.seconds, iterations).result()


COMPARED = {"TensorFlow": tensorflow_and_plain_port}
if find_spec("torch"):
    COMPARED["PyTorch"] = pytorch_and_plain_loop


def second_order(products: machine.MatrixProducts, repeats: int) -> dict:
    """Samples a second and Hessian-vector products a sample, of both."""
    architecture = setup_digits.FAMILY.cnn("tanh")
    recipe = training.Recipe(training.Rate(1e-3, 0), epochs=10, optimizer="adam")
    data = setup_digits.load()
    network = keras_network(training.learn(architecture, data, recipe))
    x_0, batch = data.test_data[0], SECOND_ORDER_BATCH
    logits = network.logits(x_0[None])[0]
    true, target = (int(label) for label in np.argsort(-logits)[:2])
    plain = plain_port.smallest_eigenvalues(
        network.predict, true, target, RELATIVE_ERROR, 10 * MOST_PRODUCTS
    )
    images = plain_draw.draw(np.random.RandomState(1), x_0, batch)
    plain(images[:2])

    repeated = []
    with sampler_of(network, batch, order=2) as sampler:

        def sample() -> float:
            estimate = sampler.estimate(x_0, true, target, batch, 2, order=2)
            return estimate.products / (2 * batch)

        sample()
        for _ in range(repeats):
            rate = products.rate()
            start = time.perf_counter()
            spent = sample()
            ours = 2 * batch / (time.perf_counter() - start)
            start = time.perf_counter()
            _, port_spent = plain(images)
            theirs = batch / (time.perf_counter() - start)
            repeated.append(
                {
                    "rate": rate,
                    "toolkit_samples": ours,
                    "port_samples": theirs,
                    "ratio": ours / theirs,
                    "toolkit_products": spent,
                    "port_products": port_spent / batch,
                }
            )
    return {"name": SECOND_ORDER, "framework": "TensorFlow"} | medians(repeated)


def sampler_of(network: Network, batch: int, order: int = 1) -> EstimateLipschitz:
    """A sampler for a network of any data set."""
    sampler = EstimateLipschitz()
    sampler.load_model("digits", model=network, batch_size=batch, order=order)
    return sampler


def sampling(
    sampler: EstimateLipschitz, x_0: np.ndarray, true: int, targets: list[int], case: Case
) -> Callable[[], float]:
    """A function that samples all targets; it returns the share of time spent waiting."""

    def sample() -> float:
        first, *_ = sampler.estimate(x_0, true, targets, case.batch, case.iterations)
        return first.overhead.sum() / first.time[-1]

    return sample


def operations(model: keras.Model) -> int:
    """Floating-point operations of one image's forward pass, in convolutions and dense layers."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            positions = np.prod(layer.output.shape[1:-1], dtype=int)
            total += 2 * int(positions * np.prod(layer.kernel.shape))
    return total


def medians(repeated: list[dict]) -> dict:
    """The median of each figure over the repeats."""
    return {key: float(np.median([each[key] for each in repeated])) for key in repeated[0]}


def row(found: dict) -> str:
    """A case as a line of the table."""
    return (
        f"{found['name']:32} {found['framework']:10}  "
        f"toolkit {found['toolkit_seconds'] * 1e3:8.1f} ms, "
        f"port {found['port_seconds'] * 1e3:8.1f} ms per 1,024 gradients of a target: "
        f"{found['ratio']:5.2f} times; share of {found['rate'] / 1e9:.0f} GFLOP/s: "
        f"{found['toolkit_share']:.0%}, port {found['port_share']:.0%}; "
        f"waited {found['waited']:.1%}"
    )


def second_order_row(found: dict) -> str:
    """The second order as a line of the table."""
    return (
        f"{found['name']:32} {found['framework']:10}  "
        f"toolkit {found['toolkit_samples']:.0f}, power iteration "
        f"{found['port_samples']:.0f} samples a second: {found['ratio']:.2f} times; "
        f"products a sample: {found['toolkit_products']:.1f}, {found['port_products']:.1f}"
    )


if __name__ == "__main__":
    main()

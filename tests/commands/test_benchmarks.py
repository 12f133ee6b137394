"""The benchmarks run, and what the toolkit is measured against finds the same."""

import json

import numpy as np
import pytest

from benchmarks import fit as fit_benchmark
from benchmarks import plain_draw, plain_port
from benchmarks.certificate import TwoLayers, certified, softplus
from lipschitz.builtin.architectures import two_layer
from lipschitz.network import margin_weights
from lipschitz.sampling.curvature import hessian_extremes
from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.runtime import tf
from tests.helpers import run

X_0 = np.random.default_rng(1).uniform(-0.5, 0.5, (28, 28, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    tf.keras.utils.set_random_seed(3)
    return keras_network(two_layer(28, 1))


def test_the_plain_port_finds_the_same_gradients(network):
    x = plain_draw.draw(np.random.RandomState(1215), X_0, 40)
    ((l2, l1, linf),) = network.gradient_maxima(x, margin_weights(10, 3, [5])).largest
    found = plain_port.gradient_maxima(network.predict, X_0, 3, 5, 40)()
    np.testing.assert_allclose(found, [l1, l2, linf], rtol=1e-5)


def test_the_power_iteration_finds_the_same_curvature(network):
    x = plain_draw.draw(np.random.RandomState(2), X_0, 3)
    eigenvalues, _ = plain_port.smallest_eigenvalues(network.predict, 3, 5, 1e-3, 1000)(x)
    (extreme,) = hessian_extremes(network, x, margin_weights(10, 3, [5])).eigenvalue
    assert extreme == pytest.approx(eigenvalues[np.abs(eigenvalues).argmax()], rel=1e-3)


def two_layers(bias):
    """A network of 6 inputs, 8 hidden units, 3 classes."""
    rng = np.random.default_rng(3)
    return TwoLayers(rng.normal(size=(8, 6)), bias + rng.normal(size=8), *_outer(rng))


def _outer(rng):
    return rng.normal(size=(3, 8)), np.array([30.0, 0, 0])


def test_the_certificate_of_a_linear_network_is_the_margin_over_the_dual_norm():
    """Far above 0 the activation is the identity."""
    inner, hidden_bias, outer, bias = network = two_layers(1000.0)
    network = network._replace(bias=bias - outer @ hidden_bias)
    gradient = (outer[0] - outer[2]) @ inner
    for norm, dual in (("1", np.inf), ("2", 2), ("i", 1)):
        expected = (30 - 0) / np.linalg.norm(gradient, dual)
        assert certified(network, np.zeros(6), 0, 2, norm) == pytest.approx(expected, rel=1e-6)


def test_no_point_of_a_certified_ball_has_another_class():
    inner, hidden_bias, outer, bias = network = two_layers(0.0)
    rng = np.random.default_rng(4)
    x = rng.normal(size=(20_000, 6))
    x *= certified(network, np.zeros(6), 0, 2, "2") / np.linalg.norm(x, axis=1, keepdims=True)
    f = softplus(x @ inner.T + hidden_bias) @ outer.T + bias
    assert (f[:, 0] > f[:, 2]).all()


def test_the_published_fit_ends_where_ours_does():
    found = fit_benchmark.compare(fit_benchmark.maxima(2, 50))
    assert found["compared"] > 0
    assert found["end_points_within_1e-3"] == 1
    assert found["objective_above_scipy"] < 1e-6


@pytest.mark.extra
def test_the_plain_loop_of_pytorch_finds_the_same_gradients():
    pytest.importorskip("torch")
    from benchmarks import plain_torch_port
    from tests.keras_twin import twin

    model = two_layer(28, 1)
    x = plain_draw.draw(np.random.RandomState(1215), X_0, 40)
    network = keras_network(model)
    ((l2, l1, linf),) = network.gradient_maxima(x, margin_weights(10, 3, [5])).largest
    found = plain_torch_port.gradient_maxima(twin(model), X_0, 3, 5, 40)()
    np.testing.assert_allclose(found, [l1, l2, linf], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options"),
    [("collect", ["--case", "2-layer", "second"]), ("fit", []), ("commands", [])],
)
def test_benchmarks_run(tmp_path, script, options):
    file = tmp_path / "figures.json"
    done = run(f"benchmarks/{script}.py", *options, "--repeats", 1, "--json", file, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(file.read_text())


@pytest.mark.extra
def test_a_driver_is_measured_while_its_workers_sleep(tmp_path):
    pytest.importorskip("ray")
    file = tmp_path / "figures.json"
    options = ["--workers", 4, "--processes", 1, "--seconds", 2, "--repeats", 1, "--json", file]
    parts = ["messages", "driver", "simulation"]
    done = run("benchmarks/scale.py", *parts, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    # 7.2 s an iteration, 5 of them in a part; before them the margins, then the attack, the end
    assert found["messages"]["ImageNet, 1 h, messages to the driver"] == 1 + 500 / 5 + 2
    assert found["simulation"]["4 workers, 0.6 min an image: parts a second"] > 0

"""Any input shape and any box, against closed forms: a linear network, and a rescaled one."""

from pathlib import Path

import numpy as np
import pytest

from defense import TRANSFORMATIONS
from estimate_gradient_norm import EstimateLipschitz
from lipschitz.data.targets import SelectedImage
from lipschitz.maths.ball import ball
from lipschitz.maths.scores import DUAL_NORM
from lipschitz.network import Box
from lipschitz.results import scoring
from lipschitz.sampling.experiment import Experiment, sample_image
from lipschitz.sampling.run_files import RunFiles
from lipschitz.sampling.sampler import Sampler
from lipschitz.sampling.tasks import ImageTasks
from lipschitz.sampling.worker import Batch, Neighbourhood, draw
from lipschitz.settings import Settings
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.runtime import keras

RNG = np.random.default_rng(4)
FEATURES = Box(np.float32([0, -3, 10, 0, 0, -1]), np.float32([1, 3, 90, 0.1, 7, 1]))
NORMS = {"1": 1, "2": 2, "i": np.inf}


def dense(shape, box, hidden=()):
    """A network of dense layers on images of this shape, tanh between them; three classes."""
    keras.utils.set_random_seed(3)
    x = images = keras.Input(shape)
    x = keras.layers.Flatten()(x)
    for units in hidden:
        x = keras.layers.Dense(units, "tanh")(x)
    return keras_network(keras.Model(images, keras.layers.Dense(3)(x)), box)


def image_in(network):
    """An image in the network's box, its class and the other two."""
    x_0 = RNG.uniform(network.box.lower, network.box.upper, network.input_shape)
    x_0 = x_0.astype(np.float32)
    true = int(network.logits(x_0[None])[0].argmax())
    return x_0, true, [label for label in range(3) if label != true]


def settings_of(network, **more):
    return Settings("own", "dense", Nsamps=64, Niters=12, batch_size=32, box=network.box, **more)


def task_on(network, settings, x_0, true, targets, folder):
    largest = float(network.logits(x_0[None]).max())
    image = SelectedImage(5, true, true, True, largest, targets, ["top2", "least"])
    (task,) = ImageTasks([image], {5: x_0}, settings.folder(folder), settings, network)
    return task


def scores_of(folder):
    """Score by target and norm."""
    records = scoring.load(scoring.find_files([folder])).records
    return {(each.file.name.target_label, each.norm): each.score for each in scoring.score(records)}


@pytest.mark.parametrize(
    ("shape", "box", "radius"),
    [
        ((7,), Box(), None),
        ((5, 9, 2), Box(0, 255), None),
        ((6,), FEATURES, 0.5),
        ((4, 5, 6, 1), Box(), None),
        ((8, 3), Box(0, 1), None),
    ],
)
def test_a_linear_networks_score_is_its_margin_over_the_dual_norm(tmp_path, shape, box, radius):
    network = dense(shape, box)
    x_0, true, targets = image_in(network)
    settings = settings_of(network, radius=radius)
    with Sampler(network, settings.batch_size, 1) as sampler:
        task = task_on(network, settings, x_0, true, targets, tmp_path)
        (result,) = Experiment(sampler, RunFiles(settings)).run([task])
    assert not result.lost
    kernel, bias = network_weights(network)
    logits = np.float64(x_0).ravel() @ kernel + bias
    found = scores_of(tmp_path)
    for target in targets:
        w = kernel[:, true] - kernel[:, target]
        for norm in NORMS:
            expected = (logits[true] - logits[target]) / np.linalg.norm(w, NORMS[DUAL_NORM[norm]])
            assert found[target, norm] == pytest.approx(expected, rel=1e-5)


def network_weights(network):
    """The kernel and the bias of a linear network, by its answers to the axes."""
    n = int(np.prod(network.input_shape))
    axes = np.concatenate([np.zeros((1, n)), np.eye(n)]).reshape(-1, *network.input_shape)
    bias, *rows = np.float64(network.logits(axes.astype(np.float32)))
    return rows - bias, bias


def test_scores_scale_with_the_box(tmp_path):
    """The same network on [0, 255], behind a rescaling to its own box."""
    network = dense((4, 4, 1), Box(), hidden=[20])
    images = keras.Input((4, 4, 1))
    inner = keras.layers.Rescaling(1 / 255, -0.5)(images)
    keras.utils.set_random_seed(3)
    x = keras.layers.Dense(20, "tanh")(keras.layers.Flatten()(inner))
    wide = keras_network(keras.Model(images, keras.layers.Dense(3)(x)), Box(0, 255))
    x_0, true, targets = image_in(network)
    for name, each, image in (("own", network, x_0), ("wide", wide, 255 * (x_0 + 0.5))):
        settings = settings_of(each)
        with Sampler(each, settings.batch_size, 1) as sampler:
            task = task_on(each, settings, image, true, targets, tmp_path / name)
            list(Experiment(sampler, RunFiles(settings)).run([task]))
    own, scaled = scores_of(tmp_path / "own"), scores_of(tmp_path / "wide")
    assert len(own) == 6
    for key, score in own.items():
        assert scaled[key] == pytest.approx(255 * score, rel=1e-4)


@pytest.mark.parametrize("norm", ["l2", "l1", "li"])
def test_default_radii_are_those_of_2018_times_the_width(norm):
    narrow, wide = Settings(sample_norm=norm), Settings(sample_norm=norm, box=Box(0, 255))
    assert wide.ball.high == pytest.approx(255 * narrow.ball.high)
    assert wide.ball.low == pytest.approx(255 * narrow.ball.low)
    assert str(Settings(radius=255 * 3.0, box=Box(0, 255)).folder(Path())) == "mnist_normal"


def test_a_box_of_different_widths_needs_a_radius():
    with pytest.raises(InputError, match="no radius fits all of them by default: give one"):
        _ = Settings(box=FEATURES).ball
    assert Settings(box=FEATURES, radius=0.5).ball == ball("l2", 0.5)
    assert str(Settings(box=FEATURES, radius=3.0).folder(Path())) == "mnist_normal/radius3.0"


def test_samples_stay_in_a_box_of_each_value():
    out = np.empty((640, 6), np.float32)
    x_0 = np.float32([1, 0, 50, 0, 0, 1])
    draw(out, Neighbourhood(x_0, ball("l2", 5.0), 1, 0, None, FEATURES), Batch(0, 0, 0))
    assert (out >= FEATURES.lower).all()
    assert (out <= FEATURES.upper).all()
    assert (out.min(axis=0) == FEATURES.lower).sum() >= 4  # and reach its faces
    free = out[:, 2]  # 40 from both of its ends
    assert np.abs(free - 50).max() > 1


def test_a_box_can_have_a_range_for_each_channel():
    """Normalised colours, say: each channel has its own ends."""
    box = Box(np.float32([-2, -1, 0]), np.float32([2, 1, 5]))
    x_0, out = np.full((4, 4, 3), 0.5, np.float32), np.empty((64, 48), np.float32)
    draw(out, Neighbourhood(x_0, ball("li", 9.0), 1, 0, None, box), Batch(0, 0, 0))
    colours = out.reshape(-1, 3)
    np.testing.assert_array_equal(colours.min(axis=0), box.lower)
    np.testing.assert_array_equal(colours.max(axis=0), box.upper)


def test_a_box_of_another_shape_is_an_error():
    network = dense((5, 9, 2), Box(np.zeros(9), np.ones(9)))
    with pytest.raises(ValueError, match="broadcast"):
        Sampler(network, 32, 1)


def test_transformations_see_the_unit_box():
    x_0 = RNG.uniform(-0.5, 0.5, (4, 4, 3)).astype(np.float32)
    jpeg = TRANSFORMATIONS["defend_jpeg"]
    usual, bytes_ = np.empty((2, 64, 48), np.float32)
    draw(usual, Neighbourhood(x_0, ball("l2"), 1, 0, jpeg), Batch(0, 0, 0))
    box = Box(0, 255)
    around = Neighbourhood(255 * (x_0 + 0.5), ball("l2", None, box.width), 1, 0, jpeg, box)
    draw(bytes_, around, Batch(0, 0, 0))
    # a value on the edge between two bytes may be rounded either way
    assert np.isclose(bytes_, 255 * (usual + 0.5), atol=1e-3).mean() > 0.99


def test_from_python_a_network_needs_no_data_set():
    network = dense((7,), Box(0, 1))
    x_0, true, targets = image_in(network)
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model(model=network, batch_size=32)
        found = sampler.estimate(x_0, true, targets, 32, 3)
        with pytest.raises(ValueError, match=r"transformations take images \(H, W, C\)"):
            sampler.estimate(x_0, true, targets, 32, 3, transform="defend_jpeg")
    kernel, _ = network_weights(network)
    for estimate in found:
        w = kernel[:, true] - kernel[:, estimate.target_label]
        np.testing.assert_allclose(estimate.G1_max, np.abs(w).sum(), rtol=1e-5)


def test_second_order_takes_any_shape():
    """G = a (c . x)^2 / 2 has the Hessian a c c^T, so the eigenvalue a |c|^2 for a < 0."""
    c, a = np.float32([1, -2, 2]), -0.5
    images = keras.Input((3,))
    along = keras.ops.sum(images * c, axis=1, keepdims=True)
    outputs = keras.layers.Concatenate()([5 + a * along**2 / 2, 0 * along])
    network = keras_network(keras.Model(images, outputs), Box(-1, 1))
    settings = Settings(Nsamps=32, Niters=2, order=2, batch_size=32, box=network.box)
    with Sampler(network, 32, 1) as sampler:
        (found,) = sample_image(sampler, settings, np.zeros(3, np.float32), 0, [1])
    np.testing.assert_allclose(found.H2_max, a * 9, rtol=1e-3)

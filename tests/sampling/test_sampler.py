"""The sampler, and the class for notebooks: maxima, samples left out, what is refused."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import loadmat

import setup_digits
from estimate_gradient_norm import EstimateLipschitz
from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.architectures import mlp, seven_layer, two_layer
from lipschitz.maths.ball import ball
from lipschitz.network import Box, margin_weights
from lipschitz.sampling.pool import Workers
from lipschitz.sampling.sampler import Sampler, estimates, require_measurable
from lipschitz.sampling.worker import Batch, Neighbourhood, draw
from lipschitz.settings import Settings
from lipschitz.support.errors import ImageError, InputError
from lipschitz.tf_backend.network import TensorFlowNetwork, keras_network
from lipschitz.tf_backend.runtime import tf
from tests.helpers import run_here
from tests.sampling.numpy_network import NumPyNetwork

KEYS = ("G2_max", "G1_max", "Gi_max", "pred", "g_x0")
ZERO = np.zeros(6, np.float32)
SETTINGS = Settings(Nsamps=64, Niters=3, batch_size=32)


def samples(x_0, iteration, count=64, image=0, seed=1215):
    """The samples of an iteration, drawn in this process."""
    out = np.empty((count, x_0.size), np.float32)
    draw(out, Neighbourhood(x_0, ball("l2"), seed, image), Batch(0, iteration, 0))
    return out.reshape(-1, *x_0.shape)


def sampled(sampler, settings, targets, image_id=0):
    """Estimates around the zero image."""
    image = sampler.at_image(settings, ZERO, 0, targets, image_id)
    return estimates(image, list(sampler.iterations(image)))


def test_the_maxima_are_those_of_a_networks_formulas():
    """Of a network without a framework; two batches an iteration."""
    network, weights = NumPyNetwork(), margin_weights(3, 0, [2, 1])
    with Sampler(network, 32, nthreads=2) as sampler:
        found = sampled(sampler, SETTINGS, [2, 1], image_id=4)
    for estimate, row in zip(found, weights, strict=True):
        assert estimate.g_x0 == 5
        for number in range(3):
            gradients = network.slopes(samples(ZERO, number, image=4), row)
            for key, p in (("G2_max", 2), ("G1_max", 1), ("Gi_max", np.inf)):
                expected = np.linalg.norm(gradients, p, axis=1).max()
                assert getattr(estimate, key)[number] == pytest.approx(expected, rel=1e-6)


def test_the_curvature_is_that_of_a_networks_formulas():
    network, (weights,) = NumPyNetwork(), margin_weights(3, 0, [2])
    with Sampler(network, 32, nthreads=1) as sampler:
        (estimate,) = sampled(sampler, replace(SETTINGS, order=2), [2])
    at_image = network.slopes(ZERO, weights)
    assert estimate.g_x0_grad_2_norm == pytest.approx(np.linalg.norm(at_image), rel=1e-6)
    for number in range(3):
        smallest = network.hessian_diagonals(samples(ZERO, number), weights).min(axis=1)
        expected = smallest[np.abs(smallest).argmax()]
        assert estimate.H2_max[number] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.full(6, 200, np.uint8), r"from 200 to 200, outside the range .* \[-0\.5, 0\.5\]"),
        (np.linspace(-2, 2, 6), r"x_0 has values from -2 to 2, outside the range"),
        (np.array([0, 0, 0, 0, 0, 0.51]), r"x_0 has values from 0 to 0\.51, outside"),
    ],
)
def test_an_image_outside_the_box_is_refused_with_both_ranges(image, said):
    with (
        Sampler(NumPyNetwork(), 32, nthreads=1) as sampler,
        pytest.raises(ValueError, match=said),
    ):
        sampler.at_image(SETTINGS, image, 0, [2])


def test_a_network_that_mixes_the_images_of_a_batch_is_refused():
    """As batch normalization in training mode does."""

    class Mixing(NumPyNetwork):
        def logits(self, x):
            return super().logits(x) * (1 + np.ptp(x))

    with (
        Sampler(Mixing(), 32, nthreads=1) as sampler,
        pytest.raises(InputError, match="other logits if another image stands beside it"),
    ):
        sampler.at_image(SETTINGS, ZERO, 0, [2])


def test_a_network_of_random_outputs_is_warned_of_once(capsys):
    calls = itertools.count()

    class Noisy(NumPyNetwork):
        def logits(self, x):
            return super().logits(x) + np.float32([next(calls), 0, 0])

    with Sampler(Noisy(), 32, nthreads=1) as sampler:
        for image_id in (0, 1):
            sampler.at_image(SETTINGS, ZERO, 0, [2], image_id)
    assert capsys.readouterr().err.count("warning: the network gives the same image other") == 1
    assert len(sampler.doubts) == 1


def test_integers_fit_a_box_of_integers():
    settings = replace(SETTINGS, box=Box(0, 255), radius=1.0)
    with Sampler(NumPyNetwork(box=Box(0, 255)), 32, nthreads=1) as sampler:
        assert sampler.at_image(settings, np.zeros(6, np.uint8), 0, [2]).margins == [5]


def test_iterations_that_are_done_are_not_drawn_again():
    with Sampler(NumPyNetwork(), 32, nthreads=1) as sampler:
        image = sampler.at_image(SETTINGS, ZERO, 0, [2])
        whole = list(sampler.iterations(image))
        rest = list(sampler.iterations(image, done=whole[:1]))
    np.testing.assert_array_equal([each.found for each in rest], [x.found for x in whole[1:]])
    assert rest[0].ended > whole[0].ended  # the times continue, too


def test_iterations_that_are_left_can_be_followed_by_another_image():
    long = replace(SETTINGS, Niters=50)
    with Sampler(NumPyNetwork(), 32, nthreads=2) as sampler:
        next(sampler.iterations(sampler.at_image(long, ZERO, 0, [2], image_id=3)))
        (after,) = sampled(sampler, SETTINGS, [2], image_id=4)
    with Sampler(NumPyNetwork(), 32, nthreads=2) as sampler:
        (alone,) = sampled(sampler, SETTINGS, [2], image_id=4)
    np.testing.assert_array_equal(after.G2_max, alone.G2_max)


@pytest.mark.parametrize("other", [{"batch_size": 64}, {"box": Box(0, 255)}])
def test_settings_of_other_batches_or_another_box_are_refused(other):
    with (
        Sampler(NumPyNetwork(), 32, nthreads=1) as sampler,
        pytest.raises(ValueError, match="the sampler has batches of 32, the network the box"),
    ):
        sampled(sampler, replace(SETTINGS, **other), [2])


def test_a_number_below_0_is_no_image():
    with (
        Sampler(NumPyNetwork(), 32, nthreads=1) as sampler,
        pytest.raises(ValueError, match="image_id -1: give 0 or more"),
    ):
        sampled(sampler, SETTINGS, [2], image_id=-1)


@pytest.mark.parametrize(
    ("activation", "settings", "said"),
    [
        ("relu", Settings(order=2), r"piecewise linear.*that work: tanh, sigmoid"),
        ("tanh", Settings(compute_slope=True, batch_size=33), "give an even batch size"),
    ],
)
def test_what_a_network_or_batch_cannot_give_is_refused(activation, settings, said):
    network = keras_network(mlp(4, 1, [3], ACTIVATIONS[activation]))
    with pytest.raises(InputError, match=said):
        require_measurable(network, settings)
    require_measurable(network, Settings())


def test_runs_are_the_same_to_the_bit_for_1_2_and_4_workers(workplace, monkeypatch):
    drawn_by = []
    close = Workers.close

    def note_and_close(workers):
        drawn_by.append(dict(workers.drawn_by))
        close(workers)

    monkeypatch.setattr(Workers, "close", note_and_close)
    for count in (1, 2, 4):
        arguments = f"-d digits -m 2-layer -N 2048 -b 256 -i 3 --nthreads {count} -s w{count}"
        assert run_here("collect_gradients.py", *arguments.split(), cwd=workplace).returncode == 0
        assert len(drawn_by[-1]) == count  # so many processes drew
        assert min(drawn_by[-1].values()) >= 24 // count
    files = sorted(path.name for path in (workplace / "w1/digits_2-layer").iterdir())
    assert len(files) == 3
    for file in files:
        one, *others = (
            loadmat(workplace / f"w{count}/digits_2-layer" / file) for count in (1, 2, 4)
        )
        for other in others:
            assert all(np.array_equal(one[key], other[key]) for key in KEYS)


@pytest.fixture(scope="module")
def network():
    """An untrained network that takes everything for a 7."""
    tf.keras.utils.set_random_seed(5)
    return keras_network(for_sevens(two_layer(28, 1)))


def for_sevens(model):
    *weights, bias = model.get_weights()
    bias[7] = 5
    model.set_weights([*weights, bias])
    return model


def test_one_target_gives_one_estimate_several_a_list(network):
    x_0 = setup_digits.load().test_data[0]
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=network, batch_size=64)
        several = sampler.estimate(x_0, 7, [6, 9], 128, 3)
        one = sampler.estimate(x_0, 7, 9, 128, 3)
    assert [estimate.target_label for estimate in several] == [6, 9]
    np.testing.assert_allclose(one.G2_max, several[1].G2_max, rtol=1e-5)
    assert one.g_x0 == pytest.approx(float(one.pred[7] - one.pred[9]), rel=1e-6)
    assert (np.diff(one.time) > 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_label": [12]}, "give other classes, in range"),
        ({"target_label": 7}, "give other classes"),
        ({"target_label": []}, "give other classes"),
        ({"x_0": np.zeros(784)}, r"x_0 has the shape \(784,\), the network takes \(28, 28, 1\)"),
        ({"Niters": 0}, "give 1 or more"),
        ({"transform": "blur"}, "no transformation 'blur': defend_reduce, defend_jpeg"),
        ({"order": 2}, "the model was loaded for order 1"),
    ],
)
def test_arguments_that_do_not_fit_are_said(network, change, message):
    right = {"x_0": np.zeros((28, 28, 1)), "true_label": 7, "target_label": 9}
    with EstimateLipschitz(nthreads=1) as sampler:
        with pytest.raises(ValueError, match="call load_model first"):
            sampler.estimate(**right, Nsamp=64, Niters=2)
        sampler.load_model("digits", model=network, batch_size=64)
        with pytest.raises(ValueError, match=message):
            sampler.estimate(**({"Nsamp": 64, "Niters": 2} | right | change))


def test_iterations_take_the_maximum_over_their_batches(network):
    x_0 = setup_digits.load().test_data[0]
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=network, batch_size=64)
        cut = sampler.estimate(x_0, 7, 9, 256, 2)
        sampler.load_model("digits", model=network, batch_size=256)
        whole = sampler.estimate(x_0, 7, 9, 256, 2)
    np.testing.assert_allclose(cut.G1_max, whole.G1_max, rtol=1e-5)


def test_an_image_that_the_network_gets_wrong_is_refused(network):
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=network, batch_size=64)
        with pytest.raises(ImageError, match=r"g\(x0\) = -.* only an image that is classified"):
            sampler.estimate(setup_digits.load().test_data[0], 3, [7], 64, 2)


def only_below(limit):
    """A network whose logits overflow where the mean of the pixels is above `limit`."""

    def predict(x):
        mean = tf.reduce_mean(x, axis=(1, 2, 3))
        first = tf.where(mean > limit, np.inf, 1 + mean)
        return tf.stack([first, 0 * mean], axis=1)

    return TensorFlowNetwork(predict, (4, 4, 1), 2)


def test_samples_that_overflow_are_left_out_and_reported_with_their_iteration():
    """The gradient of the mean of 16 pixels is 1/16 in each: its L1 norm is 1 wherever finite."""
    x_0 = np.zeros((4, 4, 1), np.float32)
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=only_below(0.02), batch_size=64)
        found = sampler.estimate(x_0, 0, 1, 64, 3)
    np.testing.assert_allclose(found.G1_max, 1, rtol=1e-6)
    means = [samples(x_0, iteration).mean(axis=(1, 2, 3)) for iteration in range(3)]
    above = (np.array(means) > 0.02).sum(axis=1)
    np.testing.assert_array_equal(found.non_finite, above)
    (said,) = [line for line in found.summary_lines() if "warning" in line]
    assert f"{above.sum()} of 192 samples have no finite logits" in said
    assert said.endswith("Iterations: 0, 1, 2")


def test_an_iteration_without_a_finite_sample_is_an_error():
    x_0 = np.zeros((4, 4, 1), np.float32)
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=only_below(1e-9), batch_size=2)
        with pytest.raises(ImageError, match=r"iteration \d+: .* all 2 samples are finite"):
            sampler.estimate(x_0, 0, 1, 2, 50)


def test_a_target_with_an_iteration_without_a_finite_sample_has_no_number_there():
    """Below 0 the root's slope is none; the other target's is. Two samples an iteration."""

    def predict(x):
        mean = tf.reduce_mean(x, axis=(1, 2, 3))
        return tf.stack([2 + mean, tf.sqrt(tf.nn.relu(mean)), 0 * mean], axis=1)

    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=TensorFlowNetwork(predict, (4, 4, 1), 3), batch_size=2)
        lost, whole = sampler.estimate(np.zeros((4, 4, 1), np.float32), 0, [1, 2], 2, 30)
    none = lost.non_finite == 2
    assert 0 < none.sum() < 30
    np.testing.assert_array_equal(np.isnan(lost.G2_max), none)
    assert not lost.is_complete()
    assert whole.is_complete()
    np.testing.assert_allclose(whole.G1_max, 1, rtol=1e-6)


def test_gradients_that_are_all_zero_are_warned_of_and_score_infinity():
    def predict(x):
        return tf.stack([0 * x[:, 0, 0, 0] + 1, 0 * x[:, 0, 0, 0]], axis=1)

    flat = TensorFlowNetwork(predict, (4, 4, 1), 2)
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=flat, batch_size=64)
        found = sampler.estimate(np.zeros((4, 4, 1), np.float32), 0, 1, 64, 2)
    _, bounds, warning = found.summary_lines()
    assert "bnd_G2_max = inf, bnd_G1_max = inf, bnd_Ginf_max = inf" in bounds
    assert "the gradient is zero in every sample" in warning


@pytest.mark.parametrize(("outputs", "warned"), [(tf.nn.softmax, True), (lambda z: z, False)])
def test_outputs_that_look_like_probabilities_are_warned_of_once(network, capsys, outputs, warned):
    soft = replace(network, predict=lambda x: outputs(network.predict(x)))
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=soft, batch_size=64)
        for _ in range(2):
            sampler.logits(setup_digits.load().test_data[:5])
    assert capsys.readouterr().err.count("look like probabilities") == warned


def test_an_interrupted_estimate_can_be_followed_by_another(network, monkeypatch):
    x_0 = setup_digits.load().test_data[0]
    gradient_maxima, calls = TensorFlowNetwork.gradient_maxima, itertools.count()

    def interrupted(*args):
        if next(calls) == 1:
            raise KeyboardInterrupt
        return gradient_maxima(*args)

    with EstimateLipschitz(nthreads=2) as sampler:
        sampler.load_model("digits", model=network, batch_size=64)
        monkeypatch.setattr(TensorFlowNetwork, "gradient_maxima", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sampler.estimate(x_0, 7, 9, 64, 50)
        after = sampler.estimate(x_0, 7, 9, 64, 3, image_id=4)
    with EstimateLipschitz(nthreads=2) as sampler:
        sampler.load_model("digits", model=network, batch_size=64)
        alone = sampler.estimate(x_0, 7, 9, 64, 3, image_id=4)
    np.testing.assert_array_equal(after.G2_max, alone.G2_max)


def test_an_object_of_2018_is_a_network():
    """`image_size`, `num_channels`, `num_labels`, and `predict` of TensorFlow's tensors."""

    class Model:
        image_size, num_channels, num_labels = 4, 1, 2

        def predict(self, x):
            return tf.stack([1 + tf.reduce_sum(x, axis=(1, 2, 3)), 0 * x[:, 0, 0, 0]], axis=1)

    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=Model(), batch_size=64)
        found = sampler.estimate(np.zeros((4, 4, 1)), 0, 1, 64, 2)
    np.testing.assert_allclose(found.G1_max, 16, rtol=1e-6)


def test_maxima_are_those_of_plain_gradients_at_the_seeds_samples():
    """A gradient tape over the whole batch, without slices, streams and rules of our own."""
    tf.keras.utils.set_random_seed(6)
    network = keras_network(
        for_sevens(seven_layer(28, 1, (8, 8, 16, 16, 20, 20), ACTIVATIONS["relu"]))
    )
    x_0 = setup_digits.load().test_data[0]
    expected = []
    for iteration in range(2):
        x = tf.constant(samples(x_0, iteration, 96, image=4))
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = network.predict(x)
            margin = logits[:, 7] - logits[:, 2]
        gradient = np.float64(tape.gradient(margin, x)).reshape(96, -1)
        expected.append([np.linalg.norm(gradient, p, axis=1).max() for p in (2, 1, np.inf)])
    with EstimateLipschitz(seed=1215) as sampler:
        sampler.load_model("digits", model=network, batch_size=96)
        found = sampler.estimate(x_0, 7, [6, 2], 96, 2, image_id=4)[1]
    maxima = np.array([found.G2_max, found.G1_max, found.Gi_max]).T
    np.testing.assert_allclose(maxima, expected, rtol=1e-5)

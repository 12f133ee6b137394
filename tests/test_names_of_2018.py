"""What scripts of 2018 import from the commands' files, used as they use it."""

import random

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat
from scipy.stats import weibull_min

import clever
import defense
import setup_cifar
import setup_digits
import setup_imagenet
import setup_mnist
import train_2layer
import train_models
import train_nlayer
from estimate_gradient_norm import EstimateLipschitz
from lipschitz.builtin import model_file
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.runtime import keras, tf
from tests.helpers import GOLDEN, lines, run_here

DIGITS = setup_digits.load()
SEVEN_LAYERS = {"mnist": (28, 1, setup_mnist.MNISTModel), "cifar": (32, 3, setup_cifar.CIFARModel)}


def test_the_data_sets_have_their_six_arrays(mnist_data, monkeypatch):
    monkeypatch.setenv("CLEVER_DATA", str(mnist_data))
    data = setup_mnist.MNIST()
    assert data.train_data.shape == (55000, 28, 28, 1)
    assert data.train_labels.shape == (55000, 10)
    assert data.validation_data.shape == (5000, 28, 28, 1)
    assert data.validation_labels.shape == (5000, 10)
    assert data.test_data.shape == (10000, 28, 28, 1)
    assert data.test_labels.shape == (10000, 10)
    assert (data.test_data.min(), data.test_data.max()) == (-0.5, 0.5)


@pytest.mark.parametrize(("size", "channels", "make"), SEVEN_LAYERS.values(), ids=SEVEN_LAYERS)
def test_a_7_layer_network_is_an_object_with_predict(size, channels, make):
    model = make(None, None, True, activation="tanh")
    assert (model.image_size, model.num_channels, model.num_labels) == (size, channels, 10)
    outputs = model.predict(tf.zeros((2, size, size, channels)))
    np.testing.assert_allclose(tf.reduce_sum(outputs, axis=1), 1, rtol=1e-6)  # use_softmax
    assert isinstance(model.model, keras.Model)


def test_a_network_is_restored_from_its_file(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    (workplace / "models" / "digits_2layer.keras").rename("models/mnist_2layer.keras")
    model = setup_mnist.TwoLayerMNISTModel("models/mnist_2layer", use_softmax=False)
    saved = keras.models.load_model("models/mnist_2layer.keras")
    np.testing.assert_array_equal(model.model.get_weights()[0], saved.get_weights()[0])
    with pytest.raises(InputError, match=r"models/mnist.keras not found; train it: .*train_nlayer"):
        setup_mnist.MNISTModel("models/mnist")


def test_the_estimator_takes_such_an_object_and_unpacks_in_the_old_order(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    (workplace / "models" / "digits_2layer.keras").rename("models/mnist_2layer.keras")
    model = setup_mnist.TwoLayerMNISTModel("models/mnist_2layer")

    class Own:
        """The three attributes alone."""

        image_size, num_channels, predict = 28, 1, model.predict

    with EstimateLipschitz(sess=None, nthreads=1) as sampler:
        sampler.load_model("digits", model=Own(), batch_size=64, compute_slope=True)
        estimate = sampler.estimate(DIGITS.test_data[0], 0, 3, 64, 2, "l2", "", 1)
    L2_max, L1_max, Li_max, G2_max, G1_max, Gi_max, g_x0, pred = estimate
    logits = model.predict(tf.constant(DIGITS.test_data[:1])).numpy()[0]
    np.testing.assert_allclose(pred, logits, rtol=1e-4, atol=1e-4)
    assert g_x0 == pytest.approx(logits[0] - logits[3], rel=1e-4)
    # of any gradient; and a slope is below the norm of the gradient somewhere
    assert (Gi_max < G2_max).all()
    assert (G2_max < G1_max).all()
    assert (L2_max > 0).all()
    assert (Li_max < L1_max).all()
    assert {len(L1_max), len(G1_max)} == {2}


def test_a_second_order_estimate_unpacks_in_the_old_order(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    with EstimateLipschitz(None, 1215, 1) as sampler:
        sampler.load_model("digits", "2-layer", "relu", None, 32, False, 2)
        H2_max, g_x0, *norms, pred = sampler.estimate(
            DIGITS.test_data[0], 0, 3, 32, 2, "l2", None, 2
        )
    of_2, of_1, of_inf = norms
    assert of_inf < of_2 < of_1
    assert (len(H2_max), len(pred)) == (2, 10)
    assert g_x0 == pytest.approx(pred[0] - pred[3])


def test_a_seed_has_to_be_named():
    """The first argument was a session: a number there would be taken for none."""
    with pytest.raises(TypeError, match="name the seed, seed=3"):
        EstimateLipschitz(3)


def test_an_end_point_is_estimated_from_maxima(tmp_path):
    maxima = 7 - weibull_min.rvs(4, scale=2, size=20_000, random_state=1)
    found = clever.get_lipschitz_estimate(maxima, "L1", str(tmp_path / "fit"))
    assert found["Lips_est"] == -found["loc"] == pytest.approx(7, rel=0.02)
    assert found["shape"] == pytest.approx(4, rel=0.1)
    assert found["pVal"] > 0.05
    assert set(found) == {"Lips_est", "shape", "loc", "scale", "ks", "pVal"}
    assert Image.open(tmp_path / "fit_Li.png").size[0] > 100  # the norm of the score


def test_a_file_name_is_parsed():
    name = "lipschitz_mat/mnist_normal/1024_500_3_7_6_least_hard_sigmoid_order1.mat"
    assert clever.parse_filename(name) == (1024, 500, 3, 7, 6, "least", "hard_sigmoid", "1")


def test_a_mat_without_logits_is_scored(tmp_path):
    file = next(GOLDEN.joinpath("l2").rglob("*.mat"))
    contents = {key: value for key, value in loadmat(file).items() if key[0] != "_"}
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    savemat(tmp_path / "with" / file.name, contents)
    del contents["pred"]
    savemat(tmp_path / "without" / file.name, contents)
    scores = [
        lines(run_here("clever.py", folder, cwd=tmp_path).stdout, "[STATS][L0]")
        for folder in ("with", "without")
    ]
    assert scores[0] == scores[1] != []


@pytest.mark.parametrize("name", ["defend_reduce", "defend_jpeg", "defend_png"])
@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3)])
def test_defences_are_functions_of_images(name, shape):
    image = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    defended = getattr(defense, name)(image)
    assert defended.shape == shape
    assert defended.dtype == np.float32
    assert (defended.min() >= 0, defended.max() <= 1) == (True, True)


def test_a_depth_of_bits_is_given():
    image = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    assert len(np.unique(defense.defend_reduce(image, 2))) == 4
    assert len(np.unique(defense.defend_reduce(image))) == 8


class Data:
    """Some digits, as a script's own class holds them."""

    train_data, train_labels = DIGITS.train_data[:256], DIGITS.train_labels[:256]
    validation_data, validation_labels = DIGITS.test_data[:20], DIGITS.test_labels[:20]


def test_training_functions_return_and_save_a_model(tmp_path):
    two = train_2layer.train(Data, str(tmp_path / "two"), [16], num_epochs=8, lr=0.1)
    assert np.mean(two.predict(Data.train_data, verbose=0).argmax(1) == true(Data)) > 0.6
    saved = keras.models.load_model(tmp_path / "two.keras")
    np.testing.assert_array_equal(two.get_weights()[0], saved.get_weights()[0])

    seven = train_models.train(Data, None, [2, 2, 3, 3, 8, 8], num_epochs=1, train_temp=10)
    assert [weight.shape[-1] for weight in seven.weights[::2]] == [2, 2, 3, 3, 8, 8, 10]

    deep = train_nlayer.train(
        Data, None, [12, 12], num_epochs=2, activation="tanh", optimizer_name="adam"
    )
    assert len(deep["history"].history["loss"]) == 2
    cnn = train_nlayer.train_cnn_7layer(Data, None, [2, 2, 3, 3, 8, 8], num_epochs=1)
    assert cnn["model"].input_shape == (None, 28, 28, 1)


def test_training_starts_from_a_file(tmp_path):
    first = train_2layer.train(Data, str(tmp_path / "first"), [8], num_epochs=1)
    second = train_2layer.train(
        Data, None, [8], num_epochs=1, lr=1e-9, init=str(tmp_path / "first")
    )
    np.testing.assert_allclose(second.get_weights()[0], first.get_weights()[0], atol=1e-6)


def true(data):
    return data.train_labels.argmax(axis=1)


def test_photographs_have_1001_labels_in_the_order_of_pythons_generator(tmp_path, monkeypatch):
    monkeypatch.setenv("CLEVER_IMAGENET", str(tmp_path))
    for label in range(1, 9):
        Image.new("RGB", (40, 30), (label, 0, 0)).save(tmp_path / f"{label}.0000.png")
    random.seed(5)
    order = sorted(path.name for path in tmp_path.iterdir())
    random.shuffle(order)
    random.seed(5)
    data = setup_imagenet.ImageNet(20, 6)
    assert data.test_data.shape == (6, 20, 20, 3)
    assert data.test_labels.shape == (6, 1001)
    labels = [int(name.partition(".")[0]) for name in order[:6]]
    assert data.test_labels.argmax(axis=1).tolist() == labels
    np.testing.assert_allclose(data.test_data[0][0, 0], np.array([labels[0], 0, 0]) / 255 - 0.5)


def test_a_model_of_imagenet_predicts(monkeypatch):
    class Known:
        image_size, num_labels = 8, 2

        def predict(self, x):
            return tf.reduce_sum(x, axis=(1, 2))[:, :2]

    monkeypatch.setattr(setup_imagenet, "network", lambda name: {"resnet_v2_50": Known()}[name])
    model = setup_imagenet.ImageNetModel(None, use_softmax=True)
    assert (model.image_size, model.num_channels, model.num_labels) == (8, 3, 2)
    np.testing.assert_allclose(model.predict(tf.ones((1, 8, 8, 3))), [[0.5, 0.5]])


def test_a_saved_network_of_todays_trainers_is_found_without_its_ending(tmp_path):
    build = setup_cifar.FAMILY.named("2-layer").build
    model_file.save(build(), tmp_path / "cifar_2layer.keras")
    assert setup_cifar.TwoLayerCIFARModel(str(tmp_path / "cifar_2layer")).image_size == 32

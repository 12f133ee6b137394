"""The classifiers of keras.applications: preprocessing, weights, what is refused."""

import zipfile

import h5py
import numpy as np
import pytest

from lipschitz.support.errors import InputError
from lipschitz.tf_backend.readers import keras_applications
from lipschitz.tf_backend.runtime import keras, tf

RGB_MEAN, RGB_DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
BY_HAND = {  # pixels 0 to 255 -> what the network takes, by family
    "MobileNet": lambda pixels: pixels / 127.5 - 1,
    "DenseNet121": lambda pixels: (pixels / 255 - RGB_MEAN) / RGB_DEVIATION,
    "ResNet50": lambda pixels: pixels[..., ::-1] - np.array([103.939, 116.779, 123.68]),
}


def random_model(name):
    keras.utils.set_random_seed(0)
    return getattr(keras.applications, name)(weights=None, classifier_activation=None)


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    """A MobileNet with random weights and the file of these."""
    model = random_model("MobileNet")
    path = tmp_path_factory.mktemp("keras") / "mobilenet.weights.h5"
    model.save_weights(path)
    return model, path


def images(network, count=1):
    shape = (count, network.image_size, network.image_size, 3)
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype(np.float32)


@pytest.mark.parametrize(
    "name",
    [
        "MobileNet",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("ResNet50", "DenseNet121")),
    ],
)
def test_the_box_goes_through_the_networks_own_preprocessing(name, tmp_path):
    model = random_model(name)
    model.save_weights(tmp_path / "random.weights.h5")
    network = keras_applications.network(f"keras:{name}", str(tmp_path / "random.weights.h5"))
    assert (network.image_size, network.num_channels, network.num_labels) == (224, 3, 1000)
    x = images(network)
    expected = model(BY_HAND[name]((x + 0.5) * 255.0).astype(np.float32), training=False)
    found = network.predict(tf.constant(x))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
def test_it_compiles_differentiates_and_shows_its_operations(mobilenet):
    network = keras_applications.network("keras:MobileNet", str(mobilenet[1]))

    @tf.function
    def gradient(x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            logit = network.predict(x)[:, 7]
        return tape.gradient(logit, x)

    found = gradient(tf.constant(images(network, 2)))
    assert found.shape == (2, 224, 224, 3)
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 0
    assert network.is_piecewise_linear()  # a softmax would be curved


def test_every_classifier_is_known_and_nothing_else():
    known = keras_applications.classifiers()
    assert {"ResNet50V2", "MobileNet", "VGG16", "EfficientNetB0", "NASNetLarge"} <= set(known)
    functions = {name for name, value in vars(keras.applications).items() if callable(value)}
    assert set(known) == functions
    assert known["ResNet50V2"].preprocess_input is keras.applications.resnet_v2.preprocess_input


@pytest.mark.slow
def test_a_file_of_kerass_own_weights_gives_what_their_download_gives(monkeypatch, tmp_path):
    model, path = random_model("EfficientNetB0"), str(tmp_path / "b0.weights.h5")
    normalisation = next(
        layer for layer in model.layers if isinstance(layer, keras.layers.Normalization)
    )
    normalisation.adapt_mean.assign(RGB_MEAN)
    normalisation.adapt_variance.assign(RGB_DEVIATION)
    model.save_weights(path)
    network = keras_applications.network("keras:EfficientNetB0", path)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: path)
    downloaded = keras_applications.network("keras:EfficientNetB0")
    x = tf.constant(images(network))
    expected = downloaded.predict(x)
    np.testing.assert_allclose(
        network.predict(x), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
    )


@pytest.mark.parametrize(
    ("name", "said"), [("ResNet50v2", "keras:ResNet50V2"), ("nothing alike", "keras:Xception")]
)
def test_an_unknown_name_is_answered_with_names_to_choose_from(name, said):
    with pytest.raises(InputError, match=said):
        keras_applications.network(f"keras:{name}")


@pytest.mark.slow
def test_weights_that_do_not_fit_are_refused_in_one_line(mobilenet, tmp_path):
    headless = keras.applications.MobileNet(weights=None, include_top=False)
    headless.save_weights(tmp_path / "headless.weights.h5")
    with h5py.File(tmp_path / "elsewhere.weights.h5", "w") as file:
        file["layers"] = h5py.ExternalLink("headless.weights.h5", "layers")
    with zipfile.ZipFile(tmp_path / "evil.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("../evil", "")
    for name in ("text.h5", "text.weights.h5", "text.keras", "text.weights.json", "text.bin"):
        (tmp_path / name).write_bytes(b"no weights")
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(mobilenet[1].read_bytes()[:5000])
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(InputError, match=f"{path} does not fit keras:MobileNet") as error:
            keras_applications.network("keras:MobileNet", str(path))
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="does not fit keras:MobileNetV3Small"):
        keras_applications.network("keras:MobileNetV3Small", str(mobilenet[1]))
    with pytest.raises(InputError, match="no such file"):
        keras_applications.network("keras:MobileNet", str(tmp_path / "absent.h5"))


def test_a_download_that_fails_asks_for_a_file(monkeypatch, tmp_path, capsys):
    def refused(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", refused)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    with pytest.raises(
        InputError, match=r"keras:MobileNet could not be downloaded.*: give them in a file$"
    ):
        keras_applications.network("keras:MobileNet")
    assert capsys.readouterr().out == ""

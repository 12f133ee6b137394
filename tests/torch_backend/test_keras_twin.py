"""The module that is made of a Keras model gives its logits."""

import numpy as np
import pytest

import setup_cifar
import setup_mnist

torch = pytest.importorskip("torch")
pytest.importorskip("tensorflow")
from lipschitz.tf_backend.runtime import keras  # noqa: E402
from tests.keras_twin import twin  # noqa: E402

pytestmark = pytest.mark.extra

layers = keras.layers


def branched():
    """All the layers that the built-in networks have not, and a sum of two branches."""
    images = keras.Input((9, 12, 3))
    x = layers.BatchNormalization()(layers.ZeroPadding2D(((1, 0), (2, 1)))(images))
    x = layers.ReLU(max_value=0.5)(layers.Conv2D(6, 3, strides=2, use_bias=False)(x))
    left = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    right = layers.Conv2D(12, (5, 3), padding="same", dilation_rate=(1, 2), groups=2)(x)
    x = layers.Add()([left, right, left])
    return keras.Model(images, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))


def in_sequence():
    stack = [layers.Conv2D(2, 3, activation="tanh"), layers.Flatten(), layers.Dropout(0.5)]
    return keras.Sequential([keras.Input((5, 6, 3)), *stack, layers.Dense(4)])


def resnet():
    make = keras.applications.ResNet50V2
    return make(weights=None, classifier_activation=None)


MODELS = {
    "mnist normal": setup_mnist.FAMILY.named("normal").build,
    "mnist tanh": setup_mnist.FAMILY.cnn("tanh").build,
    "mnist 2-layer": setup_mnist.FAMILY.named("2-layer").build,
    "mnist brelu": setup_mnist.FAMILY.named("brelu").build,
    "cifar normal": setup_cifar.FAMILY.named("normal").build,
    "branches": branched,
    "sequence": in_sequence,
}
SLOW = pytest.param(resnet, marks=pytest.mark.slow, id="resnet")


@pytest.mark.parametrize("build", [*(pytest.param(f, id=n) for n, f in MODELS.items()), SLOW])
def test_logits_are_those_of_the_model(build):
    model = build()
    rng = np.random.default_rng(0)
    # the biases and statistics of a new model are 0 and 1
    model.set_weights([w + rng.normal(0, 0.02, w.shape) for w in model.get_weights()])
    images = rng.uniform(-0.5, 0.5, (4, *model.input_shape[1:])).astype(np.float32)
    expected = model.predict(images, verbose=0)
    with torch.no_grad():
        found = twin(model)(torch.from_numpy(images).movedim(-1, 1)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)
    assert np.ptp(expected, axis=0).max() > 1e-2 * np.abs(expected).max()  # the images tell


def test_a_chain_of_layers_is_what_a_user_of_pytorch_writes():
    module = twin(setup_mnist.FAMILY.named("2-layer").build())
    assert isinstance(module, torch.nn.Sequential)
    kinds = [type(each).__name__ for each in module]
    assert kinds == ["Flatten", "Linear", "Rescaling", "Softplus", "Rescaling", "Linear"]


def test_a_layer_without_a_module_is_named():
    images = keras.Input((4,))
    model = keras.Model(images, layers.LayerNormalization(name="norm")(images))
    with pytest.raises(ValueError, match="norm: there is no module for such a LayerNorm"):
        twin(model)

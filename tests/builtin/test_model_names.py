"""The names of networks: their files, and the layers they stand for."""

import numpy as np
import pytest

from lipschitz.builtin.activations import ACTIVATIONS, bounded_relu
from lipschitz.builtin.architectures import mlp
from lipschitz.builtin.model_names import Family
from lipschitz.tf_backend.runtime import keras

FAMILY = Family("cifar", 32, 3, sizes=(64, 64, 128, 128, 256, 256))
X = np.linspace(-4, 4, 9, dtype=np.float32)[None]


@pytest.mark.parametrize(
    ("name", "activation", "stem"),
    [
        ("normal", "relu", "cifar"),
        ("normal", "hard_sigmoid", "cifar_cnn_7layer_hard_sigmoid"),
        ("2-layer", "tanh", "cifar_2layer"),
        ("distilled", "relu", "cifar-distilled-100"),
        ("brelu", "relu", "cifar_brelu"),
        ("3,256,tanh", "relu", "cifar_mlp_3layer_tanh_256"),
        ("2,1024,best", "relu", "cifar_2layer_relu_1024_best"),
    ],
)
def test_files_of_names(tmp_path, monkeypatch, name, activation, stem):
    monkeypatch.chdir(tmp_path)
    assert FAMILY.named(name, activation).stem == stem


@pytest.mark.parametrize(
    "name",
    [
        *(
            "nothing",
            "1,20,tanh",
            "3,0,tanh",
            "3,20",
            "3,20,../x",
            "3,2 0,t",
            "",
            "../mnist",
            "a\nb",
        ),
        *("3,20,$(x)", "3,20,a;b", "3,20,\0", "3,20,relu\n", "3,20," + "x" * 5000),
    ],
)
def test_other_names_are_none(name):
    assert FAMILY.named(name) is None


def test_an_old_file_comes_before_what_is_trained_now(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "cifar_3layer_relu_64_tanh").touch()
    assert FAMILY.named("3,64,tanh").stem == "cifar_3layer_relu_64_tanh"


def test_the_relu_cnn_of_train_nlayer_is_found_where_there_is_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "cifar_cnn_7layer_relu.keras").touch()
    assert FAMILY.named("normal").stem == "cifar_cnn_7layer_relu"
    (tmp_path / "models" / "cifar.keras").touch()
    assert FAMILY.named("normal").stem == "cifar"


def test_a_cnn_of_other_sizes_has_a_name_of_its_own():
    assert FAMILY.cnn("tanh", (64, 64, 128, 128, 256, 256)).stem == "cifar_cnn_7layer_tanh"
    own = FAMILY.cnn("tanh", (4, 5, 6, 7, 8, 9))
    assert own.stem == "cifar_cnn_7layer_tanh_4_5_6_7_8_9"
    assert own.train_command.endswith("--modeltype cnn --activation tanh 4 5 6 7 8 9")
    assert [weight.shape[-1] for weight in own.build().weights[::2]] == [4, 5, 6, 7, 8, 9, 10]


def test_the_normal_network_has_the_published_shapes():
    shapes = [tuple(weight.shape) for weight in FAMILY.named("normal").build().weights]
    assert shapes[::2] == [
        (3, 3, 3, 64),
        (3, 3, 64, 64),
        (3, 3, 64, 128),
        (3, 3, 128, 128),
        (3200, 256),
        (256, 256),
        (256, 10),
    ]


def test_an_mlp_has_n_layers_of_m_units():
    shapes = [tuple(weight.shape) for weight in FAMILY.named("3,20,elu").build().weights]
    assert shapes[::2] == [(3072, 20), (20, 20), (20, 10)]


@pytest.mark.parametrize(
    ("activation", "formula"),
    [
        (ACTIVATIONS["relu"], np.maximum(X, 0)),
        (ACTIVATIONS["tanh"], np.tanh(X)),
        (ACTIVATIONS["sigmoid"], 1 / (1 + np.exp(-X))),
        (ACTIVATIONS["arctan"], np.arctan(X)),
        (ACTIVATIONS["elu"], np.where(X > 0, X, np.expm1(X))),
        (ACTIVATIONS["hard_sigmoid"], np.clip(0.2 * X + 0.5, 0, 1)),
        (ACTIVATIONS["softplus"], np.log1p(np.exp(X))),
        (bounded_relu, np.clip(X, 0, 1)),
    ],
)
def test_activations_are_their_formulas(activation, formula):
    x = keras.Input((9,))
    np.testing.assert_allclose(keras.Model(x, activation(x))(X), formula, rtol=1e-5, atol=1e-6)


def test_mlp_weights_start_he_uniform():
    """Uniform within sqrt(6 / fan in) (He et al., 2015)."""
    keras.utils.set_random_seed(0)
    kernel, *_ = mlp(28, 1, [256], ACTIVATIONS["relu"]).get_weights()
    limit = np.sqrt(6 / 784)
    assert np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.01)

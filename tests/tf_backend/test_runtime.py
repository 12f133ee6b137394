"""The user's settings of TensorFlow and Keras: the toolkit's own hold in its blocks alone."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from scipy.io import loadmat
from tensorflow.python.framework import config as framework

from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.architectures import seven_layer
from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.runtime import deterministic, keras, own_settings, tf
from tests.helpers import ROOT, run, run_here

SETTINGS = [
    pytest.param({"image_data_format": "channels_first"}, marks=pytest.mark.slow),
    pytest.param({"floatx": "float64"}, marks=pytest.mark.slow),
    pytest.param(
        {"floatx": "float16", "image_data_format": "channels_first"}, marks=pytest.mark.slow
    ),
]


def settings():
    config = keras.config
    return config.image_data_format(), config.floatx(), config.dtype_policy().name


@pytest.fixture
def of_the_user():
    """Settings that differ from the toolkit's in everything."""
    before = settings()
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("mixed_float16")
    yield "channels_first", "float64", "mixed_float16"
    keras.config.set_image_data_format(before[0])
    keras.config.set_floatx(before[1])
    keras.config.set_dtype_policy(before[2])


def test_own_settings_hold_in_their_block_alone(of_the_user):
    with own_settings():
        assert settings() == ("channels_last", "float32", "float32")
    assert settings() == of_the_user
    with pytest.raises(ZeroDivisionError), own_settings():
        raise ZeroDivisionError
    assert settings() == of_the_user


def test_the_networks_of_2018_are_built_as_ever(of_the_user):
    model = seven_layer(28, 1, (2, 2, 2, 2, 4, 4), ACTIVATIONS["relu"])
    assert keras_network(model).input_shape == (28, 28, 1)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert settings() == of_the_user


def sampled(folder, run, **settings):
    """The maxima of a network that the commands train and sample under this keras.json."""
    home = folder / "keras"
    home.mkdir()
    (home / "keras.json").write_text(json.dumps({"backend": "tensorflow"} | settings))
    for command in (
        "train_2layer.py --dataset digits --epochs 1",
        "collect_gradients.py -d digits -m 2-layer -n 1 -N 64 -i 2 -b 64",
    ):
        done = run(*command.split(), cwd=folder, KERAS_HOME=str(home))
        assert done.returncode == 0, done.stderr
    files = sorted((folder / "lipschitz_mat").rglob("*.mat"))
    return {file.name: loadmat(file)["G2_max"] for file in files}


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return sampled(tmp_path_factory.mktemp("usual"), run_here)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda each: " ".join(each.values()))
def test_the_commands_give_the_same_whatever_keras_json_says(tmp_path, usual, settings):
    found = sampled(tmp_path, run, **settings)
    assert found
    assert found.keys() == usual.keys()
    for name, maxima in found.items():
        np.testing.assert_allclose(maxima, usual[name], rtol=1e-3)


def test_blocks_are_deterministic_until_the_last_of_all_threads_ends():
    assert not framework.is_op_determinism_enabled()
    inside, leave = threading.Event(), threading.Event()

    def other():
        with deterministic():
            inside.set()
            leave.wait()

    with deterministic():
        thread = threading.Thread(target=other)
        thread.start()
        inside.wait()
    assert framework.is_op_determinism_enabled()
    leave.set()
    thread.join()
    assert not framework.is_op_determinism_enabled()


def test_a_block_that_fails_is_left():
    with pytest.raises(ZeroDivisionError), deterministic():
        raise ZeroDivisionError
    assert not framework.is_op_determinism_enabled()


SCRIPT = """
import numpy as np
from estimate_gradient_norm import EstimateLipschitz
import keras, tensorflow as tf
from tensorflow.python.framework import config

layers = [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2, "tanh")]
model = keras.Sequential(layers)
model.compile("sgd", "mse")
with EstimateLipschitz(nthreads=1) as sampler:
    for order in (1, 2):
        sampler.load_model(model=model, batch_size=16, order=order)
        x_0 = np.full(4, 0.1, np.float32)
        true = int(sampler.logits(x_0[None]).argmax())
        sampler.estimate(x_0, true, 1 - true, 16, 2)
tf.random.normal((2,))
model.fit(np.zeros((8, 4)), np.zeros((8, 2)), verbose=0)
assert not config.is_op_determinism_enabled()
"""


def test_after_an_estimate_random_numbers_need_no_seed():
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_users_own_switch_stays_on():
    tf.config.experimental.enable_op_determinism()
    try:
        with deterministic():
            pass
        assert framework.is_op_determinism_enabled()
    finally:
        framework.disable_op_determinism()

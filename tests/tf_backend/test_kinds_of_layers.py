"""First and second derivatives of layers of many kinds, against differences in float64."""

import numpy as np
import pytest

from lipschitz.network import margin_weights
from lipschitz.tf_backend.network import keras_network
from lipschitz.tf_backend.runtime import keras, tf

layers = keras.layers
(WEIGHTS,) = margin_weights(3, 0, [2])
STEP = 1e-3  # some layers compute in float32 whatever they are told

LAYERS = {
    # shape of the input, layers
    "lstm": ((4, 3), lambda: [layers.LSTM(4)]),
    "both directions": ((4, 3), lambda: [layers.Bidirectional(layers.GRU(3))]),
    "masked steps": ((4, 3), lambda: [layers.Masking(0.25), layers.SimpleRNN(4)]),
    "convolution over time": ((3, 4, 4, 2), lambda: [layers.ConvLSTM2D(2, 2)]),
    "sequence": (
        (9, 2),
        lambda: [
            layers.Conv1D(4, 3, padding="causal", activation="tanh"),
            layers.MaxPooling1D(),
        ],
    ),
    "volume": ((4, 5, 4, 2), lambda: [layers.Conv3D(3, 2, activation="tanh")]),
    "volume, transposed": ((2, 3, 2, 2), lambda: [layers.Conv3DTranspose(3, 2), tanh()]),
    "batch norm": ((6, 7, 2), lambda: [layers.Conv2D(3, 2), layers.BatchNormalization(), tanh()]),
    "layer norm": ((6, 7, 2), lambda: [layers.Conv2D(3, 2), layers.LayerNormalization(), tanh()]),
    "group norm": ((6, 7, 4), lambda: [layers.GroupNormalization(2), tanh()]),
    "unit norm": ((6,), lambda: [layers.Dense(5), layers.UnitNormalization()]),
    "root of squares": ((6,), lambda: [layers.Dense(5), layers.RMSNormalization()]),
    "spectral norm": (
        (6, 7, 3),
        lambda: [layers.SpectralNormalization(layers.Conv2D(4, 3, activation="tanh"))],
    ),
    "depthwise": ((6, 7, 3), lambda: [layers.DepthwiseConv2D(3, depth_multiplier=2), tanh()]),
    "separable": ((6, 7, 3), lambda: [layers.SeparableConv2D(4, 3, activation="tanh")]),
    "groups": ((6, 7, 4), lambda: [layers.Conv2D(4, 3, groups=2, activation="tanh")]),
    "dilated": ((6, 7, 3), lambda: [layers.Conv2D(4, 2, dilation_rate=2, activation="tanh")]),
    "transposed": ((4, 5, 3), lambda: [layers.Conv2DTranspose(4, 3, strides=2), tanh()]),
    "larger": ((4, 5, 3), lambda: [layers.UpSampling2D(), layers.Conv2D(2, 2), tanh()]),
    "larger, smooth": (
        (4, 5, 3),
        lambda: [layers.UpSampling2D(interpolation="bilinear"), layers.Conv2D(2, 2), tanh()],
    ),
    "resized": ((4, 5, 3), lambda: [layers.Resizing(7, 3), layers.Conv2D(2, 2), tanh()]),
    "augmentation": (
        (4, 5, 3),
        lambda: [
            layers.RandomFlip(),
            layers.RandomRotation(0.2),
            layers.RandomContrast(0.2),
            layers.Conv2D(2, 2, activation="tanh"),
        ],
    ),
    "noise": (
        (6,),
        lambda: [layers.Dropout(0.5), layers.GaussianNoise(0.5), layers.Dense(5, "tanh")],
    ),
    "parametric": (
        (6,),
        lambda: [layers.Dense(5), layers.PReLU(alpha_initializer="ones"), layers.Dense(5, "tanh")],
    ),
    **{
        name: ((6,), lambda name=name: [layers.Dense(6, name), layers.Dense(5, "tanh")])
        for name in ("gelu", "silu", "mish", "selu", "leaky_relu", "softplus", "softmax")
    },
}


def tanh():
    return layers.Activation("tanh")


def attention():
    steps = keras.Input((5, 4))
    x = layers.LayerNormalization()(steps + layers.MultiHeadAttention(2, 3)(steps, steps))
    return keras.Model(steps, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def sequential(shape, make):
    return keras.Sequential([keras.Input(shape), *make(), layers.Flatten(), layers.Dense(3)])


MODELS = {"attention": attention} | {
    name: lambda shape=shape, make=make: sequential(shape, make)
    for name, (shape, make) in LAYERS.items()
}


def in_double_precision(build):
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        return build()
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


SLOW = {"lstm", "both directions", "masked steps", "convolution over time"}
EACH = [
    pytest.param(build, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
    for name, build in MODELS.items()
]


@pytest.mark.parametrize("build", EACH)
def test_derivatives_are_differences_of_the_same_model_in_double_precision(build):
    keras.utils.set_random_seed(3)
    model, exact = build(), in_double_precision(build)
    exact.set_weights(model.get_weights())
    network = keras_network(model)
    rng = np.random.default_rng(1)
    x, v = rng.uniform(-0.5, 0.5, (2, 2, *network.input_shape)).astype(np.float32)

    def margins(x):
        return tf.linalg.matvec(exact(x, training=False), tf.constant(WEIGHTS, tf.float64))

    @tf.function
    def gradients(x):
        return tf.gradients(margins(x), x)[0]

    def along_v(function):
        """The derivative of a function of x along v."""
        ends = [function(tf.constant(x + step * v, tf.float64)) for step in (STEP, -STEP)]
        return (ends[0] - ends[1]).numpy() / (2 * STEP)

    found = network.gradients(x, np.tile(WEIGHTS, (2, 1))).of_margins
    slopes = along_v(margins)
    np.testing.assert_allclose((found * v).reshape(2, -1).sum(axis=1), slopes, 2e-3, 1e-4)
    norms = [np.linalg.norm(found.reshape(2, -1), order, axis=1) for order in (2, 1, np.inf)]
    largest = network.gradient_maxima(x, WEIGHTS[None]).largest
    np.testing.assert_allclose(largest, [np.max(norms, axis=1)], rtol=1e-4)
    curved = along_v(gradients).reshape(2, -1)
    products = network.hessian_products(x, WEIGHTS)(np.arange(2), v.reshape(2, -1))
    np.testing.assert_allclose(products, curved, atol=3e-3 * np.abs(curved).max())

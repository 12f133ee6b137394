"""Training follows 2018's rule: momentum 0.9, Nesterov, learning rate / (1 + decay * step)."""

import numpy as np
import pytest

from lipschitz.builtin.model_names import Architecture
from lipschitz.builtin.training import Rate, Recipe, distil, learn, train
from lipschitz.data.dataset import DataSet
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.runtime import keras

RATE = Rate(0.5, decay=0.3)
T = 100  # of distillation
RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
LABELS = np.eye(2, dtype=np.float32)[(X[:, 0] > 0).astype(int)]
START = RNG.normal(size=(3, 2)).astype(np.float32)


def build():
    """Logits x W, without a bias, from known weights."""
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    model.set_weights([START])
    return model


ARCHITECTURE = Architecture("tiny", build, "python3 train_tiny.py")
DATA = DataSet(lambda: ((X, LABELS), (X, LABELS)), lambda: (X, LABELS))


def softmax(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def by_hand(steps, start=START, labels=LABELS, temperature=1):
    """The weights after some steps on all images at once (they fit one batch)."""
    w, velocity = start.astype(np.float64), np.zeros((3, 2))
    for step in range(steps):
        gradient = X.T @ (softmax(X @ w / temperature) - labels) / temperature / len(X)
        rate = RATE.initial / (1 + RATE.decay * step)
        velocity = 0.9 * velocity - rate * gradient
        w = w + 0.9 * velocity - rate * gradient
    return w


def test_steps_are_those_of_the_rule(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train(ARCHITECTURE, DATA, Recipe(RATE, epochs=6))
    model = keras.saving.load_model("models/tiny.keras")
    np.testing.assert_allclose(model.get_weights()[0], by_hand(6), rtol=1e-4, atol=1e-5)
    right = np.mean((X @ by_hand(6)).argmax(axis=1) == LABELS.argmax(axis=1))
    assert f"saved models/tiny.keras: {right:.2%} of the 40 test images are right" in (
        capsys.readouterr().out
    )


def test_a_seed_fixes_the_weights():
    def random():
        return keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])

    architecture = Architecture("random", random, "")
    first, again, other = (
        learn(architecture, DATA, Recipe(RATE, epochs=1, seed=seed)).get_weights()[0]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_distillation_is_that_of_the_definition(tmp_path, monkeypatch):
    """One epoch, then from there a teacher and a student, whose labels the teacher softens."""
    monkeypatch.chdir(tmp_path)
    distil(ARCHITECTURE, DATA, Recipe(RATE, epochs=4))
    first = by_hand(1)
    teacher = by_hand(4, first, LABELS, T)
    student = by_hand(4, first, softmax(X @ teacher / T), T)
    for stem, expected in (("tiny_init", first), ("tiny_teacher", teacher), ("tiny", student)):
        (found,) = keras.saving.load_model(f"models/{stem}.keras", compile=False).get_weights()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert not np.allclose(teacher, student, rtol=1e-3)


def test_adam_steps_by_the_rate_at_first():
    """Its first step moves each weight by the rate, against the gradient's sign."""
    model = learn(ARCHITECTURE, DATA, Recipe(Rate(0.01, 0.0), epochs=1, optimizer="adam"))
    gradient = START - by_hand(1)  # has the gradient's sign
    np.testing.assert_allclose(model.get_weights()[0], START - 0.01 * np.sign(gradient), atol=1e-5)


def test_no_epochs_is_an_error():
    with pytest.raises(InputError, match=r"^0 epochs: train for 1 epoch or more$"):
        Recipe(RATE, epochs=0)

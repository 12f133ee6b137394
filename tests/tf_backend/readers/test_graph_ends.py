"""The tensors of images and logits that a frozen graph shows by itself, and what is said if not."""

from pathlib import Path

import numpy as np
import pytest

from lipschitz.support.errors import InputError
from lipschitz.tf_backend.readers import graph_ends
from lipschitz.tf_backend.runtime import tf

WEIGHTS = np.ones((3, 5), np.float32)
PATH = Path("net.pb")
tf1 = tf.compat.v1


def found(build):
    """What is found in a graph from images x (None, 8, 8, 3) that `build` makes, logits first."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf1.placeholder(tf.float32, (None, 8, 8, 3), "images")
        logits = tf.matmul(tf.reduce_mean(x, (1, 2)), WEIGHTS, name="logits")
        build(x, logits)
    return graph_ends.find(PATH, graph.as_graph_def(), set())


def choice(x, logits):
    tf.argmax(logits, 1)


def probabilities_and_choice(x, logits):
    tf.cast(tf.argmax(tf.nn.softmax(logits, name="probabilities"), 1), tf.int32)


def choice_of_logits(x, logits):
    tf.argmax(logits, 1)
    tf.nn.softmax(logits, name="probabilities")


def best_three(x, logits):
    values, places = tf.nn.top_k(logits, 3)
    tf.identity(values), tf.identity(places)


def is_above_half(x, logits):
    tf.greater(tf.sigmoid(logits, name="probabilities"), 0.5)


def with_a_switch(x, logits):
    keep = tf1.placeholder_with_default(1.0, (), "keep")
    tf.multiply(logits, keep, "kept")


def with_a_number_beside(x, logits):
    tf.nn.l2_loss(x)


def with_a_step_beside(x, logits):
    tf.identity(tf1.placeholder(tf.int32, (None, 5), "step"))


@pytest.mark.parametrize(
    ("build", "end"),
    [
        (lambda x, logits: None, "logits:0"),
        (choice, "logits:0"),
        (choice_of_logits, "probabilities:0"),
        (probabilities_and_choice, "probabilities:0"),
        (best_three, "logits:0"),
        (is_above_half, "probabilities:0"),
        (with_a_switch, "kept:0"),
        (with_a_number_beside, "logits:0"),
        (with_a_step_beside, "logits:0"),
    ],
)
def test_the_only_placeholder_and_the_only_end_are_found(build, end):
    assert found(build) == ("images:0", end)


def two_ends(x, logits):
    tf.matmul(tf.reduce_max(x, (1, 2)), WEIGHTS, name="others")


def two_placeholders(x, logits):
    tf.multiply(logits, tf1.placeholder(tf.float32, (), "keep"), "kept")


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (two_ends, r"at images:0 \(float32\), and give its logits at logits:0, others:0: name"),
        (two_placeholders, r"at images:0 \(float32\), keep:0 \(float32\), and .* at kept:0: name"),
        (lambda x, logits: tf.reduce_sum(logits), "give its logits at no tensor: name the tensors"),
        (lambda x, logits: tf.io.write_file("x", "y"), "a WriteFile, .*; name the tensors .* if"),
    ],
)
def test_what_there_is_is_listed_if_it_is_not_one(build, said):
    with pytest.raises(InputError, match=said) as error:
        found(build)
    assert len(str(error.value).splitlines()) == 1


def test_of_many_ends_a_few_are_named():
    with pytest.raises(InputError, match=r"others_2:0, \.\.\.: name") as error:
        found(lambda x, logits: [two_ends(x, logits) for _ in range(100)])
    assert len(str(error.value)) < 300

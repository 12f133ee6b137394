"""Messages of Keras and TensorFlow, as they are, and the reason in each."""

import numpy as np
import pytest

from lipschitz.support.errors import LONGEST
from lipschitz.tf_backend.reasons import reason
from lipschitz.tf_backend.runtime import keras, tf

layers = keras.layers
MESSAGES = {
    "a layer": (
        "Exception encountered when calling Dense.call().\n\n\x1b[1mit does not fit\x1b[0m\n\n"
        "Arguments received by Dense.call():\n  • inputs=tf.Tensor(shape=(2, 5))",
        "it does not fit",
    ),
    "a layer's operation": (
        "Exception encountered when calling Lambda.call().\n\n\x1b[1m{{function_node "
        "__wrapped__MatMul_device_/job:localhost/device:CPU:0}} Matrix size-incompatible: In[0]: "
        "[2,6], In[1]: [5,5] [Op:MatMul] name: \x1b[0m\n\nArguments received",
        "Matrix size-incompatible: In[0]: [2,6], In[1]: [5,5]",
    ),
    "a graph": (
        "Graph execution error:\n\nDetected at node model/Gather defined at (most recent call "
        'last):\n  File "a.py", line 1, in <module>\n\n  File "b.py", line 2, in call\n\n'
        "indices[0] = 7 is not in [0, 5)\n\t [[{{node model/Gather}}]] [Op:__inference_call_5]",
        "indices[0] = 7 is not in [0, 5)",
    ),
    "a graph without its files": (
        "Graph execution error:\n\nDetected at node a defined at (most recent call last):\n"
        "<stack traces unavailable>\n2 root error(s) found.\n  (0) INTERNAL: no room\n\t [[{{node "
        "a}}]]\n  (1) INTERNAL: no room",
        "no room",
    ),
    "the user's code": (
        'in user code:\n\n    File "a.py", line 3, in None  *\n        lambda x: f(x)\n\n    '
        "ValueError: Dimensions must be equal, but are 6 and 4 for '{{node MatMul}} = "
        "MatMul[T=DT_FLOAT](x, x)' with input shapes: [4,6], [4,6].\n",
        "Dimensions must be equal, but are 6 and 4 with input shapes: [4,6], [4,6].",
    ),
    "channels first": (
        "Exception encountered when calling Conv2D.call().\n\n\x1b[1m{{function_node a}} The "
        "Conv2D op currently only supports the NHWC tensor format on the CPU. The op was given the "
        "format: NCHW [Op:Conv2D]\x1b[0m",
        "this processor cannot run channels_first convolutions; build the model with "
        'data_format="channels_last"',
    ),
    "nothing": ("", "ValueError"),
    "what a terminal obeys": ("red \x1b[31m text\nand more", r"red \x1b[31m text"),
    "a whole file": ("x" * 10_000, "x" * LONGEST),
}


@pytest.mark.parametrize(("message", "expected"), MESSAGES.values(), ids=MESSAGES)
def test_the_reason_is_one_printable_line(message, expected):
    assert reason(ValueError(message)) == expected


def test_errors_of_this_version_of_keras():
    model = keras.Sequential(
        [keras.Input((2,)), layers.Lambda(lambda x: tf.gather([1.0], tf.cast(x, tf.int32)))]
    )
    for call in (model, tf.function(model), model.predict_on_batch):
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            call(np.full((1, 2), 3, np.float32))
        assert reason(raised.value) == "indices[0,0] = 3 is not in [0, 1)"

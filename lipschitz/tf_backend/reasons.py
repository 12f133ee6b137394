"""Why a call of Keras or TensorFlow failed: their messages begin with where it happened."""

import re

from lipschitz.support.errors import first_line

BOLD = re.compile(r"\x1b\[1m(.*?)\x1b\[0m", re.DOTALL)  # Keras: the message of the layer
FILES = re.compile(  # the files that made an operation, with a line of each
    r'\A.*^( *)File "[^\n]*", line \d+, in [^\n]*\n(?:\1 +[^\n]*\n)?', re.DOTALL | re.MULTILINE
)
PLACES = re.compile(
    r"^Graph execution error:$|^Detected at node .*|^<stack traces unavailable>$"
    r"|^\d+ root error\(s\) found\.$|^ *\(0\) [A-Z_ ]+: "
    r"| for '\{\{node .*?\}\} = .*?'"
    r"|\{\{function_node .*?\}\} ?|\s*\[\[\{\{node .*|\s*\[Op:[^\]]*\].*",
    re.MULTILINE,
)
KIND = re.compile(r"\A\s*\w+Error: ")
CHANNELS_FIRST = re.compile(r"only supports.*NHWC")


def reason(error: Exception) -> str:
    """The reason that an error of Keras or TensorFlow gives, as one printable line."""
    message = str(error)
    if CHANNELS_FIRST.search(message):
        return (
            "this processor cannot run channels_first convolutions; build the model with "
            'data_format="channels_last"'
        )
    if bold := BOLD.search(message):
        message = bold[1]
    message = KIND.sub("", PLACES.sub("", FILES.sub("", message)))
    return first_line(message if message.strip() else type(error).__name__)

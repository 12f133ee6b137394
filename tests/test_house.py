"""Rules of the house that import contracts cannot hold (docs/architecture.md)."""

import ast
import re

import pytest

from tests.helpers import ROOT

OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]+")
ALLOWED = {
    "--help",  # of every command
    "--head",  # of ray start
    "--shm-size",  # docker's
}
# what tells the user which command to run next
COMMANDS = ("builtin/model_names.py", "results/findings.py", "results/remarks.py")


def messages(path):
    """The strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return [
        node.value for node in strings if isinstance(node.value, str) and id(node) not in docstrings
    ]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "lipschitz").rglob("*.py")), ids=lambda path: path.stem
)
def test_no_message_of_the_library_names_an_option(path):
    if path.relative_to(ROOT / "lipschitz").as_posix() in COMMANDS:
        pytest.skip("its messages are commands")
    named = {option for text in messages(path) for option in OPTION.findall(text)}
    assert named <= ALLOWED

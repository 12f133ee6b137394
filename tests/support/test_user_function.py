"""Functions that the user names: found in the current folder, called; errors in a line."""

import sys

import pytest

from lipschitz.support import user_function
from lipschitz.support.errors import InputError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with a module and a package of the user's."""
    (tmp_path / "my_models.py").write_text(
        "import my_layers\n"
        "def seven():\n    return my_layers.SEVEN\n"
        "def broken():\n    return 1 / 0\n"
        "def ended():\n    raise SystemExit(3)\n"
        "eight = 8\n"
        "def of_what(x):\n    return x\n"
        "class Made:\n    def __call__(self):\n        raise ValueError\n"
        "made = Made()\n"
    )
    (tmp_path / "my_layers.py").write_text("SEVEN = 7\n")
    (tmp_path / "faulty.py").write_text("\nimport no_such_library\n")
    (tmp_path / "unfinished.py").write_text("def f(:\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "part.py").write_text("def nine():\n    return 9\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name, module in sys.modules.items() if _is_in(module, tmp_path)]:
        del sys.modules[name]


def _is_in(module, folder):
    return str(folder) in (getattr(module, "__file__", None) or "")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("models:resnet", True),
        ("my_package.models:resnet", True),
        ("models/resnet", False),
        ("models:resnet:x", False),
        ("my-models:resnet", False),
        ("3,256,tanh", False),
        ("models:", False),
    ],
)
def test_the_form_of_a_name(text, is_one):
    assert user_function.is_name(text) == is_one


@pytest.mark.parametrize(("name", "value"), [("my_models:seven", 7), ("package.part:nine", 9)])
def test_a_function_of_the_current_folder_is_called(here, name, value):
    before = list(sys.path)
    assert user_function.result(name) == value
    assert sys.path == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere:f", r"there is no module 'nowhere' in "),
        ("package.other:f", r"there is no module 'package.other' in "),
        ("my_models:ten", r"my_models.py has no function 'ten'"),
        ("my_models:eight", r"has no function 'eight'"),
        ("my_models:broken", r"ZeroDivisionError: division by zero \(.*my_models.py, line 5\)"),
        ("my_models:ended", r"SystemExit: 3 \(.*my_models.py, line 7\)"),
        ("faulty:f", r"No module named 'no_such_library' \(.*faulty.py, line 2\)"),
        ("unfinished:f", r"unfinished:f fails: SyntaxError"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(here, name, said):
    with pytest.raises(InputError, match=said) as error:
        user_function.result(name)
    assert len(str(error.value).splitlines()) == 1


def test_what_the_module_made_is_taken_as_it_is(here):
    """A network can be called, and is no function that makes one."""
    assert type(user_function.result("my_models:made")).__name__ == "Made"
    assert type(user_function.result("my_models:Made")).__name__ == "Made"


def test_a_function_with_arguments_is_told_what_to_do(here):
    with pytest.raises(InputError, match="cannot be called without arguments: name a function"):
        user_function.result("my_models:of_what")

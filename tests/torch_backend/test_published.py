"""Networks of torchvision and timm by name: preprocessing, weights in a file, what is refused."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import setup_imagenet
from lipschitz.network import Box
from lipschitz.support.errors import InputError
from lipschitz.torch_backend.readers import published
from tests.helpers import ROOT, lines, run_here

extra = pytest.mark.extra
RESNET, VIT = "timm:test_resnet.r160_in1k", "timm:test_vit.r160_in1k"


def installed(package):
    """A package; the test is skipped if it cannot be imported beside this PyTorch."""
    try:
        return importlib.import_module(package)
    except Exception as error:
        pytest.skip(f"{package} cannot be imported: {error}")


def of_torchvision(name, monkeypatch):
    """The module of torchvision for its weights, which are random here; their mean and std."""
    models = installed("torchvision").models
    weights = models.get_model_weights(name).DEFAULT
    values = models.get_model(name).state_dict()
    monkeypatch.setattr(type(weights), "get_state_dict", lambda *_, **__: values)
    expected = weights.transforms()
    return models.get_model(name, weights=weights).eval(), expected.mean, expected.std


def of_timm(name):
    """The module of timm with random weights, and the mean and std that timm says."""
    timm = installed("timm")
    module = timm.create_model(name.removeprefix(published.TIMM)).eval()
    config = timm.data.resolve_model_data_config(module)
    return module, config["mean"], config["std"]


def saved(module, path):
    """The file with a module's weights."""
    if path.suffix == ".safetensors":
        installed("safetensors.torch").save_file(module.state_dict(), path)
    else:
        installed("torch").save(module.state_dict(), path)
    return str(path)


def logits(module, pixels, mean, std):
    """What a module gives for pixels (N, H, W, 3), 0 to 255, that are normalized by hand."""
    torch = installed("torch")
    images = (np.float32(pixels) / 255 - np.float32(mean)) / np.float32(std)
    with torch.no_grad():
        return module(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()


def noise(count, size):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def assert_alike(network, module, mean, std):
    pixels = noise(2, network.input_shape[0])
    expected = logits(module, pixels, mean, std)
    assert np.ptp(expected, axis=0).max() > 0.01 * np.abs(expected).max()  # the images decide them
    found = network.logits(np.float32(pixels) / 255 - np.float32(0.5))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert network.box == Box()


@extra
@pytest.mark.parametrize(
    "name",
    # the second rescales its images if torchvision loads weights
    ["resnet18", pytest.param("inception_v3", marks=pytest.mark.slow)],
)
def test_a_file_gives_the_network_of_torchvision(name, tmp_path, monkeypatch):
    module, mean, std = of_torchvision(name, monkeypatch)
    network = published.network(f"torchvision:{name}", saved(module, tmp_path / "w.pth"))
    assert_alike(network, module, mean, std)


@extra
@pytest.mark.parametrize("name", [RESNET, VIT, "timm:test_byobnet", "timm:tinynet_e"])
def test_a_file_gives_the_network_of_timm(name, tmp_path):
    module, mean, std = of_timm(name)
    network = published.network(name, saved(module, tmp_path / "w.safetensors"))
    assert_alike(network, module, mean, std)


@extra
def test_names_of_weights_choose_the_preprocessing():
    installed("torchvision")
    plain, large = (
        published.find(f"torchvision:vit_b_16.{name}")
        for name in ("IMAGENET1K_V1", "IMAGENET1K_SWAG_E2E_V1")
    )
    assert (plain.size, large.size) == ((224, 224), (384, 384))
    assert published.find("torchvision:resnet50").weights == "IMAGENET1K_V2"


@extra
def test_a_line_tells_the_preprocessing(tmp_path, capsys):
    module, *_ = of_timm(RESNET)
    published.network(RESNET, saved(module, tmp_path / "w.pth"))
    assert capsys.readouterr().err == (
        f"{RESNET}: 160 x 160, mean 0.5 0.5 0.5, std 0.5 0.5 0.5 (of r160_in1k); photographs are "
        "resized to a shorter side of 160 (lanczos), by its publishers to a shorter side of 168 "
        "(bilinear)\n"
    )


# What is refused -------------------------------------------------------------


def refusal(name, weights=""):
    """The one line that is said of a name."""
    with pytest.raises(InputError) as error:
        setup_imagenet.network(name, weights)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("package", "install"),
    [("torchvision", "pip install torchvision"), ("timm", "pip install -e '.[timm]'")],
)
def test_a_package_that_is_not_installed_is_named(package, install, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    needed = f"{package}:resnet50 needs the package {package}, which is not installed: {install}"
    assert refusal(f"{package}:resnet50") == needed


def test_a_torchvision_of_another_torch_is_a_line_with_both_versions(tmp_path, monkeypatch):
    (tmp_path / "torchvision.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    versions = {"torchvision": "0.29.1", "torch": "2.13.0"}
    monkeypatch.setattr(published.metadata, "version", versions.get)
    assert refusal("torchvision:resnet50") == (
        "torchvision:resnet50: torchvision cannot be imported (operator torchvision::nms does not "
        "exist): torchvision 0.29.1 may not be made for torch 2.13.0"
    )


@extra
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("torchvision:resnet51", "torchvision has no 'resnet51': choose from torchvision:resnet50"),
        ("torchvision:fcn_resnet50", "torchvision has no 'fcn_resnet50'"),  # gives no classes
        ("torchvision:resnet18.V1", "choose from torchvision:resnet18.IMAGENET1K_V1"),
        ("torchvision:vgg16.IMAGENET1K_FEATURES", "choose from torchvision:vgg16.IMAGENET1K_V1"),
        ("timm:resnet51", "timm:resnet50, "),
        ("timm:resnet50.a1_in2k", "choose from timm:resnet50.a1_in1k"),
        ("timm:hf-hub:timm/resnet50", "timm has no 'hf-hub:timm/resnet50'"),
        ("timm:", "timm has no ''"),
    ],
)
def test_an_unknown_name_is_answered_with_names_to_choose_from(name, said):
    installed(name.partition(":")[0])
    assert said in refusal(name)


@extra
@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("convnext_tiny.fb_in22k", 21841),
        ("vit_base_patch16_clip_224.openai", 512),
        ("vit_small_patch14_dinov2.lvd142m", 0),
    ],
)
def test_networks_of_other_classes_than_imagenets_are_refused(name, outputs):
    installed("timm")
    assert f"timm:{name} has {outputs} outputs, not one for each of" in refusal(f"timm:{name}")


@extra
@pytest.mark.parametrize(
    ("name", "download"),
    [
        ("torchvision:resnet18", "torch.hub.download_url_to_file"),
        (RESNET, "timm.models._builder.load_state_dict_from_hf"),
    ],
)
def test_a_download_that_fails_asks_for_a_file(name, download, tmp_path, monkeypatch, capsys):
    def refused(*_, **__):
        print("0 %")
        raise OSError("no route.\nTry again")

    installed(name.partition(":")[0])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(download, refused)
    assert refusal(name) == (
        f"the weights of {name} could not be downloaded (no route): give them in a file with "
        "--weights FILE"
    )
    assert capsys.readouterr().out == ""


@extra
def test_a_network_without_published_weights_asks_for_a_file():
    installed("timm")
    said = "no weights of timm:coatnet_0_224 are published: give them in a file with --weights FILE"
    assert refusal("timm:coatnet_0_224") == said


@extra
def test_weights_that_do_not_fit_are_refused(tmp_path):
    module, *_ = of_timm(RESNET)
    path = saved(module, tmp_path / "w.safetensors")
    assert refusal(VIT, path).startswith(f"--weights {path} lacks ")
    assert refusal(RESNET, "absent.pth") == "--weights absent.pth: no such file"


# The commands ----------------------------------------------------------------


@pytest.fixture
def here(tmp_path):
    """A folder with random weights, and two photographs named by what they are taken for."""
    module, mean, std = of_timm(RESNET)
    saved(module, tmp_path / "w.safetensors")
    pixels = noise(2, 160)
    (tmp_path / "imgs").mkdir()
    for number, label in enumerate(logits(module, pixels, mean, std).argmax(axis=1)):
        Image.fromarray(pixels[number]).save(tmp_path / "imgs" / f"{label + 1}.{number}.png")
    return tmp_path


def collect(here, *arguments):
    where = {"cwd": here, "CLEVER_IMAGENET": "imgs"}
    sizes = "-N", 8, "-b", 8, "-i", 5, "--nthreads", 1, "--target_type", 1, "--numimg", 2
    network = "-m", RESNET, "--weights", "w.safetensors"
    return run_here("collect_gradients.py", *network, *sizes, *arguments, **where)


@extra
@pytest.mark.parametrize(("images", "called"), [("imagenet", "imagenet"), ("imgs/", "imgs")])
def test_photographs_are_sampled_and_scored(images, called, here):
    done = collect(here, "-d", images)
    assert done.returncode == 0, done.stderr
    chosen = lines(done.stdout, "[DATAGEN]")
    assert len(chosen) == 2
    assert all("correct = True" in line for line in chosen)
    scored = run_here("clever.py", f"lipschitz_mat/{called}_{RESNET}", cwd=here)
    assert scored.returncode == 0, scored.stderr
    assert len(lines(scored.stdout, "[STATS][L0]")) == 1


@extra
def test_an_image_is_classified(here):
    image = next((here / "imgs").iterdir())
    options = "--model_name", RESNET, "--weights", "w.safetensors", "--num_top_predictions", 1
    done = run_here("setup_imagenet.py", "--image_file", image, *options, cwd=here)
    assert done.returncode == 0, done.stderr
    assert f"(class {image.name.partition('.')[0]}, score = " in done.stdout


@pytest.mark.parametrize(
    "code", ["import lipschitz.torch_backend.readers.published", "import setup_imagenet"]
)
def test_importing_it_imports_no_framework(code):
    frameworks = {"tensorflow", "torch", "torchvision", "timm"}
    program = f"{code}\nimport sys\nprint({frameworks} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


@extra
@pytest.mark.parametrize("name", ["torchvision:resnet18", RESNET, "timm:resnet18"])
def test_its_framework_is_pytorch_alone(name):
    pytest.importorskip("torch")
    program = (
        f"import sys, catalogue\ncatalogue.import_framework({name!r})\n"
        "print({'tensorflow', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "{'torch'}\n", done.stderr

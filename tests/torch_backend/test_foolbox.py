"""The attack finds inputs as near as those of a library of attacks, in as many steps."""

import numpy as np
import pytest

import setup_mnist
from lipschitz.builtin import model_file
from lipschitz.network import Box, Convention
from lipschitz.sampling.attack import Plan
from lipschitz.sampling.image_attack import Margins, attack_image

foolbox = pytest.importorskip("foolbox")
torch = pytest.importorskip("torch")
pytest.importorskip("tensorflow")
from lipschitz.torch_backend.network import module_network  # noqa: E402
from tests.keras_twin import twin  # noqa: E402

pytestmark = [pytest.mark.extra, pytest.mark.slow]

STEPS, IMAGES = 100, 4
LIBRARY = {
    "1": [foolbox.attacks.L1FMNAttack],
    "2": [foolbox.attacks.L2FMNAttack, foolbox.attacks.DDNAttack],
    "i": [foolbox.attacks.LInfFMNAttack],
}
ORDERS = {"1": 1, "2": 2, "i": np.inf}


@pytest.mark.parametrize("architecture", ["2-layer", "normal", "tanh"])
def test_distances_are_those_of_foolbox_or_less(
    monkeypatch, models_of_2018, mnist_data, architecture
):
    """Targeted, each from the image alone; theirs have to make the target the predicted class."""
    monkeypatch.setenv("CLEVER_DATA", str(mnist_data))
    family = setup_mnist.FAMILY
    chosen = family.cnn("tanh") if architecture == "tanh" else family.named(architecture)
    module = twin(model_file.load(models_of_2018 / chosen.stem, chosen.build))
    network = module_network(module, Convention(Box()), (28, 28, 1))
    data = setup_mnist.load()
    x, true = data.test_data[:IMAGES], data.test_labels[:IMAGES].argmax(axis=1)
    logits = network.logits(x)
    assert (logits.argmax(axis=1) == true).all()
    targets = np.argsort(logits, axis=1)[:, [0, 4, -2]]

    ours = {norm: [] for norm in ORDERS}
    for image, label, of_image in zip(x, true, targets.tolist(), strict=True):
        for found in attack_image(Margins(network, image, label, of_image), None, Plan(STEPS, 1)):
            for norm, distance in found.distances.items():
                ours[norm].append(distance)

    attacked = foolbox.PyTorchModel(module, bounds=(-0.5, 0.5), device="cpu")
    images = torch.from_numpy(np.repeat(x, 3, axis=0)).movedim(-1, 1).contiguous()
    wanted = foolbox.criteria.TargetedMisclassification(torch.from_numpy(targets.ravel()))
    for norm, attacks in LIBRARY.items():
        for each in attacks:
            _, there, succeeded = each(steps=STEPS)(attacked, images, wanted, epsilons=None)
            moved = (there - images).flatten(1).double().numpy()
            theirs = np.linalg.norm(moved, ORDERS[norm], axis=1)
            theirs[~succeeded.numpy()] = np.inf
            assert np.median(ours[norm] / theirs) <= 1.03, each.__name__

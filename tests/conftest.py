"""Fixtures that several tests use."""

import http.server
import shutil
import signal
import threading

import numpy as np
import pytest

from lipschitz.results import matfile
from lipschitz.results.attacked import Attacked
from lipschitz.settings import Limits, Settings, as_json
from tests.helpers import GOLDEN, SHARED, run_here


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory):
    """A folder with a 2-layer digits network, trained by the command; its accuracy is checked."""
    folder = tmp_path_factory.mktemp("digits")
    done = run_here("train_2layer.py", "--dataset", "digits", "--epochs", 20, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "training.log").write_text(done.stdout)
    return folder


@pytest.fixture
def workplace(digits_folder, tmp_path):
    """A folder of its own, with the trained digits network."""
    shutil.copytree(digits_folder / "models", tmp_path / "models")
    return tmp_path


@pytest.fixture(scope="session")
def models_of_2018():
    """The folder of networks that the 2018 toolkit trained."""
    folder = SHARED / "golden" / "models"
    if not folder.is_dir():
        pytest.skip("the networks of the 2018 toolkit are not here")
    return folder


@pytest.fixture(scope="session")
def mnist_data():
    """The folder of the four MNIST files."""
    folder = SHARED / "data" / "mnist"
    if not folder.is_dir():
        pytest.skip("MNIST is not here")
    return folder


@pytest.fixture
def ctrl_c():
    """What a test starts answers signals, though the tests run under nohup or in the background."""
    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, answer) for number, answer in usual.items()}
    yield
    for number, answer in before.items():
        signal.signal(number, answer)


@pytest.fixture
def server(tmp_path):
    """The address of a server on this machine that serves the folder `served`."""
    (tmp_path / "served").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=tmp_path / "served")

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def attacked_folder(tmp_path):
    """Six golden files with an attack, limits, a network, names and a picture.

    The attacks of image 0 found nothing; those of image 1 refute scores in L2 above 1.
    """
    folder = shutil.copytree(GOLDEN / "l2/mnist_normal", tmp_path / "mnist_normal")
    settings = Settings()
    for path in folder.iterdir():
        image = matfile.load(path).name.image_id
        nearest = {"1": 20.0, "2": 1.0, "i": 0.5} if image else dict.fromkeys("12i", np.inf)
        told = vars(settings) | {"box": str(settings.box), "radius": 3.0, "drawn": 1024}
        told |= {
            "Niters": 50,
            "network": "0123456789abcdef-fedcba9876543210",
            "image": f"{image:064x}",
        }
        x_0 = np.full((28, 28, 1), 0.5, np.float32)
        limits = Limits(dict.fromkeys("12i", 1e3), {"1": 3.0, "2": 3.0, "i": 3 / 28})
        attack = Attacked(nearest, dict.fromkeys("12i", True), {}, {"gradients": 100})
        matfile.add(
            path,
            matfile.limits(limits)
            | matfile.attack(attack)
            | matfile.description(x_0, settings.box, "dog,1.png", "seven; 7", 'a "1"')
            | {matfile.SETTINGS_KEY: as_json(told)},
        )
    return folder

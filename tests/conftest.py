"""Fixtures that several tests use."""

import http.server
import shutil
import signal
import threading

import pytest

from tests.helpers import SHARED, run_here


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

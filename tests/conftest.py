"""What the tests share: running the commands, a trained network, the files of 2018."""

import http.server
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lipschitz import errors, interruption

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "data" / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
SHARED = ROOT.parent / "shared"


def run(script, *args, cwd, **environment):
    """Run a command of the toolkit in the folder `cwd`."""
    return subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, args)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture
def run_here(monkeypatch, capsys):
    """A function like `run`, in this process: a command starts in no time, its libraries loaded."""

    def call(script, *args, cwd, **environment):
        module = importlib.import_module(Path(script).stem)
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", [script, *map(str, args)])
        monkeypatch.setattr(interruption, "_answer", lambda handler: None)  # pytest's own stay
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            errors.run(module.main)
        return subprocess.CompletedProcess(args, ended.value.code, *capsys.readouterr())

    return call


def lines(output, start):
    """The printed lines that start so."""
    return [line for line in output.splitlines() if line.startswith(start)]


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory):
    """A folder with a 2-layer digits network, trained by the command; its accuracy is checked."""
    folder = tmp_path_factory.mktemp("digits")
    done = run("train_2layer.py", "--dataset", "digits", "--epochs", 20, cwd=folder)
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
    """What a test starts answers Ctrl-C, also where the tests run in the background."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


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

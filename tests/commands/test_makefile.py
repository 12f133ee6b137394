"""What the Makefile and run.sh ask of a machine, with interpreters that only say their version."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.helpers import LONG, ROOT

TOOLS = ("cp", "dirname", "make", "mkdir", "rm", "sed", "sh", "touch")
FAKE = """#!/bin/sh
echo "${{0##*/}} $*" >> commands
case "$*" in
    *version_info*) {starts} && echo {version} ;;
    *ensurepip,*) {ensurepip} ;;
    "-m venv"*)
        rm -rf .venv
        mkdir -p .venv/bin .venv/lib/python{version}
        cp "$0" .venv/bin/python
        ;;
    *"pip install"*) {pip} && touch .venv/lib/python{version}/lipschitz ;;
    *"import lipschitz"*) [ -e .venv/lib/python{version}/lipschitz ] ;;
esac
"""
INSTALLED = "python -m pip install --quiet --editable .[dev]"


class Machine:
    """A clone, and a PATH with interpreters of its own."""

    def __init__(self, folder):
        self.clone, self.path = folder / "a clone", folder / "bin"
        self.clone.mkdir()
        self.path.mkdir()
        for name in ("Makefile", "make_venv.sh", "pyproject.toml"):
            shutil.copy(ROOT / name, self.clone)
        for tool in TOOLS:
            (self.path / tool).symlink_to(shutil.which(tool))

    @property
    def venv(self):
        return self.clone / ".venv"

    def has(self, name, version, starts="true", ensurepip="true", pip="true"):
        """Put an interpreter on the PATH; what else it is given are the answers of a shell."""
        fake = FAKE.format(version=version, starts=starts, ensurepip=ensurepip, pip=pip)
        (self.path / name).write_text(fake)
        (self.path / name).chmod(0o755)

    def make(self, *arguments):
        (self.clone / "commands").unlink(missing_ok=True)
        return subprocess.run(
            ["make", *arguments, ".venv/installed"],
            cwd=self.clone,
            env={"PATH": str(self.path)},
            capture_output=True,
            text=True,
            timeout=LONG,
        )

    def commands(self):
        """What was made and installed, by which interpreter."""
        ran = (self.clone / "commands").read_text().splitlines()
        return [command for command in ran if " -c " not in command and " -Ic " not in command]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def installed(machine):
    """A machine where all is set up, with Python 3.12."""
    machine.has("python3", "3.12")
    assert machine.make().returncode == 0
    return machine


def made(machine, *arguments):
    done = machine.make(*arguments)
    assert done.returncode == 0, done.stderr
    return machine.commands()


def refused(machine, *arguments):
    """The only line on stderr besides that of make."""
    done = machine.make(*arguments)
    assert done.returncode == 2
    said, of_make = done.stderr.splitlines()
    assert of_make.startswith("make: ***")
    assert not (machine.venv / "installed").exists()
    return said


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_first_run_makes_an_environment_and_the_second_nothing(machine, version):
    machine.has("python3", version)
    first, *rest, last = made(machine)
    assert (first, last) == ("python3 -m venv --clear .venv", INSTALLED)
    assert rest == ["python -m pip --version"]
    assert made(machine) == []


@pytest.mark.parametrize("version", ["2.7", "3.9", "3.10", "3.14", "4.11"])
def test_another_python_is_refused_before_anything_is_made(machine, version):
    machine.has("python3", version)
    assert refused(machine) == (
        f"python3 is Python {version}: the toolkit needs Python 3.11 to 3.13, give one with "
        "make PYTHON=python3.13"
    )
    assert not machine.venv.exists()


def test_the_absence_of_an_interpreter_is_said(machine):
    assert refused(machine).startswith("there is no python3: the toolkit needs Python 3.11 to")
    assert refused(machine, "PYTHON=python3.12").startswith("there is no python3.12: ")


def test_what_does_not_start_is_said(machine):
    machine.has("python3", "3.11", starts="false")
    assert refused(machine).startswith("python3 does not start (see above): the toolkit needs")


def test_debian_without_venv_is_told_what_to_install(machine):
    machine.has("python3", "3.11", ensurepip="false")
    assert refused(machine).endswith("apt install python3-venv python3.11-venv")
    assert not machine.venv.exists()


def test_what_another_python_left_is_made_anew(machine):
    """As the Makefile left it that did not look at the version."""
    machine.has("python3", "3.9")
    subprocess.run([machine.path / "python3", "-m", "venv", ".venv"], cwd=machine.clone, check=True)
    machine.has("python3", "3.11")
    done = machine.make()
    assert "making .venv anew" in done.stdout
    assert machine.commands()[0] == "python3 -m venv --clear .venv"
    assert (machine.venv / "lib" / "python3.11").exists()


def test_an_environment_of_another_supported_python_is_kept(installed):
    installed.has("python3", "3.13")
    os.utime(installed.venv / "installed", (0, 0))
    done = installed.make()
    assert installed.commands() == ["python -m pip --version", INSTALLED]
    assert "anew" not in done.stdout


def test_no_other_interpreter_is_needed_where_there_is_an_environment(installed):
    installed.has("python3", "3.9")
    os.utime(installed.venv / "installed", (0, 0))
    assert made(installed)[-1] == INSTALLED


def test_an_interpreter_that_is_given_takes_the_place_of_another(installed):
    installed.has("python3.13", "3.13")
    os.utime(installed.venv / "installed", (0, 0))
    assert made(installed, "PYTHON=python3.13")[0] == "python3.13 -m venv --clear .venv"


def test_an_environment_whose_interpreter_is_gone_is_made_anew(installed):
    (installed.venv / "bin" / "python").unlink()
    (installed.venv / "bin" / "python").symlink_to("/nowhere/python3.12")
    assert made(installed)[0] == "python3 -m venv --clear .venv"


def test_an_environment_is_made_anew_when_its_interpreter_becomes_another(installed):
    """Its link leads to a system's python3, which was upgraded."""
    installed.has("python3", "3.13")
    shutil.copy(installed.path / "python3", installed.venv / "bin" / "python")
    assert made(installed)[0] == "python3 -m venv --clear .venv"


def test_after_the_words_of_pip_comes_what_may_be_missing(machine):
    machine.has("python3", "3.11", pip="{ echo error: gcc >&2; false; }")
    done = machine.make()
    assert done.returncode == 2
    of_pip, said, _ = done.stderr.splitlines()
    assert of_pip == "error: gcc"
    assert "posix_ipc" in said
    assert "apt install build-essential python3-dev" in said
    assert not (machine.venv / "installed").exists()


def test_run_sh_asks_for_nothing_that_bash_3_lacks():
    """That of macOS; nor for a readlink with options, which its systems lacked for long."""
    text = (ROOT / "run.sh").read_text()
    later = r"mapfile|readarray|wait -n|\$\{\w+(,|\^)|declare -[Agn]|local -n|&>>|\|&|\[\[ -v |%\("
    assert not re.search(later, text)
    assert not re.search(r"\(readlink -", text)


def test_run_sh_finds_the_clone_through_links(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "first").symlink_to(ROOT / "run.sh")
    (tmp_path / "bin" / "second").symlink_to("first")
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["bin/second", "digits", "2-layer", "32", "3", "relu", "1", "all"],
        cwd=tmp_path,
        env=os.environ | {"PYTHON": str(python)},
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert done.returncode == 3
    assert f"{python} {ROOT}/collect_gradients.py --dataset digits" in done.stdout


@pytest.mark.slow
def test_this_interpreter_is_seen_as_it_is(tmp_path):
    """Not a fake one: its version is read, and the environment that it makes has a pip."""
    machine = Machine(tmp_path)
    (machine.path / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (machine.path / "python3").chmod(0o755)
    (machine.clone / "pyproject.toml").write_text('requires-python = ">=3.11,<3.14"\n[')
    done = machine.make()
    assert done.returncode == 2
    assert "apt install build-essential" in done.stderr  # pip cannot read this pyproject.toml
    assert (machine.venv / "bin" / "pip").exists()

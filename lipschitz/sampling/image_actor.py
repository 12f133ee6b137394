"""The process of a cluster that samples images: it holds the network and its sampling workers."""

import functools
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from lipschitz.network import Network
from lipschitz.sampling.image_job import Attack, Job, Part, parts
from lipschitz.sampling.pool import MOST_PER_CORE
from lipschitz.sampling.sampler import Sampler
from lipschitz.sampling.transformation import Transformation
from lipschitz.settings import Settings
from lipschitz.support import machine
from lipschitz.support.errors import InputError, concerning
from lipschitz.version import sources_hash, version


class Code(NamedTuple):
    """The toolkit that computes: its version, and a hash of its sources."""

    version: str
    sources: str

    def __str__(self) -> str:
        return f"version {self.version} (sources {self.sources})"


class Ready(NamedTuple):
    """What an actor computes with."""

    host: str
    device: str
    fingerprint: str  # of the network
    code: Code


@dataclass(frozen=True)
class Work:
    """What all images of a run have in common for those who sample them.

    `load` makes the network. Its place may be relative to the `folder` in which the run works;
    None: workers are in a copy of that folder already. Each process uses so many `cores`, and the
    GPU that it is given, or none.
    """

    folder: Path | None
    load: functools.partial[Network]
    settings: Settings
    cores: int
    on_gpu: bool = False
    nthreads: int = 0  # sampling workers; 0: half the cores
    transform: Transformation | None = None
    attack: Attack | None = None

    def code(self) -> Code:
        """The code here, with that which finds the network and transforms samples."""
        functions = [self.load.func, *([self.transform] if self.transform else [])]
        return Code(version(), sources_hash(functions))


class ImageActor:
    """Samples one image after the other, once it has started."""

    def __init__(self) -> None:
        """Nothing is loaded yet: errors of `start` reach the run, those of this do not."""
        self._ready: Ready | None = None

    def start(self, work: Work) -> Ready:
        """Load the network, unless that is done. Raises InputError if it cannot be loaded here."""
        if self._ready is None:
            with concerning(after=f" (on {socket.gethostname()})"):
                self._ready = self._load(work)
        return self._ready

    def parts(self, job: Job) -> Iterator[Part]:
        """Sample around an image and attack it."""
        work = self._work
        yield from parts(job, self._sampler, work.settings, work.transform, work.attack)

    def _load(self, work: Work) -> Ready:
        machine.use_cores(work.cores)
        nthreads = min(work.nthreads, MOST_PER_CORE * work.cores)
        if not work.on_gpu:
            machine.choose_device(machine.CPU)
        if work.folder is not None:
            _enter(work.folder)
        network = work.load()
        if network.box != work.settings.box:  # the columns of a table have ranges of their own
            network = replace(network, box=work.settings.box)
        if work.on_gpu and network.device == machine.cpu_name():
            raise InputError("the network finds no GPU to compute on")
        self._work = work
        self._sampler = Sampler(network, work.settings.batch_size, nthreads)
        return Ready(socket.gethostname(), network.device, network.fingerprint, work.code())


def _enter(folder: Path) -> None:
    """Work where the run works. Raises InputError if there is no such folder here."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise InputError(
            f"{folder}, where the run works, is not here ({error.strerror}): share it among the "
            "machines, or have Ray ship it"
        ) from error

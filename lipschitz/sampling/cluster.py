"""A Ray cluster, or this machine as one: its workers sample images, as many as there is room for.

Ray places them and moves what they give; one that is lost is hired anew, where there is room.
"""

import contextlib
import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import ray
from ray import ObjectRef, ObjectRefGenerator
from ray._private import worker as ray_driver
from ray.actor import ActorHandle
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

from lipschitz.data.words import counted
from lipschitz.network import short_fingerprint
from lipschitz.sampling.image_actor import Code, ImageActor, Ready, Work
from lipschitz.sampling.image_job import Ended, Event, Job, Lost
from lipschitz.support import command
from lipschitz.support.errors import InputError, Interrupted, RunError, first_line
from lipschitz.support.machine import cores
from lipschitz.support.progress import TELL_AGAIN
from lipschitz.support.progress import say_above as say

CORES = 4  # of a worker without a GPU, where a node has so many
MOST_DEATHS = 3  # of workers in a row as they start, if none was ever ready
CLIENT = "ray://"  # begins addresses of Ray's client, which lacks streams of results
NODE = "ray.io/node-id"  # the label that Ray gives each node
FOLDER = "/tmp"  # of Ray's files: the paths of its sockets may have 107 characters
LOOK = 1e-4  # seconds that a look at a worker takes, about
LOOK_AGAIN = 5.0  # seconds between two looks at the nodes


class Share(NamedTuple):
    """What a worker takes of a node."""

    cores: int
    gpus: int

    def fits_on(self, node: dict) -> int:
        """How many workers a node has room for."""
        there = node["Resources"] if node["Alive"] else {}
        count = int(there.get("CPU", 0)) // self.cores
        return min(count, int(there.get("GPU", 0))) if self.gpus else count

    def __str__(self) -> str:
        gpu = "a GPU and " if self.gpus else ""
        return gpu + counted(self.cores, "core")


@dataclass(eq=False)
class Worker:
    """An actor: it starts, is idle, or works on the job of a `key`."""

    actor: ActorHandle
    awaited: ObjectRef | ObjectRefGenerator | None  # None: it is idle
    ready: Ready | None = None  # None: it starts
    node: str = ""  # once it is ready
    key: Hashable = None


class NodeActor(ImageActor):
    """An actor that says on which node it is, and why it cannot be used."""

    def begin(self, work: Work) -> tuple[str, Ready | InputError]:
        """The id of the node, and what comes of `start`."""
        node = ray.get_runtime_context().get_node_id()
        try:
            return node, self.start(work)
        except InputError as error:
            return node, error


@contextlib.contextmanager
def joined(local: bool, working_dir: str = "") -> Iterator[None]:
    """Join a cluster that is there, or make one of this machine, for a block.

    Ray sends the workers a copy of the folder `working_dir`, if one is given. Signals are noted
    from here on, and by a crew. Raises InputError if there is no cluster, or the folder cannot be
    sent.
    """
    folder = tempfile.mkdtemp(prefix="ray-", dir=FOLDER) if local else None
    kept = False
    command.note_interrupted()  # Ray's calls do not end well if a signal raises in them
    try:
        _join(folder, working_dir)
        command.note_interrupted()  # Ray put in an answer of its own
        command.check_interrupted()
        yield
    except RunError:  # it may be the workers' fault
        kept = local
        raise
    finally:
        command.note_interrupted()
        ray.shutdown()
        if kept:
            say(f"what workers printed is in {folder}/session_latest/logs: remove {folder} later")
        elif folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _join(folder: str | None, working_dir: str) -> None:
    """Make a cluster whose files are in a folder, or join the one that is there."""
    os.environ.setdefault("RAY_SCHEDULER_EVENTS", "0")  # workers that wait for room are no news
    # it prints what befalls Ray's processes on stdout, among lines that programs parse
    ray_driver.listen_error_messages = lambda *_: None
    how = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    if folder is not None:
        say(f"Ray {ray.__version__} starts; its files are in {folder} until the run ends")
        how |= {"num_cpus": cores(), "include_dashboard": False, "_temp_dir": folder}
    elif (address := os.environ.get("RAY_ADDRESS", "")).startswith(CLIENT):
        raise InputError(
            f"RAY_ADDRESS={address}: Ray's client cannot be used: run this on a machine of the "
            "cluster, with HOST:PORT as its address"
        )
    if working_dir:
        how["runtime_env"] = {"working_dir": working_dir}
    try:
        ray.init("auto" if folder is None else "local", **how)
    except ConnectionError as error:
        raise InputError(
            "no Ray cluster is found: start one (ray start --head) or name one (RAY_ADDRESS); "
            f"without one, this machine can be its own ({first_line(error)})"
        ) from error
    except (RayError, RuntimeError, ValueError, OSError) as error:
        raise InputError(f"Ray cannot be used: {first_line(error)}") from error
    except SystemExit:
        raise Interrupted(signal.SIGTERM) from None  # Ray's answer, while it starts


def working_folder() -> Path | None:
    """The folder of this run, where its workers work too; None if Ray sends them a copy."""
    return None if ray.get_runtime_context().runtime_env.get("working_dir") else Path.cwd()


def share_of_worker(cores_per_worker: int | None, with_gpus: bool | None, grows: bool) -> Share:
    """What a worker takes: a GPU and its part of the cores, or cores alone where no node has any.

    If the cluster `grows`, it may come to have what it lacks. Raises InputError if it does not.
    """
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    there = [node["Resources"] for node in nodes]
    of_gpu = [int(node["CPU"] // node["GPU"]) for node in there if node.get("GPU")]
    on_gpus = with_gpus or (with_gpus is None and bool(of_gpu))
    largest = max((int(node["CPU"]) for node in there), default=CORES)
    chosen = min(of_gpu, default=CORES) if on_gpus else min(CORES, largest)
    share = Share(cores_per_worker or max(chosen, 1), int(on_gpus))
    if not any(map(share.fits_on, nodes)) and not grows:
        raise InputError(f"this machine has no room for a worker, which takes {share}")
    return share


class Crew(AbstractContextManager):
    """The workers of a run, hired as there is room. Use it in a `with` block."""

    def __init__(self, work: Work, share: Share, fingerprint: str, code: Code, grows: bool) -> None:
        """A worker whose network or toolkit is another is not used, nor is its node.

        If the cluster `grows`, more workers are asked for than there is room for.
        """
        self._work, self._share, self._grows = ray.put(work), share, grows
        self._fingerprint, self._code = fingerprint, code
        self._workers: list[Worker] = []
        self._refused: set[str] = set()  # nodes
        self._deaths: int | None = 0  # in a row as workers started; None: one was ready
        self._looked = self._told = -TELL_AGAIN
        self._there: int | None = None  # workers that there was room for, when it was last told

    def __enter__(self) -> "Crew":
        command.note_interrupted()
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in list(self._workers):
            self._dismiss(worker)

    @property
    def size(self) -> int:
        """Workers that are ready."""
        return sum(worker.ready is not None for worker in self._workers)

    @property
    def idle(self) -> list[Worker]:
        """Workers that are ready and have nothing to do."""
        return [worker for worker in self._workers if worker.awaited is None]

    def hire(self, jobs: int) -> None:
        """Have as many workers as there is room for, and no more than jobs.

        Raises RunError if no node can be used.
        """
        without_job = [worker for worker in self._workers if worker.key is None]
        without_job.sort(key=lambda worker: worker.ready is not None)  # those that start go first
        for worker in without_job[: max(len(self._workers) - jobs, 0)]:
            self._dismiss(worker)
        if time.monotonic() - self._looked < LOOK_AGAIN:
            return
        self._looked = time.monotonic()
        nodes = ray.nodes()
        alive = {node["NodeID"] for node in nodes if node["Alive"]}
        for worker in self.idle:
            if worker.node not in alive:
                self._dismiss(worker)
        there = sum(
            self._share.fits_on(node) for node in nodes if node["NodeID"] not in self._refused
        )
        if self._refused and not there and self._deaths is not None:
            raise RunError("no worker can be used (see above)")
        self._tell(there)
        ahead = max(self.size, 1) if self._grows else 0
        for _ in range(min(jobs, there + ahead) - len(self._workers)):
            self._add_worker()

    def hand(self, worker: Worker, key: Hashable, job: Job) -> None:
        """Give an idle worker a job."""
        worker.key = key
        worker.awaited = worker.actor.parts.options(num_returns="streaming").remote(job)

    def events(self, seconds: float) -> Iterator[tuple[Hashable, Event]]:
        """What workers gave by now, or first give within so many seconds, by the key of a job."""
        awaited = {worker.awaited: worker for worker in self._workers if worker.awaited is not None}
        if not awaited:
            time.sleep(seconds)
            return
        if ray.wait(list(awaited), timeout=seconds)[0]:
            time.sleep(LOOK * len(awaited))  # a look costs so much that more should have come
        for each in ray.wait(list(awaited), num_returns=len(awaited), timeout=0)[0]:
            worker = awaited[each]
            if worker.ready is None:
                self._begin(worker)
            else:
                yield worker.key, self._next(worker)

    def _tell(self, there: int) -> None:
        """Say how much room there is, if that is news or the run waits for it."""
        now = time.monotonic()
        if there == self._there and (self.size or now - self._told < TELL_AGAIN):
            return
        waiting = "" if there else ": waiting for machines"
        say(f"the cluster has room for {counted(there, 'worker')} of {self._share}{waiting}")
        self._there, self._told = there, now

    def _add_worker(self) -> None:
        needs = {"num_cpus": self._share.cores, "num_gpus": self._share.gpus}
        if self._refused:
            needs["label_selector"] = {NODE: f"!in({','.join(sorted(self._refused))})"}
        actor = ray.remote(NodeActor).options(**needs).remote()
        self._workers.append(Worker(actor, actor.begin.remote(self._work)))

    def _dismiss(self, worker: Worker) -> None:
        self._workers.remove(worker)
        ray.kill(worker.actor)

    def _begin(self, worker: Worker) -> None:
        """A worker is ready, or cannot be."""
        try:
            worker.node, found = ray.get(worker.awaited)
        except RayError as error:
            self._dismiss(worker)
            say(f"a worker failed as it started: {_reason(error)}")
            self._deaths = None if self._deaths is None else self._deaths + 1
            if self._deaths == MOST_DEATHS:
                raise RunError("workers fail as they start (see above)") from error
            return
        if reason := self._why_not(found):
            self._dismiss(worker)
            if worker.node not in self._refused:
                say(f"a machine is not used: {reason}")
            self._refused.add(worker.node)
            self._looked = -LOOK_AGAIN
        else:
            worker.ready, worker.awaited, self._deaths = found, None, None
            say(f"worker {self.size}: {found.device}, on {found.host}")

    def _why_not(self, found: Ready | InputError) -> str:
        """Why a worker cannot be used: it would sample another network, or in another way."""
        if isinstance(found, InputError):
            return str(found)
        if found.code != self._code:
            return f"it has {found.code} of the toolkit, not {self._code} (on {found.host})"
        if found.fingerprint != self._fingerprint:
            networks = found.fingerprint, self._fingerprint
            there, wanted = (short_fingerprint(each) for each in networks)
            return f"it has another network, {there} and not {wanted} (on {found.host})"
        return ""

    def _next(self, worker: Worker) -> Event:
        """What a worker gives next. One that is lost, or fails, is dismissed."""
        try:
            return ray.get(next(worker.awaited))
        except StopIteration:
            worker.awaited = worker.key = None
            return Ended()
        except RayError as error:  # what it holds may be spoiled
            self._dismiss(worker)
            self._looked = -LOOK_AGAIN  # there is room for another
            return Lost(f"{_reason(error)} (on {worker.ready.host})")


def _reason(error: RayError) -> str:
    """Why a worker is lost, in a few words."""
    if isinstance(error, OutOfMemoryError):
        return f"its machine is out of memory: {first_line(error)}"
    if not isinstance(error, RayTaskError):
        return "its process or its machine is gone"
    if isinstance(error.cause, RunError):
        return first_line(error.cause)
    return f"{type(error.cause).__name__}: {first_line(error.cause)}"

"""A Ray cluster, or this machine as one: its workers sample images, as many as there is room for.

Ray places them and moves what they give; one that is lost is hired anew, where there is room.
"""

import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import ray
from ray import ObjectRef, ObjectRefGenerator
from ray._private import worker as driver
from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError, RuntimeEnvSetupError

from lipschitz.data.words import counted
from lipschitz.network import short_fingerprint
from lipschitz.sampling.image_actor import ImageActor, Ready, Work
from lipschitz.sampling.image_job import Ended, Event, Job, Lost
from lipschitz.support import command
from lipschitz.support.errors import InputError, RunError, first_line
from lipschitz.support.machine import cores
from lipschitz.support.text import say
from lipschitz.version import of_sources, version

CORES = 4  # of a worker without a GPU, if all nodes have so many
MOST_DEATHS = 3  # of workers in a row, before they are ready
CLIENT = "ray://"  # begins addresses of Ray's client, which lacks streams of results
LOOK = 1e-4  # seconds that a look at a worker takes, about
LOOK_AGAIN = 5.0  # seconds between two looks at the nodes


class Room(NamedTuple):
    """What a worker takes of a node."""

    cores: int
    gpus: int

    def on(self, node: dict) -> int:
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
    key: Hashable = None


@contextlib.contextmanager
def joined(local: bool, working_dir: str = "") -> Iterator[None]:
    """Join a cluster that is there, or make one of this machine, for a block.

    Ray sends the workers a copy of the folder `working_dir`, if one is given. Signals are noted
    from here on, and by a crew. Raises InputError if there is no cluster, or the folder cannot be
    sent.
    """
    folder = tempfile.mkdtemp(prefix="ray-") if local else None
    try:
        _join(folder, working_dir)
        command.note_interrupted()  # Ray put in an answer of its own
        yield
    finally:
        command.note_interrupted()  # Ray's calls do not end well if a signal raises in them
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _join(folder: str | None, working_dir: str) -> None:
    """Make a cluster whose files are in a folder, or join the one that is there."""
    os.environ.setdefault("RAY_SCHEDULER_EVENTS", "0")  # workers that wait for room are no news
    # it prints what befalls Ray's processes on stdout, among lines that programs parse
    driver.listen_error_messages = lambda *_: None
    if (address := os.environ.get("RAY_ADDRESS", "")).startswith(CLIENT):
        raise InputError(
            f"RAY_ADDRESS={address}: Ray's client cannot be used: run this on a machine of the "
            "cluster, with HOST:PORT as its address"
        )
    how = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    if folder is not None:
        say(f"Ray {ray.__version__} starts; its files are in {folder} until the run ends")
        how |= {"num_cpus": cores(), "include_dashboard": False, "_temp_dir": folder}
    if working_dir:
        how["runtime_env"] = {"working_dir": working_dir}
    try:
        ray.init("auto" if folder is None else "local", **how)
    except ConnectionError as error:
        raise InputError(
            "no Ray cluster is found: start one (ray start --head) or name one (RAY_ADDRESS); "
            f"without one, this machine can be its own ({first_line(error)})"
        ) from error
    except (RuntimeEnvSetupError, ValueError) as error:
        raise InputError(f"Ray cannot be used: {first_line(error)}") from error


def working_folder() -> Path | None:
    """The folder of this run, where its workers work too; None if Ray sends them a copy."""
    return None if ray.get_runtime_context().runtime_env.get("working_dir") else Path.cwd()


def room(cores_per_worker: int | None, with_gpus: bool | None, grows: bool) -> Room:
    """What a worker takes: a GPU and its share of the cores, or cores alone where no node has any.

    If the cluster `grows`, it may come to have what it lacks. Raises InputError if it does not.
    """
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    there = [node["Resources"] for node in nodes]
    of_gpu = [int(node["CPU"] // node["GPU"]) for node in there if node.get("GPU")]
    on_gpus = with_gpus or (with_gpus is None and bool(of_gpu))
    of_nodes = of_gpu if on_gpus else [CORES, *(int(node["CPU"]) for node in there)]
    share = max(min(of_nodes, default=CORES), 1)
    takes = Room(cores_per_worker or share, int(on_gpus))
    if not any(map(takes.on, nodes)) and not grows:
        raise InputError(f"this machine has no room for a worker, which takes {takes}")
    return takes


class Crew(AbstractContextManager):
    """The workers of a run, hired as there is room. Use it in a `with` block."""

    def __init__(self, work: Work, takes: Room, fingerprint: str, grows: bool) -> None:
        """Who has a network of another fingerprint, or another version of the toolkit, is refused.

        If the cluster `grows`, more workers are asked for than there is room for.
        """
        self._work, self._takes, self._fingerprint = ray.put(work), takes, fingerprint
        self._grows = grows
        self._workers: list[Worker] = []
        self._refused = self._deaths = 0
        self._there: int | None = None  # workers that there was room for, when it was last told
        self._looked = -LOOK_AGAIN

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

        Raises RunError if all were refused.
        """
        without_job = [worker for worker in self._workers if worker.key is None]
        without_job.sort(key=lambda worker: worker.ready is not None)  # those that start go first
        for worker in without_job[: max(len(self._workers) - jobs, 0)]:
            self._dismiss(worker)
        if time.monotonic() - self._looked < LOOK_AGAIN:
            return
        self._looked = time.monotonic()
        there = sum(map(self._takes.on, ray.nodes()))
        if there != self._there:
            waiting = "" if there else ": waiting for machines"
            say(f"the cluster has room for {counted(there, 'worker')} of {self._takes}{waiting}")
        self._there = there
        ahead = max(self.size, 1) if self._grows else 0
        more = min(jobs, there + ahead - self._refused) - len(self._workers)
        if self._refused and more <= 0 and not self._workers:
            raise RunError("no worker can be used (see above, and Ray's logs)")
        for _ in range(more):
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

    def _add_worker(self) -> None:
        needs = {"num_cpus": self._takes.cores, "num_gpus": self._takes.gpus}
        actor = ray.remote(ImageActor).options(**needs).remote()
        self._workers.append(Worker(actor, actor.start.remote(self._work)))

    def _dismiss(self, worker: Worker) -> None:
        self._workers.remove(worker)
        self._looked = -LOOK_AGAIN  # there may be room for another
        ray.kill(worker.actor)

    def _begin(self, worker: Worker) -> None:
        """A worker is ready, or cannot be."""
        try:
            found = ray.get(worker.awaited)
        except RayTaskError as error:
            self._refuse(worker, first_line(error.cause))
        except RayError as error:
            self._deaths += 1
            if self._deaths < MOST_DEATHS:
                self._dismiss(worker)
            else:
                self._refuse(worker, f"it died as it started: {first_line(error)}")
        else:
            if different := difference(found, self._fingerprint):
                self._refuse(worker, f"{different} (on {found.host})")
            else:
                worker.ready, worker.awaited, self._deaths = found, None, 0
                say(f"worker {self.size}: {found.device}, on {found.host}")

    def _refuse(self, worker: Worker, reason: str) -> None:
        say(f"a worker is not used: {reason}")
        self._refused += 1
        self._deaths = 0
        self._dismiss(worker)

    def _next(self, worker: Worker) -> Event:
        """What a worker gives next. One that is lost, or fails, is dismissed."""
        try:
            return ray.get(next(worker.awaited))
        except StopIteration:
            worker.awaited = worker.key = None
            return Ended()
        except RayTaskError as error:
            reason = first_line(error.cause)  # what it holds may be spoiled
        except RayError:
            reason = "its process or its machine is gone"
        self._dismiss(worker)
        return Lost(f"{reason} (on {worker.ready.host})")


def difference(found: Ready, fingerprint: str) -> str:
    """Why a worker cannot be used: it would sample another network, or in another way."""
    if found.code != (code := (version(), of_sources())):
        there, wanted = (f"{number} (sources {digits})" for number, digits in (found.code, code))
        return f"it has version {there} of the toolkit, not {wanted}"
    if found.fingerprint != fingerprint:
        there, wanted = (short_fingerprint(each) for each in (found.fingerprint, fingerprint))
        return f"it has another network, {there} and not {wanted}"
    return ""

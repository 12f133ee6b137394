"""A run on a Ray cluster: what it costs beside a local run, and how many workers a driver feeds.

    python benchmarks/scale.py [PART ...] [--images 200] [--workers 1000] [--json FILE]

The parts are measured apart, all of them if none is named. Images and findings are made up, but
for `overhead` and `network`, which sample; `overhead`, `waiting` and `simulation` start Ray here.
Processes that only sleep stand for the workers of a simulation; the driver is the real one. Whether
its memory is flat, `memory --images 10000` tells.
"""

import argparse
import asyncio
import contextlib
import functools
import io
import multiprocessing
import os
import pickle
import random
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from concurrent.futures import ProcessPoolExecutor
from math import ceil
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import ray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import figures
from collect_gradients import print_result
from lipschitz.data import photographs
from lipschitz.data.on_demand import ImagesOnDemand
from lipschitz.data.targets import LEAST, RANDOM, TOP2, SelectedImage, choose
from lipschitz.maths.scores import DUAL_NORM
from lipschitz.network import Network
from lipschitz.results.attacked import Attacked
from lipschitz.results.checkpoint import INTERVAL
from lipschitz.results.estimate import Iteration
from lipschitz.sampling import cluster
from lipschitz.sampling.cluster_experiment import ClusterExperiment
from lipschitz.sampling.experiment import Experiment, ImageResult, checkpoint_of
from lipschitz.sampling.image_actor import Code, Ready, Work
from lipschitz.sampling.image_attack import Seen, plan_of
from lipschitz.sampling.image_job import (
    Attack,
    Begun,
    Ended,
    Event,
    GroupAttacked,
    Job,
    Part,
    Sampled,
)
from lipschitz.sampling.run_files import RunFiles
from lipschitz.sampling.sampler import AtImage, Sampler, estimates
from lipschitz.sampling.saved_attack import SavedAttack
from lipschitz.sampling.tasks import ImageTask, ImageTasks
from lipschitz.settings import IMAGENET_BATCH_SIZE, NITERS, NSAMPS, Settings
from lipschitz.version import version
from tests.sampling.numpy_network import NumPyNetwork

MNIST, IMAGENET = ((28, 28, 1), 10), ((224, 224, 3), 1000)  # shapes and classes; digits as MNIST
OF_DIGITS = Settings("digits", "2-layer", Nsamps=256, Niters=20, batch_size=256)
OF_IMAGENET = Settings("imagenet", "made_up", batch_size=IMAGENET_BATCH_SIZE)
SEEN = 20  # images that attacks may start from
TARGETS, COLUMNS = 3, 4  # of an iteration: three norms, and the samples left out
HOUR = 3600
HOURS = 1, 20  # that an image takes
SPEEDS = 1, 10, 100  # of a simulation: images of an hour take as much less
OF_PART = "checkpoints of a part, half the iterations"
WAITING = 10, 100, 1_000, 10_000  # streams

Figures = Iterator[tuple[str, float]]  # what is measured, and its value


def main() -> None:
    """Measure the parts that are asked for, print them and write the figures."""
    parser = figures.parser(__file__, __doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1000, help="of the simulation")
    parser.add_argument("--processes", type=int, default=20, help="in which these sleep")
    parser.add_argument("--seconds", type=float, default=60, help="of each simulation")
    args = parser.parse_args()
    found = {}
    for name in args.parts or PARTS:
        print(name)
        found[name] = {}
        for what, value in PARTS[name](args):
            print(f"  {what:60} {value:12.5g}", flush=True)
            found[name][what] = float(value)
    figures.write(found, args.json)


# the same images on one core through Ray, and without it


def overhead(args: argparse.Namespace) -> Figures:
    """Milliseconds an image through Ray and without, one after the other, and their ratio."""
    cores = os.sched_getaffinity(0)
    load = functools.partial(pinned, max(cores), digits_network)
    os.sched_setaffinity(0, {min(cores)})  # for this process and those of Ray
    os.environ |= {"RAY_worker_niceness": "0"}  # as this process, if the machine has other work
    network = digits_network()
    attack = digits_attack(network)
    work = Work(Path.cwd(), load, OF_DIGITS, 1, nthreads=1, attack=Attack(attack.plan, attack.seen))
    pairs = []
    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as local,
        cluster.joined(local=True),
        cluster.Crew(work, cluster.Share(1, 0), network.fingerprint, work.code(), False) as crew,
    ):
        through_ray = ClusterExperiment(crew, RunFiles(OF_DIGITS), attack)
        for pair in range(args.repeats + 1):
            images = args.images if pair else 2  # the first are to start all
            without = local.submit(seconds_without_ray, load, images).result()
            pairs.append((seconds(through_ray, network, images), without))
    os.sched_setaffinity(0, cores)
    through, without = 1e3 * np.array(pairs[1:]).T / args.images
    yield "through Ray, ms an image", np.median(through)
    yield "without, ms an image", np.median(without)
    yield "more, ms an image", np.median(through - without)
    yield "ratio", np.median(through / without)
    yield "smallest ratio", np.min(through / without)
    yield "largest ratio", np.max(through / without)


def pinned(core: int, load: Callable[[], Network]) -> Network:
    """A network whose process, with the workers that it starts, uses one core."""
    os.sched_setaffinity(0, {core})
    return load()


def digits_network() -> Network:
    """A small network of the digits, untrained and the same in all processes."""
    from lipschitz.builtin.architectures import two_layer
    from lipschitz.tf_backend.network import keras_network
    from lipschitz.tf_backend.runtime import keras

    keras.utils.set_random_seed(1)
    return keras_network(two_layer(28, 1))


def digits_attack(network: Network) -> SavedAttack:
    """A short attack."""
    images = made_up_images(MNIST[0], SEEN)[:]
    return SavedAttack(network, plan_of(OF_DIGITS, 5), Seen(images, network.logits(images)))


@functools.cache
def of_process(load: Callable[[], Network]) -> tuple[Sampler, SavedAttack]:
    """What a process computes with, made once."""
    network = load()
    return Sampler(network, OF_DIGITS.batch_size, 1), digits_attack(network)


def seconds_without_ray(load: Callable[[], Network], images: int) -> float:
    """The time that images take in this process."""
    sampler, attack = of_process(load)
    experiment = Experiment(sampler, RunFiles(OF_DIGITS), attack=attack)
    return seconds(experiment, sampler.network, images)


def seconds(experiment: Experiment | ClusterExperiment, network: Network, images: int) -> float:
    """The time that images take, in a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        tasks = made_up_tasks(images, Path(folder), OF_DIGITS, network)
        start = time.perf_counter()
        for result in experiment.run(tasks):
            if result.error or result.lost:
                raise SystemExit(f"image {result.image.image_id}: {result.error}")
        return time.perf_counter() - start


# what is made up


def made_up_images(shape: tuple[int, ...], count: int) -> ImagesOnDemand:
    """Images of noise."""
    return ImagesOnDemand(
        count, shape, lambda i: np.random.default_rng(i).random(shape, np.float32) - np.float32(0.5)
    )


def made_up_tasks(count: int, folder: Path, settings: Settings, network: Network) -> ImageTasks:
    """Images with three targets; the class that the network sees counts as the true one."""
    images = made_up_images(network.input_shape, count)
    chosen = [selected(i, network.logits(images[i : i + 1])[0]) for i in range(count)]
    return ImageTasks(chosen, images, folder, settings, network)


def selected(image_id: int, logits: np.ndarray) -> SelectedImage:
    """An image with the targets that it has by default."""
    label = np.eye(len(logits))[logits.argmax()][None]
    kinds = TOP2 | RANDOM | LEAST
    generator = random.Random(image_id)  # noqa: S311
    return next(choose([image_id], logits[None], label, kinds, generator))


class NetworkOfDriver(NumPyNetwork):
    """One whose logits cost nothing: a driver asks for little else."""

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__(None, np.arange(classes, dtype=np.float32)[::-1], shape)

    def logits(self, x: np.ndarray) -> np.ndarray:
        """The same for all images."""
        return np.broadcast_to(self.b, (len(x), self.num_labels))


def made_up_parts(job: Job, classes: int, count: int, at_once: int = 0) -> Iterator[Part]:
    """What a worker gives for an image: a few of its iterations `at_once`, the rest in parts.

    All of them would come in `count` parts.
    """
    rng = np.random.default_rng(job.image_id)
    pred = rng.random(classes, np.float32)
    margins, at_image = [1.0] * TARGETS, (job.true_label, job.targets, job.image_id)
    yield Begun(AtImage(OF_IMAGENET, job.x_0[:0], *at_image, pred, margins, None), [])
    found = 1 - 0.1 * rng.weibull(4, (NITERS, TARGETS, COLUMNS))
    found[..., -1] = 0
    rest = np.arange(at_once, NITERS)
    in_parts = np.array_split(rest, max(round(count * len(rest) / NITERS), 1))
    for numbers in [range(at_once), *in_parts]:
        if len(numbers):
            yield Sampled([Iteration(found[i].copy(), 7.2 * i, 0.01) for i in numbers])
    yield GroupAttacked([made_up_attack(job.x_0) for _ in job.targets])


def made_up_attack(x_0: np.ndarray) -> Attacked:
    """The result of an attack on a target, with an input for each norm."""
    distances, settings = dict.fromkeys(DUAL_NORM, 1.0), {"method": "FMN", "gradients": 2**20}
    images = {norm: x_0 + np.float32(0.01) for norm in DUAL_NORM}
    return Attacked(distances, dict.fromkeys(DUAL_NORM, True), images, settings)


def parts_in(hours: float) -> int:
    """The parts in which the iterations of an image come that takes so long."""
    an_iteration = hours * HOUR / NITERS
    return ceil(NITERS / ceil(INTERVAL / an_iteration))


def driver_of(crew: object) -> ClusterExperiment:
    """The driver of a run on ImageNet."""
    network = NetworkOfDriver(*IMAGENET)
    images = made_up_images(IMAGENET[0], SEEN)[:]
    seen = Seen(images, network.logits(images))
    attack = SavedAttack(network, plan_of(OF_IMAGENET), seen)
    return ClusterExperiment(crew, RunFiles(OF_IMAGENET), attack)


# the memory of the driver


def memory(args: argparse.Namespace) -> Figures:
    """MB of the driver after so many images, with so many workers, each in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    for workers in (10, args.workers):
        with ProcessPoolExecutor(1, spawn) as process:
            images = max(args.images, workers)
            yield from process.submit(memory_with, workers, images).result().items()


def memory_with(workers: int, images: int) -> dict[str, float]:
    """MB that the driver has, and the most that it had."""
    network, with_workers = NetworkOfDriver(*IMAGENET), f"{workers} workers, MB"
    with tempfile.TemporaryDirectory() as folder:
        before = resident()
        tasks = made_up_tasks(images, Path(folder), OF_IMAGENET, network)
        found = {f"{with_workers}, the list of {images} images": resident() - before}
        results = driver_of(MadeUpCrew(workers)).run(tasks)
        for count, _ in enumerate(results, start=1):
            if count in (100, 1_000, 10_000, images):
                found[f"{with_workers}, after {count} images"] = resident()
                most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
                found[f"{with_workers}, most until {count} images"] = most
    return found


def resident() -> float:
    """The memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class MadeUpCrew:
    """Workers without processes, whose images take no time."""

    def __init__(self, size: int) -> None:
        ready = Ready("made up", "CPU, 1 core", "", Code(version(), ""))
        self.workers = [SimpleNamespace(ready=ready, key=None, parts=None) for _ in range(size)]
        self.size = size

    @property
    def idle(self) -> list[SimpleNamespace]:
        """Workers that have nothing to do."""
        return [worker for worker in self.workers if worker.parts is None]

    def hire(self, jobs: int) -> None:
        """All are there."""

    def hand(self, worker: SimpleNamespace, key: Hashable, job: Job) -> None:
        """Give an idle worker a job."""
        worker.key, worker.parts = key, made_up_parts(job, IMAGENET[1], count=2)

    def events(self, seconds: float) -> Iterator[tuple[Hashable, Event]]:
        """The next part of each image."""
        for worker in self.workers:
            if worker.parts is not None:
                part = next(worker.parts, None)
                worker.parts = worker.parts if part else None
                yield worker.key, part or Ended()


# what goes to and fro


def messages(args: argparse.Namespace) -> Figures:
    """Messages and bytes of an image, to the worker and back."""
    for name, (shape, classes) in (("MNIST", MNIST), ("ImageNet", IMAGENET)):
        job = Job(0, made_up_images(shape, 1)[0], 0, range(TARGETS))
        yield f"{name}, bytes to the worker", pickled(job)
        for hours in HOURS:
            parts = list(made_up_parts(job, classes, parts_in(hours)))
            *rest, attacked = map(pickled, parts)
            image = f"{name}, {hours} h"
            yield f"{image}, messages to the driver", len(parts) + 1  # the end
            yield f"{image}, bytes without the attack", sum(rest)
            yield f"{image}, bytes of the attack", attacked


def pickled(message: object) -> int:
    """Bytes that a message takes."""
    return len(pickle.dumps(message, protocol=5))


# the work of the driver for an image


def driver(args: argparse.Namespace) -> Figures:
    """Milliseconds of each step for an image of ImageNet, and how many workers that allows."""
    taken = defaultdict(list)
    network, experiment = NetworkOfDriver(*IMAGENET), driver_of(None)
    with tempfile.TemporaryDirectory() as folder:
        photograph = Path(folder) / "1.1.jpg"
        noise = np.random.default_rng(0).integers(0, 256, (47, 63, 3), np.uint8)
        Image.fromarray(noise).resize((500, 375)).save(photograph)
        for task in made_up_tasks(4 * args.repeats, Path(folder), OF_IMAGENET, network):
            for step, clocks in steps(experiment, task, photograph):
                taken[step].append(clocks)
    median = {step: 1e3 * np.median(each, axis=0) for step, each in taken.items()}
    for place, clock in enumerate(("ms", "ms of a core")):
        of_clock = {step: each[place] for step, each in median.items()}
        yield from ((f"{step}, {clock}", value) for step, value in of_clock.items())
        once = sum(of_clock.values()) - of_clock[OF_PART]
        for hours in HOURS:
            of_image = once + parts_in(hours) * of_clock[OF_PART]
            yield f"images of {hours} h, {clock}", of_image
            yield f"images of {hours} h, workers fed, by {clock}", 1e3 * hours * HOUR / of_image


def steps(
    experiment: ClusterExperiment, task: ImageTask, photograph: Path
) -> Iterator[tuple[str, np.ndarray]]:
    """The steps for an image one after the other, and the seconds of each: passed, of a core."""
    files, attack = experiment.files, experiment.attack
    last = np.zeros(2)

    def lap() -> np.ndarray:
        nonlocal last
        before, last = last, np.array([time.perf_counter(), time.thread_time()])
        return last - before

    logits = attack.network.logits(task.x_0[None])[0]
    lap()
    selected(task.image.image_id, logits)
    yield "choose its targets", lap()
    for _ in range(2):
        photographs.decode(photograph, IMAGENET[0][0])
    yield "read a photograph twice", lap()
    attack.left(task, files.kept(task, attacking=True))
    checkpoint = checkpoint_of(task, task.files, "CPU")
    yield "look for its files and hash the image", lap()
    job = Job(0, task.x_0, 0, [file.target for file in task.files])
    begun, half, other_half, attacked = made_up_parts(job, IMAGENET[1], 2)
    lap()
    checkpoint.iterations += half.iterations
    checkpoint.write()
    yield OF_PART, lap()
    checkpoint.iterations += other_half.iterations
    found = estimates(begun.image, checkpoint.iterations)
    yield "estimates", lap()
    for place, (file, estimate) in enumerate(zip(task.files, found, strict=True)):
        files.save(task, file, estimate, [])
        checkpoint.remove(place)
    yield "write its .mat files", lap()
    added = attack.add(task, task.files, attacked.results)
    yield "add the attacks to them", lap()
    sampled = list(zip(task.files, found, strict=True))
    with contextlib.redirect_stdout(io.StringIO()):
        print_result(ImageResult(task.image, [], added, sampled), 0.0, watched=False)
    yield "print its lines", lap()


# streams that wait, and a simulation of many workers


class Sleeper:
    """An actor that sleeps where others sample: many images at once."""

    def __init__(self, interval: float, parts: int, started: int) -> None:
        """A part comes every `interval` seconds; the first images have `started` before."""
        self._interval, self._parts, self._started = interval, parts, started

    async def parts(self, job: Job) -> AsyncIterator[Part]:
        """What an actor that samples gives."""
        rng = np.random.default_rng(job.image_id)
        at_once = int(rng.integers(NITERS)) if job.image_id < self._started else 0
        for part in made_up_parts(job, IMAGENET[1], self._parts, at_once):
            if not isinstance(part, Begun):
                await asyncio.sleep(rng.uniform(0, 2 * self._interval))
            yield part


class Enough(Exception):
    """A simulation has lasted long enough."""


class Moment(NamedTuple):
    """What has passed until then: seconds, of the process and of its main thread; events."""

    wall: float
    process: float
    thread: float
    events: Counter[str]

    @classmethod
    def now(cls, events: Counter[str]) -> "Moment":
        """The present one."""
        clocks = time.monotonic(), time.process_time(), time.thread_time()
        return cls(*clocks, events.copy())


class SleepingCrew(cluster.Crew):
    """Workers that are streams of a few sleeping actors; all else is as it is."""

    def __init__(
        self, size: int, processes: int, interval: float, parts: int, lasts: float = float("inf")
    ) -> None:
        """Events end with Enough when all workers have had images for so many seconds."""
        sleeper = ray.remote(Sleeper).options(num_cpus=0, max_concurrency=ceil(size / processes))
        self._actors = [sleeper.remote(interval, parts, size) for _ in range(processes)]
        ready = Ready("this machine", "CPU, 1 core", "", version())
        actors = [self._actors[i % processes] for i in range(size)]
        self._workers = [cluster.Worker(actor, None, ready) for actor in actors]
        self._lasts = lasts
        self.counted: Counter[str] = Counter()
        self.full: Moment | None = None  # when all had an image

    def __exit__(self, *exception: object) -> None:
        for actor in self._actors:
            ray.kill(actor)

    def hire(self, jobs: int) -> None:
        """All are there."""
        if self.full is None and self.counted["Begun"] >= self.size:
            self.full = Moment.now(self.counted)
        if self.full is not None and time.monotonic() > self.full.wall + self._lasts:
            raise Enough

    def events(self, seconds: float) -> Iterator[tuple[Hashable, Event]]:
        """Those of the crew, counted."""
        for key, event in super().events(seconds):
            self.counted[type(event).__name__] += 1
            yield key, event


def waiting(args: argparse.Namespace) -> Figures:
    """Milliseconds in which the driver sees that no worker has news."""
    job = Job(0, np.zeros(1, np.float32), 0, range(TARGETS))
    with cluster.joined(local=True):
        for size in WAITING:
            with SleepingCrew(size, args.processes, HOUR, 1) as crew:
                for worker in crew.idle:
                    crew.hand(worker, 0, job)
                while crew.counted["Begun"] < size:
                    list(crew.events(1))
                taken = [duration(lambda: list(crew.events(0))) for _ in range(args.repeats)]
                yield f"{size} workers, ms", 1e3 * min(taken)


def duration(work: Callable[[], object]) -> float:
    """How many seconds the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def simulation(args: argparse.Namespace) -> Figures:
    """What the driver does while so many workers have images of an hour, and of less."""
    for speed in SPEEDS:
        parts = parts_in(1)
        interval = HOUR / parts / speed
        simulated = simulate(args.workers, args.processes, interval, parts, args.seconds)
        for what, value in simulated.items():
            yield f"{args.workers} workers, {60 / speed:g} min an image: {what}", value


def simulate(
    workers: int, processes: int, interval: float, parts: int, seconds: float
) -> dict[str, float]:
    """Rates and shares of a core, once all workers have an image."""
    network = NetworkOfDriver(*IMAGENET)
    images = 5 * workers + int(2 * seconds * workers / interval / parts)
    with (
        tempfile.TemporaryDirectory() as folder,
        cluster.joined(local=True),
        SleepingCrew(workers, processes, interval, parts, seconds) as crew,
    ):
        tasks = made_up_tasks(images, Path(folder), OF_IMAGENET, network)
        start = Moment.now(crew.counted)
        with contextlib.suppress(Enough):
            for _ in driver_of(crew).run(tasks):
                pass
        end = Moment.now(crew.counted)
    lasted = end.wall - crew.full.wall
    events = end.events - crew.full.events
    return {
        "seconds until all workers have one": crew.full.wall - start.wall,
        "images a minute, due": 60 * workers / interval / parts,
        "images a minute": 60 * events["GroupAttacked"] / lasted,
        "parts a second, due": workers / interval,
        "parts a second": events["Sampled"] / lasted,
        "share of a core, the process": (end.process - crew.full.process) / lasted,
        "share of a core, its main thread": (end.thread - crew.full.thread) / lasted,
        "memory, MB": resident(),
    }


# the network


def network(args: argparse.Namespace) -> Figures:
    """Hours of an image on this machine's cores, from batches with three targets; choosing it."""
    from lipschitz.tf_backend.network import keras_network
    from lipschitz.tf_backend.runtime import keras

    batch = IMAGENET_BATCH_SIZE
    settings = Settings("imagenet", "untrained", Nsamps=batch, Niters=4, batch_size=batch)
    for name in ("MobileNetV2", "ResNet50V2"):
        model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
        made = keras_network(model)
        x_0 = made_up_images(IMAGENET[0], 1)[0]
        image = selected(0, made.logits(x_0[None])[0])
        with Sampler(made, batch) as sampler:
            at_image = sampler.at_image(settings, x_0, image.true_label, image.targets)
            ended = [iteration.ended for iteration in sampler.iterations(at_image)]
        of_batch = np.median(np.diff(ended))
        yield f"{name}, h an image", of_batch * NSAMPS / batch * NITERS / HOUR
        images = np.repeat(x_0[None], batch, axis=0)
        forward = min(duration(lambda: made.logits(images)) for _ in range(3))  # noqa: B023
        yield f"{name}, ms to choose an image", 1e3 * forward / batch


PARTS = {
    "overhead": overhead,
    "memory": memory,
    "messages": messages,
    "driver": driver,
    "waiting": waiting,
    "simulation": simulation,
    "network": network,
}

if __name__ == "__main__":
    main()

"""An experiment on a cluster: many images at a time, whose files are all written here.

Workers give the iterations of an image in parts; the files and their checkpoints are those of a
run on one machine, which may go on where this one ended, and the other way round.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lipschitz.results.attacked import Attacked
from lipschitz.results.checkpoint import Checkpoint
from lipschitz.results.estimate import Estimate
from lipschitz.sampling.experiment import ImageResult, checkpoint_of
from lipschitz.sampling.image_job import (
    Begun,
    Ended,
    Failed,
    GroupAttacked,
    Job,
    Lost,
    Part,
    Sampled,
)
from lipschitz.sampling.run_files import RunFiles
from lipschitz.sampling.sampler import estimates
from lipschitz.sampling.saved_attack import SavedAttack
from lipschitz.sampling.tasks import ImageTask, ImageTasks, TargetFile
from lipschitz.settings import Provenance
from lipschitz.support.command import check_interrupted
from lipschitz.support.errors import ImageError, RunError
from lipschitz.support.progress import TELL_AGAIN, progress
from lipschitz.support.progress import say_above as say

if TYPE_CHECKING:
    from lipschitz.sampling.cluster import Crew

MOST_LOSSES = 3  # of workers in a row, before an image is given up
MOST_GIVEN_UP = 3  # images in a row, before the run is
AHEAD = 16  # images handed out before the oldest of them is done, for each worker
PATIENCE = 1.0  # seconds between two looks at signals and nodes
CHECKPOINT_INTERVAL = 0.25  # seconds for each worker: up to 100, each part is written as it comes
BAR = (
    "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
)


@dataclass
class OpenImage:
    """An image that is not finished: how far it is."""

    task: ImageTask
    kept: Sequence[TargetFile]  # finished by an earlier run
    left: Sequence[TargetFile]  # to be sampled
    to_attack: list[TargetFile]  # of finished targets
    checkpoint: Checkpoint | None = None  # since it was first handed out
    begun: Begun | None = None
    provenance: Provenance | None = None  # of the image as a worker got it
    sampled: list[tuple[TargetFile, Estimate]] = field(default_factory=list)
    attacked: dict[Path, Attacked] = field(default_factory=dict)
    error: ImageError | None = None
    losses: int = 0  # of workers in a row, with no part between them

    @property
    def image_id(self) -> int:
        """The number of the image."""
        return self.task.image.image_id

    @property
    def is_sampled(self) -> bool:
        """Whether no target is left to be sampled."""
        return bool(self.sampled) or not self.left

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to be done."""
        return self.error is not None or (self.is_sampled and not self.to_attack)

    @property
    def done(self) -> int:
        """Iterations that came back."""
        return len(self.checkpoint.iterations) if self.checkpoint is not None else 0

    def job(self, with_inputs: bool) -> Job:
        """What is left to be done; whether inputs that attacks find are wanted too."""
        image = self.task.image
        targets = [] if self.is_sampled else [file.target for file in self.left]
        done = tuple(self.checkpoint.iterations) if targets else ()
        to_attack = [file.target for file in self.to_attack]
        return Job(
            image.image_id, self.task.x_0, image.true_label, targets, done, to_attack, with_inputs
        )

    def results(self) -> list[ImageResult]:
        """What there is to say of it, as a run on one machine says it."""
        image, of_kept = self.task.image, {file.path for file in self.kept}
        kept = {path: found for path, found in self.attacked.items() if path in of_kept}
        new = {path: found for path, found in self.attacked.items() if path not in of_kept}
        lost = [file for file, estimate in self.sampled if not estimate.is_complete()]
        results = []
        if self.kept:
            error = None if self.left else self.error
            results.append(ImageResult(image, list(self.kept), kept, error=error))
        if self.left:
            lost = lost if self.sampled else list(self.left)
            results.append(ImageResult(image, [], new, self.sampled, lost=lost, error=self.error))
        return results


@dataclass
class ClusterExperiment:
    """The images of a run, sampled by a crew."""

    crew: "Crew"
    files: RunFiles
    attack: SavedAttack | None = None
    given_up: int = field(default=0, init=False)  # images in a row

    def run(self, tasks: ImageTasks) -> Iterator[ImageResult]:
        """Sample around the images, save each target's file, and yield results in their order.

        Images are kept, attacked, resumed and refused as `Experiment.run` does it. An image whose
        worker is lost goes to another, with the iterations that came back.
        """
        images: dict[int, OpenImage] = {}  # that are not finished, by their place
        queue: deque[int] = deque()  # those of them that no worker has
        results: dict[int, list[ImageResult]] = {}  # that wait for those of images before
        opened = told = 0  # how many images were
        said = time.monotonic()
        with progress("images", len(tasks)) as bar:
            bar.bar_format, bar.unit = BAR, "image"
            try:
                while told < len(tasks):
                    most = min(told + AHEAD * max(self.crew.size, 1), len(tasks))
                    if told in results:
                        bar.clear()
                        yield from results.pop(told)
                        told += 1
                    elif opened < most and len(queue) < max(len(self.crew.idle), 1):
                        images[opened] = self._open(tasks[opened])
                        if not images[opened].is_finished:
                            queue.append(opened)
                        opened += 1
                    else:
                        self.crew.hire(len(images) + len(tasks) - opened)
                        self._hand_out(tasks, images, queue)
                        self._take(images, queue)
                    for place in [place for place, each in images.items() if each.is_finished]:
                        results[place] = images.pop(place).results()
                    parts = sum(each.done for each in images.values()) / self.files.settings.Niters
                    done = opened - len(images) + parts
                    bar.set_postfix_str(f"{self.crew.size} workers", refresh=False)
                    bar.update(done - bar.n)
                    if bar.disable and time.monotonic() - said >= TELL_AGAIN:
                        say(f"{done:.1f} of {len(tasks)} images; {self._at_work(images)}")
                        said = time.monotonic()
                    check_interrupted()
            finally:
                _keep(list(images.values()))

    def _at_work(self, images: dict[int, OpenImage]) -> str:
        """How many work, and what the others may wait for."""
        working = self.crew.size - len(self.crew.idle)
        told = f"{working} of {self.crew.size} workers at work"
        if not images:
            return told
        oldest = images[min(images)]
        return f"{told}; the first image of these is {oldest.image_id}, at iteration {oldest.done}"

    def _open(self, task: ImageTask) -> OpenImage:
        """What an earlier run left to be done for an image."""
        kept = self.files.kept(task, self.attack is not None)
        left = [file for file in task.files if file not in kept]
        to_attack = [] if self.attack is None else self.attack.left(task, kept)
        return OpenImage(task, kept, left, to_attack)

    def _hand_out(self, tasks: ImageTasks, images: dict[int, OpenImage], queue: deque[int]) -> None:
        """Give the first images in the queue to idle workers."""
        for worker in self.crew.idle[: len(queue)]:
            image = images[place := queue.popleft()]
            if image.left and image.checkpoint is None:
                image.checkpoint = checkpoint_of(image.task, image.left, worker.ready.device)
            with_inputs = self.attack is not None and self.attack.keeps_inputs(image.task)
            self.crew.hand(worker, place, image.job(with_inputs))
            image.provenance = image.task.provenance
            image.task = tasks[place]  # its values are read again when they are needed

    def _take(self, images: dict[int, OpenImage], queue: deque[int]) -> None:
        """Take what workers gave."""
        for place, event in self.crew.events(PATIENCE):
            image = images.get(place)
            if image is None or image.is_finished:
                continue  # its worker says that it has ended, or is lost now
            if isinstance(event, Ended):
                event = Lost("it ended, and work is left")
            if not isinstance(event, Lost):
                self._add(image, event)
            elif self._is_lost(image, event.reason):
                queue.appendleft(place)

    def _is_lost(self, image: OpenImage, reason: str) -> bool:
        """Whether an image whose worker is lost goes to another; if not, it is given up.

        Raises RunError if images are given up one after the other.
        """
        image.losses += 1
        lost = f"image {image.image_id}: its worker is lost: {reason}"
        if image.losses < MOST_LOSSES:
            where = "" if image.is_sampled else f" at iteration {image.done}"
            say(f"{lost}; another goes on{where}")
            return True
        lost = f"{lost}; given up after {MOST_LOSSES} workers"
        if image.checkpoint is not None:
            image.checkpoint.write()
        self.given_up += 1
        if self.given_up == MOST_GIVEN_UP:
            raise RunError(f"{lost}, as {MOST_GIVEN_UP} images in a row: no worker can do them")
        image.error = ImageError(lost)
        return False

    def _add(self, image: OpenImage, part: Part) -> None:
        """Add what came to an image and its files."""
        match part:
            case Begun():
                image.begun = part
            case Sampled(iterations):
                image.losses = self.given_up = 0
                image.checkpoint.iterations += iterations
                if image.done == self.files.settings.Niters:
                    self._save(image)
                else:
                    image.checkpoint.write_if_due(CHECKPOINT_INTERVAL * self.crew.size)
            case GroupAttacked(found):
                image.losses = self.given_up = 0
                group = image.to_attack[: len(found)]
                image.attacked |= self.attack.add(image.task, group, found)
                image.to_attack = image.to_attack[len(found) :]
            case Failed(ImageError() as error):
                image.error = error
                for target in () if image.is_sampled else range(len(image.left)):
                    image.checkpoint.remove(target)
            case Failed(error):
                raise error

    def _save(self, image: OpenImage) -> None:
        """Write the files of an image whose targets are sampled."""
        if image.task.provenance != image.provenance:
            image.error = ImageError(
                f"image {image.image_id} has changed since it was sampled: run this again"
            )
            return
        found = estimates(image.begun.image, image.checkpoint.iterations)
        sampled = list(zip(image.left, found, strict=True))
        for target, (file, estimate) in enumerate(sampled):
            self.files.save(image.task, file, estimate, image.begun.doubts)
            image.checkpoint.remove(target)
        image.sampled = sampled
        if self.attack is not None:
            image.to_attack += [file for file, estimate in sampled if estimate.is_complete()]


def _keep(images: Sequence[OpenImage]) -> None:
    """Write the iterations of images that are not finished."""
    begun = [image.checkpoint for image in images if image.done and not image.is_sampled]
    for checkpoint in begun:
        checkpoint.write()
    if count := sum(checkpoint.saved > 0 for checkpoint in begun):
        say(f"iterations of {count} unfinished images are saved: rerun the same command to resume")

"""An experiment: images with their targets, sampled one after the other, saved and resumed.

`sample_image` is the unit of work, without files; `Experiment.run` stands around it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lipschitz.data.targets import SelectedImage
from lipschitz.results.attacked import Attacked
from lipschitz.results.checkpoint import Checkpoint
from lipschitz.results.estimate import Estimate, Iteration
from lipschitz.sampling.run_files import RunFiles, of_bits
from lipschitz.sampling.sampler import AtImage, Sampler, columns, estimates
from lipschitz.sampling.saved_attack import SavedAttack
from lipschitz.sampling.tasks import ImageTask, ImageTasks, TargetFile
from lipschitz.sampling.transformation import Transformation
from lipschitz.settings import Settings
from lipschitz.support.command import check_interrupted
from lipschitz.support.errors import ImageError
from lipschitz.support.progress import progress
from lipschitz.support.text import say

# is given what is found for an image's targets in the newest one or two iterations, and the
# number of the newest
Watch = Callable[[list[Estimate], int], None]


@dataclass(frozen=True)
class ImageResult:
    """The result for one image: files that were kept, or estimates of targets without a file.

    `attacked` are the results of the attacks that were made now, by file. `lost` are the targets
    that have no file: an iteration of theirs has no finite sample, or the image cannot be scored,
    for the reason in `error`.
    """

    image: SelectedImage
    kept: list[TargetFile] = field(default_factory=list)
    attacked: Mapping[Path, Attacked] = field(default_factory=dict)
    sampled: list[tuple[TargetFile, Estimate]] = field(default_factory=list)
    lost: list[TargetFile] = field(default_factory=list)
    error: ImageError | None = None

    @property
    def seconds(self) -> float:
        """The time that sampling took, without the attack."""
        return float(self.sampled[0][1].time[-1]) if self.sampled else 0.0


def sample_image(
    sampler: Sampler,
    settings: Settings,
    x_0: np.ndarray,
    true_label: int,
    targets: list[int],
    *,
    image_id: int = 0,
    transform: Transformation | None = None,
) -> list[Estimate]:
    """One image with its targets: an estimate each.

    Raises ValueError if image or classes are not the network's, ImageError if the image cannot be
    scored, RunError if workers are killed again and again.
    """
    image = sampler.at_image(settings, x_0, true_label, targets, image_id)
    return estimates(image, list(sampler.iterations(image, transform)))


@dataclass(frozen=True)
class Experiment:
    """The images of a run, sampled on this machine.

    `transform` is the function that the settings name. `watch` is called after each iteration.
    The results of the `attack` are added to the files.
    """

    sampler: Sampler
    files: RunFiles
    transform: Transformation | None = None
    watch: Watch | None = None
    attack: SavedAttack | None = None

    @property
    def settings(self) -> Settings:
        """Those of the files."""
        return self.files.settings

    def run(self, tasks: ImageTasks) -> Iterator[ImageResult]:
        """Sample around each image, save its targets' files and yield the results.

        What an earlier run finished is kept, and yielded first; if it was not attacked, or less
        thoroughly, it is attacked now. A run that ended in the middle of an image is resumed from
        its checkpoints. Raises OtherFileError if a file comes from something else.
        """
        niters = self.settings.Niters
        with progress("iterations", len(tasks) * niters) as bar:
            for place, task in enumerate(tasks):
                bar.clear()
                kept = self.files.kept(task, self.attack is not None)
                if kept:
                    yield ImageResult(task.image, kept, self._attack(task, kept))
                if left := [file for file in task.files if file not in kept]:
                    result = self._run_image(task, left, bar)
                    bar.clear()
                    yield result
                bar.update((place + 1) * niters - bar.n)

    def _run_image(self, task: ImageTask, files: list[TargetFile], bar: tqdm) -> ImageResult:
        try:
            results = self._sample(task, files, bar)
        except ImageError as error:
            return ImageResult(task.image, lost=files, error=error)
        sampled = list(zip(files, results, strict=True))
        lost = [file for file, estimate in sampled if not estimate.is_complete()]
        attacked = self._attack(task, [file for file in files if file not in lost])
        return ImageResult(task.image, attacked=attacked, sampled=sampled, lost=lost)

    def _attack(self, task: ImageTask, files: list[TargetFile]) -> dict[Path, Attacked]:
        """Attack the targets of finished files, as far as that was not done."""
        return {} if self.attack is None else self.attack.run(task, files)

    def _sample(self, task: ImageTask, files: list[TargetFile], bar: tqdm) -> list[Estimate]:
        """Sample around an image for these targets, from a checkpoint on, and save the results."""
        sampler, settings = self.sampler, self.settings
        with checkpoint_of(task, files, sampler.network.device) as checkpoint:
            done = tuple(checkpoint.iterations)
            bar.update(len(done))
            targets = [file.target for file in files]
            image = sampler.at_image(
                settings, task.x_0, task.image.true_label, targets, task.image.image_id
            )
            for number in range(len(done)):
                self._show(image, done[: number + 1], bar)
            for iteration in sampler.iterations(image, self.transform, done):
                checkpoint.add(iteration)
                self._show(image, checkpoint.iterations, bar)
                bar.update()
                check_interrupted()
            results = estimates(image, checkpoint.iterations)
            for place, (file, estimate) in enumerate(zip(files, results, strict=True)):
                self.files.save(task, file, estimate, sampler.doubts)
                checkpoint.remove(place)
        return results

    def _show(self, image: AtImage, iterations: Sequence[Iteration], bar: tqdm) -> None:
        if self.watch is not None:
            bar.clear()
            newest = estimates(image, iterations[-2:])  # the time of one is that since another
            self.watch(newest, len(iterations) - 1)


def checkpoint_of(task: ImageTask, files: list[TargetFile], device: str) -> Checkpoint:
    """The iterations of an image for these targets, as far as an earlier run on a device did them.

    Says where the image goes on.
    """
    bits = {"batch_size": task.settings.batch_size}  # shows in the last bits of a maximum
    provenance = {**of_bits(task.provenance, device), **bits}
    checkpoint = Checkpoint([file.path for file in files], provenance, task.settings.Niters)
    checkpoint.restore(columns(task.settings))
    if checkpoint.iterations:
        say(f"image {task.image.image_id}: resumed at iteration {len(checkpoint.iterations)}")
    return checkpoint

"""An experiment: images with their targets, sampled one after the other, saved and resumed.

`sample_image` is the unit of work, without files; `Experiment.run` stands around it.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lipschitz.data.targets import SelectedImage
from lipschitz.file_name import EXTENSION, FileName
from lipschitz.results import matfile
from lipschitz.results.attack_checkpoint import attack_checkpoint_path
from lipschitz.results.attacked import Attacked
from lipschitz.results.checkpoint import Checkpoint, checkpoint_path
from lipschitz.results.estimate import Estimate, Iteration
from lipschitz.sampling.sampler import AtImage, Sampler, columns, estimates
from lipschitz.sampling.saved_attack import SavedAttack
from lipschitz.sampling.tasks import ImageTask, TargetFile
from lipschitz.sampling.transformation import Transformation
from lipschitz.settings import Provenance, Settings, as_json, experiment_of
from lipschitz.support.command import check_interrupted
from lipschitz.support.errors import ImageError, InputError
from lipschitz.support.progress import progress
from lipschitz.support.text import say
from lipschitz.version import version


class OtherFileError(InputError):
    """A file is there that comes from something else than this run."""


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
    """The images of a run, with what they have in common.

    `transform` is the function that the settings name. With `overwrite`, files that come from
    something else are replaced. Files keep the `options` under `args`, the ids of the
    `wrong_images`, which have no score because the network gets them wrong, `doubts` about the
    network, and for people to read the names of images (by id) and of classes (by label), as far as
    they have names. `watch` is called after each iteration. The results of the `attack` are added
    to the files.
    """

    sampler: Sampler
    settings: Settings
    transform: Transformation | None = None
    overwrite: bool = False
    options: Mapping[str, object] = field(default_factory=dict)
    wrong_images: Sequence[int] = ()
    doubts: Sequence[str] = ()
    image_names: Mapping[int, str] = field(default_factory=dict)
    class_names: Mapping[int, str] = field(default_factory=dict)
    watch: Watch | None = None
    attack: SavedAttack | None = None

    def run(self, tasks: list[ImageTask]) -> Iterator[ImageResult]:
        """Sample around each image, save its targets' files and yield the results.

        What an earlier run finished is kept, and yielded first; if it was not attacked, or less
        thoroughly, it is attacked now. A run that ended in the middle of an image is resumed from
        its checkpoints. Raises OtherFileError if a file comes from something else.
        """
        niters = self.settings.Niters
        with progress("iterations", len(tasks) * niters) as bar:
            for place, task in enumerate(tasks):
                bar.clear()
                kept = [file for file in task.files if self._keep(file, task.provenance)]
                if kept:
                    yield ImageResult(task.image, kept, self._attack(task, kept))
                if left := [file for file in task.files if file not in kept]:
                    result = self._run_image(task, left, bar)
                    bar.clear()
                    yield result
                bar.update((place + 1) * niters - bar.n)

    def check(self, tasks: list[ImageTask]) -> None:
        """Raise OtherFileError if a file is there that comes from something else."""
        for each in tasks:
            for file in each.files:
                self.is_finished(file.path, each.provenance)

    def others(self, folder: Path, tasks: list[ImageTask]) -> Counter[str]:
        """Files in the folder that have this experiment's names and come from something else.

        Counted by what that is: their scores and those of this run do not make one mean.
        """
        ours = {file.path for task in tasks for file in task.files}
        experiment = FileName.parse(min(ours).name).experiment
        found = Counter()
        for path in folder.glob("*" + EXTENSION):
            with contextlib.suppress(ValueError):  # files of other programs
                if path not in ours and FileName.parse(path.name).experiment == experiment:
                    found[matfile.difference(path, experiment_of(tasks[0].provenance))] += 1
        del found[""]
        return found

    def is_finished(self, path: Path, provenance: Provenance) -> bool:
        """Whether a file is there and comes from this.

        Raises OtherFileError if it comes from something else, unless that is to be replaced.
        """
        if not path.exists():
            return False
        different = matfile.difference(path, provenance)
        if different and not self.overwrite:
            raise OtherFileError(f"{path} is not what this run would give: {different}")
        return not different

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

    def _keep(self, file: TargetFile, provenance: Provenance) -> bool:
        """Whether an earlier run, or one beside this, finished a target."""
        if not self.is_finished(file.path, provenance):
            return False
        checkpoint_path(file.path).unlink(missing_ok=True)  # a kill may have come between
        if self.attack is None:
            attack_checkpoint_path(file.path).unlink(missing_ok=True)
        return True

    def _sample(self, task: ImageTask, files: list[TargetFile], bar: tqdm) -> list[Estimate]:
        """Sample around an image for these targets, from a checkpoint on, and save the results."""
        sampler, settings = self.sampler, self.settings
        # these show in the last bits of a maximum
        bits = {"batch_size": sampler.batch_size, "device": sampler.network.device}
        paths = [file.path for file in files]
        with Checkpoint(paths, {**task.provenance, **bits}, settings.Niters) as checkpoint:
            checkpoint.restore(columns(settings))
            done = tuple(checkpoint.iterations)
            bar.update(len(done))
            if done:
                say(f"image {task.image.image_id}: resumed at iteration {len(done)}")
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
                self.is_finished(file.path, task.provenance)  # raises if another run was here
                if estimate.is_complete():
                    save(task, file, estimate, self._of_run(task) | self._described(task, file))
                checkpoint.remove(place)
        return results

    def _show(self, image: AtImage, iterations: Sequence[Iteration], bar: tqdm) -> None:
        if self.watch is not None:
            bar.clear()
            newest = estimates(image, iterations[-2:])  # the time of one is that since another
            self.watch(newest, len(iterations) - 1)

    def _of_run(self, task: ImageTask) -> dict[str, object]:
        """What the files of an image keep of the run."""
        doubts = [*self.doubts, *self.sampler.doubts]
        return {
            "args": {name: "" if value is None else value for name, value in self.options.items()},
            matfile.OUTPUTS_KEY: self.sampler.outputs,
            matfile.DOUBTS_KEY: "\n".join(doubts),
            matfile.WRONG_KEY: np.array(self.wrong_images, np.int32),
            matfile.VERSION_KEY: version(),
            **matfile.limits(self.settings.limits(task.x_0)),
        }

    def _described(self, task: ImageTask, file: TargetFile) -> dict[str, object]:
        """What a file keeps for people to see: the image, its name and its classes."""
        return matfile.description(
            task.x_0,
            self.settings.box,
            self.image_names.get(task.image.image_id, ""),
            self.class_names.get(task.image.true_label, ""),
            self.class_names.get(file.target, ""),
        )


def save(
    task: ImageTask, file: TargetFile, estimate: Estimate, of_run: Mapping[str, object]
) -> None:
    """Write the .mat of an image and a target."""
    contents = {
        **estimate.arrays(),
        "pred": estimate.pred,
        "g_x0": estimate.g_x0,
        "id": task.image.image_id,
        "true_label": task.image.true_label,
        "target_label": file.target,
        "info": file.info,
        matfile.SETTINGS_KEY: as_json(task.provenance),
        **of_run,
        "path": str(file.path),
    }
    matfile.save(file.path, contents)

"""The attack on targets whose maxima are saved: its results are added to their files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lipschitz.network import Network, fingerprint
from lipschitz.results import attacked, matfile
from lipschitz.results.attack_checkpoint import AttackCheckpoint, attack_checkpoint_path
from lipschitz.results.attacked import Attacked
from lipschitz.sampling.attack import Plan, search, work
from lipschitz.sampling.image_attack import (
    Margins,
    Seen,
    groups,
    restored,
    results,
    starting_images,
)
from lipschitz.sampling.run_files import of_bits
from lipschitz.sampling.tasks import ImageTask, TargetFile
from lipschitz.sampling.transformation import Transformation
from lipschitz.support.command import check_interrupted
from lipschitz.support.progress import progress
from lipschitz.support.text import say


@dataclass(frozen=True)
class SavedAttack:
    """How the targets of a run are attacked.

    The attack starts from `seen` images too, and goes through the transformation. With
    `save_images` the inputs that it finds are kept beside the files.
    """

    network: Network
    plan: Plan
    seen: Seen
    transform: Transformation | None = None
    save_images: bool = False

    def run(self, task: ImageTask, files: Sequence[TargetFile]) -> dict[Path, Attacked]:
        """Attack the targets of finished files that hold no attack, or one of less work.

        The results are in the files as soon as a group of targets is done; of two attacks the
        nearer input counts.
        """
        found = {}
        for group in groups(self.left(task, files), self.plan, task.x_0.size):
            found |= self.add(task, group, self._attack(task, group))
        return found

    def keeps_inputs(self, task: ImageTask) -> bool:
        """Whether the inputs that are found for an image are kept, or were by an earlier run."""
        files = (attacked.images_path(file.path) for file in task.files)
        return self.save_images or any(path.exists() for path in files)

    def left(self, task: ImageTask, files: Sequence[TargetFile]) -> list[TargetFile]:
        """Those of the finished files that are still to be attacked."""
        return [file for file in files if not self._is_done(task, file.path)]

    def add(
        self, task: ImageTask, group: Sequence[TargetFile], results: Sequence[Attacked]
    ) -> dict[Path, Attacked]:
        """Add the results for a group of targets to their files."""
        found = {
            file.path: self._add(task, file.path, result)
            for file, result in zip(group, results, strict=True)
        }
        attack_checkpoint_path(group[0].path).unlink(missing_ok=True)
        return found

    def _is_done(self, task: ImageTask, path: Path) -> bool:
        try:
            before = matfile.attacked(path)
        except matfile.FormatError:
            return False
        if before is None or before.work < work(self.plan):
            return False
        images = attacked.load_images(path, before, task.x_0) if self.save_images else {}
        if self.save_images and images.keys() != before.found:
            return False
        attack_checkpoint_path(path).unlink(missing_ok=True)  # a kill may have come between
        return True

    def _attack(self, task: ImageTask, files: Sequence[TargetFile]) -> list[Attacked]:
        """Attack several margins together; the state is kept beside the file of the first."""
        image_id, targets = task.image.image_id, [file.target for file in files]
        margins = Margins(self.network, task.x_0, task.image.true_label, targets)
        starts = starting_images(margins, self.seen, self.plan)
        provenance = {
            **of_bits(task.provenance, self.network.device),
            "targets": targets,
            "plan": list(self.plan),
            "starts": fingerprint(starts),
        }
        with (
            AttackCheckpoint(files[0].path, provenance) as checkpoint,
            progress("attack", self.plan.steps, leave=False) as bar,
        ):
            newest = restored(checkpoint.arrays(), margins, self.plan)
            if newest is not None:
                say(f"image {image_id}: attack resumed at step {newest.step}")
            states = search(*margins, starts, self.plan, self.transform, newest)
            for newest in states:
                if checkpoint.keep(newest._asdict()) and bar.disable:  # a log can be watched
                    say(f"image {image_id}: attack, step {newest.step} of {self.plan.steps}")
                bar.update(newest.step - bar.n)
                check_interrupted()
            return results(margins, newest, starts, self.plan, self.transform)

    def _add(self, task: ImageTask, path: Path, result: Attacked) -> Attacked:
        """Add a result to a file, unless another run made something else of it meanwhile."""
        different = matfile.difference(path, task.provenance)
        if different:
            say(f"{path}: its attack is not added: {different}")
            return replace(result, images={})
        try:
            before = matfile.attacked(path)
        except matfile.FormatError:
            before = None
        if before is not None:
            images = attacked.load_images(path, before, task.x_0)
            result = result.better(replace(before, images=images))
        matfile.add(path, matfile.attack(result))
        if self.save_images or attacked.images_path(path).exists():
            attacked.save_images(path, result, task.x_0)
        return replace(result, images={})

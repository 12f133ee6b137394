"""The files of a run: which are finished, which come from something else, and what they keep."""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lipschitz.file_name import EXTENSION, FileName
from lipschitz.network import LOGITS
from lipschitz.results import matfile
from lipschitz.results.attack_checkpoint import attack_checkpoint_path
from lipschitz.results.checkpoint import checkpoint_path
from lipschitz.results.estimate import Estimate
from lipschitz.sampling.tasks import ImageTask, ImageTasks, TargetFile
from lipschitz.settings import Provenance, Settings, as_json, experiment_of
from lipschitz.support.errors import InputError
from lipschitz.version import version


class OtherFileError(InputError):
    """A file is there that comes from something else than this run."""


@dataclass(frozen=True)
class RunFiles:
    """The files of a run, and what they have in common.

    With `overwrite`, files that come from something else are replaced. Files keep the `options`
    under `args`, the ids of the `wrong_images`, which have no score because the network gets them
    wrong, what its `outputs` look like, `doubts` about it, and for people to read the names of
    images (by id) and of classes (by label), as far as they have names.
    """

    settings: Settings
    overwrite: bool = False
    options: Mapping[str, object] = field(default_factory=dict)
    wrong_images: Sequence[int] = ()
    outputs: str = LOGITS
    doubts: Sequence[str] = ()
    image_names: Mapping[int, str] = field(default_factory=dict)
    class_names: Mapping[int, str] = field(default_factory=dict)

    def check(self, tasks: ImageTasks) -> None:
        """Raise OtherFileError if a file is there that comes from something else."""
        for task in tasks:
            for file in task.files:
                self.is_finished(task, file.path)

    def others(self, folder: Path, tasks: ImageTasks) -> Counter[str]:
        """Files in the folder that have this experiment's names and come from something else.

        Counted by what that is: their scores and those of this run do not make one mean.
        """
        ours = tasks.paths
        experiment = FileName.parse(min(ours).name).experiment
        provenance = experiment_of(tasks[0].provenance)
        found = Counter()
        for path in folder.glob("*" + EXTENSION):
            with contextlib.suppress(ValueError):  # files of other programs
                if path not in ours and FileName.parse(path.name).experiment == experiment:
                    found[matfile.difference(path, provenance)] += 1
        del found[""]
        return found

    def is_finished(self, task: ImageTask, path: Path) -> bool:
        """Whether a file of the task is there and comes from this run's settings and network.

        Raises OtherFileError if it comes from something else, unless that is to be replaced.
        """
        if not path.exists():
            return False
        different = matfile.difference(path, task.provenance)
        if different and not self.overwrite:
            raise OtherFileError(f"{path} is not what this run would give: {different}")
        return not different

    def kept(self, task: ImageTask, attacking: bool) -> list[TargetFile]:
        """The targets that an earlier run, or one beside this, finished.

        Checkpoints that they need no more are removed; those of attacks only if there is none.
        """
        finished = [file for file in task.files if self.is_finished(task, file.path)]
        for file in finished:
            checkpoint_path(file.path).unlink(missing_ok=True)  # a kill may have come between
            if not attacking:
                attack_checkpoint_path(file.path).unlink(missing_ok=True)
        return finished

    def save(
        self, task: ImageTask, file: TargetFile, estimate: Estimate, doubts: Sequence[str] = ()
    ) -> None:
        """Write the .mat of an image and a target; `doubts` came up while it was sampled.

        Raises OtherFileError if another run was here meanwhile. An estimate that is not complete
        is not saved.
        """
        self.is_finished(task, file.path)
        if not estimate.is_complete():
            return
        contents = {
            **estimate.arrays(),
            "pred": estimate.pred,
            "g_x0": estimate.g_x0,
            "id": task.image.image_id,
            "true_label": task.image.true_label,
            "target_label": file.target,
            "info": file.info,
            matfile.SETTINGS_KEY: as_json(task.provenance),
            **self._of_run(task, doubts),
            **self._described(task, file),
            "path": str(file.path),
        }
        matfile.save(file.path, contents)

    def _of_run(self, task: ImageTask, doubts: Sequence[str]) -> dict[str, object]:
        """What the files of an image keep of the run."""
        return {
            "args": {name: "" if value is None else value for name, value in self.options.items()},
            matfile.OUTPUTS_KEY: self.outputs,
            matfile.DOUBTS_KEY: "\n".join([*self.doubts, *doubts]),
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


def of_bits(provenance: Provenance, device: str) -> Provenance:
    """What numbers come from, with the kind of device, which shows in their last bits."""
    return {**provenance, "device": device}

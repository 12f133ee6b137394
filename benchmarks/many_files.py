"""What `clever.py` takes on many files: time and peak memory of each form of its output.

    python benchmarks/many_files.py [--images 1000] [--iterations 500] [--runs csv report]

The folder is made up as a run on ImageNet saves it: three targets an image, 1,000 logits, a
picture. It is made in --folder, where files that are there are kept, or in a temporary folder.
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import figures, made_up
from lipschitz.maths.scores import DUAL_NORM
from lipschitz.network import LOGITS, Box
from lipschitz.results import matfile
from lipschitz.results.attacked import Attacked
from lipschitz.settings import Settings, as_json
from lipschitz.support.machine import cores
from lipschitz.version import version

ROOT = Path(__file__).resolve().parent.parent
CLASSES = 1000
SHAPE = (224, 224, 3)
BOX = Box(0.0, 1.0)
FORMS = ("csv", "json", "parquet", "report")
RUNS = ("lines", *FORMS, "compare")


def main() -> None:
    """Make the folders, run the command, print the figures and write them."""
    parser = figures.parser(__file__, __doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=["lines", "csv"])
    parser.add_argument("--folder", type=Path, help="where the made-up files are kept")
    parser.add_argument("--root", type=Path, default=ROOT, help="the toolkit that is measured")
    args = parser.parse_args()
    with ExitStack() as stack:
        place = args.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        networks = ("one", "two") if "compare" in args.runs else ("one",)
        folders = {each: make(place / each, args.images, args.iterations) for each in networks}
        found = {}
        for run in args.runs:
            seconds, memory = measure(command(args.root, run, folders, place))
            found |= {f"{run}, s": seconds, f"{run}, MB": memory}
            print(f"{run:10} {seconds:8.1f} s {memory:8.0f} MB", flush=True)
    figures.write(found, args.json)


def command(root: Path, run: str, folders: dict[str, Path], place: Path) -> list[str]:
    """The command line of a run."""
    clever = [sys.executable, str(root / "clever.py"), str(folders["one"])]
    if run == "compare":
        return [*clever, str(folders["two"]), "--compare"]
    return [*clever, *([f"--{run}", str(place / f"scores.{run}")] if run in FORMS else [])]


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds of a command, and the largest memory of its process, in MB."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - start, used.ru_maxrss / 1e3


def make(folder: Path, images: int, iterations: int) -> Path:
    """A folder with the files of a run."""
    with ProcessPoolExecutor(cores()) as pool:
        for _ in pool.map(partial(save, folder, iterations), range(images), chunksize=16):
            pass
    return folder


def save(folder: Path, iterations: int, image: int) -> None:
    """Write the files of an image."""
    settings = Settings("imagenet", folder.name, Niters=iterations, box=BOX)
    rng = np.random.default_rng([image, len(folder.name), *folder.name.encode()])
    x_0 = rng.random(SHAPE, np.float32)
    pred = rng.normal(0, 3, CLASSES).astype(np.float32)
    of_image = {
        "pred": pred,
        "id": image,
        "true_label": image % CLASSES,
        matfile.SETTINGS_KEY: as_json(provenance(settings, image)),
        "args": vars(settings) | {"box": str(BOX), "radius": ""},
        matfile.OUTPUTS_KEY: LOGITS,
        matfile.DOUBTS_KEY: "",
        matfile.WRONG_KEY: np.arange(7, 40_000, 137, dtype=np.int32),
        matfile.VERSION_KEY: version(),
        **matfile.limits(settings.limits(x_0)),
    }
    hardness = 10 * rng.lognormal(0, 0.3)
    for kind, target in zip(made_up.KINDS, (image + 1, image + 2, image + 3), strict=True):
        name = settings.file_name(image, image % CLASSES, target % CLASSES, kind)
        if (folder / str(name)).exists():
            continue
        names = f"class {image % CLASSES}", f"class {target % CLASSES}"
        shown = matfile.description(x_0, BOX, f"ILSVRC2012_val_{image:08d}.JPEG", *names)
        found = {
            "g_x0": np.float32(hardness),
            "target_label": target % CLASSES,
            "info": kind,
            **maxima(rng, iterations),
            **matfile.attack(attacked(rng, hardness)),
        }
        matfile.save(folder / str(name), of_image | shown | found)


def provenance(settings: Settings, image: int) -> dict[str, object]:
    """What a file says that it comes from."""
    named = {name: value for name, value in vars(settings).items() if name != "batch_size"}
    fingerprints = {"network": f"{settings.model_name:0<64}", "image": f"{image:064x}"}
    return named | {"radius": settings.ball.high, "box": str(BOX), "logit": 9.5} | fingerprints


def maxima(rng: np.random.Generator, iterations: int) -> dict[str, np.ndarray]:
    """The maxima of a file: those of a network whose gradients are float32."""
    found = {
        matfile.GRADIENT_KEYS[norm]: np.float32(
            length * (1 - 0.1 * rng.weibull(made_up.SHAPE, iterations))
        )
        for norm, length in made_up.LENGTHS.items()
    }
    slopes = dict.fromkeys(matfile.SLOPE_KEYS.values(), np.zeros(iterations))
    return slopes | found | {matfile.NON_FINITE_KEY: np.zeros(iterations, int)}


def attacked(rng: np.random.Generator, margin: float) -> Attacked:
    """The result of an attack that refutes some scores."""
    distances = {
        norm: margin / made_up.LENGTHS[dual] * rng.uniform(0.98, 2.5)
        for norm, dual in DUAL_NORM.items()
    }
    return Attacked(distances, dict.fromkeys("12i", True), settings={"method": "FMN", "steps": 500})


if __name__ == "__main__":
    main()

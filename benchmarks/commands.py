"""What whole commands cost: the time to start and to score, the memory of a run's processes.

    python benchmarks/commands.py [--repeats 5] [--json FILE]

Each command is timed in turn with the import that it cannot do without. It works in a folder of
its own, on an untrained MNIST network and the UCI digits, enlarged to MNIST's size.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import figures
from lipschitz.results import matfile
from lipschitz.results.matfile import GRADIENT_KEYS
from lipschitz.settings import Settings

ROOT = Path(__file__).resolve().parent.parent

IMPORT_TENSORFLOW = [sys.executable, "-c", "import tensorflow"]
IMPORT_STATS = [sys.executable, "-c", "import scipy.stats"]
MAKE_NETWORK = """
import sys; sys.path.insert(0, {root!r})
import catalogue
from lipschitz.builtin import model_file
chosen = catalogue.architecture("digits", "normal")
model = chosen.build()
model.layers[-1].bias.assign(catalogue.data_set("digits").test_labels[0])  # right on the first
model_file.save(model, model_file.path_to_save(chosen.stem))
"""


def main() -> None:
    """Time and weigh the commands, print the figures and write them."""
    args = figures.parser(__file__, __doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [sys.executable, "-c", MAKE_NETWORK.format(root=str(ROOT))], cwd=folder, check=True
        )
        all_figures = {
            "first_gradient": first_gradient(folder, args.repeats),
            "clever": scoring(folder, args.repeats),
            "memory": memory(folder),
        }
    start, clever, used = all_figures.values()
    print(
        f"a run of one batch of 32 samples, with all that starting and ending takes: "
        f"{start['seconds']:.2f} s, {start['beyond_import']:.2f} s beyond TensorFlow's import"
    )
    print(
        f"clever.py on 6 files: {clever['seconds']:.2f} s, "
        f"{clever['ratio']:.2f} times the import of scipy.stats"
    )
    print(
        f"memory, MNIST normal with 9 targets: main process {used['main_megabytes']:.0f} MB at its "
        f"peak, {used['beyond_import_megabytes']:.0f} MB beyond TensorFlow's import; a worker's "
        f"own {used['worker_megabytes']:.0f} MB"
    )
    figures.write(all_figures, args.json)


def first_gradient(folder: Path, repeats: int) -> dict[str, float]:
    """A run as short as can be, and how much longer it takes than TensorFlow's import."""
    repeated = []
    for _ in range(repeats):
        imported = seconds(IMPORT_TENSORFLOW, folder)
        taken = seconds(sampling(folder, "-N", 32, "-b", 32, "-i", 1, "--target_type", 7), folder)
        repeated.append((taken, taken - imported))
    taken, beyond = np.median(repeated, axis=0)
    return {"seconds": taken, "beyond_import": beyond}


def scoring(folder: Path, repeats: int) -> dict[str, float]:
    """clever.py on two images with three targets each, of 500 maxima."""
    rng = np.random.default_rng(0)
    for image in range(2):
        for target, info in enumerate(("least", "random", "top2"), start=1):
            arrays = {key: 10 - rng.weibull(5, 500) for key in GRADIENT_KEYS.values()}
            name = Settings().file_name(image, 0, target, info)
            shared = {"g_x0": 1.0, "id": image, "true_label": 0, "target_label": target}
            (folder / "six").mkdir(exist_ok=True)
            path = folder / "six" / str(name)
            matfile.save(path, arrays | shared | {"info": info, "pred": np.zeros(10)})
    clever = [sys.executable, str(ROOT / "clever.py"), str(folder / "six")]
    repeated = []
    for _ in range(repeats):
        imported = seconds(IMPORT_STATS, folder)
        taken = seconds(clever, folder)
        repeated.append((taken, taken / imported))
    taken, ratio = np.median(repeated, axis=0)
    return {"seconds": taken, "ratio": ratio}


def memory(folder: Path) -> dict[str, float]:
    """Megabytes: the main process at its peak, and what only one worker holds."""
    imported = peak_megabytes(IMPORT_TENSORFLOW, folder)
    options = ("-N", 1024, "-i", 6, "--target_type", 16, "--nthreads", 1)
    with subprocess.Popen(
        sampling(folder, *options), cwd=folder, stdout=subprocess.DEVNULL
    ) as process:
        own = 0.0
        while process.poll() is None:
            own = max([own, *map(private_megabytes, children(process.pid))])
            time.sleep(0.05)
    peak = peak_megabytes(sampling(folder, *options), folder)
    return {
        "main_megabytes": peak,
        "beyond_import_megabytes": peak - imported,
        "worker_megabytes": own,
    }


def sampling(folder: Path, *options: object) -> list[str]:
    """A run on the first digit, into a folder of its own: finished files would be kept."""
    collect = [sys.executable, str(ROOT / "collect_gradients.py"), "--dataset", "digits"]
    own = ["--save", tempfile.mkdtemp(dir=folder)]
    return [*collect, "--model_name", "normal", "--numimg", "1", *own, *map(str, options)]


def seconds(command: list[str], folder: Path) -> float:
    """How long a command takes."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def peak_megabytes(command: list[str], folder: Path) -> float:
    """The largest resident memory of the command's main process."""
    ask = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
    ask += (
        "stdout=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask, *command],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout) * 1024 / 1e6


def children(process: int) -> list[int]:
    """The processes that a process started."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def private_megabytes(process: int) -> float:
    """What only this process holds of its memory."""
    try:
        rows = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0.0
    return sum(int(row.split()[1]) for row in rows if row.startswith("Private_")) * 1024 / 1e6


if __name__ == "__main__":
    main()

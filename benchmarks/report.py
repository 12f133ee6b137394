"""What a large report takes: fits and intervals, the table, the page; time, size and memory.

    python benchmarks/report.py [--images 1000] [--iterations 100] [--json FILE]

The files are made up (benchmarks/made_up.py): three targets an image, three norms, so that 1,000
images are 9,000 scores.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import figures, made_up
from lipschitz.results import table_files, tables
from lipschitz.results.report import page as report
from lipschitz.results.scored import scored

Result = TypeVar("Result")


def main() -> None:
    """Print the figures and write them."""
    parser = figures.parser(__file__, __doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--iterations", type=int, default=100)
    args = parser.parse_args()
    found = measure(args.images, args.iterations)
    for name, value in found.items():
        print(f"{name:24} {value:10.4g}")
    figures.write(found, args.json)


def measure(images: int, iterations: int) -> dict[str, float]:
    """Seconds of each step, the sizes of files and the largest memory of the process, in MB."""
    files = made_up.records(images, iterations)
    fits, experiment = timed(lambda: scored(files))
    frame, table = timed(lambda: tables.frame([experiment]))
    with tempfile.TemporaryDirectory() as folder:
        page, csv = Path(folder) / "report.html", Path(folder) / "scores.csv"
        written, _ = timed(lambda: report.write(page, [experiment]))
        saved, _ = timed(lambda: table_files.write(table, csv, "csv"))
        sizes = {"page, MB": page.stat().st_size / 1e6, "csv, MB": csv.stat().st_size / 1e6}
    return {
        "scores": len(experiment.scores),
        "fits and intervals, s": fits,
        "frame, s": frame,
        "page, s": written,
        "csv, s": saved,
        **sizes,
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """How many seconds the work takes, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()

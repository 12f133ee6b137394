"""Short runs, one after another, killed at random; beside them a long one whose memory is watched.

    python3 -m tests.faults.soak --minutes 60

from the clone's folder. What it prints last: faults injected and survived, and how the memory and
the file descriptors of the long run changed after its first minute.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

from lipschitz.support.command import run as run_command
from tests.faults.runs import DIGITS, Run
from tests.helpers import ROOT

EXPERIMENTS = {
    "gradients": "-N 1024 -i 60 -n 2 --nthreads 2",
    "L-infinity ball, one worker": "-N 512 -b 256 -i 60 -n 2 --sample_norm li --nthreads 1",
    "every target": "-N 1024 -i 30 -n 2 --target_type 16",
    "slopes": "-N 1024 -i 60 -n 2 --compute_slope --nthreads 3",
    "transformation": "-N 256 -b 256 -i 30 -n 2 --transform defend_jpeg",
    "second order": "-N 64 -b 32 -i 20 -n 2 --order 2",
}
LONG = "-N 1024 -i 500 -n 257 --nthreads 1 -s long"
TO_MAIN = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
TO_WORKER = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOST_FAULTS = 4  # before a run is let finish
EVERY = 5  # seconds between two looks at the long run


def main() -> int:
    """Train, make references, disturb until the time is over, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("logs/soak.json"))
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # children answer Ctrl-C
    end = time.monotonic() + 60 * args.minutes
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        place = Path(name).resolve()
        train = [sys.executable, ROOT / "train_2layer.py", "--dataset", "digits", "--epochs", "20"]
        subprocess.run(train, cwd=place, check=True, stdout=subprocess.DEVNULL)
        watched, watching = watch(new_run(place, "long"), end)
        injected, failures = disturb_all(place, random.Random(args.seed), end)
        watching.join()
    figures = {"faults": injected, "failures": failures, "long_run": flatness(watched)}
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(figures | {"samples": watched}, indent=1))
    print(json.dumps(figures, indent=1))
    return 1 if failures else 0


def new_run(place: Path, name: str) -> Run:
    """A run in a folder of its own with the trained network."""
    folder = place / name
    shutil.copytree(place / "models", folder / "models")
    return Run(folder)


def disturb_all(place: Path, rng: random.Random, end: float) -> tuple[dict, list[str]]:
    """Disturb run after run; the faults by kind, and what did not come through."""
    references, injected, failures = {}, Counter(), []
    while time.monotonic() < end:
        name = rng.choice(list(EXPERIMENTS))
        arguments = DIGITS + EXPERIMENTS[name]
        if name not in references:
            references[name] = undisturbed(new_run(place, f"reference {name}"), arguments)
        run = new_run(place, "disturbed")
        try:
            disturb(run, arguments, references[name], rng, injected)
        except Exception:
            failures.append(f"{name}: {traceback.format_exc()}")
            print(failures[-1], file=sys.stderr, flush=True)
            for process in run.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        shutil.rmtree(run.folder)
        minutes = (end - time.monotonic()) / 60
        print(f"{sum(injected.values())} faults, {minutes:.0f} minutes left", flush=True)
    return dict(injected), failures


def undisturbed(run: Run, arguments: str) -> Run:
    """A run to its end, whose seconds are noted."""
    began = time.monotonic()
    run.finish(arguments)
    run.seconds = time.monotonic() - began
    run.files = len(list(run.folder.rglob("*.mat")))
    return run


def disturb(
    run: Run, arguments: str, reference: Run, rng: random.Random, injected: Counter
) -> None:
    """Start and kill a run a few times, let it finish, and compare what it saved."""
    for _ in range(rng.randint(1, MOST_FAULTS)):
        process = run.start(arguments)
        time.sleep(rng.uniform(0.15, reference.seconds))
        if process.poll() is not None:
            run.ended(process, (0,))
            break
        kind = rng.choice(("main", "main", "group", "worker"))
        if kind == "worker":
            if workers := run.processes(drawing=True):
                number = rng.choice(TO_WORKER)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(workers), number)
                    injected[f"{number.name} to a worker"] += 1
            run.ended(process, (0,))
            break
        number = rng.choice(TO_MAIN) if kind == "main" else signal.SIGKILL
        injected[f"{number.name} to the {kind}"] += 1
        (os.kill if kind == "main" else os.killpg)(process.pid, number)
        # 0: it was done; -number: Python itself was starting or ending
        run.ended(process, (-number, 128 + number, 0))
    run.finish(arguments)
    run.check_same(reference, reference.files)


def watch(run: Run, end: float) -> tuple[list[dict], threading.Thread]:
    """Start the long run and note its memory and file descriptors until the time is over."""
    process = run.start(DIGITS + LONG)
    threading.Thread(target=process.communicate, daemon=True).start()
    began, watched = time.monotonic(), []

    def look() -> None:
        while time.monotonic() < end:
            time.sleep(EVERY)
            here = [process.pid, *run.processes(drawing=True)]
            with contextlib.suppress(OSError):
                looked = {
                    "second": time.monotonic() - began,
                    "resident_MB": [resident(each) / 1e6 for each in here],
                    "descriptors": [len(os.listdir(f"/proc/{each}/fd")) for each in here],
                }
                watched.append(looked)
        process.terminate()
        process.wait()

    thread = threading.Thread(target=look)
    thread.start()
    return watched, thread


def resident(process: int) -> int:
    """Bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def flatness(watched: list[dict]) -> dict:
    """For main process and worker: the figures after a minute, and the largest ones since."""
    after = [looked for looked in watched if looked["second"] > 60]
    if not after:
        return {}
    return {
        f"{figure} of {who}": {
            "after a minute": round(after[0][figure][place], 1),
            "at the end": round(after[-1][figure][place], 1),
            "largest": round(max(looked[figure][place] for looked in after), 1),
        }
        for figure in ("resident_MB", "descriptors")
        for place, who in enumerate(("main process", "worker"))
    } | {"minutes": round(after[-1]["second"] / 60, 1)}


if __name__ == "__main__":
    run_command(main)

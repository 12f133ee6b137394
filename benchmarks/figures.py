"""The command line that the benchmarks share, and the file that their figures go to."""

import argparse
import json
from pathlib import Path


def parser(script: str, doc: str) -> argparse.ArgumentParser:
    """The options --repeats and --json of a benchmark; `doc` is its docstring."""
    made = argparse.ArgumentParser(description=doc.splitlines()[0])
    made.add_argument("--repeats", type=int, default=5)
    default = Path("logs") / f"bench_{Path(script).stem}.json"
    made.add_argument("--json", type=Path, default=default, help="where the figures are written")
    return made


def write(figures: object, path: Path) -> None:
    """Keep the figures, and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"figures in {path}")

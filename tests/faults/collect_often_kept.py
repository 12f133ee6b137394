"""collect_gradients.py with a checkpoint after every iteration."""

from lipschitz.support import command

command.exit_at_once()

import runpy  # noqa: E402, the command itself answers signals before it imports anything
from pathlib import Path  # noqa: E402

from lipschitz.results import checkpoint  # noqa: E402

checkpoint.INTERVAL = 0
collect = Path(__file__).resolve().parent.parent.parent / "collect_gradients.py"
runpy.run_path(str(collect), run_name="__main__")

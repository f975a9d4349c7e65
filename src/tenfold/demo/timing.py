"""Time a result in a process that has done nothing else, as whoever runs it later will."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tenfold.bench import Cell, cells_from_json
from tenfold.errors import TenfoldError
from tenfold.report import Result
from tenfold.store.folder import save

RUNS = 100
FLAGS = (
    "--source",
    "demo",
    "--engine",
    "eager",
    "--batch",
    "1,32",
    "--runs",
    str(RUNS),
    "--json",
)


def time_apart(result: Result) -> tuple[Cell, ...]:
    """The embedded network before and after, by ``tenfold bench`` on the saved result.

    What a process did before can leave its mark: one that has searched and trained may run every
    forward pass of either network later by the same millisecond, which hides how much faster
    one of them is.

    Raises TenfoldError when that process ends without an answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        saved = save(result, Path(folder) / "small")
        command = [sys.executable, "-m", "tenfold", "bench", str(saved), *FLAGS]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TenfoldError(
            f"Timing in a process of its own must end well, but it ended with {done.returncode}, "
            f"{done.stderr.strip()[-500:]!r}; try tenfold bench on a saved model."
        )
    return cells_from_json(json.loads(done.stdout.splitlines()[-1])["cells"])

"""The main job on the embedded network: plan, build, fine-tune, and measure everything."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from tenfold.bench import Cell, cells_from_json
from tenfold.demo.data import Mixed, held_batches, read_split
from tenfold.demo.network import example, load_network
from tenfold.errors import TenfoldError
from tenfold.machine.progress import Progress, silent
from tenfold.machine.timing import processor
from tenfold.pipeline.compress import compress
from tenfold.report import Quality, Result, Timed
from tenfold.store.folder import save
from tenfold.training import TuneSettings
from tenfold.training.score import top_1
from tenfold.values import Mean

BUDGET = "params=0.19,macs=0.25"
FORMATS = ("svd", "svd-in", "spatial", "tucker", "tt", "cp")  # one image wants few layers
TUNING = TuneSettings(epochs=4, rate=1e-3, task=0.0, precision="auto")
# The best epoch is chosen on images kept apart, by closeness to the original's outputs: it is what
# fine-tuning is after, and says more than the labels of so few.
HELD_OUT = 500
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


@dataclass(frozen=True)
class Outcome:
    """All that the demo shows, the result's report included; accuracies in per cent on the 10,000
    test images."""

    result: Result
    accuracy: dict[str, Mean]  # before, plan_only, after
    latency: tuple[Cell, ...]  # a batch size each, timed in a process of its own
    seconds: float


def run_demo(progress: Progress = silent) -> Outcome:
    """Compress, recover and measure. The test images are looked at only to report."""
    began = time.perf_counter()
    network = load_network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images, labels = read_split("train")
    result = compress(
        network,
        example(),
        BUDGET,
        formats=FORMATS,
        progress=progress,
        tuning=TUNING,
        data=Mixed(images[HELD_OUT:], labels[HELD_OUT:]),
        validation=list(images[:HELD_OUT].split(500)),
    )
    models = {"before": network, "plan_only": result.untuned, "after": result.model}
    scores = score_all(models, held_batches(), progress)
    progress("timing", 0, 1)
    cells = time_apart(result)
    progress("timing", 1, 1)
    seconds = time.perf_counter() - began
    return Outcome(with_measured(result, scores, cells), scores, cells, seconds)


def with_measured(result: Result, scores: Mapping[str, Mean], cells: Sequence[Cell]) -> Result:
    """The result with what was measured in its report."""
    before, alone, after = (scores[name] for name in ("before", "plan_only", "after"))
    quality = (Quality("top-1", "%", "demo", before, after, alone),)
    latency = tuple(Timed(cell, processor()) for cell in cells)
    return replace(result, report=replace(result.report, quality=quality, latency=latency))


def score_all(
    models: dict[str, nn.Module], batches: Sequence[tuple[Tensor, Tensor]], progress: Progress
) -> dict[str, Mean]:
    """Test accuracy of each model."""
    scores = {}
    for done, (name, model) in enumerate(models.items()):
        progress("testing", done, len(models))
        scores[name] = top_1(model, batches)
    progress("testing", len(models), len(models))
    return scores


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

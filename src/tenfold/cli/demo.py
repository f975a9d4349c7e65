"""``tenfold demo``: the whole job on the embedded network, with every claim measured here."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.text import Text

from tenfold.cli._shared import Json, Threads, running
from tenfold.cli._terminal import console, drawn_progress, say_json
from tenfold.cli.keep import keep, say_where, show_result
from tenfold.cli.recipe import Recipe
from tenfold.demo.run import BUDGET, FORMATS, RUNS, Outcome, run_demo
from tenfold.machine.files import check_free
from tenfold.settings import PlanSettings

WANTED = {"times smaller": 5.2, "times faster, batch 1": 1.8, "times faster, batch 32": 1.8}
MOST_LOST = 0.3  # points of accuracy
MOST_SECONDS = 300.0


Out = Annotated[Optional[str], typer.Option(help="Keep the result in this new directory.")]  # noqa: UP045


def demo(out: Out = None, threads: Threads = None, json: Json = False) -> None:
    """Compress the embedded network and measure size, speed and accuracy on this machine.

    A residual classifier for Fashion-MNIST; accuracy is on its 10,000 test images, time is the
    median of interleaved runs in PyTorch on one thread, in a process of its own.

    [bold]Examples[/]

      tenfold demo

      tenfold demo --out small

      tenfold demo --json
    """
    if out:
        check_free(out)
    began = time.perf_counter()
    with running(Recipe(threads=threads)), drawn_progress() as progress:
        outcome = run_demo(progress)
    seconds = time.perf_counter() - began
    shown = console(json)
    show_result(shown, outcome.result)
    show_measured(shown, outcome)
    show_verdict(shown, outcome, seconds)
    if out:
        keep_outcome(outcome, out)
        say_where(shown, out)
    if json:
        say_json(to_json(outcome, seconds))


def keep_outcome(outcome: Outcome, folder: str) -> None:
    """Save the result as ``tenfold compress`` does."""
    recipe = Recipe(source="demo", budget=BUDGET, planning=PlanSettings(formats=FORMATS))
    report = replace(outcome.result.report, command=f"tenfold demo --out {folder}")
    keep(replace(outcome.result, report=report), folder, recipe)


def show_measured(out: Console, outcome: Outcome) -> None:
    """Accuracy and latency, with the conditions they hold under."""
    scores, cells = values_of(outcome), outcome.latency
    out.print(
        f"\nTop-1 on 10,000 test images: {scores['before']:.2f} % before; "
        f"{scores['plan_only']:.2f} % from the data-free plan alone "
        f"({scores['plan_only'] - scores['before']:+.2f}); {scores['after']:.2f} % after "
        f"fine-tuning ({scores['after'] - scores['plan_only']:+.2f})."
    )
    for cell in cells:
        before, after = cell.models["before"].timing, cell.models["after"].timing
        out.print(
            f"Batch {cell.batch}: {before.median:.2f} ms before ({before.low:.2f} to "
            f"{before.high:.2f}), {after.median:.2f} ms after ({after.low:.2f} to "
            f"{after.high:.2f}): {cell.ratio():.2f}x faster."
        )
    out.print(
        f"Timed in a process of its own in {cells[0].label} for both, {cells[0].threads} thread, "
        f"median (10th to 90th percentile) of at most {RUNS} interleaved runs."
    )


def show_verdict(out: Console, outcome: Outcome, seconds: float) -> None:
    """Each promise beside what was measured."""
    reached = {"times smaller": outcome.result.report.times_smaller("params")}
    reached |= {f"times faster, batch {cell.batch}": cell.ratio() for cell in outcome.latency}
    out.print()
    for name, wanted in WANTED.items():
        out.print(
            verdict(reached[name] >= wanted, f"{reached[name]:.2f} {name}", f"at least {wanted}")
        )
    lost = outcome.accuracy["before"].value - outcome.accuracy["after"].value
    out.print(verdict(lost < MOST_LOST, f"{lost:.2f} points lost", f"less than {MOST_LOST}"))
    out.print(verdict(seconds < MOST_SECONDS, f"{seconds:.0f} s", f"under {MOST_SECONDS:.0f} s"))


def verdict(success: bool, value: str, promise: str) -> Text:
    """One line: kept or missed, the number, the promise."""
    word = ("kept  ", "green") if success else ("missed", "red")
    return Text.assemble(word, f" {value} (promised: {promise})")


def values_of(outcome: Outcome) -> dict[str, float]:
    """Accuracies alone."""
    return {name: mean.value for name, mean in outcome.accuracy.items()}


def to_json(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """The numbers under the names that machines expect."""
    report, cells = outcome.result.report, outcome.latency
    counts = {
        cost: {"before": report.before[cost], "after": report.after[cost]}
        for cost in ("params", "macs", "bytes")
    }
    return {
        **counts,
        "latency_ms": {
            str(cell.batch): {name: model.timing.median for name, model in cell.models.items()}
            for cell in cells
        },
        "accuracy": values_of(outcome),
        "seconds": seconds,
        "conditions": {
            "engine": cells[0].label,
            "version": cells[0].version,
            "threads": cells[0].threads,
            "runs": RUNS,
        },
    }

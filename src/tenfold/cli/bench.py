"""``tenfold bench``: how long a network takes here, before and after, in every engine at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from torch import nn

from tenfold.bench import Cell, LayerTime, compare, engines_at_hand, time_layers
from tenfold.cli._shared import Example, Json, Weights, open_source, running, say_noted
from tenfold.cli._terminal import console, drawn_progress, say_json, table
from tenfold.cli.evaluate import original_of
from tenfold.cli.recipe import Recipe
from tenfold.compounds import open_for
from tenfold.errors import bad_value
from tenfold.runtimes import ENGINES, check_available
from tenfold.store.folder import PLAN, load, read_plan
from tenfold.store.notes import note_latency
from tenfold.survey.stage import survey

What = Annotated[
    str,
    typer.Argument(
        help="A directory that tenfold compress wrote, timed against its original; "
        "or a source, [bold]demo[/] or path/to/file.py:function.",
        metavar="SOURCE_OR_DIR",
    ),
]
Engines = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--engine",
        help=f"{', '.join(ENGINES)}; repeatable; by default every quick one that is installed.",
    ),
]
Batch = Annotated[str, typer.Option(help="Batch sizes, joined by commas.")]
Threads = Annotated[int, typer.Option(help="Threads of every engine.", min=1)]
Runs = Annotated[int, typer.Option(help="Timed runs a model and cell.", min=1)]
Layers = Annotated[bool, typer.Option("--layers", help="Time every layer that was planned, alone.")]
Original = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--source", help="The original of a directory; by default as its recipe says."),
]


HEADS = ("model", "#batch", "#ms", "#10-90 %", "#faster", "#at work", "#file", "#peak")


def bench(
    what: What,
    engine: Engines = None,
    batch: Batch = "1,32",
    threads: Threads = 1,
    runs: Runs = 60,
    layers: Layers = False,
    source: Original = None,
    weights: Weights = None,
    example: Example = None,
    json: Json = False,
) -> None:
    """Time a network in interleaved runs, with its file size and peak memory.

    [bold]Examples[/]

      tenfold bench demo --engine eager --batch 1

      tenfold bench small --engine onnxruntime --batch 1,32 --threads 1 --layers
    """
    batches = read_batches(batch)
    names = tuple(engine or engines_at_hand())
    for name in names:
        check_available(name)
    models, shown, sites = open_models(what, source, weights, example)
    with running(Recipe(threads=threads)), drawn_progress() as progress:
        cells = compare(
            models,
            shown,
            engines=names,
            batches=batches,
            threads=threads,
            runs=runs,
            progress=progress,
        )
        opened = {name: open_for(model, sites) for name, model in models.items()}
        by_engine = {
            name: time_layers(opened, shown, sites, engine=name, threads=threads, progress=progress)
            for name in (names if layers else ())
        }
    out = console(json)
    show_cells(out, cells, runs)
    if Path(what).is_dir():
        say_noted(out, lambda: note_latency(what, cells))
    for name, times in by_engine.items():
        show_layers(out, name, times)
    if json:
        say_json(
            {
                "cells": [asdict(cell) for cell in cells],
                "layers": {name: [asdict(x) for x in times] for name, times in by_engine.items()},
            }
        )


def open_models(
    what: str, source: str | None, weights: str | None, example: str | None
) -> tuple[dict[str, nn.Module], Any, tuple[str, ...]]:
    """Before and after for a saved directory, one model for a source; an input; the sites."""
    if not Path(what).is_dir():
        loaded = open_source(what, weights, example)
        sites = tuple(site.name for site in survey(loaded.model, loaded.example).sites)
        return {"model": loaded.model}, loaded.example, sites
    recipe = original_of(what, source, weights, example)
    loaded = open_source(recipe.source, recipe.weights, recipe.example)
    plan = read_plan(Path(what) / PLAN)
    models = {"before": loaded.model, "after": load(what, loaded.model)}
    return models, loaded.example, tuple(choice.site for choice in plan.choices)


def read_batches(text: str) -> tuple[int, ...]:
    """``1,32`` as numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise bad_value("Batch sizes must be whole numbers", repr(text), "write 1,32") from None


def show_cells(out: Console, cells: Sequence[Cell], runs: int) -> None:
    """A table an engine: a row a batch size and model."""
    for label, rows in cell_rows(cells).items():
        out.print(table(label, HEADS, rows))
    out.print(
        f"{cells[0].threads} thread(s), median and spread of at most {runs} interleaved runs; "
        "'at work' compares the time the process had a processor, which other programs disturb "
        "less; peak is what it grows by at its highest while it loads and runs the model."
    )


def cell_rows(cells: Sequence[Cell]) -> dict[str, list[list[str]]]:
    """Rows of text by the engine's label."""
    times: dict[str, list[list[str]]] = {}
    for cell in cells:
        first = next(iter(cell.models))
        for name, one in cell.models.items():
            time = one.timing
            times.setdefault(cell.label, []).append(
                [
                    name,
                    str(cell.batch),
                    f"{time.median:.3f}",
                    f"{time.low:.3f}-{time.high:.3f}",
                    f"{cell.ratio(first, name):.2f}x",
                    f"{cell.busy_ratio(first, name):.2f}x",
                    in_bytes(one.bytes),
                    in_bytes(one.memory),
                ]
            )
    return times


def show_layers(out: Console, engine: str, times: Sequence[LayerTime]) -> None:
    """A row a layer, then the sum."""
    names = list(times[0].timings)
    pair = names == ["before", "after"]
    sums = [sum(x.timings[n].median for x in times) for n in names]
    rows = [[x.name, *(f"{x.timings[n].median:.3f}" for n in names)] for x in times]
    rows.append(["together", *(f"{value:.3f}" for value in sums)])
    if pair:
        rows = [[*row, f"{float(row[1]) / max(float(row[2]), 1e-9):.2f}x"] for row in rows]
    heads = ["layer", *(f"#{n} ms" for n in names), *(["#faster"] if pair else [])]
    out.print(table(f"\nAlone in {engine}", heads, rows))


def in_bytes(count: int | None) -> str:
    """Bytes in words."""
    if count is None:
        return "unknown"
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"

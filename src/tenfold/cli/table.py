"""``tenfold table``: what to time on another device, for a latency budget there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tenfold.cli._flags import flags_of, with_flags
from tenfold.cli._shared import Example, Source, Weights, open_source
from tenfold.cli._terminal import console, drawn_progress
from tenfold.cli.recipe import read_planning
from tenfold.costs import MEASURED
from tenfold.curves.trace import cheapest_curves
from tenfold.latency import write_folder
from tenfold.latency.folder import SCRIPT
from tenfold.latency.table import COST
from tenfold.settings import PlanSettings
from tenfold.survey.stage import survey

Out = Annotated[str, typer.Option(help="A new folder for the models and the script.")]


@with_flags(flags_of(PlanSettings, "formats", "include", "exclude", "round_to"))
def table(
    flags: Mapping[str, Any],
    source: Source,
    out: Out,
    weights: Weights = None,
    example: Example = None,
) -> None:
    """Write tiny ONNX models of every layer and its stand-ins, and the script that times them.

    The script needs onnxruntime and numpy only; what it writes goes to --latency-table.

    [bold]Examples[/]

      tenfold table demo --out layers

      python layers/measure_table.py layers --threads 1 --out phone.json

      tenfold plan demo --budget latency=0.4@onnxruntime --latency-table phone.json
    """
    loaded = open_source(source, weights, example)
    settings = read_planning(flags)
    layers = survey(
        loaded.model, loaded.example, include=settings.include, exclude=settings.exclude
    )
    step = MEASURED[COST].step if settings.round_to is None else settings.round_to
    curves = cheapest_curves(layers, settings.formats, step)
    with drawn_progress() as progress:
        count = write_folder(loaded.model, loaded.example, curves, out, progress)
    console(False).print(
        f"{count} layers in {out}; on the device: python {out}/{SCRIPT} {out} --out table.json"
    )

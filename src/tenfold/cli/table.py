"""``tenfold table``: what to time on another device, for a latency budget there."""

from __future__ import annotations

from typing import Annotated

import typer

from tenfold.cli._options import Example, Exclude, Formats, Include, RoundTo, Source, Weights
from tenfold.cli._terminal import console, drawn_progress
from tenfold.costs import MEASURED
from tenfold.curves.trace import cheapest_curves
from tenfold.latency import write_folder
from tenfold.latency.folder import SCRIPT
from tenfold.latency.table import COST
from tenfold.sources import open_model
from tenfold.survey.stage import survey

Out = Annotated[str, typer.Option(help="A new folder for the models and the script.")]


def table(
    source: Source,
    out: Out,
    weights: Weights = None,
    example: Example = None,
    formats: Formats = None,
    include: Include = None,
    exclude: Exclude = None,
    round_to: RoundTo = None,
) -> None:
    """Write tiny ONNX models of every layer and its stand-ins, and the script that times them.

    The script needs onnxruntime and numpy only; what it writes goes to --latency-table.

    [bold]Examples[/]

      tenfold table demo --out layers

      python layers/measure_table.py layers --threads 1 --out phone.json

      tenfold plan demo --budget latency=0.4@onnxruntime --latency-table phone.json
    """
    loaded = open_model(source, weights, example)
    found = survey(
        loaded.model, loaded.example, include=tuple(include or ()), exclude=tuple(exclude or ())
    )
    wanted = [name.strip() for name in formats.split(",")] if formats is not None else None
    step = MEASURED[COST].step if round_to is None else round_to
    curves = cheapest_curves(found, wanted, step)
    with drawn_progress() as progress:
        count = write_folder(loaded.model, loaded.example, curves, out, progress)
    console(False).print(
        f"{count} layers in {out}; on the device: python {out}/{SCRIPT} {out} --out table.json"
    )

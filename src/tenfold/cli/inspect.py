"""``tenfold inspect``: what there is to gain, and where not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tenfold.cli._flags import flags_of, with_flags
from tenfold.cli._shared import Example, Json, Source, Weights, open_source
from tenfold.cli._tables import show_survey
from tenfold.cli._terminal import console, drawn_progress, say_json
from tenfold.cli.recipe import read_planning
from tenfold.costs import COSTS
from tenfold.curves.glance import glance
from tenfold.settings import PlanSettings
from tenfold.survey.stage import dense_cost, survey


@with_flags(flags_of(PlanSettings, "include", "exclude"))
def inspect(
    flags: Mapping[str, Any],
    source: Source,
    weights: Weights = None,
    example: Example = None,
    json: Json = False,
) -> None:
    """List the layers that can be factored and what a half or a quarter of each would lose, and say
    why the others cannot.

    [bold]Examples[/]

      tenfold inspect demo

      tenfold inspect net.py:make --weights net.safetensors --example 1x3x32x32
    """
    loaded = open_source(source, weights, example)
    settings = read_planning(flags)
    layers = survey(
        loaded.model, loaded.example, include=settings.include, exclude=settings.exclude
    )
    with drawn_progress() as progress:
        losses = glance(loaded.model, layers, progress)
    dense = {site.name: {cost: dense_cost(site, cost) for cost in COSTS} for site in layers.sites}
    show_survey(console(json), layers, dense, losses)
    if json:
        say_json(
            {
                "totals": dict(layers.totals),
                "fixed": dict(layers.fixed),
                "layers": [
                    {"name": name, **costs, "error_at": losses.get(name)}
                    for name, costs in dense.items()
                ],
                "refusals": [asdict(refusal) for refusal in layers.refusals],
            }
        )

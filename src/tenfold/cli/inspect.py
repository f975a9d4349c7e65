"""``tenfold inspect``: what there is to gain, and where not."""

from __future__ import annotations

from dataclasses import asdict

from tenfold.cli._options import Example, Exclude, Include, Json, Source, Weights
from tenfold.cli._tables import show_survey
from tenfold.cli._terminal import console, say_json
from tenfold.costs import COSTS
from tenfold.sources import open_model
from tenfold.survey.stage import dense_cost, survey


def inspect(
    source: Source,
    weights: Weights = None,
    example: Example = None,
    include: Include = None,
    exclude: Exclude = None,
    json: Json = False,
) -> None:
    """List the layers that can be factored, and say why the others cannot.

    [bold]Examples[/]

      tenfold inspect demo

      tenfold inspect net.py:make --weights net.safetensors --example 1x3x32x32
    """
    loaded = open_model(source, weights, example)
    found = survey(
        loaded.model, loaded.example, include=tuple(include or ()), exclude=tuple(exclude or ())
    )
    dense = {site.name: {cost: dense_cost(site, cost) for cost in COSTS} for site in found.sites}
    show_survey(console(json), found, dense)
    if json:
        say_json(
            {
                "totals": dict(found.totals),
                "fixed": dict(found.fixed),
                "layers": [{"name": name, **costs} for name, costs in dense.items()],
                "refusals": [asdict(refusal) for refusal in found.refusals],
            }
        )

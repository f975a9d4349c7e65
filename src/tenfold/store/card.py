"""A model card: what a compressed network is, in numbers, and how to open it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tenfold.costs import COSTS
from tenfold.report import Report
from tenfold.report.numbers import say_asked
from tenfold.values import Plan

CARD = "README.md"
SENSED = {
    "synthetic": "sensed on inputs made from it",
    "tokens": "sensed on token ids that were made for it",
    "calibration": "sensed on calibration inputs",
    "noise": "its damage measured on noise",
    "frobenius": "sensed on no inputs",
}
HEAD = """---
library_name: tenfold
tags: [model-compression, low-rank-decomposition]
---

# {name}

A network compressed by [tenfold](https://tenfold.example): layers are factored into smaller stock
layers, under a budget that is never exceeded. Counted again after it was built:

"""
OPEN = """
```python
import tenfold

model = tenfold.load_pretrained("{name}")
```

opens it, in evaluation mode. It is no checkpoint of the original architecture, so loaders that
build that one do not fit. `plan.json` has the format and the ranks of every layer, `report.html`
the picture.
"""


def write_card(report: Report, plan: Plan, name: str) -> str:
    """The card of a saved directory of this name, in Markdown."""
    lines = [*costs(report), "", *limits(report), "", making(report, plan)]
    return HEAD.format(name=name) + "\n".join(lines) + "\n" + OPEN.format(name=name)


def costs(report: Report) -> Iterator[str]:
    """A row a cost that was counted before and after."""
    yield "| | before | after | |"
    yield "|---|---|---|---|"
    for cost in COSTS:
        before, after = report.before.get(cost), report.after.get(cost)
        if before and after:
            yield f"| {cost} | {before:,.0f} | {after:,.0f} | {before / after:.2f}x fewer |"


def limits(report: Report) -> Iterator[str]:
    """A sentence a limit."""
    for limit in report.limits:
        reached = "" if limit.reached is None else f", reached {limit.reached:,.6g}"
        asked = f"{limit.cost}={say_asked(limit.asked)}"
        yield f"- Budget: {asked}, at most {limit.limit:,.6g}{reached}."


def making(report: Report, plan: Plan) -> str:
    """What the layers became, and how."""
    formats = Counter(choice.format for choice in plan.choices)
    became = ", ".join(f"{count} {name}" for name, count in sorted(formats.items()))
    epochs = len(report.history)
    trained = f"fine-tuned for {epochs} epochs" if epochs else "not fine-tuned"
    return (
        f"Layers: {became}. Chosen by the method {plan.method}, {SENSED[plan.origin]}; "
        f"predicted damage to the outputs {plan.damage:.3g}; {trained}."
    )

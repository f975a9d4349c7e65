"""A model card: what a compressed network is, in numbers, and how to open it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tenfold.costs import COSTS
from tenfold.report import Report
from tenfold.report.numbers import say_asked
from tenfold.report.report import Reached
from tenfold.values import Limit, Plan

CARD = "README.md"
SENSED = {
    "synthetic": "sensed on inputs made from it",
    "tokens": "sensed on token ids that were made for it",
    "calibration": "sensed on calibration inputs",
    "noise": "its damage measured on noise",
    "frobenius": "sensed on no inputs",
}
FRONT = """---
library_name: tenfold
tags: [model-compression, low-rank-decomposition]
---

# {name}

"""
HEAD = """A network compressed by [tenfold](https://tenfold.example): layers are factored into
smaller stock layers, under a budget that is never exceeded. Counted again after it was built:

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
    lines = [*costs(report.before, report.after), "", *limits(report), "", making(report, plan)]
    return FRONT.format(name=name) + HEAD + "\n".join(lines) + "\n" + OPEN.format(name=name)


def costs(before: Mapping[str, float], after: Mapping[str, float]) -> Iterator[str]:
    """A row a cost that was counted before and after."""
    yield "| | before | after | |"
    yield "|---|---|---|---|"
    for cost in COSTS:
        one, other = before.get(cost), after.get(cost)
        if one and other:
            yield f"| {cost} | {one:,.0f} | {other:,.0f} | {one / other:.2f}x fewer |"


def limits(report: Report) -> Iterator[str]:
    """A sentence a limit."""
    for limit in report.limits:
        reached = "" if limit.reached is None else f", reached {limit.reached:,.6g}"
        yield f"- Budget: {say_budget(limit)}, at most {limit.limit:,.6g}{reached}."


def say_budget(limit: Reached | Limit) -> str:
    """``"params=0.5"``."""
    return f"{limit.cost}={say_asked(limit.asked)}"


def became(plan: Plan) -> str:
    """How many layers have each format: ``"2 cp, 1 svd"``."""
    formats = Counter(choice.format for choice in plan.choices)
    return ", ".join(f"{count} {name}" for name, count in sorted(formats.items()))


def making(report: Report, plan: Plan) -> str:
    """What the layers became, and how."""
    epochs = len(report.history)
    trained = f"fine-tuned for {epochs} epochs" if epochs else "not fine-tuned"
    return (
        f"Layers: {became(plan)}. Chosen by the method {plan.method}, {SENSED[plan.origin]}; "
        f"predicted damage to the outputs {plan.damage:.3g}; {trained}."
    )

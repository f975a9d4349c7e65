"""Training losses by epoch of the recovery runs, a panel a budget, drawn from their JSON.

    python benchmarks/draw_recovery.py benchmarks/results/recover_resnet20.json

Writes an SVG beside the JSON. Every curve is one seed; where a run went on from its saved model, on
other inputs perhaps, the loss begins anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#1f6f8b", "#b3402a", "#7a9a3a", "#8a6bb0")  # a seed each


def draw_recovery(path: Path) -> Path:
    """The picture of a results file; returns where it was written."""
    told = json.loads(path.read_text())
    runs = [*told["runs"], *told["cut_short"]]
    budgets = sorted({run["times"] for run in runs}, key=float)
    figure = Figure(figsize=(3.2 * len(budgets) + 0.6, 3.0), layout="constrained")
    panels = figure.subplots(1, len(budgets), squeeze=False, sharey=True)[0]
    for panel, times in zip(panels, budgets, strict=True):
        draw_budget(panel, times, [run for run in runs if run["times"] == times])
    panels[0].set_ylabel("training loss")
    panels[0].set_ylim(bottom=0)  # of all panels
    out = path.with_suffix(".svg")
    part = out.with_suffix(".part")
    with rc_context({"svg.hashsalt": "tenfold"}):  # the same picture from the same numbers
        figure.savefig(part, format="svg", metadata={"Date": None})
    part.replace(out)
    return out


def draw_budget(panel: Axes, times: str, runs: Sequence[dict[str, Any]]) -> None:
    """One curve a run, with what it came to on the test images."""
    for run in runs:
        losses = [epoch["loss"] for epoch in run["history"]]
        name = f"seed {run['seed']}, {len(losses)} epochs: {run['change']:+.2f}"
        panel.plot(
            range(1, len(losses) + 1), losses, color=COLOURS[run["seed"] % len(COLOURS)],
            linestyle="--" if "cut_short" in run else "-", linewidth=1.2, label=name,
        )  # fmt: skip
    panel.set(title=f"{times}x fewer parameters", xlabel="epoch")
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, fontsize=7, title="points on the test images", title_fontsize=7)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(draw_recovery(Path(name)))

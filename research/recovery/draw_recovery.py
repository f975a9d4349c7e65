"""Training losses by epoch of the recovery runs, a panel a budget, drawn from their JSON.

    python -m research.recovery.draw_recovery research/recovery/results/recover_resnet20.json

Writes an SVG beside the JSON. Every curve is one seed, every colour one kind of schedule; where a
run went on from its saved model, on other inputs perhaps, the loss begins anew. Losses of different
temperatures and images are of different sizes: only the shapes compare.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from research.recovery.recover_earlier import cycles_of

COLOURS = ("#8d989e", "#1f6f8b", "#7a9a3a", "#c98a2b", "#8a6bb0", "#b3402a", "#3d5a80", "#d08ca0")
LINE = 50  # letters of a legend's line


def draw_recovery(path: Path) -> Path:
    """The picture of a results file; returns where it was written."""
    found = json.loads(path.read_text())
    runs = [*found["runs"], *found["cut_short"]]
    budgets = {
        times: [run for run in runs if run["times"] == times]
        for times in sorted({run["times"] for run in runs}, key=float)
    }
    most = max(len(set(map(told, mine))) for mine in budgets.values())
    size = (3.2 * len(budgets) + 0.6, 3.4 + 0.2 * most)  # room for the legends
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(budgets), squeeze=False, sharey=True)[0]
    kinds = list(dict.fromkeys(kind(run) for run in runs))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(kinds)}
    for panel, (times, mine) in zip(panels, budgets.items(), strict=True):
        draw_budget(panel, times, mine, colours)
    panels[0].set_ylabel("training loss")
    out = path.with_suffix(".svg")
    part = out.with_suffix(".part")
    with rc_context({"svg.hashsalt": "tenfold"}):  # the same picture from the same numbers
        figure.savefig(part, format="svg", metadata={"Date": None})
    part.replace(out)
    return out


def draw_budget(
    panel: Axes, times: str, runs: Sequence[dict[str, Any]], colours: Mapping[str, str]
) -> None:
    """One curve a run, and with each schedule what it came to on the test images."""
    for name in dict.fromkeys(map(told, runs)):
        mine = [run for run in runs if told(run) == name]
        changes = ", ".join(f"{run['change']:+.2f}" for run in mine)
        for run in mine:
            losses = [epoch["loss"] for epoch in run["history"]]
            panel.plot(
                range(1, len(losses) + 1),
                losses,
                color=colours[kind(run)],
                linestyle="--" if "cut_short" in run else "-",
                linewidth=1.0,
                label=fill(f"{name}: {changes}", LINE) if run is mine[0] else None,
            )
    panel.set(title=f"{times}x fewer parameters", xlabel="epoch", yscale="log")
    panel.xaxis.get_major_locator().set_params(integer=True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(
        frameon=False,
        fontsize=6,
        title="points on the test images, by epochs",
        title_fontsize=6,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
    )


def told(run: dict[str, Any]) -> str:
    """A run's schedule: ``12 + 28 blended`` began plain, ``12, 28 blended`` did not."""
    rows = groupby((cycle.partition(" ") for cycle in cycles_of(run)), itemgetter(2))
    return " + ".join(f"{', '.join(count for count, *_ in row)} {how}".strip() for how, row in rows)


def kind(run: dict[str, Any]) -> str:
    """A run's schedule without its numbers of epochs."""
    return " + ".join(cycle.partition(" ")[2] or "plain" for cycle in cycles_of(run))


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, help="results of recover")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw each file."""
    for path in arguments_of(argv).files:
        print(draw_recovery(path))


if __name__ == "__main__":
    main()

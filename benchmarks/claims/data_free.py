"""Every search method at 2x to 5x fewer parameters: no data, no fine-tuning.

    TENFOLD_DATA=folder python -m benchmarks.claims.data_free [--network resnet20|demo|compact]

All methods share one set of curves and damages, so only the search differs. ``alone`` is what
the decomposition gives; ``lost`` is after ``refine="layers"``, the default. The row ``frobenius``
is the continuous search on plain Frobenius curves, nothing sensed and nothing refined; the row
``end-to-end`` is the public call with ``refine="end-to-end"``, timed as a whole. Settings were
chosen on 2,500 to 10,000 training images (``--split held`` looks at 2,500); only this script looks
at the test images. ``--rows`` runs some rows anew and leaves the others.
Writes ``data_free_<network>.json``.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.claims._search_rows import (
    Trial,
    end_to_end_row,
    plain_menu,
    search_row,
    sensed_menu,
)
from benchmarks.networks.subjects import HELD, load_subject
from benchmarks.result_files import read_json, write_json
from tenfold.search import METHODS
from tenfold.survey.stage import survey
from tenfold.training.score import accuracy

ROWS = ("frobenius", *METHODS, "end-to-end")
TIMES = {
    "resnet20": (2, 3, 4, 5),
    "demo": (2, 3, 4, 5),
    "compact": (1.3, 1.5, 2, 3, 4, 6),
    "tiny": (2,),
}
QUICK = {"network": "tiny", "rows": ("frobenius", "continuous", "energy")}


def all_rows(trial: Trial, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Each row with its name and, where something was sensed, the seconds of the stages."""
    sites = survey(trial.model, trial.example)
    if "frobenius" in names:
        yield "frobenius", search_row(trial, plain_menu(trial, sites), "continuous"), None
    methods = [name for name in names if name in METHODS]
    if methods:
        menu, seconds = sensed_menu(trial, sites)
        for method in methods:
            yield method, search_row(trial, menu, method), seconds
    if "end-to-end" in names:
        yield "end-to-end", end_to_end_row(trial), None


def write(
    arguments: argparse.Namespace, base: float, name: str, row: dict[str, Any], seconds: Any
) -> None:
    """Put a row beside those of other calls; only rows on test images are results."""
    print(f"{name:12}", *(f"{at} {x['lost']:6.2f}" for at, x in row.items()), sep="   ", flush=True)
    if arguments.split != "test":
        return
    path = arguments.results / f"data_free_{arguments.network}.json"
    earlier = read_json(path)
    lost = earlier.get("lost", {})
    result = {
        "command": f"python -m benchmarks.claims.data_free --network {arguments.network}",
        "base": base,
        "lost": {**lost, name: {**lost.get(name, {}), **row}},
        "seconds": seconds or earlier.get("seconds", {}),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    write_json(path, result)


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--network", choices=tuple(TIMES), default="resnet20")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--split", choices=("test", "held"), default="test")
    parser.add_argument("--times", nargs="+", type=float)
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print, write."""
    arguments = arguments_of(argv)
    torch.manual_seed(0)
    subject = load_subject(arguments.network)
    batches = subject.judge(arguments.split, HELD)
    base = accuracy(subject.model, batches)
    times = arguments.times or TIMES[arguments.network]
    trial = Trial(subject.model, subject.example, batches, base, times)
    for name, row, seconds in all_rows(trial, arguments.rows):
        write(arguments, base, name, row, seconds)


if __name__ == "__main__":
    main()

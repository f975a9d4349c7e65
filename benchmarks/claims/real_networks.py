"""Trained networks that nothing was tuned for, compressed with default settings.

    TENFOLD_NETWORKS=folder python -m benchmarks.claims.real_networks [NAME ...] [--budget 0.5 ...]

Beside the default, without data and with the calibration that a network's file gives, stand plain
Frobenius with the library's own ranks, and truncated SVD with one share of parameters for every
layer, plain and whitened by input moments of the calibration. No fine-tuning. ``--rows`` runs some
rows anew and leaves the others. Writes ``real_networks.json``: the metric before and after, the
share of parameters kept, CPU seconds and what the plan forecast.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.claims._outside_rows import ROWS, len_params
from benchmarks.networks.outside import load_outside
from benchmarks.result_files import read_json, write_json

BUDGETS = {  # parameters kept
    "minilm": (0.75,),
    "rxn_albert": (0.8, 0.5),
    "maia": (0.5,),
    "efficientnet_lite1": (0.77, 0.67),
    "hed": (0.5, 0.25),
    "ppocr_rec": (0.6,),
    "meshnet3d": (0.5,),
}
QUICK = {"names": ["tiny"], "budget": (0.5,)}


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("names", nargs="*", default=list(BUDGETS), metavar="NAME")
    parser.add_argument("--budget", nargs="+", type=float, help="shares of parameters kept")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=tuple(ROWS))
    parser.add_argument("--seed", type=int, default=0)
    return read_arguments(parser, argv, QUICK)


def run(name: str, arguments: argparse.Namespace, results: dict[str, Any]) -> None:
    """All rows of one network, put beside those of other calls and written one by one."""
    outside = load_outside(name)
    before = round(float(outside.evaluate(outside.model)), 2)
    print(f"{name}: {before} before, {len_params(outside.model):,} parameters", flush=True)
    mine = results.setdefault("networks", {}).setdefault(name, {"budgets": {}})
    mine["before"] = before
    for share in arguments.budget or BUDGETS.get(name, (0.5,)):
        rows = mine["budgets"].setdefault(str(share), {})
        for row in arguments.rows:
            rows[row] = tried(row, outside, share, arguments.seed)
            print(f"  {share} {row:20} {rows[row]}", flush=True)
            write_json(arguments.results / "real_networks.json", results)


def tried(row: str, outside: Any, share: float, seed: int) -> dict[str, Any]:
    """One row; what stands in its way where there is no network to judge."""
    try:
        return ROWS[row](outside, {"params": share}, seed)
    except Exception as error:  # of somebody's network: the other rows are still worth having
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print, write."""
    arguments = arguments_of(argv)
    torch.manual_seed(arguments.seed)
    results = read_json(arguments.results / "real_networks.json")
    results |= {
        "command": "python -m benchmarks.claims.real_networks",
        "torch": torch.__version__,
    }
    for name in arguments.names:
        run(name, arguments, results)


if __name__ == "__main__":
    main()

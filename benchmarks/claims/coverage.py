"""What share of a network's parameters tenfold can factor, on random weights.

    python -m benchmarks.claims.coverage [--only NAME ...] [--build]

Networks of timm and transformers are those of the installed versions, whose names are noted; one
whose package is missing is skipped, and the results say so. With ``--build`` each is also
compressed to about half without data, run, saved, loaded and exported to ONNX.
Writes ``coverage.json``.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

import tenfold
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks.ordinary import ORDINARY, Made
from benchmarks.networks.others import TIMM, TRANSFORMERS, of_timm, of_transformers
from benchmarks.result_files import read_json, write_json
from tenfold.errors import TenfoldError
from tenfold.network.call import run
from tenfold.survey.stage import survey
from tenfold.values import Survey

WIDTH = 128
LARGEST = 3  # parts that are left and named
QUICK = {"only": ["language model, tied"], "width": 8, "build": True}
PACKAGES = ("torch", "timm", "transformers")


def networks(width: int) -> dict[str, Callable[[], Made]]:
    """Every network by name, not made yet."""
    return {
        **{name: partial(make, width) for name, make in ORDINARY.items()},
        **{name: partial(of_timm, name) for name in TIMM},
        **{name: partial(of_transformers, *of) for name, of in TRANSFORMERS.items()},
    }


def row_of(name: str, make: Callable[[], Made], build: bool) -> dict[str, Any]:
    """What is known of one network; why it is skipped where its package is missing."""
    torch.manual_seed(0)
    try:
        model, example = make()
    except ImportError as error:
        return {"network": name, "skipped": str(error)}
    model.eval()
    try:
        found = survey(model, example)
    except TenfoldError as error:
        return {"network": name, "refused": str(error)}
    row = {"network": name, **shares(found)}
    return {**row, **(built(model, example, found) if build else {})}


def shares(found: Survey) -> dict[str, Any]:
    """Parameters in all, the share in layers that can be factored, and the largest of the rest."""
    whole, fixed = found.totals["params"], found.fixed["params"]
    largest = sorted(found.refusals, key=lambda refusal: -refusal.params)[:LARGEST]
    left = [
        {"part": r.name, "share": round(r.params / whole, 4), "because": r.reason} for r in largest
    ]
    return {"params": int(whole), "share": round(1 - fixed / whole, 4), "left": left}


def built(model: nn.Module, example: Any, found: Survey) -> dict[str, Any]:
    """What came of each step, the reason where one failed, and the seconds of all."""
    began, steps = time.process_time(), {}
    share = max(0.5, 1.2 * found.fixed["params"] / found.totals["params"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for step, outcome in tried(model, example, min(share, 0.95), folder):
            steps[step] = outcome
    return {"built": steps, "seconds": round(time.process_time() - began, 1)}


def tried(
    model: nn.Module, example: Any, share: float, folder: Path
) -> Iterator[tuple[str, str | float]]:
    """Each step with what it gave; what cannot be done says why, and ends it."""
    try:
        result = tenfold.compress(model, example, {"params": share}, metric="frobenius")
        kept = result.report.after["params"] / result.report.before["params"]
        yield "kept", round(kept, 4)
        run(result.model, example)
        tenfold.save(result, folder / "saved")
        run(tenfold.load(folder / "saved", model), example)
        yield "saved", "loads and runs"
        exported = tenfold.export(result.model, example, folder / "network.onnx")
        yield "onnx", f"differs by {exported.difference:.1e}"
    except Exception as error:  # of anybody's network
        yield "failed", f"{type(error).__name__}: {error}"


def versions() -> dict[str, str]:
    """Of the packages that networks come from."""
    known = {}
    for name in PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            known[name] = "not installed"
    return known


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="networks (all)")
    parser.add_argument("--width", type=int, default=WIDTH, help="of networks in plain torch")
    parser.add_argument("--build", action="store_true", help="compress, save and export as well")
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Survey, print, write after every network; rows of others stay as they were."""
    arguments = arguments_of(argv)
    logging.disable(logging.WARNING)
    path = arguments.results / "coverage.json"
    every = networks(arguments.width)
    rows = {row["network"]: row for row in read_json(path).get("networks", [])}
    for name in arguments.only or every:
        rows[name] = row_of(name, every[name], arguments.build)
        print(rows[name], flush=True)
        ordered = [rows[known] for known in every if known in rows]
        result = {
            "command": "python -m benchmarks.claims.coverage",
            "versions": versions(),
            "networks": ordered,
        }
        write_json(path, result)


if __name__ == "__main__":
    main()

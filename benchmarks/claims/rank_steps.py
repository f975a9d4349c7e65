"""Which ranks pay: speed-up over times fewer MACs of one 3x3 layer, by format and rank.

    python -m benchmarks.claims.rank_steps [--engine onnxruntime] [--seconds 3]

One thread, batch 1, layers as ResNet-18 has them, dense and factored timed in turn.
Writes ``rank_steps_<engine>.json``.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.result_files import write_json
from tenfold.bench import compare
from tenfold.costs import COSTS
from tenfold.machine.timing import processor

SIZES = "64x56/128x28/256x14/512x7"  # channels and pixels
QUICK = {"sizes": "32x4", "formats": ("svd",), "engine": "eager", "seconds": 0.02}


def spatial(c: int, r: int) -> list[nn.Module]:
    """3x1, then 1x3."""
    return [nn.Conv2d(c, r, (3, 1), padding=(1, 0)), nn.Conv2d(r, c, (1, 3), padding=(0, 1))]


def tucker(c: int, r: int) -> list[nn.Module]:
    """1x1, 3x3, 1x1."""
    return [nn.Conv2d(c, r, 1), nn.Conv2d(r, r, 3, padding=1), nn.Conv2d(r, c, 1)]


def svd(c: int, r: int) -> list[nn.Module]:
    """3x3, then 1x1."""
    return [nn.Conv2d(c, r, 3, padding=1), nn.Conv2d(r, c, 1)]


FORMATS = {"spatial": spatial, "tucker": tucker, "svd": svd}


def layers_of(channels: int, formats: Sequence[str]) -> dict[str, nn.Module]:
    """The dense layer, and each format at ranks of a half and a quarter, and near a half; each
    behind an activation, as networks have it."""
    half = channels // 2
    layers = {"dense": [nn.Conv2d(channels, channels, 3, padding=1)]}
    for name in formats:
        for rank in (channels // 4, half - 8, half - 4, half, half + 4, half + 8):
            layers[f"{name} {rank}"] = FORMATS[name](channels, rank)
    return {name: nn.Sequential(nn.ReLU(), *chain).eval() for name, chain in layers.items()}


def measure(channels: int, pixels: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row a factored layer."""
    x, models = torch.randn(1, channels, pixels, pixels), layers_of(channels, arguments.formats)
    engines, seconds = (arguments.engine,), arguments.seconds * len(models)
    macs = {name: COSTS["macs"].measure(model, x) for name, model in models.items()}
    (cell,) = compare(models, x, engines=engines, runs=60, seconds=seconds)
    rows = []
    for name in list(models)[1:]:
        fewer, faster = macs["dense"] / macs[name], cell.busy_ratio("dense", name)
        row = {
            "channels": channels,
            "layer": name,
            "fewer_macs": round(fewer, 2),
            "faster": round(faster, 2),
            "share": round(faster / fewer, 2),
        }
        print(row, flush=True)
        rows.append(row)
    return rows


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--sizes", default=SIZES, help="channels and pixels of the layers")
    parser.add_argument("--formats", nargs="+", choices=tuple(FORMATS), default=tuple(FORMATS))
    parser.add_argument("--seconds", type=float, default=3.0, help="at most, a layer")
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    arguments = arguments_of(argv)
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    sizes = [tuple(map(int, size.split("x"))) for size in arguments.sizes.split("/")]
    result = {
        "command": f"python -m benchmarks.claims.rank_steps --engine {arguments.engine}",
        "processor": processor(),
        "threads": 1,
        "batch": 1,
        "rows": [row for size in sizes for row in measure(*size, arguments)],
    }
    write_json(arguments.results / f"rank_steps_{arguments.engine}.json", result)


if __name__ == "__main__":
    main()

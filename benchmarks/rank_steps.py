"""Which ranks pay: speed-up over times fewer MACs of one 3x3 layer, by format and rank.

    python benchmarks/rank_steps.py [--engine onnxruntime] [--seconds 3]

One thread, batch 1, layers as ResNet-18 has them, dense and factored timed in turn.
Writes ``results/rank_steps_<engine>.json``.
"""

from __future__ import annotations

import argparse
import logging
from typing import Any

import torch
from torch import nn

from tenfold.bench import compare
from tenfold.costs import COSTS
from tenfold.machine.conditions import processor
from written import RESULTS, write_json

SIZES = ((64, 56), (128, 28), (256, 14), (512, 7))  # channels and pixels


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


def measure(channels: int, pixels: int, engine: str, seconds: float) -> list[dict[str, Any]]:
    """Every format at ranks of a half and a quarter, and near a half; a line each."""
    x, half = torch.randn(1, channels, pixels, pixels), channels // 2
    layers = {"dense": [nn.Conv2d(channels, channels, 3, padding=1)]}
    for name, make in FORMATS.items():
        for rank in (channels // 4, half - 8, half - 4, half, half + 4, half + 8):
            layers[f"{name} {rank}"] = make(channels, rank)
    # an activation before the layer, as networks have it
    models = {name: nn.Sequential(nn.ReLU(), *chain).eval() for name, chain in layers.items()}
    macs = {name: COSTS["macs"].measure(model, x) for name, model in models.items()}
    (cell,) = compare(models, x, engines=(engine,), runs=60, seconds=seconds * len(models))
    rows = []
    for name in models:
        if name != "dense":
            fewer, faster = macs["dense"] / macs[name], cell.busy_ratio("dense", name)
            rows.append(
                {
                    "channels": channels,
                    "layer": name,
                    "fewer_macs": round(fewer, 2),
                    "faster": round(faster, 2),
                    "share": round(faster / fewer, 2),
                }
            )
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--seconds", type=float, default=3.0, help="at most, a layer")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    rows = [row for size in SIZES for row in measure(*size, asked.engine, asked.seconds)]
    found = {
        "command": f"python benchmarks/rank_steps.py --engine {asked.engine}",
        "processor": processor(),
        "threads": 1,
        "batch": 1,
        "rows": rows,
    }
    out = RESULTS / f"rank_steps_{asked.engine}.json"
    write_json(out, found)


if __name__ == "__main__":
    main()

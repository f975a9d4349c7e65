"""5x from ranks, 4x from int8: sizes, latency and accuracy on the demo network.

    python benchmarks/int8.py [DIR] [--budget params=0.165,macs=0.25] [--epochs 2]

DIR is what ``tenfold compress demo`` saved; without it a plan is made here and fine-tuned
briefly. Scales, biases and the graph itself take a tenth of so small a file, so the budget is a
little under a fifth for the file to be a twentieth. Ranges and variants are chosen on training
images; the 10,000 test images are looked at to report only. Writes ``results/int8.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from tenfold import compress, load, quantise
from tenfold.demo.data import Mixed, held_batches, read_split
from tenfold.demo.network import example, load_network
from tenfold.demo.run import FORMATS, HELD_OUT, TUNING
from tenfold.deploy.quantise import Quantised, quantised_to_json
from written import RESULTS, write_json

WANTED = 20.0  # times smaller than the original's float file


def compressed(folder: str | None, budget: str, epochs: int, network: nn.Module) -> nn.Module:
    """The saved model, or the demo's plan with a short fine-tuning."""
    if folder is not None:
        return load(folder, network)
    images, labels = read_split("train")
    return compress(
        network,
        example(),
        budget,
        formats=FORMATS,
        tuning=replace(TUNING, epochs=epochs),
        data=Mixed(images[HELD_OUT:], labels[HELD_OUT:]),
        validation=list(images[:HELD_OUT].split(500)),
    ).model


def to_int8(model: nn.Module, original: nn.Module | None, calibrated: bool) -> Quantised:
    """Quantised for ONNX Runtime on training images, or on inputs made from BatchNorm."""
    images = list(read_split("train")[0][:HELD_OUT].split(100)) if calibrated else None
    with tempfile.TemporaryDirectory() as folder:
        return quantise(
            model,
            example(),
            Path(folder) / "net.onnx",
            calibration=images,
            test=held_batches(),
            original=original,
        )


def show(title: str, done: Quantised) -> None:
    """A line a file."""
    print(f"{title}: {done.variant}, on {done.calibration} inputs, error {done.error:.4f}")
    for x in done.files:
        speed = "  ".join(f"batch {b} {t.median:8.3f} ms" for b, t in x.latency.items())
        print(f"  {x.name:10} {x.bytes:9,} bytes  {speed}  {x.accuracy:.2f} %", flush=True)


def summary(done: Quantised) -> dict[str, Any]:
    """What the claim is about."""
    original, ranks, int8 = done.files
    return {
        "times_smaller": {
            "ranks": original.bytes / ranks.bytes,
            "int8": ranks.bytes / int8.bytes,
            "both": original.bytes / int8.bytes,
            "wanted": WANTED,
        },
        "times_faster": {
            str(batch): original.latency[batch].busy / int8.latency[batch].busy
            for batch in original.latency
        },
        "points_lost": {
            "ranks": original.accuracy - ranks.accuracy,
            "int8": ranks.accuracy - int8.accuracy,
            "both": original.accuracy - int8.accuracy,
        },
    }


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--budget", default="params=0.165,macs=0.25")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS / "int8.json")
    asked = parser.parse_args()
    began = time.perf_counter()
    network = load_network()
    small = compressed(asked.folder, asked.budget, asked.epochs, network)
    found = {}
    for title, model, original, calibrated in (
        ("both", small, network, True),
        ("both, no data", small, network, False),
        ("int8 alone", network, None, True),
    ):
        found[title] = to_int8(model, original, calibrated)
        show(title, found[title])
    claim = summary(found["both"])
    print(json.dumps(claim, indent=1))
    kept = claim["times_smaller"]["both"] >= WANTED
    print(f"{'kept' if kept else 'missed'}: {claim['times_smaller']['both']:.2f}x smaller files")
    write_json(
        asked.out,
        {
            "command": f"python benchmarks/int8.py{' DIR' if asked.folder else ''}",
            "budget": None if asked.folder else asked.budget,
            "epochs": None if asked.folder else asked.epochs,
            **claim,
            "runs": {title: quantised_to_json(done) for title, done in found.items()},
            "seconds": time.perf_counter() - began,
        },
    )


if __name__ == "__main__":
    main()

"""5x from ranks, 4x from int8: sizes, latency and accuracy on the demo network.

    python -m benchmarks.claims.int8 [DIR] [--budget params=0.165,macs=0.25] [--epochs 2]

DIR is what ``tenfold compress demo`` saved; without it a plan is made here and fine-tuned
briefly. Scales, biases and the graph itself take a tenth of so small a file, so the budget is a
little under a fifth for the file to be a twentieth. Ranges and variants are chosen on training
images; the 10,000 test images are looked at to report only. Writes ``int8.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.networks.subjects import Subject, load_subject
from benchmarks.result_files import write_json
from tenfold import compress, load, quantise
from tenfold.demo.data import Mixed, read_split
from tenfold.demo.run import FORMATS, HELD_OUT, TUNING
from tenfold.deploy.quantise import Quantised, quantised_to_json

WANTED = 20.0  # times smaller than the original's float file
QUICK = {
    "network": "tiny-grey",
    "budget": "params=0.5",
    "epochs": 1,
    "images": HELD_OUT + 100,
    "ranges": 8,
    "rows": ("both",),
    "formats": ("svd",),
}
ROWS = ("both", "both, no data", "int8 alone")


def compressed(subject: Subject, arguments: argparse.Namespace) -> nn.Module:
    """The saved model, or the demo's plan with a short fine-tuning."""
    if arguments.folder is not None:
        return load(arguments.folder, subject.model)
    images, labels = (part[: arguments.images] for part in read_split("train"))
    return compress(
        subject.model,
        subject.example,
        arguments.budget,
        formats=arguments.formats,
        tuning=replace(TUNING, epochs=arguments.epochs),
        data=Mixed(images[HELD_OUT:], labels[HELD_OUT:]),
        validation=list(images[:HELD_OUT].split(500)),
    ).model


def to_int8(
    model: nn.Module, subject: Subject, original: nn.Module | None, ranges: int | None
) -> Quantised:
    """Quantised for ONNX Runtime on so many training images, or on inputs made from BatchNorm."""
    images = list(read_split("train")[0][:ranges].split(100)) if ranges else None
    with tempfile.TemporaryDirectory() as folder:
        return quantise(
            model,
            subject.example,
            Path(folder) / "net.onnx",
            calibration=images,
            test=subject.judge("test", 0),
            original=original,
        )


def show(title: str, file: Quantised) -> None:
    """A line a file."""
    print(f"{title}: {file.variant}, on {file.calibration} inputs, error {file.error:.4f}")
    for x in file.files:
        speed = "  ".join(f"batch {b} {t.median:8.3f} ms" for b, t in x.latency.items())
        print(f"  {x.name:10} {x.bytes:9,} bytes  {speed}  {x.accuracy:.2f} %", flush=True)


def summary(file: Quantised) -> dict[str, Any]:
    """The numbers that the claim is about."""
    original, ranks, int8 = file.files
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


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--network", choices=("demo", "tiny-grey"), default="demo")
    parser.add_argument("--budget", default="params=0.165,macs=0.25")
    parser.add_argument("--formats", nargs="+", default=FORMATS)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--images", type=int, help="training images, all if none")
    parser.add_argument("--ranges", type=int, default=HELD_OUT, help="images that set the ranges")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, help="``both`` is needed")
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Run, print, write."""
    arguments = arguments_of(argv)
    began = time.perf_counter()
    subject = load_subject(arguments.network)
    network, small = subject.model, compressed(subject, arguments)
    files = {}
    for title, model, original, ranges in (
        ("both", small, network, arguments.ranges),
        ("both, no data", small, network, None),
        ("int8 alone", network, None, arguments.ranges),
    ):
        if title in arguments.rows:
            files[title] = to_int8(model, subject, original, ranges)
            show(title, files[title])
    claim = summary(files["both"])
    print(json.dumps(claim, indent=1))
    smaller, saved = claim["times_smaller"]["both"], arguments.folder
    print(f"{'kept' if smaller >= WANTED else 'missed'}: {smaller:.2f}x smaller files")
    result = {
        "command": f"python -m benchmarks.claims.int8{' DIR' if saved else ''}",
        "budget": None if saved else arguments.budget,
        "epochs": None if saved else arguments.epochs,
        **claim,
        "runs": {title: quantised_to_json(file) for title, file in files.items()},
        "seconds": time.perf_counter() - began,
    }
    write_json(arguments.results / "int8.json", result)


if __name__ == "__main__":
    main()

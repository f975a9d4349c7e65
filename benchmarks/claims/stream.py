"""What a checkpoint costs that is compressed one tensor at a time: peak memory, seconds a gigabyte.

    python -m benchmarks.claims.stream
    python -m benchmarks.claims.stream --gigabytes 0.25 --width 2048 --inner 5504

Makes a checkpoint of bf16 matrices as a LLaMA of 7 B has them, in shards in a temporary folder
(twice its size on disk, and a half), with singular values that fall as a power of their number, and
keeps half of the parameters. Peak memory is what the process grows by; processor seconds are told
beside those of the clock, for a busy machine lengthens the latter. The error of the factors is
computed anew, in float64, for a first matrix of each shape. Writes ``stream.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

import tenfold
from benchmarks.arguments import claim_parser, read_arguments
from benchmarks.result_files import write_json
from tenfold.bench.memory import peak_growth
from tenfold.machine.timing import environment, processor
from tenfold.stream.read_checkpoint import read_checkpoint, read_tensor

QUICK = {"gigabytes": 0.004, "width": 128, "inner": 344, "shard": "1MB"}
BUDGET, DECAY = "params=0.5", 0.4
LAYER = {  # of a LLaMA: rows and columns, in terms of its two sizes
    "q": ("width", "width"),
    "k": ("width", "width"),
    "v": ("width", "width"),
    "o": ("width", "width"),
    "gate": ("inner", "width"),
    "up": ("inner", "width"),
    "down": ("width", "inner"),
}


def make_matrix(rows: int, columns: int, seed: int) -> Tensor:
    """bf16, with a spectrum that falls: noise between two bases that are nearly orthonormal."""
    generator = torch.Generator().manual_seed(seed)
    inner = min(rows, columns)
    left = torch.randn(rows, inner, generator=generator)
    scale = torch.arange(1, inner + 1).float().pow(-DECAY) / inner
    right = torch.randn(inner, columns, generator=generator)
    return ((left * scale) @ right).bfloat16()


def make_checkpoint(folder: Path, arguments: argparse.Namespace) -> int:
    """Shards of one layer each until there are enough bytes; returns how many matrices. A layer
    that was made lends its numbers, turned round by a row, to those that follow."""
    made = {
        name: make_matrix(*sizes_of(shape, arguments), k)
        for k, (name, shape) in enumerate(LAYER.items())
    }
    bytes_a_layer = sum(2 * tensor.numel() for tensor in made.values())
    layers = max(1, round(arguments.gigabytes * 1e9 / bytes_a_layer))
    places = {}
    for layer in range(layers):
        file = f"model-{layer + 1:05d}-of-{layers:05d}.safetensors"
        state = {f"layers.{layer}.{name}.weight": x.roll(layer, 0) for name, x in made.items()}
        save_file(state, folder / file)
        places.update(dict.fromkeys(state, file))
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return len(places)


def sizes_of(shape: tuple[str, str], arguments: argparse.Namespace) -> tuple[int, int]:
    """Rows and columns in numbers."""
    return getattr(arguments, shape[0]), getattr(arguments, shape[1])


def errors(source: Path, out: Path, plan: tenfold.Plan) -> Iterator[dict[str, Any]]:
    """Of the first layer's matrices: predicted, and that of the factors on disk."""
    before, after = read_checkpoint(source).entries, read_checkpoint(out).entries
    for choice in plan.choices[: len(LAYER)]:
        if choice.format != "dense":
            weight = read_tensor(before[f"{choice.site}.weight"]).double()
            right, left = (read_tensor(after[f"{choice.site}.{k}.weight"]).double() for k in (0, 1))
            found = float((left @ right - weight).norm() / weight.norm())
            yield {
                "layer": choice.site,
                "ranks": choice.ranks,
                "predicted": choice.error,
                "found": found,
            }


def compress(folder: Path, out: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The run itself, measured."""
    laps: dict[str, list[float]] = {}
    plans = []

    def progress(stage: str, done: int, total: int) -> None:
        laps.setdefault(stage, []).append(time.process_time())

    def run() -> None:
        plans.append(
            tenfold.compress_checkpoint(
                folder,
                BUDGET,
                out,
                shard=arguments.shard,
                method=arguments.method,
                progress=progress,
            )
        )

    clock, work = time.perf_counter(), time.process_time()
    peak = peak_growth(lambda: run)
    told = {
        "seconds": round(time.perf_counter() - clock, 1),
        "processor_seconds": round(time.process_time() - work, 1),
        "of_them": {stage: round(at[-1] - at[0], 1) for stage, at in laps.items()},
        "peak_bytes": peak,
        "kept": plans[0].predicted["params"] / plans[0].before["params"],
        "gap": plans[0].gap,
    }
    return {**told, "errors": list(errors(folder, out, plans[0]))}


def arguments_of(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = claim_parser(__doc__)
    parser.add_argument("--gigabytes", type=float, default=8.0)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--inner", type=int, default=11008)
    parser.add_argument("--shard", default="1GB")
    parser.add_argument("--method", default="continuous")
    parser.add_argument("--threads", type=int, default=1)
    return read_arguments(parser, argv, QUICK)


def main(argv: Sequence[str] | None = None) -> None:
    """Make, compress, print, write."""
    arguments = arguments_of(argv)
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory(prefix="tenfold-stream-") as folder:
        source = Path(folder) / "source"
        source.mkdir()
        matrices = make_checkpoint(source, arguments)
        size = sum(file.stat().st_size for file in source.iterdir())
        largest = 2 * arguments.width * max(arguments.inner, arguments.width)
        told = compress(source, Path(folder) / "out", arguments)
    result = {
        "bytes": size,
        "matrices": matrices,
        "width": arguments.width,
        "inner": arguments.inner,
        "allowed_bytes": 2 * largest + 2**30,
        **told,
        "processor_seconds_a_gigabyte": round(1e9 * told["processor_seconds"] / size, 1),
        "processor": processor(),
        **environment(),
    }
    print(json.dumps(result, indent=1))
    write_json(arguments.results / "stream.json", result)


if __name__ == "__main__":
    main()

"""Variants of an int8 file, each in a folder of its own, and how far each is from the model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.data.calibrate import in_batches
from tenfold.deploy.measure import Runner, logits_by_pieces
from tenfold.deploy.prepare import answers
from tenfold.errors import bad_value
from tenfold.machine.progress import Progress
from tenfold.network.call import run
from tenfold.runtimes import FILES, INT8


def try_variants(
    to: str,
    model: nn.Module,
    example: Any,
    inputs: tuple[Any, Any, str],
    size: int,
    folder: Path,
    progress: Progress,
) -> tuple[dict[str, float], dict[str, Path]]:
    """A file a variant, and how far its outputs are from the model's."""
    int8, runtime = INT8[to], FILES[to]
    ranges, judged, _ = inputs
    state = int8.prepare(model, example, folder)
    variants = int8.variants(state)
    tried, files = {}, {}
    for done, variant in enumerate(variants):
        progress("int8", done, len(variants))
        files[variant] = new_file(folder, str(done), runtime.suffix)
        int8.write(state, in_batches(ranges, size), variant, files[variant])
        reading = partial(answers, runtime.load(files[variant]))
        tried[variant] = distance(model, reading, judged, size)
    progress("int8", len(tried), len(tried))
    return tried, files


def distance(model: nn.Module, runner: Runner, inputs: Any, size: int) -> float:
    """Norm of the difference of the first outputs, as a share of the model's own."""
    wanted = logits_by_pieces(lambda piece: run(model, piece), inputs, size)
    got = logits_by_pieces(runner, inputs, size)
    return float((got - wanted).norm() / wanted.norm().clamp_min(1e-12))


def check_close(error: float, to: str) -> None:
    """Outputs that say nothing of the model's are no result."""
    if not error < 1:
        raise bad_value(
            f"An int8 file for {to} must follow the model",
            f"outputs off by {error:.0%}",
            "pass training inputs to calibrate on, or export without int8",
        )


def write_floats(
    to: str, models: Mapping[str, nn.Module], example: Any, folder: Path
) -> tuple[dict[str, Path], bool]:
    """The float models as files of the same runtime, and whether all take any batch size."""
    paths = {name: new_file(folder, name, FILES[to].suffix) for name in models}
    opened = [FILES[to].write(models[name], example, file) for name, file in paths.items()]
    return paths, all(axes.batch for axes in opened)


def new_file(folder: Path, name: str, suffix: str) -> Path:
    """A path in a folder of its own, for a kind may have several files of one stem."""
    own = folder / name
    own.mkdir()
    return own / f"net{suffix}"


def copy_to(part: Path, file: Path) -> None:
    """A file, and those of its stem beside it, under another stem; a folder with what it holds."""
    for each in file.parent.iterdir():
        copy = shutil.copytree if each.is_dir() else shutil.copyfile
        copy(each, part.with_name(f"{part.stem}{each.name.removeprefix(file.stem)}"))

"""model, example -> file: written, read back, held against the model, and only then in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tenfold.deploy.compare import blame, check_same
from tenfold.deploy.fuse import fuse
from tenfold.errors import MissingExtra, bad_value
from tenfold.machine.files import placing
from tenfold.network.copying import copy_of
from tenfold.network.inputs import batch_of, check_example, mapped, resize, shuffle
from tenfold.runtimes.explain import not_exported
from tenfold.runtimes.exporters import EXPORTERS, Exporter
from tenfold.runtimes.exporters._base import Runner


@dataclass(frozen=True)
class Exported:
    """A file that was read back: ``difference`` is the largest one found, as a share of the
    largest output, over ``batches``; ``dynamic`` says whether other batch sizes run too."""

    path: Path
    to: str
    bytes: int
    difference: float
    batches: tuple[int, ...]
    dynamic: bool
    fused: bool


def export(
    model: nn.Module, example: Any, path: str | Path, *, to: str = "onnx", fused: bool = True
) -> Exported:
    """Write a model for another runtime, and compare what that runtime computes with the model.

    Args:
        model: any network; it is not changed. It is exported in evaluation mode, on the CPU.
        example: a tensor, or a tuple or mapping of tensors, the batch first.
        path: a new file with the suffix of its kind.
        to: the name of an exporter: safetensors, torch-export, onnx, executorch, openvino, tflite.
        fused: fold what ``tenfold.fuse`` folds before exporting.

    Returns what was compared: the example, and a random input of another batch size where the
    file takes one.

    Raises:
        MissingExtra: a package is missing.
        InputError: the model does not export or the file computes something else, which names
            the operation; the path exists, cannot be written or has another suffix.
    """
    exporter, target = usable(to), Path(path)
    check_suffix(target, exporter)
    check_example(example)
    with placing(target) as part:
        plain = plain_copy(model)
        example = mapped(lambda x: x.detach().cpu(), example)
        fused = fused and exporter.fuses
        written = fuse(plain, example) if fused else plain
        dynamic = exporter.write(written, example, part)
        runner = reopen(exporter, part, written)
        probes = probes_of(example, dynamic)
        difference = check_same(
            plain, runner, probes, to, lambda: blame(exporter, written, example, part.parent)
        )
        size = sum(file.stat().st_size for file in part.parent.iterdir())
    batches = tuple(sorted({batch_of(probe) for probe in probes}))
    return Exported(target, to, size, difference, batches, dynamic, fused)


def usable(to: str) -> Exporter:
    """The exporter of that name. Raises MissingExtra when a package of its is not there."""
    exporter = EXPORTERS[to]
    missing = exporter.unavailable()
    if missing:
        raise MissingExtra(missing)
    return exporter


def check_suffix(target: Path, exporter: Exporter) -> None:
    """Runtimes tell files by their suffix."""
    if target.suffix != exporter.suffix:
        raise bad_value(
            f"A file for {exporter.name} must end in {exporter.suffix}",
            repr(target.name),
            f"write {target.stem}{exporter.suffix}",
        )


def plain_copy(model: nn.Module) -> nn.Module:
    """In evaluation mode on the CPU, dense in memory, without gradients."""
    plain = copy_of(model).cpu().eval().requires_grad_(False)
    return plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload, no-any-return]


def reopen(exporter: Exporter, path: Path, structure: nn.Module) -> Runner:
    """The written file as its runtime reads it."""
    try:
        return exporter.read(path, structure)
    except Exception as error:  # a runtime refuses with errors of its own
        raise not_exported(error, f"{exporter.name} and be read back") from error


def probes_of(example: Any, dynamic: bool) -> list[Any]:
    """The example, and random inputs of a larger batch where the batch is open."""
    batch = batch_of(example)
    return [example, shuffle(resize(example, batch + 2 if dynamic else batch))]

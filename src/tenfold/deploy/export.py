"""model, example -> file: written, read back, held against the model, and only then in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.deploy.compare import blame, check_same
from tenfold.deploy.prepare import as_written, on_cpu, plain_copy
from tenfold.errors import bad_value
from tenfold.machine.files import bytes_in, placing
from tenfold.network.inputs import batch_of, check_example, resize, shuffle
from tenfold.runtimes import FileRuntime, Loaded, check_installed
from tenfold.runtimes.explain import not_exported


@dataclass(frozen=True)
class Exported:
    """A file, or a folder where the kind is one. ``difference`` is the largest one found when it
    was read back, as a share of the largest output, over ``batches``; ``dynamic`` says whether
    other batch sizes run too. Where this machine cannot read it back, ``difference`` is None,
    ``batches`` is empty and ``unchecked`` says why."""

    path: Path
    to: str
    bytes: int
    difference: float | None
    batches: tuple[int, ...]
    dynamic: bool
    fused: bool
    unchecked: str | None = None


def export(
    model: nn.Module, example: Any, path: str | Path, *, to: str = "onnx", fused: bool = True
) -> Exported:
    """Write a model for another runtime, and compare what that runtime computes with the model.

    Args:
        model: any network; it is not changed. It is exported in evaluation mode, on the CPU.
        example: a tensor, or a tuple or mapping of tensors, the batch first.
        path: a new file with the suffix of its kind.
        to: the kind of file; ``tenfold export --help`` lists them.
        fused: fold what ``tenfold.fuse`` folds before exporting.

    Returns what was compared: the example, and a random input of another batch size where the
    file takes one.

    Raises:
        MissingExtra: a package is missing.
        InputError: the model does not export or the file computes something else, which names
            the operation; the path exists, cannot be written or has another suffix.
    """
    runtime, target = check_installed(to), Path(path)
    check_suffix(target, to, runtime)
    check_example(example)
    with placing(target) as part:
        plain, example = plain_copy(model), on_cpu(example)
        fused = fused and runtime.fuses
        written = as_written(runtime, plain, example) if fused else plain
        dynamic = runtime.write(written, example, part)
        unchecked, gap = runtime.unreadable(), None
        probes = [] if unchecked else probes_of(example, dynamic)
        if probes:
            gap = check(runtime, to, plain, written, probes, part)
        size = bytes_in(part.parent)
    batches = tuple(sorted({batch_of(probe) for probe in probes}))
    return Exported(target, to, size, gap, batches, dynamic, fused, unchecked)


def check(
    runtime: FileRuntime,
    to: str,
    model: nn.Module,
    written: nn.Module,
    probes: Sequence[Any],
    path: Path,
) -> float:
    """The largest difference between a model and the file that was written of it, fused or not.
    Raises InputError for more than rounding."""
    loaded = reopen(runtime, to, path, written)
    return check_same(
        model, loaded, probes, to, lambda: blame(runtime, written, probes[0], path.parent)
    )


def check_suffix(target: Path, to: str, runtime: FileRuntime) -> None:
    """Runtimes tell files by their suffix."""
    if target.suffix != runtime.suffix:
        raise bad_value(
            f"A file for {to} must end in {runtime.suffix}",
            repr(target.name),
            f"write {target.stem}{runtime.suffix}",
        )


def reopen(runtime: FileRuntime, to: str, path: Path, structure: nn.Module) -> Loaded:
    """The written file as its runtime reads it."""
    try:
        return runtime.load(path, structure=structure)
    except Exception as error:  # a runtime refuses with errors of its own
        raise not_exported(error, f"{to} and be read back") from error


def probes_of(example: Any, dynamic: bool) -> list[Any]:
    """The example, and random inputs of a larger batch where the batch is open."""
    batch = batch_of(example)
    return [example, shuffle(resize(example, batch + 2 if dynamic else batch))]

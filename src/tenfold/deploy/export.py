"""model, example -> file: written, read back, held against the model, and only then in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.deploy.compare import blame, check_same
from tenfold.deploy.prepare import answers, as_written, on_cpu, plain_copy
from tenfold.errors import bad_value
from tenfold.machine.files import bytes_in, placing, remove
from tenfold.network.arrays import tensors_in
from tenfold.network.call import run
from tenfold.network.difference import difference, tolerance
from tenfold.network.inputs import batch_of, check_example, resize, shuffle
from tenfold.network.names import input_names
from tenfold.runtimes import Axes, FileRuntime, Loaded, check_installed
from tenfold.runtimes.axes import other_sizes, runs_at
from tenfold.runtimes.talk import not_exported


@dataclass(frozen=True)
class Exported:
    """A file, or a folder where the kind is one. ``difference`` is the largest one found when it
    was read back, as a share of the largest output, over ``batches``; ``dynamic`` says whether
    other batch sizes run too, and ``axes``, by the name of an input, along which further axes it
    may have any size, such as 2 and 3 for height and width. Where this machine cannot read it back,
    ``difference`` is None, ``batches`` is empty and ``unchecked`` says why."""

    path: Path
    to: str
    bytes: int
    difference: float | None
    batches: tuple[int, ...]
    dynamic: bool
    fused: bool
    unchecked: str | None = None
    axes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def export(
    model: nn.Module, example: Any, path: str | Path, *, to: str = "onnx", fused: bool = True
) -> Exported:
    """Write a model for another runtime, and compare what that runtime computes with the model.

    Args:
        model: any network; it is not changed. It is exported in evaluation mode, on the CPU.
        example: a tensor, or a tuple or mapping of tensors, the batch first. Numbers, texts and
            None in it are fixed in the file.
        path: a new file with the suffix of its kind.
        to: the kind of file; ``tenfold export --help`` lists them.
        fused: fold what ``tenfold.fuse`` folds before exporting.

    The batch is left open, and height, width, the length of a sequence or any other size, where
    both the model and the runtime leave it open. Inputs are called by their keywords or as the
    model's forward names them, outputs by their keys; a cache is no output.

    Returns what was compared: the example, and random inputs of another batch size and of other
    sizes where the file takes them.

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
        axes, gap, batches = write_checked(runtime, to, plain, written, example, part)
        size = bytes_in(part.parent)
    named = axes.by_input(input_names(plain, example))
    unchecked = runtime.unreadable()
    return Exported(target, to, size, gap, batches, axes.batch, fused, unchecked, named)


def write_checked(
    runtime: FileRuntime,
    to: str,
    model: nn.Module,
    written: nn.Module,
    example: Any,
    path: Path,
) -> tuple[Axes, float | None, tuple[int, ...]]:
    """What stays open in the file, the largest difference and the batch sizes that it was looked
    for at. A file that is wrong at other sizes is written anew for the example's, but the batch."""
    axes = runtime.write(written, example, path)
    if runtime.unreadable():
        return axes, None, ()
    stretched = gap_at_other_sizes(runtime, model, written, example, axes, path)
    if stretched is None:
        for each in path.parent.iterdir():
            remove(each)
        axes, stretched = runtime.write(written, example, path, sizes=False), 0.0
    probes = probes_of(example, axes.batch)
    gap = check(runtime, to, model, written, probes, path)
    return axes, max(gap, stretched), tuple(sorted({batch_of(probe) for probe in probes}))


def gap_at_other_sizes(
    runtime: FileRuntime,
    model: nn.Module,
    written: nn.Module,
    example: Any,
    axes: Axes,
    path: Path,
) -> float | None:
    """The largest difference where sizes are open, at others than the example's; None where the
    file computes something else there, or nothing."""
    if not axes.sizes:
        return 0.0
    probe = runs_at(model, other_sizes(shuffle(example), axes.sizes))
    try:
        got = answers(runtime.load(path, structure=written), probe)
    except Exception:  # of the runtime's own
        return None
    wanted = tensors_in(run(model, probe))
    gap = difference(wanted, got)
    return gap if gap <= tolerance(wanted) else None


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

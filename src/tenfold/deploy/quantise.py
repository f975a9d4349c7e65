"""model, inputs -> int8 file: ranges chosen on one half of the inputs, judged on the other."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from tenfold.data.calibrate import calibration_inputs
from tenfold.deploy.export import check_suffix
from tenfold.deploy.fuse import fuse
from tenfold.deploy.measure import MeasuredFile, measure_files
from tenfold.deploy.prepare import on_cpu, plain_copy
from tenfold.deploy.variants import check_close, copy_to, try_variants, write_floats
from tenfold.errors import as_bad_value, bad_value
from tenfold.machine.files import placing
from tenfold.machine.progress import Progress, silent
from tenfold.machine.timing import environment
from tenfold.network.inputs import batch_of, check_example
from tenfold.runtimes import FILES, INT8, check_installed

BATCH = 32  # inputs a calibration run
LATENCY_BATCHES = (1, 32)


@dataclass(frozen=True)
class Quantised:
    """An int8 file beside the float ones. ``error`` is the relative error of its outputs on
    inputs that its ranges were not chosen on, ``tried`` that of every variant."""

    path: Path
    to: str
    variant: str
    error: float
    tried: Mapping[str, float]
    calibration: str
    files: tuple[MeasuredFile, ...]
    conditions: Mapping[str, Any]


def quantise(
    model: nn.Module,
    example: Any,
    path: str | Path,
    *,
    to: str = "onnx",
    calibration: Iterable[Any] | None = None,
    test: Iterable[Any] | None = None,
    original: nn.Module | None = None,
    class_mode: int | None = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> Quantised:
    """Write a model with int8 weights and activations, and measure what that gains and costs.

    Every variant of the runtime's calibration is tried; the one whose outputs are closest to the
    model's on inputs kept apart is written to ``path``, the measurements to ``path`` + ``.json``.

    Args:
        model: a float network, compressed or not; it is fused first, in a copy.
        example: as for ``tenfold.export``.
        path: a new file with the suffix of its kind.
        to: the kind of file; ``tenfold export --help`` lists those that hold int8.
        calibration: batches of training inputs; labels are not looked at. Without, inputs are
            made from the BatchNorm statistics.
        test: labelled batches on which accuracy is reported; they choose nothing.
        class_mode: mode of the output that runs over classes, for accuracy; None for no classes.
        original: the network before compression, to stand in the same table.
        seed: of the inputs that are made.
        progress: called as ``progress(stage, done, total)``.

    Raises:
        MissingExtra: a package is missing.
        InputError: nothing to calibrate on, a model that does not export, an int8 file whose
            outputs have nothing in common with the model's, or a path that cannot be written.
    """
    target = Path(path)
    check_runs(to)
    check_suffix(target, to, FILES[to])
    check_example(example)
    plain, example = plain_copy(model), on_cpu(example)
    fused = fuse(plain, example)
    with placing(target) as part, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        models = {} if original is None else {"original": fuse(plain_copy(original), example)}
        paths, dynamic = write_floats(to, {**models, "compressed": fused}, example, folder)
        size = BATCH if dynamic else batch_of(example)
        with as_bad_value(
            "Calibration batches must run through the model",
            "give them in the example's shape and type",
        ):
            inputs = calibration_inputs(plain, example, calibration, seed, progress)
            tried, files = try_variants(to, fused, example, inputs, size, folder, progress)
        best = min(tried, key=lambda variant: tried[variant])
        check_close(tried[best], to)
        copy_to(part, files[best])
        measured = measure_files(
            to,
            {**paths, "int8": files[best]},
            example,
            test,
            LATENCY_BATCHES if dynamic else (size,),
            class_mode,
            progress,
        )
        done = Quantised(target, to, best, tried[best], tried, inputs[2], measured, environment())
        note = part.with_name(f"{target.name}.json")
        note.write_text(json.dumps(quantised_to_json(done), indent=1) + "\n", "utf-8")
    return done


def check_runs(to: str) -> None:
    """A variant is chosen by what its file computes. Raises InputError for a kind without int8 and
    for one that this machine cannot read back, MissingExtra for a missing package."""
    INT8[to]  # raises for a kind without
    unreadable = check_installed(to).unreadable()
    if unreadable:
        raise bad_value(
            "An int8 file must be read back to be chosen",
            f"that {unreadable}",
            "export without int8",
        )


def quantised_to_json(done: Quantised) -> dict[str, Any]:
    """Plain values."""
    return {**asdict(done), "path": done.path.name, "files": [asdict(x) for x in done.files]}

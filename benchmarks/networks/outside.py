"""Trained networks from outside, with data and a metric, read from a folder of Python files.

``TENFOLD_NETWORKS`` names the folder. A file ``NAME.py`` there has ``build() -> nn.Module``,
``example()``, ``evaluate(model) -> float``, higher is better, and often ``calibration() ->
batches``, never of the inputs that ``evaluate`` looks at.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from benchmarks.networks.subjects import load_subject
from tenfold.training.score import accuracy


@dataclass(frozen=True)
class Outside:
    """A network, an input of it, what judges it, and unlabelled batches of its kind."""

    name: str
    model: nn.Module
    example: Any
    evaluate: Callable[[nn.Module], float]
    calibration: Sequence[Any] | None


def load_outside(name: str) -> Outside:
    """A network of the folder; ``tiny`` needs no folder."""
    if name == "tiny":
        return load_tiny()
    module = read_module(folder() / f"{name}.py")
    given = getattr(module, "calibration", None)
    batches = list(given()) if given else None
    return Outside(name, module.build(), module.example(), module.evaluate, batches)


def load_tiny() -> Outside:
    """A network that fits a run of seconds."""
    subject = load_subject("tiny")
    batches = list(subject.judge("test", 100))
    inputs = [x for x, _ in batches]
    return Outside(
        "tiny", subject.model, subject.example, lambda model: accuracy(model, batches), inputs
    )


def folder() -> Path:
    """The folder in the environment; ends the script with a sentence where there is none."""
    path = Path(os.environ.get("TENFOLD_NETWORKS", ""))
    if not os.environ.get("TENFOLD_NETWORKS") or not path.is_dir():
        sys.exit("set TENFOLD_NETWORKS to a folder of files NAME.py with build() and evaluate()")
    return path


def read_module(path: Path) -> Any:
    """The file as a module; ends the script with a sentence where there is none."""
    spec = importlib.util.spec_from_file_location(f"outside_{path.stem}", path)
    if spec is None or spec.loader is None or not path.exists():
        names = ", ".join(sorted(file.stem for file in path.parent.glob("*.py")))
        sys.exit(f"TENFOLD_NETWORKS has no {path.name}; its networks are {names}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""tenfold: a trained PyTorch network, several times smaller and faster, within a budget.

``compress`` is the whole job; ``plan`` and ``apply`` are its two halves without training, and
``sweep`` plans many budgets, ``smallest`` finds the least that keeps an agreement; ``save`` and
``load`` keep the result as safetensors and JSON; ``export`` writes it for other runtimes, ``fuse``
folds BatchNorm away, ``quantise`` writes int8.

Only the names in ``__all__`` are public.
"""

from importlib.metadata import PackageNotFoundError, version

from tenfold.deploy.export import Exported, export
from tenfold.deploy.fuse import fuse
from tenfold.deploy.quantise import Quantised, quantise
from tenfold.errors import (
    BudgetError,
    InputError,
    Interrupted,
    MissingExtra,
    PlanError,
    TenfoldError,
    TrainingError,
)
from tenfold.pipeline.compress import apply, compress, plan
from tenfold.pipeline.compress_checkpoint import compress_checkpoint
from tenfold.pipeline.smallest import smallest
from tenfold.pipeline.sweep import sweep
from tenfold.report import Report, Result
from tenfold.report.front import Sweep, SweepPoint
from tenfold.settings import PlanSettings
from tenfold.store import load, load_pretrained, plan_from_json, plan_to_json, save
from tenfold.training import TuneSettings, tune
from tenfold.values import Plan

try:
    __version__ = version("tenfold")  # stated once, in pyproject.toml
except PackageNotFoundError:  # a source tree that nobody installed
    __version__ = "0+unknown"

__all__ = [
    "BudgetError",
    "Exported",
    "InputError",
    "Interrupted",
    "MissingExtra",
    "Plan",
    "PlanError",
    "PlanSettings",
    "Quantised",
    "Report",
    "Result",
    "Sweep",
    "SweepPoint",
    "TenfoldError",
    "TrainingError",
    "TuneSettings",
    "apply",
    "compress",
    "compress_checkpoint",
    "export",
    "fuse",
    "load",
    "load_pretrained",
    "plan",
    "plan_from_json",
    "plan_to_json",
    "quantise",
    "save",
    "smallest",
    "sweep",
    "tune",
]

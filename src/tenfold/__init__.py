"""tenfold: a trained PyTorch network, several times smaller and faster, within a budget.

``compress`` is the whole job; ``plan`` and ``apply`` are its two halves without training;
``save`` and ``load`` keep the result as safetensors and JSON; ``export`` writes it for other
runtimes, ``fuse`` folds BatchNorm away, ``quantise`` writes int8.
"""

from tenfold.compress import Result, apply, compress, plan
from tenfold.deploy.export import Exported, export
from tenfold.deploy.fuse import fuse
from tenfold.deploy.quantise import Quantised, quantise
from tenfold.plan_file import plan_from_json, plan_to_json
from tenfold.saving import load, save
from tenfold.tune import TuneSettings, tune
from tenfold.values import Plan

__version__ = "0.1.0"
__all__ = [
    "Exported",
    "Plan",
    "Quantised",
    "Result",
    "TuneSettings",
    "apply",
    "compress",
    "export",
    "fuse",
    "load",
    "plan",
    "plan_from_json",
    "plan_to_json",
    "quantise",
    "save",
    "tune",
]

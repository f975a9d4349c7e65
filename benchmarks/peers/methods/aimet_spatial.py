"""AIMET's spatial SVD in its automatic mode: a greedy choice of each layer's ratio by scores.

AIMET has to be told what a network is worth: it scores each layer at ten ratios on labelled images,
none of which the table is made of. Its own ratio is the knob; scores are taken once.
"""

from __future__ import annotations

import copy
import os
import tempfile
from decimal import Decimal
from pathlib import Path

import benchmarks.peers.methods._torchvision  # noqa: F401, isort: skip
from aimet_torch.common.defs import (
    CompressionScheme,
    CostMetric,
    GreedySelectionParameters,
)
from aimet_torch.compress import ModelCompressor
from aimet_torch.defs import SpatialSvdParameters
from torch import nn

from benchmarks.peers.budget import Budget, Shrunk, turn
from benchmarks.peers.cases import Case
from tenfold.training.score import accuracy

METRICS = {"params": CostMetric.memory, "macs": CostMetric.mac}
SCORES = Path("data") / "greedy_selection_eval_scores_dict.pkl"  # AIMET writes it where it runs


def shrink(case: Case, budget: Budget) -> Shrunk:
    """Search in a folder of its own: AIMET writes into the current one."""
    if case.labelled is None:
        raise ValueError("needs labelled inputs to score by, and this network comes with none")
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return turn(lambda knob: at_ratio(case, budget.cost, knob), budget)
        finally:
            os.chdir(before)


def at_ratio(case: Case, cost: str, ratio: float) -> nn.Module:
    """The network at this ratio of AIMET's own count."""
    labelled = case.labelled or ()
    greedy = GreedySelectionParameters(
        target_comp_ratio=Decimal(ratio),
        saved_eval_scores_dict=str(SCORES) if SCORES.exists() else None,
    )
    mode = SpatialSvdParameters.AutoModeParams(greedy)
    model, _ = ModelCompressor.compress_model(
        copy.deepcopy(case.model),
        eval_callback=lambda model, *_, **__: accuracy(model, labelled) / 100,
        eval_iterations=None,
        input_shape=tuple(case.example.shape),
        compress_scheme=CompressionScheme.spatial_svd,
        cost_metric=METRICS[cost],
        parameters=SpatialSvdParameters(SpatialSvdParameters.Mode.auto, mode),
    )
    return model

"""AIMET's spatial SVD in its automatic mode: a greedy choice of each layer's ratio by scores.

AIMET has to be told what a network is worth: it scores each layer at ten ratios, here by accuracy
on labelled training images, or, where there are none, by how often a network decides as the
original does on the calibration inputs. Its own ratio is the knob; scores are taken once.
"""

from __future__ import annotations

import copy
import os
import statistics
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import torch

import benchmarks.peers.methods._torchvision  # noqa: F401, isort: skip
from aimet_torch.common.defs import (
    CompressionScheme,
    CostMetric,
    GreedySelectionParameters,
)
from aimet_torch.compress import ModelCompressor
from aimet_torch.defs import SpatialSvdParameters
from torch import Tensor, nn

from benchmarks.peers.budget import Budget, Shrunk, turn
from benchmarks.peers.cases import Case
from tenfold.network.arrays import tensors_in
from tenfold.network.call import run
from tenfold.training.score import accuracy

METRICS = {"params": CostMetric.memory, "macs": CostMetric.mac}
SCORES = Path("data") / "greedy_selection_eval_scores_dict.pkl"  # AIMET writes it where it runs


def shrink(case: Case, budget: Budget) -> Shrunk:
    """Search in a folder of its own: AIMET writes into the current one."""
    score = score_of(case)
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return turn(lambda knob: at_ratio(case, score, budget.cost, knob), budget)
        finally:
            os.chdir(before)


def score_of(case: Case) -> Callable[[nn.Module], float]:
    """What a network is worth, between 0 and 1."""
    labelled, inputs = case.labelled, case.outside.calibration
    if labelled is not None:
        return lambda model: accuracy(model, labelled) / 100
    if not inputs:
        raise ValueError("needs inputs to score by, and this network comes with none")
    original = [decisions(case.model, x) for x in inputs]
    return lambda model: statistics.fmean(
        float((decisions(model, x) == told).float().mean()) for x, told in zip(inputs, original)
    )


@torch.no_grad()
def decisions(model: nn.Module, inputs: Any) -> Tensor:
    """The likeliest class of the first output."""
    return tensors_in(run(model, inputs))[0].argmax(1)


def at_ratio(case: Case, score: Callable[[nn.Module], float], cost: str, ratio: float) -> nn.Module:
    """The network at this ratio of AIMET's own count."""
    greedy = GreedySelectionParameters(
        target_comp_ratio=Decimal(ratio),
        saved_eval_scores_dict=str(SCORES) if SCORES.exists() else None,
    )
    mode = SpatialSvdParameters.AutoModeParams(greedy)
    model, _ = ModelCompressor.compress_model(
        copy.deepcopy(case.model),
        eval_callback=lambda model, *_, **__: score(model),
        eval_iterations=None,
        input_shape=tuple(case.example.shape),
        compress_scheme=CompressionScheme.spatial_svd,
        cost_metric=METRICS[cost],
        parameters=SpatialSvdParameters(SpatialSvdParameters.Mode.auto, mode),
    )
    return model

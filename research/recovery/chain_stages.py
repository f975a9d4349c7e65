"""Gradual compression: a part of the budget, some training, the chains composed, and so on."""

from __future__ import annotations

import copy
from dataclasses import replace

from torch import nn

import tenfold
from benchmarks.networks import cifar
from benchmarks.networks.augmented import Augmented
from tenfold.formats import FORMATS
from tenfold.layers import describe, links_of
from tenfold.training import Tuned, TuneSettings, tune
from tenfold.training.loop import size
from tenfold.training.score import Score


def in_stages(
    original: nn.Module,
    data: Augmented,
    settings: TuneSettings,
    score: Score,
    stages: int,
    times: float,
) -> Tuned:
    """Gradual compression: equal factors of the budget one after the other, the epochs shared out;
    between two stages the chains are composed and the whole network is planned anew."""
    dense, tuned = copy.deepcopy(original), None
    for stage in range(1, stages + 1):
        share = times ** (-stage / stages)
        plan = tenfold.plan(dense, cifar.example(), {"params": share * size(original)})
        tuned = tune(
            tenfold.apply(plan, dense),
            original,
            data,
            score=score,
            settings=replace(settings, epochs=settings.epochs // stages),
        )
        dense = composed(original, tuned.model, plan)
    assert tuned is not None
    return tuned


def composed(original: nn.Module, model: nn.Module, plan: tenfold.Plan) -> nn.Module:
    """The original's structure with what the factored model computes."""
    dense = copy.deepcopy(original)
    state = {k: v for k, v in model.state_dict().items() if k in dense.state_dict()}
    for choice in plan.choices:
        if choice.format == "dense":
            continue
        site = describe(original.get_submodule(choice.site), choice.site)
        links = links_of(model.get_submodule(choice.site))
        factors = [link.weight.detach() for link in links]
        state[f"{choice.site}.weight"] = FORMATS[choice.format].dense(site, choice.ranks, factors)
        if links[-1].bias is not None:
            state[f"{choice.site}.bias"] = links[-1].bias.detach()
    dense.load_state_dict(state)
    return dense

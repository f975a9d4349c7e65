"""The published search: super layers over candidate ranks, coarse to fine.

Aghababaei-Harandi and Amini, arXiv 2409.03555, section 4: each layer is a mixture of its
decompositions at candidate ranks; factors and mixing weights descend in turn on the product of
reconstruction error and rank loss; the likeliest rank's neighbourhood is searched again with a
tenth of the step. This is the data-free variant, whose mixing weights see the reconstruction
error too. What the paper leaves open is settled in the method's favour: the product makes gamma a
mere step size, so it is beta that steers the size, and the one whose coarse round serves the
budget best is taken; ranks are then scaled by one factor until the budget holds, and the better
of the CP and the Tucker family is returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from tenfold.search.methods._base import METHODS, Outcome
from tenfold.search.methods._candidates import (
    FAMILIES,
    Layer,
    Mixture,
    decompose,
    first_ranks,
    gram,
    layers_of,
    narrower,
)
from tenfold.search.methods._mixture import Candidates, Descent, alpha_loss, weight_loss
from tenfold.search.methods._threshold import scaled_to_fit
from tenfold.search.problem import Problem, Selection

WARM_UP, STEPS = 20, 100  # steps on the factors alone, then on both
BETAS = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)  # 0.8 is the published one
AFFORDABLE = 1e12  # operations a round up to which the factors descend too


def search(problem: Problem, seed: int) -> Outcome:
    """The better family, each at its best beta; deterministic, as alpha starts at zero."""
    families = []
    for family in FAMILIES:
        layers = layers_of(problem, family)
        if layers and (family == FAMILIES[0] or any(la.curve.format != "svd" for la in layers)):
            families.append(search_family(problem, layers))
    return Outcome(min(families or [scaled_to_fit(problem, {})], key=problem.damage))


def search_family(problem: Problem, layers: Sequence[Layer]) -> Selection:
    """Choose beta by the coarse round, then go from coarse to fine."""
    steps, ranks = unzip(first_ranks(layer.limit) for layer in layers)
    decompose(layers, ranks)
    learned = operations(layers, ranks) <= AFFORDABLE

    def serves(beta: float) -> float:
        return problem.damage(fit(problem, layers, run_round(layers, ranks, beta, False)))

    beta = min(BETAS, key=serves)
    while True:
        best = run_round(layers, ranks, beta, learned)
        if max(steps) == 1:
            return fit(problem, layers, best)
        around = zip(best, steps, layers)
        steps, ranks = unzip(narrower(b, s, layer.limit) for b, s, layer in around)
        decompose(layers, ranks)


def unzip(pairs: Iterable[tuple[int, list[int]]]) -> tuple[list[int], list[list[int]]]:
    """Steps and candidate ranks of all layers."""
    steps, ranks = zip(*pairs)
    return list(steps), list(ranks)


def fit(problem: Problem, layers: Sequence[Layer], ranks: Sequence[int]) -> Selection:
    """The chosen ranks, scaled into the budget."""
    pairs = zip(layers, ranks)
    return scaled_to_fit(
        problem, {la.curve.site.name: (la.curve.format, la.tied(rank)) for la, rank in pairs}
    )


def operations(layers: Sequence[Layer], ranks: Sequence[Sequence[int]]) -> float:
    """Of a round that composes every candidate twice a step and differentiates once."""
    once = sum(8.0 * la.weight.numel() * sum(row) for la, row in zip(layers, ranks))
    return (WARM_UP + STEPS) * once


@torch.enable_grad()
def run_round(
    layers: Sequence[Layer], ranks: Sequence[Sequence[int]], beta: float, learned: bool
) -> list[int]:
    """The likeliest rank of each layer after a round; ``learned`` factors descend with alpha."""
    candidates = Candidates.of(ranks)
    alphas = torch.zeros_like(candidates.ranks, requires_grad=True)
    on_alphas, mixture = Descent([alphas]), Mixture.of(layers, ranks)
    on_kernels = Descent(mixture.leaves)
    with torch.set_grad_enabled(learned):
        left = mixture.residuals()
    grams = gram(left)
    for step in range(WARM_UP + STEPS):
        if learned:
            on_kernels.step(weight_loss(candidates, alphas, left, beta))
            left = mixture.residuals()
            grams = gram(left)
        if step >= WARM_UP:
            on_alphas.step(alpha_loss(candidates, alphas, grams, beta))
    best = candidates.probabilities(alphas.detach()).argmax(1).tolist()
    return [row[k] for row, k in zip(ranks, best)]


METHODS.add("super-layer", search)

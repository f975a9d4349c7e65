"""The published search: a hand-worked example, its schedule, its budgets."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from tenfold.curves.trace import plain_damage, trace_curves
from tenfold.formats import FORMATS
from tenfold.formats.metric import Metric, Root
from tenfold.search import METHODS, make_problem, search
from tenfold.search.methods import super_layer as module
from tenfold.search.methods._candidates import (
    Layer,
    Mixture,
    decompose,
    first_ranks,
    gram,
    layers_of,
    narrower,
)
from tenfold.search.methods._mixture import Candidates, Descent, alpha_loss, weight_loss
from tenfold.settings import PlanSettings
from tenfold.survey.stage import survey
from tenfold.values import Limit
from tests import networks
from tests.test_search import problems


@pytest.fixture
def diagonal():
    """A 4x4 layer with singular values 2 and 1, and its SVD curve."""
    model = nn.Sequential(nn.Linear(4, 4, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.diag(torch.tensor([2.0, 1.0, 0.0, 0.0])))
    curves = trace_curves(model, survey(model, torch.zeros(1, 4)), formats=["svd"])
    (curve,) = (c for c in curves if c.format == "svd")
    return Layer(curve, model[0].weight.detach(), 1.0)


def test_two_candidates_worked_by_hand(diagonal):
    """Ranks 1 and 2 leave diag(0, 1) and nothing. At p = (1/2, 1/2) the mixture leaves
    diag(0, 1/2): error 1/4. Expected share (1 + 2) / 2 / 2 = 3/4."""
    decompose([diagonal], [[1, 2]])
    mixture, candidates = Mixture.of([diagonal], [[1, 2]]), Candidates.of([[1, 2]])
    alphas = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    left = mixture.residuals()
    price = 0.4 * 0.75**0.8
    loss = alpha_loss(candidates, alphas, gram(left), 0.8)
    assert loss.item() == pytest.approx(price / 4, rel=1e-5)
    assert weight_loss(candidates, alphas, left, 0.8).item() == pytest.approx(price / 4, rel=1e-5)
    # error p1^2 and share 1 - p1/2, dp1/dalpha1 = 1/4: log-gradient 2/4/p1 - beta/8/(share)
    loss.backward()
    slope = price / 4 * (1 - 0.8 / 6)
    assert alphas.grad.tolist() == [pytest.approx([slope, -slope], rel=1e-5)]


def test_the_first_weight_step_by_hand(diagonal):
    """Only the second component of the rank-2 factors can reduce the residual diag(0, 1/2):
    the gradient on each of its unit entries is -2 p2 (1/2) L_r = -L_r / 2, and the first step of
    Nesterov momentum .9 is 1.9 times the rate."""
    decompose([diagonal], [[1, 2]])
    mixture, candidates = Mixture.of([diagonal], [[1, 2]]), Candidates.of([[1, 2]])
    alphas = torch.zeros(1, 2, dtype=torch.float64)
    before = [k.detach().clone() for k in mixture.leaves]
    Descent(mixture.leaves).step(weight_loss(candidates, alphas, mixture.residuals(), 0.8))
    step = 1e-3 * 1.9 * 0.4 * 0.75**0.8 / 2
    for k, (old, new) in enumerate(zip(before, mixture.leaves)):
        moved = (new.detach() - old).abs()
        assert float(moved.max()) == pytest.approx(step if k >= 2 else 0, rel=1e-3, abs=1e-8)
        assert int((moved > step / 2).sum()) == (1 if k >= 2 else 0)


@pytest.mark.parametrize(("beta", "chosen"), [(5.0, 2), (7.0, 1)])
def test_the_rank_that_wins_turns_at_the_beta_worked_by_hand(diagonal, beta, chosen):
    """The log-gradient 1 - beta / 6 changes sign at beta = 6."""
    decompose([diagonal], [[1, 2]])
    assert module.run_round([diagonal], [[1, 2]], beta, False) == [chosen]


def test_candidates_go_from_coarse_to_fine():
    assert first_ranks(100) == (10, list(range(10, 101, 10)))
    assert first_ranks(16) == (2, [2, 4, 6, 8, 10, 12, 14, 16])
    assert first_ranks(1) == (1, [1])
    assert narrower(40, 10, 100) == (1, list(range(35, 46)))
    assert narrower(100, 10, 100) == (1, list(range(95, 101)))
    assert narrower(200, 100, 850) == (10, list(range(150, 251, 10)))
    assert narrower(7, 1, 9) == (1, [7])


def tiny_problem(share, metrics=None):
    model = networks.tiny_resnet(width=6)
    found = survey(model, networks.example())
    curves = trace_curves(model, found, metrics, formats=["svd", "tucker", "cp"])
    limits = (Limit("params", str(share), share * found.totals["params"]),)
    return found, curves, limits


def test_residuals_are_the_errors_of_the_curves():
    _, curves, _ = tiny_problem(0.5)
    problem = make_problem(*tiny_parts(curves))
    for layer in layers_of(problem, ("tucker", "svd")):
        rank = layer.limit
        decompose([layer], [[rank]])
        left = float(layer.residual(rank, layer.made[rank]).square().sum())
        row = torch.tensor([layer.tied(rank)])
        bound = float(FORMATS[layer.curve.format].errors(layer.curve.state, row))
        assert left <= bound * layer.curve.energy * 1.001 + 1e-5


def tiny_parts(curves):
    found = survey(networks.tiny_resnet(width=6), networks.example())
    limits = (Limit("params", "0.5", 0.5 * found.totals["params"]),)
    return curves, [plain_damage(c) for c in curves], found, limits


def test_another_metric_keeps_the_sum_of_squared_norms():
    generator = torch.Generator().manual_seed(0)
    model = networks.tiny_resnet(width=6)
    metrics = {}
    for site in survey(model, networks.example()).sites:
        x = torch.randn(site.in_channels, 40, generator=generator)
        metrics[site.name] = Metric(inputs=Root.of(100 * x @ x.T))
    _, curves, _ = tiny_problem(0.5, metrics)
    layers = layers_of(make_problem(*tiny_parts(curves)), ("cp", "svd"))
    white = sum(
        float((la.scale * la.curve.state.metric.whiten(la.weight)).square().sum()) for la in layers
    )
    assert white == pytest.approx(sum(float(la.weight.square().sum()) for la in layers), rel=1e-4)


def test_a_network_is_searched_inside_the_budget_the_same_every_time():
    found, curves, limits = tiny_problem(0.4)
    damages = [plain_damage(c) for c in curves]
    plans = [
        search(
            found, curves, damages, limits, settings=PlanSettings(method="super-layer", seed=seed)
        )
        for seed in (0, 1)
    ]
    assert plans[0].choices == plans[1].choices
    assert plans[0].predicted["params"] <= limits[0].value
    assert plans[0].bound <= plans[0].damage
    assert math.isfinite(plans[0].damage)


@settings(max_examples=4, deadline=None)
@given(problems())
def test_budgets_are_never_exceeded(problem):
    assert problem.fits(METHODS["super-layer"](problem, 0).selection)

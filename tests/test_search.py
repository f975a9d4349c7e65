"""Methods against brute force: inside the budget, near the optimum, under a true bound."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tenfold.curves.trace import Curve
from tenfold.errors import BudgetError
from tenfold.formats import FORMATS
from tenfold.formats.metric import Metric
from tenfold.search import METHODS, make_problem, search
from tenfold.search import exact as _exact
from tenfold.search.bound import lower_bound
from tenfold.search.rounding import polish
from tenfold.settings import PlanSettings
from tenfold.values import Call, Limit, Site, Survey

COSTS = ("params", "macs", "bytes")
MATRIX = torch.randn(16, 16, generator=torch.Generator().manual_seed(0))


def site(index):
    return Site(f"layer{index}", "linear", 16, 16, calls=(Call(1, (), ()),))


STATE = FORMATS["svd"].analyse(site(0), MATRIX, Metric())  # what some methods look into


def curve(where, name, costs, errors, energy=1.0):
    """A curve with made-up costs; ranks count its rows."""
    table = torch.tensor(costs, dtype=torch.float64)
    rows = torch.arange(1, len(costs) + 1).reshape(-1, 1)
    ranks = rows[:, :0] if name == "dense" else rows
    errors = torch.tensor(errors, dtype=torch.float64)
    state = MATRIX if name == "dense" else STATE
    return Curve(where, name, ranks, errors, dict.fromkeys(COSTS, table), energy, state)


def survey_of(sites, total, fixed=0.0):
    return Survey(tuple(sites), (), dict.fromkeys(COSTS, total), dict.fromkeys(COSTS, fixed))


@st.composite
def problems(draw):
    """Two to four sites, each dense or one of two formats, with random falling errors."""
    count = draw(st.integers(2, 4))
    curves, damages = [], []
    for index in range(count):
        dense = draw(st.integers(20, 100))
        energy = draw(st.floats(0.1, 10))
        curves.append(curve(site(index), "dense", [dense], [0.0], energy))
        for name in ("svd", "svd-in")[: draw(st.integers(1, 2))]:
            size = draw(st.integers(1, 5))
            costs = sorted(
                draw(st.lists(st.integers(1, dense - 1), min_size=size, max_size=size, unique=True))
            )
            errors = sorted(
                draw(st.lists(st.floats(0.001, 1.0), min_size=size, max_size=size)), reverse=True
            )
            curves.append(curve(site(index), name, costs, errors, energy))
    damages = [c.errors * c.energy for c in curves]
    total = float(sum(c.costs["params"].max() for c in curves if c.format == "dense"))
    cheapest = {}
    for c in curves:
        least = float(c.costs["params"].min())
        cheapest[c.site.name] = min(least, cheapest.get(c.site.name, least))
    floor = sum(cheapest.values())
    share = draw(st.floats(0, 1))
    limits = (Limit("params", "x", floor + share * (total - floor)),)
    return make_problem(
        curves, damages, survey_of({c.site.name: c.site for c in curves}.values(), total), limits
    )


def brute_force(problem):
    """Least damage of all selections that fit."""
    rows = [range(len(menu.formats)) for menu in problem.menus]
    return min(problem.damage(s) for s in product(*rows) if problem.fits(s))


@settings(max_examples=25, deadline=None)
@given(problems())
def test_every_method_stays_inside_the_budget(problem):
    for name in METHODS:
        if name != "super-layer":  # slower: in its own file
            assert problem.fits(METHODS[name](problem, 0).selection), name


@settings(max_examples=25, deadline=None)
@given(problems())
def test_continuous_finds_the_brute_force_optimum(problem):
    best = brute_force(problem)
    found = METHODS["continuous"](problem, 0)
    assert problem.damage(found.selection) <= best * (1 + 1e-6) + 1e-9
    assert found.bound <= best * (1 + 1e-9) + 1e-12
    assert found.bound >= best * (1 - 1e-6) - 1e-9  # a search that ends leaves no gap


@settings(max_examples=100, deadline=None)
@given(problems(), st.integers(0, 12))
def test_a_search_that_is_cut_off_still_proves_a_true_bound(problem, visits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_exact, "VISITS", visits)
        cheapest = tuple(int(menu.costs.sum(1).argmin()) for menu in problem.menus)
        closed = _exact.close_gap(problem, polish(problem, cheapest))
    assert lower_bound(problem) <= closed.bound + 1e-12
    assert closed.bound <= brute_force(problem) * (1 + 1e-9) + 1e-12
    assert problem.fits(closed.selection)


@pytest.mark.parametrize("costs", [(12, 3, 10, 1), (7, 5, 13), (1, 1, 1), (3, 6, 9, 11)])
def test_a_budget_that_leaves_no_room_has_a_true_bound(costs):
    """Shares that add up to 1 only but for rounding."""
    curves = [
        curve(site(index), name, [cost], [error])
        for index, least in enumerate(costs)
        for name, cost, error in (("dense", 20, 0.0), ("svd", least, 1.0))
    ]
    damages = [c.errors * c.energy for c in curves]
    survey = survey_of(map(site, range(len(costs))), 20.0 * len(costs))
    problem = make_problem(curves, damages, survey, (Limit("params", "x", float(sum(costs))),))
    assert lower_bound(problem) <= len(costs) * (1 + 1e-9)
    found = METHODS["continuous"](problem, 0)
    assert found.bound == pytest.approx(len(costs)) == problem.damage(found.selection)


@settings(max_examples=50, deadline=None)
@given(problems())
def test_the_certificate_is_a_true_bound(problem):
    assert lower_bound(problem) <= brute_force(problem) + 1e-9


def test_continuous_is_exact_where_greedy_is_not():
    """Taking the best ratio first fills the knapsack badly; the pairwise exchange mends it."""
    curves = [
        curve(site(0), "dense", [10], [0.0]),
        curve(site(0), "svd", [1], [1.0], 60),
        curve(site(1), "dense", [20], [0.0]),
        curve(site(1), "svd", [1], [1.0], 100),
        curve(site(2), "dense", [30], [0.0]),
        curve(site(2), "svd", [1], [1.0], 120),
    ]
    damages = [c.errors * c.energy for c in curves]
    sites = [site(0), site(1), site(2)]
    limits = (Limit("params", "51", 51.0),)
    problem = make_problem(curves, damages, survey_of(sites, 60.0), limits)
    assert problem.damage(METHODS["continuous"](problem, 0).selection) == brute_force(problem) == 60


def test_two_limits_hold_together():
    table = {"params": [4.0, 8.0], "macs": [9.0, 2.0], "bytes": [1.0, 1.0]}
    dense = {"params": [10.0], "macs": [10.0], "bytes": [2.0]}

    def both(where, name, costs, errors):
        tensors = {c: torch.tensor(v, dtype=torch.float64) for c, v in costs.items()}
        rows = torch.arange(1, len(errors) + 1).reshape(-1, 1)
        ranks = rows[:, :0] if name == "dense" else rows
        state = MATRIX if name == "dense" else STATE
        return Curve(where, name, ranks, torch.tensor(errors).double(), tensors, 1.0, state)

    curves = []
    for index in range(2):
        curves.append(both(site(index), "dense", dense, [0.0]))
        curves.append(both(site(index), "svd", table, [0.3, 0.2]))
    limits = (Limit("params", "12", 12.0), Limit("macs", "11", 11.0))
    sites = [site(0), site(1)]
    problem = make_problem(curves, [c.errors for c in curves], survey_of(sites, 20.0), limits)
    for name in METHODS:
        usage = problem.usage(METHODS[name](problem, 0).selection)
        assert bool((usage <= 1 + 1e-9).all()), name


def test_an_unreachable_limit_names_itself_the_smallest_and_the_fixed_part():
    curves = [curve(site(0), "dense", [50], [0.0]), curve(site(0), "svd", [30], [0.1])]
    made = survey_of([site(0)], 70.0, fixed=20.0)
    with pytest.raises(BudgetError, match=r"params=0.5 .* 50 of 70 .* 20 of it in parts"):
        search(made, curves, [c.errors for c in curves], (Limit("params", "0.5", 35.0),))


def test_a_plan_says_why_a_layer_is_left_alone_and_how_good_it_is():
    curves = [
        curve(site(0), "dense", [272], [0.0]),
        curve(site(0), "svd", [33], [0.9]),
        curve(site(1), "dense", [272], [0.0]),
        curve(site(1), "svd", [33, 66], [0.01, 0.005]),
    ]
    made = survey_of([site(0), site(1)], 544.0)
    plan = search(made, curves, [c.errors for c in curves], (Limit("params", "0.7", 380.8),))
    kept, cut = plan.choices
    assert kept.format == "dense"
    assert "would add 0.9" in kept.reason
    assert (cut.format, cut.ranks) == ("svd", (2,))
    assert plan.gap is not None
    assert plan.bound <= plan.damage


def test_an_unknown_method_lists_the_known_ones():
    curves = [curve(site(0), "dense", [50], [0.0]), curve(site(0), "svd", [30], [0.1])]
    made, limits = survey_of([site(0)], 50.0), (Limit("params", "0.9", 45.0),)
    with pytest.raises(ValueError, match="continuous"):
        search(
            made, curves, [c.errors for c in curves], limits, settings=PlanSettings(method="magic")
        )


def test_bayes_finds_the_rank_under_the_noise():
    from tenfold.search.methods.vbmf import evbmf_rank

    generator = torch.Generator().manual_seed(0)
    for rank in (1, 4, 9):
        a = torch.randn(40, rank, generator=generator)
        b = torch.randn(rank, 90, generator=generator)
        noisy = a @ b + 0.3 * torch.randn(40, 90, generator=generator)
        assert evbmf_rank(noisy) == evbmf_rank(noisy.T) == rank
    assert evbmf_rank(torch.randn(40, 90, generator=generator)) == 1


@st.composite
def joint_problems(draw):
    """Two or three sites under two limits whose costs have nothing to do with each other."""
    curves = []
    for index in range(draw(st.integers(2, 3))):
        for name, rows in (("dense", 1), ("svd", draw(st.integers(2, 5)))):
            tables = [[10.0] if name == "dense" else draw_costs(draw, rows) for _ in "ab"]
            errors = [0.0] if name == "dense" else [draw(st.floats(0.01, 1)) for _ in range(rows)]
            ranks = torch.arange(1, rows + 1).reshape(-1, 1)[:, : 0 if name == "dense" else 1]
            params, macs = (torch.tensor(t, dtype=torch.float64) for t in tables)
            costs = {"params": params, "macs": macs, "bytes": params}
            state = MATRIX if name == "dense" else STATE
            table = torch.tensor(errors, dtype=torch.float64)
            curves.append(Curve(site(index), name, ranks, table, costs, 1.0, state))
    sites = {c.site.name: c.site for c in curves}.values()
    limits = tuple(
        Limit(cost, "x", len(sites) * draw(st.floats(5.5, 9.5))) for cost in ("params", "macs")
    )
    return make_problem(
        curves, [c.errors for c in curves], survey_of(sites, 10.0 * len(sites)), limits
    )


def draw_costs(draw, rows):
    """Costs below the dense layer's 10; the first row is cheap in everything."""
    return [1.0, *(float(draw(st.integers(1, 9))) for _ in range(rows - 1))]


@settings(max_examples=12, deadline=None)
@given(joint_problems())
def test_two_limits_at_once_end_at_the_optimum_under_a_true_bound(problem):
    best = brute_force(problem)
    found = METHODS["continuous"](problem, 0)
    assert lower_bound(problem) <= best + 1e-9
    assert found.bound <= best * (1 + 1e-9) + 1e-12
    assert problem.damage(found.selection) <= best * (1 + 1e-6) + 1e-9

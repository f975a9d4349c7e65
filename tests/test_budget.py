"""What a person may write as a budget, and what is refused."""

from __future__ import annotations

import pytest

from tenfold.errors import BudgetError
from tenfold.search.budget import parse_budget, resolve_budget

TOTALS = {"params": 1000.0, "macs": 5000.0, "bytes": 4000.0}


@pytest.mark.parametrize(
    ("spec", "cost", "value"),
    [
        ({"params": 0.2}, "params", 200),
        ("params=0.2", "params", 200),
        ("params=20%", "params", 200),
        ("params=1", "params", 1000),
        ("params=0.5k", "params", 500),
        ("params=400", "params", 400),
        ("bytes=1KB", "bytes", 1000),
        ("bytes=1KiB", "bytes", 1024),
        ("macs=2.5e3", "macs", 2500),
        ({"macs": "1k"}, "macs", 1000),
    ],
)
def test_a_limit_means_what_it_says(spec, cost, value):
    (limit,) = resolve_budget(spec, TOTALS)
    assert (limit.cost, limit.value) == (cost, pytest.approx(value))


def test_several_limits_keep_their_order_and_wording():
    limits = resolve_budget("params=0.2, macs=50%", TOTALS)
    assert [(x.cost, x.asked) for x in limits] == [("params", "0.2"), ("macs", "50%")]


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "params",
        "params=",
        "params=0",
        "params=-1",
        "params=2",
        "params=1.5",
        "params=150%",
        "params=lots",
        "params=nan",
        "params=inf",
        "speed=2",
        "params=0.2,params=0.3",
        {},
        0.2,
        None,
        {"params": "0.2x"},
        "params=0k",
        "params=5 apples",
    ],
)
def test_nonsense_is_refused_in_one_sentence(spec):
    with pytest.raises(BudgetError) as caught:
        resolve_budget(spec, TOTALS)
    told = str(caught.value)
    assert "but found" in told
    assert told.endswith(".")
    assert "\n" not in told


def test_parsing_alone_needs_no_model():
    assert parse_budget("params=0.2") == {"params": "0.2"}

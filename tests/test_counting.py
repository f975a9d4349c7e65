"""Counting what networks run: views of parameters, forwards that differentiate, other paths."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import tenfold
from tenfold.costs import COSTS
from tenfold.errors import PlanError
from tenfold.report import make_report

QUICK = {"metric": "frobenius", "formats": ["svd"]}


class Queries(nn.Module):
    """Hands views of a parameter to its layers."""

    def __init__(self):
        super().__init__()
        self.queries, self.lift = nn.Parameter(torch.ones(3, 8)), nn.Linear(8, 16)

    def forward(self, x):
        return F.scaled_dot_product_attention(self.lift(self.queries.expand(len(x), -1, -1)), x, x)


class Differentiating(nn.Module):
    """Puts out the gradient of what its layers say."""

    def __init__(self):
        super().__init__()
        self.lift, self.head = nn.Linear(8, 16), nn.Linear(16, 1)

    def forward(self, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            energy = self.head(self.lift(x).tanh()).sum()
            return torch.autograd.grad(energy, x)[0]


@pytest.mark.parametrize(
    ("model", "shape", "macs"),
    [
        (Queries(), (2, 5, 16), 2 * 3 * 8 * 16 + 2 * (2 * 3 * 5 * 16)),
        (Differentiating(), (4, 8), 2 * 4 * (8 * 16 + 16)),
    ],
)
def test_views_of_parameters_and_gradients_in_forward_are_counted(model, shape, macs):
    assert COSTS["macs"].measure(model, torch.ones(shape)) == macs


def test_a_network_with_views_of_parameters_is_compressed():
    result = tenfold.compress(Queries(), torch.ones(2, 5, 16), "params=0.99", **QUICK)
    assert result.report.after["params"] <= 0.99 * result.report.before["params"]


class Exits(nn.Module):
    """Runs its second half for inputs alone that the first is not sure of."""

    def __init__(self):
        super().__init__()
        self.first, self.exit = nn.Linear(16, 48), nn.Linear(48, 10)
        self.second, self.last = nn.Linear(48, 48), nn.Linear(48, 10)

    def forward(self, x):
        x = self.first(x).relu()
        y = self.exit(x)
        unsure = y.softmax(1).max(1).values < 0.14
        return y.masked_scatter(unsure[:, None], self.last(self.second(x[unsure]).relu()))


@pytest.mark.parametrize("budget", ["params=0.4", "params=0.4,macs=0.5"])
def test_work_that_depends_on_the_data_is_told(budget):
    torch.manual_seed(0)
    result = tenfold.compress(Exits().eval(), torch.randn(64, 16), budget, **QUICK)
    assert result.report.after["params"] <= 0.4 * result.report.before["params"]
    assert result.report.after["macs"] != result.plan.predicted["macs"]
    assert "depends on its data" in result.report.measured["work"]


def test_other_work_on_the_same_path_is_an_error():
    model, x = nn.Sequential(nn.Linear(16, 48), nn.Linear(48, 16)), torch.ones(2, 16)
    plan = tenfold.plan(model, x, "params=0.5", **QUICK)
    with pytest.raises(PlanError, match="predicted"):
        make_report(model, model, x, plan)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("made", [nn.LSTM, nn.GRU, nn.RNN, "projected"])
def test_recurrent_layers_are_counted_step_by_step(made, directions):
    gates = {nn.GRU: 3, nn.RNN: 1}.get(made, 4) * 7
    settings = {"num_layers": 2, "bidirectional": directions == 2}
    state = 3 if made == "projected" else 7
    model = (
        nn.LSTM(5, 7, proj_size=3, **settings) if made == "projected" else made(5, 7, **settings)
    )
    step = sum(gates * (inputs + state) for inputs in (5, directions * state))
    step += 2 * 3 * 7 * (made == "projected")
    x = torch.randn(6, 4, 5)
    assert COSTS["macs"].measure(model, x) == 6 * 4 * directions * step
    packed = nn.utils.rnn.pack_padded_sequence(x, [6, 5, 2, 1])
    assert COSTS["macs"].measure(model, (packed,)) == 14 * directions * step

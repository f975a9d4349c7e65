"""Mixtures of experts, some of which the example gives no token."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tenfold
from tenfold.compounds import Opened
from tenfold.survey import survey
from tests.compounds.experts import Fused
from tests.contracts.test_compounds import low_rank

WIDTH, EXPERTS = 24, 6


class Mixture(nn.Module):
    """Each token goes to one expert; those without a token run on nothing, or not at all."""

    def __init__(self, skips=False):
        super().__init__()
        self.skips, self.inlet = skips, nn.Linear(8, WIDTH)
        self.gate, self.outlet = nn.Linear(WIDTH, EXPERTS), nn.Linear(WIDTH, 4)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
            for _ in range(EXPERTS)
        )

    def forward(self, x):
        x = self.inlet(x)
        score, where = self.gate(x).softmax(1).max(1)
        y = torch.zeros_like(x)
        for k, expert in enumerate(self.experts):
            if not self.skips or (where == k).any():
                y[where == k] = expert(x[where == k]) * score[where == k, None]
        return self.outlet(x + y)


class Skipping(Mixture):
    """Experts without a token do not run."""

    def __init__(self):
        super().__init__(skips=True)


class FusedMixture(nn.Module):
    """The same with two experts a token, whose weights are stacked."""

    def __init__(self):
        super().__init__()
        self.inlet, self.gate = nn.Linear(8, WIDTH), nn.Linear(WIDTH, EXPERTS)
        self.experts, self.outlet = Fused(EXPERTS, WIDTH, WIDTH), nn.Linear(WIDTH, 4)

    def forward(self, x):
        x = self.inlet(x)
        weights, index = self.gate(x).softmax(-1).topk(2, -1)
        return self.outlet(x + self.experts(x, index, weights))


def made(cls):
    torch.manual_seed(0)
    model = cls()
    for part in model.modules():
        if isinstance(part, Fused):
            with torch.no_grad():
                for stack in part.parameters():
                    for k, weight in enumerate(stack):
                        u, s, v = torch.linalg.svd(weight, full_matrices=False)
                        stack[k] = u[:, :3] * s[:3] @ v[:3]
    return low_rank(model)


def tokens(count, seed=1):
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("cls", [Mixture, Skipping, FusedMixture])
def test_experts_without_a_token_are_factored_with_the_others(cls):
    model, few = made(cls), tokens(1)
    of_experts = [s for s in survey(model, few).sites if s.name.startswith("experts")]
    assert len(of_experts) == 2 * EXPERTS
    assert any(not site.calls or site.calls[0].batch == 0 for site in of_experts)
    result = tenfold.compress(model, few, "params=0.5", calibration=[tokens(100)])
    assert result.report.after["params"] <= 0.5 * result.report.before["params"]
    assert torch.allclose(result.model(few), model(few), atol=5e-2)


@pytest.mark.parametrize("cls", [Mixture, Skipping, FusedMixture])
def test_a_batch_without_a_token_for_an_expert_teaches_the_others(cls):
    data = [(tokens(3, seed), torch.randint(4, (3,))) for seed in range(2)]
    result = tenfold.compress(made(cls), tokens(100), "params=0.5", data=data, epochs=1)
    assert all(torch.isfinite(p).all() for p in result.model.parameters())


def test_a_layer_that_never_runs_and_has_no_like_stays():
    model = made(Skipping)
    model.unused = nn.Linear(WIDTH, WIDTH)
    reasons = {refusal.name: refusal.reason for refusal in survey(model, tokens(1)).refusals}
    assert "never runs" in reasons["unused"]


class Reader(Skipping):
    """Reads the weight of each expert that runs."""

    def forward(self, x):
        used = self.gate(self.inlet(x)).argmax(1).unique()
        return super().forward(x) + sum(self.experts[k][0].weight.sum() for k in used)


def test_the_like_of_what_is_looked_into_stays_too():
    reasons = {r.name: r.reason for r in survey(made(Reader), tokens(1)).refusals}
    assert all("looks into it" in reasons[f"experts.{k}.0"] for k in range(EXPERTS))


def test_fused_experts_are_saved_loaded_and_exported(tmp_path):
    pytest.importorskip("onnxruntime")
    model, x = made(FusedMixture), tokens(30)
    result = tenfold.compress(model, x, "params=0.5")
    assert isinstance(result.model.experts, Opened)
    assert torch.allclose(result.model(x), model(x), atol=1e-3)
    loaded = tenfold.load(tenfold.save(result, tmp_path / "small"), FusedMixture)
    assert torch.equal(loaded(x), result.model(x))
    assert tenfold.export(result.model, x, tmp_path / "small.onnx").difference < 1e-4

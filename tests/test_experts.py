"""Mixtures of experts, some of which the example gives no token."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tenfold
from tenfold.compounds import Opened
from tenfold.curves import measure_damages
from tenfold.curves.trace import trace_curves
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


@pytest.mark.parametrize("cls", [Mixture, Skipping])
def test_what_no_input_reaches_is_as_dear_as_its_like(cls):
    model, few = made(cls), tokens(1)
    found = survey(model, few)
    curves = trace_curves(model, found, {}, formats=("svd",))
    worst = {
        curve.site.name: float(damage[0])
        for curve, damage in zip(curves, measure_damages(model, curves, [few]))
        if curve.format == "svd"
    }
    reached = int(model.gate(model.inlet(few)).argmax())
    for layer in (0, 2):
        damages = [worst[f"experts.{k}.{layer}"] for k in range(EXPERTS)]
        assert min(damages) > 1e-9
        assert all(0.2 < damage / damages[reached] < 5 for damage in damages)


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


SIZES = {
    "vocab_size": 40,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
}
OF_TRANSFORMERS = {
    "MixtralConfig": {"num_local_experts": 4, "intermediate_size": 24},
    "Qwen3MoeConfig": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
    "GptOssConfig": {"num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 24},
    "Llama4TextConfig": {
        "num_local_experts": 4,
        "intermediate_size": 24,
        "intermediate_size_mlp": 24,
        "interleave_moe_layer_step": 1,
        "pad_token_id": 0,
    },
}


@pytest.mark.parametrize("name", list(OF_TRANSFORMERS))
def test_fused_experts_of_transformers_are_factored(name):
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, name)(**SIZES, **OF_TRANSFORMERS[name])
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 3:
                parameter.normal_(0, 0.2)
    example = {"input_ids": torch.randint(40, (2, 8)), "use_cache": False}
    result = tenfold.compress(model, example, "params=0.8")
    assert result.report.after["params"] <= 0.8 * result.report.before["params"]
    assert sum(".experts." in choice.site for choice in result.plan.choices) == 2 * 4
    assert not any("experts" in refusal.name for refusal in result.plan.refusals)
    assert torch.isfinite(result.model(**example).logits).all()

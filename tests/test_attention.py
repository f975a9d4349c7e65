"""Networks with attention of torch's, from plan to file."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import tenfold
from tenfold.compounds import Opened
from tenfold.survey import survey
from tests.contracts.test_compounds import low_rank

WIDTH = 32


class Sounds(nn.Module):
    """Convolutions over samples, a transformer's encoder, a class."""

    def __init__(self):
        super().__init__()
        self.front = nn.Sequential(nn.Conv1d(1, WIDTH, 8, 4), nn.GELU())
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, x):
        return self.head(self.body(self.front(x).transpose(1, 2)).mean(1))


class Block(nn.Module):
    """A block of a vision transformer that asks for no weights."""

    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.self_attention = nn.MultiheadAttention(WIDTH, 4, dropout=0.1, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
        )

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Images(nn.Module):
    """A small vision transformer."""

    def __init__(self):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, WIDTH, 4, 4)
        self.layers = nn.Sequential(Block(), Block())
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, x):
        return self.head(self.layers(self.conv_proj(x).flatten(2).transpose(1, 2)).mean(1))


class Words(nn.Module):
    """Encoder and decoder, with padding in the source."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, WIDTH)
        self.body = nn.Transformer(WIDTH, 4, 1, 1, 2 * WIDTH, batch_first=True)
        self.head = nn.Linear(WIDTH, 20)

    def forward(self, source, target, padded):
        size = target.shape[1]
        causal = nn.Transformer.generate_square_subsequent_mask(size, dtype=torch.float32)
        y = self.body(
            self.table(source),
            self.table(target),
            tgt_mask=causal,
            src_key_padding_mask=padded,
            memory_key_padding_mask=padded,
            tgt_is_causal=True,
        )
        return self.head(y)


class Looker(nn.Module):
    """Reads the packed weight of its attention, as code for distributed training does."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.head = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        x = x.to(self.attention.in_proj_weight.dtype)
        return self.head(self.attention(x, x, x)[0])


class Own(nn.TransformerEncoderLayer):
    """A layer of somebody's own around torch's forward, fast path and all."""

    def forward(self, src, **masks):
        return 2 * super().forward(src, **masks)


def ids(*size):
    return torch.randint(20, size, generator=torch.Generator().manual_seed(0))


PADDED = torch.tensor([[False] * 6, [False] * 4 + [True] * 2])
NETWORKS = {
    "sounds": (Sounds, torch.randn(2, 1, 64, generator=torch.Generator().manual_seed(1))),
    "images": (Images, torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))),
    "words": (Words, (ids(2, 6), ids(2, 5), PADDED)),
}


def made(cls):
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return low_rank(cls(), 4)


def count(model):
    return sum(p.numel() for p in model.parameters())


@pytest.fixture(params=list(NETWORKS))
def network(request):
    cls, example = NETWORKS[request.param]
    return cls, made(cls), example


def outputs(model, example):
    with torch.no_grad():
        return model(*example) if isinstance(example, tuple) else model(example)


def test_nearly_all_of_it_can_be_factored(network):
    _, model, example = network
    found = survey(model, example)
    names = {site.name.rpartition(".")[2] for site in found.sites}
    assert {"q_proj", "k_proj", "v_proj", "out_proj"} <= names
    left = sum(r.params for r in found.refusals if "Embedding" not in r.reason)
    assert left < 0.05 * count(model)


def test_from_plan_to_saved_directory(network, tmp_path):
    cls, model, example = network
    result = tenfold.compress(model, example, "params=0.55")
    assert count(result.model) == result.report.after["params"] <= 0.55 * count(model)
    wanted, found = outputs(model, example), outputs(result.model, example)
    assert torch.allclose(found, wanted, atol=2e-2 * float(wanted.abs().max()))
    loaded = tenfold.load(tenfold.save(result, tmp_path / "small"), lambda: made(cls))
    assert torch.equal(outputs(loaded, example), found)
    assert any(isinstance(part, Opened) for part in loaded.modules())


@pytest.mark.parametrize("name", ["sounds", "images"])
def test_the_result_is_exported(name, tmp_path):
    pytest.importorskip("onnxruntime")
    cls, example = NETWORKS[name]
    result = tenfold.compress(made(cls), example, "params=0.55")
    exported = tenfold.export(result.model, example, tmp_path / "small.onnx")
    assert exported.difference < 1e-4


def test_attention_that_is_looked_into_stays_closed_with_the_reason():
    model, x = made(Looker), torch.randn(2, 5, WIDTH)
    refusals = {refusal.name: refusal for refusal in survey(model, x).refusals}
    assert "looks into it" in refusals["attention"].reason
    assert refusals["attention"].params == count(model.attention)
    assert "attention.out_proj" not in refusals  # it is said with the others
    result = tenfold.compress(model, x, "params=0.9")
    assert type(result.model.attention) is nn.MultiheadAttention


def test_a_layer_around_a_fast_path_runs_whatever_is_factored():
    layer = Own(WIDTH, 4, 2 * WIDTH, batch_first=True)
    model = low_rank(nn.Sequential(layer, nn.Linear(WIDTH, WIDTH)))
    x = torch.randn(2, 5, WIDTH)
    result = tenfold.compress(model, x, "params=0.95", exclude=("*.self_attn",))
    assert torch.allclose(outputs(result.model, x), outputs(model, x), atol=1e-3)


def test_attention_in_half_precision_keeps_its_type():
    model, x = made(Images).bfloat16(), NETWORKS["images"][1].bfloat16()
    result = tenfold.compress(model, x, "params=0.6")
    assert {p.dtype for p in result.model.parameters()} == {torch.bfloat16}
    assert outputs(result.model, x).dtype == torch.bfloat16

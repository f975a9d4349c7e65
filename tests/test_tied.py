"""One weight in several layers: it is factored once, and what shares it stays tied."""

from __future__ import annotations

from io import StringIO

import pytest
import torch
from rich.console import Console
from safetensors import safe_open
from torch import nn

import tenfold
from tenfold.cli._tables import show_survey
from tenfold.latency.unit import units_of
from tenfold.sense.kronecker import sum_of_products
from tenfold.survey import survey
from tests.computing import ScaledTable
from tests.test_embedding import of_rank, words


class Language(nn.Module):
    """A table, a block, and a head that multiplies by the table."""

    def __init__(self, count=120, width=16, table=nn.Embedding, bias=True):
        super().__init__()
        self.table = table(count, width)
        self.up, self.down = nn.Linear(width, 40), nn.Linear(40, width)
        self.head = nn.Linear(width, count, bias=bias)
        self.head.weight = self.table.weight

    def forward(self, ids):
        x = self.table(ids)
        return self.head(x + self.down(torch.relu(self.up(x))))


class Encoder(Language):
    """Its bias has a second name, as that of BERT's head has."""

    def __init__(self):
        super().__init__()
        self.bias = self.head.bias


class Translator(nn.Module):
    """Two tables and a head with one weight; another table is held but never used."""

    def __init__(self):
        super().__init__()
        self.shared, self.here, self.there = (nn.Embedding(100, 16) for _ in range(3))
        self.mix, self.head = nn.Linear(16, 16), nn.Linear(16, 100, bias=False)
        self.here.weight = self.there.weight = self.head.weight = self.shared.weight

    def forward(self, ids):
        return self.head(self.mix(self.here(ids) + self.there(ids.flip(1))))


class Twins(nn.Module):
    """Two linear layers with one weight, and biases of their own or one."""

    def __init__(self, one_bias=False):
        super().__init__()
        self.first, self.second, self.last = (nn.Linear(24, 24) for _ in range(3))
        self.second.weight = self.first.weight
        if one_bias:
            self.second.bias = self.first.bias

    def forward(self, x):
        return self.last(torch.relu(self.second(torch.relu(self.first(x)))))


def seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = make().eval()
        for name, p in model.named_parameters():
            if name.endswith("bias"):
                nn.init.normal_(p)
        return of_rank(model, 4)


TOKENS = [words(6, count=100, seed=k) for k in range(3)]
VECTORS = [torch.randn(6, 24, generator=torch.Generator().manual_seed(k)) for k in range(3)]
NETWORKS = {
    "language model": (Language, TOKENS, ("table", "head")),
    "scaled table": (lambda: Language(table=ScaledTable), TOKENS, ("table", "head")),
    "without a bias": (lambda: Language(bias=False), TOKENS, ("table", "head")),
    "a bias with two names": (Encoder, TOKENS, ("table", "head")),
    "translator": (Translator, TOKENS, ("shared", "here", "there", "head")),
    "twins": (Twins, VECTORS, ("first", "second")),
    "twins with one bias": (lambda: Twins(one_bias=True), VECTORS, ("first", "second")),
}
every = pytest.mark.parametrize("name", NETWORKS)


@every
def test_layers_with_one_weight_are_one_site_that_is_counted_once(name):
    make, (x, *_), places = NETWORKS[name]
    model = seeded(make)
    found = survey(model, x)
    site = next(site for site in found.sites if site.others)
    assert tuple(place.name for place in site.places) == places
    assert not {refusal.name for refusal in found.refusals} & set(places)
    assert found.fixed["params"] == 0
    assert len(units_of(site)) == sum(len(place.calls) for place in site.places)


@every
@pytest.mark.parametrize("calibrated", [False, True])
def test_what_shared_a_weight_shares_its_factors(name, calibrated, tmp_path):
    make, (x, *rest), places = NETWORKS[name]
    model = seeded(make)
    before = [p.clone() for p in model.parameters()]
    result = tenfold.compress(
        model, x, "params=0.75,macs=1.0,bytes=0.75", calibration=rest if calibrated else None
    )
    for limit in result.report.limits:
        assert limit.reached <= limit.limit
    assert all(map(torch.equal, before, model.parameters()))
    links = [list(result.model.get_submodule(place)) for place in places]
    ends = [chain[0] if isinstance(chain[0], nn.Embedding) else chain[-1] for chain in links]
    assert len({id(link.weight) for link in ends}) == 1
    torch.testing.assert_close(result.model(x), model(x), rtol=2e-2, atol=2e-2)
    again = tenfold.load(tenfold.save(result, tmp_path / "small"), seeded(make))
    assert torch.equal(again(x), result.model(x))
    assert len(list(again.parameters())) == len(list(result.model.parameters()))
    with safe_open(tmp_path / "small" / "model.safetensors", "pt") as file:
        stored = sum(file.get_tensor(key).numel() for key in file.keys())  # noqa: SIM118
    assert stored == result.report.after["params"]
    (line,) = [line for line in result.report.lines if line.name == places[0]]
    assert line.params[1] < line.params[0]
    if calibrated:
        applied = tenfold.apply(result.plan, model, calibration=rest)
        torch.testing.assert_close(applied(x), result.untuned(x), rtol=1e-3, atol=1e-4)


def test_damage_is_measured_with_both_replaced():
    model, x = seeded(Language), TOKENS[0]
    plan = tenfold.plan(model, x, "params=0.55", calibration=TOKENS, include=["table"])
    (choice,) = plan.choices
    built = tenfold.apply(plan, model, calibration=TOKENS)
    assert choice.damage > 0
    assert not torch.allclose(built.table(x), model.table(x))
    assert type(built.head) is nn.Sequential


def test_a_tied_weight_is_tuned_as_one_parameter():
    model = seeded(Language)
    result = tenfold.compress(model, TOKENS[0], "params=0.5", data=TOKENS, epochs=2)
    narrow, table = result.model.head[-1].weight, result.model.table[0].weight
    assert narrow is table
    assert not torch.equal(table, result.untuned.table[0].weight)
    assert result.report.after["params"] <= 0.5 * result.report.before["params"]


def test_a_bias_with_two_names_stays_one():
    result = tenfold.compress(seeded(Encoder), TOKENS[0], "params=0.5", calibration=TOKENS)
    assert result.model.head[-1].bias is result.model.bias


def test_the_head_is_fitted_to_what_the_compressed_block_passes_on():
    model = seeded(Language)
    with torch.no_grad():
        for p in (model.up.weight, model.down.weight):
            p.normal_(0, 0.3, generator=torch.Generator().manual_seed(1))
    plan = tenfold.plan(model, TOKENS[0], "params=0.6", calibration=TOKENS)
    plain = tenfold.plan(model, TOKENS[0], "params=0.6")
    plain = plain.__class__(**{**vars(plan), "origin": "frobenius"})
    fitted, unfitted = (
        tenfold.apply(plan, model, calibration=TOKENS),
        tenfold.apply(plain, model),
    )

    def off(network):
        return sum(float((network(x) - model(x)).square().sum()) for x in TOKENS)

    assert off(fitted) < off(unfitted)


@pytest.mark.parametrize("patterns", [{"include": ("head",)}, {"include": ("table",)}])
def test_patterns_mean_all_places(patterns):
    (site,) = survey(seeded(Language), TOKENS[0], **patterns).sites
    assert [place.name for place in site.places] == ["table", "head"]
    left = survey(seeded(Language), TOKENS[0], exclude=("head",))
    assert not {"table", "head"} & {site.name for site in left.sites}


class Reads(Language):
    """Looks into its head."""

    def forward(self, ids):
        return super().forward(ids) + self.head.weight.sum()


class Masks(Language):
    """The table shortens its rows."""

    def __init__(self):
        super().__init__()
        self.table.max_norm = 1.0


@pytest.mark.parametrize(("make", "why"), [(Reads, "looks into"), (Masks, "shared with table")])
def test_one_that_has_to_stay_keeps_the_others(make, why):
    told = {r.name: r.reason for r in survey(seeded(make), TOKENS[0]).refusals}
    assert why in told["head"]
    assert "table" in told


def test_a_sum_of_products_has_their_trace_and_a_single_one_is_itself():
    generator = torch.Generator().manual_seed(0)
    roots = [torch.randn(5, 5, generator=generator) for _ in range(4)]
    a, b, c, d = (root @ root.T for root in roots)
    one = sum_of_products([(a, b)])
    torch.testing.assert_close(torch.kron(*one), torch.kron(a, b), rtol=1e-4, atol=1e-4)
    two = sum_of_products([(a, b.diagonal()), (c, d)])
    assert two[1].ndim == 1
    wanted = a.trace() * b.trace() + c.trace() * d.trace()
    torch.testing.assert_close(two[0].trace() * two[1].sum(), wanted)


def test_a_tied_model_is_exported(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, x = seeded(Language), TOKENS[0]
    result = tenfold.compress(model, x, "params=0.5")
    tenfold.export(result.model, x, tmp_path / "lm.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "lm.onnx"))
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(y), result.model(x).detach(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("share", [0.6, 0.3])
def test_ranks_of_a_tied_weight_are_kept_while_others_are_refined(share):
    model = seeded(Language)
    result = tenfold.compress(
        model, TOKENS[0], {"params": share}, calibration=TOKENS, refine="end-to-end"
    )
    assert result.report.after["params"] <= share * result.report.before["params"]
    assert result.model.head[-1].weight is result.model.table[0].weight


def test_a_tied_network_in_half_precision_stays_tied():
    model = seeded(Language).bfloat16()
    result = tenfold.compress(model, TOKENS[0], "params=0.5")
    assert result.model.head[-1].weight is result.model.table[0].weight
    assert {p.dtype for p in result.model.parameters()} == {torch.bfloat16}


def test_inspect_names_every_place():
    console = Console(record=True, width=120, file=StringIO())
    found = survey(seeded(Language), TOKENS[0])
    costs = {site.name: {"params": 1.0, "macs": 1.0} for site in found.sites}
    show_survey(console, found, costs, {})
    assert "table, head" in console.export_text()

"""Tables: a narrow one and a linear layer in the place of a wide one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tenfold
from tenfold.costs import COSTS
from tenfold.curves import cheapest_curves
from tenfold.errors import BudgetError
from tenfold.formats import _spectrum
from tenfold.formats._spectrum import gram
from tenfold.latency import Ruler
from tenfold.layers import kind_of
from tenfold.sense.moments import estimate_moments
from tenfold.sense.shrink import Spread
from tenfold.survey import survey
from tests.computing import ScaledTable


class Tagger(nn.Module):
    """Words and positions, a small block, scores of seven classes a word."""

    def __init__(self, words=90, width=24, table=nn.Embedding, **settings):
        super().__init__()
        self.words = table(words, width, **settings)
        self.places = nn.Embedding(16, width)
        self.up, self.down = nn.Linear(width, 48), nn.Linear(48, width)
        self.head = nn.Linear(width, 7)

    def forward(self, ids):
        x = self.words(ids) + self.places(torch.arange(ids.shape[1])[None])
        return self.head(x + self.down(torch.relu(self.up(x))))


def tagger(**settings):
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return Tagger(**settings).eval()


def words(batch=3, count=90, seed=0):
    return torch.randint(count, (batch, 9), generator=torch.Generator().manual_seed(seed))


def of_rank(model, rank):
    """The model with weights of a low rank, so that a right compression changes next to nothing."""
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim == 2 and min(p.shape) > rank:
                u, s, v = torch.linalg.svd(p, full_matrices=False)
                p.copy_((u[:, :rank] * s[:rank]) @ v[:rank])
    return model


@pytest.mark.parametrize("calibration", [None, [words(8, seed=k) for k in range(3)]])
def test_a_table_becomes_a_narrow_one_and_a_linear_layer(calibration, tmp_path):
    model, x = of_rank(tagger(), 4), words()
    result = tenfold.compress(model, x, "params=0.6", calibration=calibration)
    narrow, wide = result.model.words
    assert (type(narrow), type(wide)) == (nn.Embedding, nn.Linear)
    assert wide.bias is None
    assert result.report.after["params"] <= 0.6 * result.report.before["params"]
    torch.testing.assert_close(result.model(x), model(x), rtol=1e-2, atol=1e-2)
    again = tenfold.load(tenfold.save(result, tmp_path / "small"), tagger())
    assert torch.equal(again(x), result.model(x))


def test_the_padding_stays_zero_and_learns_nothing():
    model, x = tagger(padding_idx=0), words()
    data = [words(8, seed=k) * (torch.arange(9) < 6) for k in range(2)]
    result = tenfold.compress(model, x, "params=0.6", data=data, epochs=1, include=["words"])
    assert result.model.words[0].padding_idx == 0
    assert not result.model.words(torch.tensor([0])).any()
    assert result.model.words(torch.tensor([1])).any()
    result.model.words(torch.tensor([[0, 5]])).sum().backward()
    assert not result.model.words[0].weight.grad[0].any()


def test_how_a_table_takes_its_gradients_is_kept():
    table = tagger(sparse=True, scale_grad_by_freq=True)
    small = tenfold.apply(tenfold.plan(table, words(), "params=0.6", include=["words"]), table)
    assert small.words[0].sparse
    assert small.words[0].scale_grad_by_freq


def test_the_moment_of_a_table_is_how_often_each_row_is_looked_up():
    model, x = tagger(), words(6)
    sites = [site for site in survey(model, x).sites if site.name == "words"]
    root = estimate_moments(model, sites, [x, x])["words"].inputs.root
    times = torch.bincount(torch.cat([x, x]).flatten(), minlength=90) + 1.0
    added = 12 * root.square() - times
    torch.testing.assert_close(added, added[:1].expand(90), rtol=1e-4, atol=1e-4)
    spread = Spread(torch.ones(90))
    for batch in (x, x):
        spread.add(batch.flatten(), len(batch), moment_of=lambda r: torch.bincount(r, minlength=90))
    ridge = 0.3 + spread.ridge()
    torch.testing.assert_close(float(added[0]), ridge * float(times.mean()), rtol=1e-4, atol=1e-4)


class Masked(Tagger):
    """The same with a mask beside its words."""

    def forward(self, ids, attention_mask=None):
        return super().forward(ids)


def test_padded_words_are_not_counted():
    model, x = Masked().eval(), words(2)
    sites = [site for site in survey(model, {"ids": x}).sites if site.name == "words"]
    mask = (torch.arange(9) < 5).expand(2, 9).long()
    padded = {"ids": x.where(mask > 0, 7), "attention_mask": mask}
    other = {"ids": x.where(mask > 0, 11), "attention_mask": mask}
    first, second = (estimate_moments(model, sites, [b])["words"].inputs for b in (padded, other))
    assert torch.equal(first.root, second.root)


def test_words_that_are_met_often_are_kept_better():
    model, x = tagger(), words()
    often = [torch.randint(8, (8, 9), generator=torch.Generator().manual_seed(k)) for k in range(8)]
    plan = tenfold.plan(model, x, "params=0.75", include=["words"], calibration=often)
    blind = tenfold.plan(model, x, "params=0.75", include=["words"])
    assert plan.choices[0].ranks == blind.choices[0].ranks
    small, plain = tenfold.apply(plan, model, calibration=often), tenfold.apply(blind, model)
    table = model.words.weight

    def off(network):
        rows = (network.words(torch.arange(90)) - table).square().sum(1)
        return rows[:8].mean(), rows[8:].mean()

    assert off(small)[0] < 0.5 * off(plain)[0]
    assert off(small)[1] > off(plain)[1]


def test_a_limit_on_work_leaves_a_table_as_it_is():
    model, x = tagger(), words()
    plan = tenfold.plan(model, x, "macs=0.5")
    formats = {choice.site: choice.format for choice in plan.choices}
    assert formats["words"] == formats["places"] == "dense"
    assert plan.predicted["macs"] <= 0.5 * plan.before["macs"]
    both = tenfold.compress(model, x, "params=0.45,macs=1.0")
    for limit in both.report.limits:
        assert limit.reached <= limit.limit
    assert any(c.format != "dense" and c.site == "words" for c in both.plan.choices)
    with pytest.raises(BudgetError, match="smallest reachable"):
        tenfold.plan(model, x, "macs=0.0001")


def test_a_table_may_multiply_but_never_grow():
    model, x = tagger(), words()
    found = survey(model, x)
    for curve in cheapest_curves(found):
        if curve.site.name == "words" and curve.format != "dense":
            assert bool((curve.costs["macs"] > 0).all())
            assert bool((curve.costs["params"] < 90 * 24).all())
            assert bool((curve.costs["bytes"] <= 4 * 90 * 24).all())


def test_under_a_limit_on_time_a_table_keeps_its_rows():
    model, x = tagger(), words()
    found = survey(model, x, include=("words", "up"))

    def measure(units):
        for unit in units:
            yield {unit.key: 1.0 if unit.format == "dense" else 2.0}

    ruler = Ruler("latency", 4.0, {}, measure)
    ruler.know(unit for site in found.sites for unit in tenfold.latency.unit.units_of(site))
    priced, _ = ruler.price(cheapest_curves(found))
    left = {(curve.site.name, curve.format) for curve in priced}
    assert left == {("words", "dense"), ("words", "svd"), ("up", "dense")}


class Counting(nn.Embedding):
    """Positions from the shape of what it gets, as some transformers have them."""

    def forward(self, ids):
        return super().forward(torch.arange(ids.shape[-1])).expand(*ids.shape, -1)


def test_tables_that_do_more_than_look_up_say_so():
    refused = kind_of(nn.Embedding(9, 4, max_norm=1.0)).refuses(nn.Embedding(9, 4, max_norm=1.0))
    assert "max_norm" in refused
    counting = Counting(9, 4)
    assert "not the rows that its input names" in kind_of(counting).refuses(counting)
    told = {r.name: r.reason for r in survey(tagger(table=Counting), words()).refusals}
    assert told["words"].startswith("it is not shown to look its input up in a fixed table")


def test_a_scaled_table_is_served():
    model, x = of_rank(tagger(table=ScaledTable), 4), words()
    result = tenfold.compress(model, x, "params=0.7", include=["words"])
    assert result.report.after["params"] <= 0.7 * result.report.before["params"]
    torch.testing.assert_close(result.model(x), model(x), rtol=1e-3, atol=1e-3)


def test_a_table_whose_weight_the_network_reads_stays():
    class Reading(Tagger):
        def forward(self, ids):
            return super().forward(ids) + self.words.weight.mean()

    told = {r.name: r.reason for r in survey(Reading().eval(), words()).refusals}
    assert "the network looks into it" in told["words"]


@pytest.mark.parametrize("count", [5000])
def test_of_wide_sides_only_the_diagonal_is_kept(count):
    model = nn.Sequential(nn.Embedding(count, 8), nn.Linear(8, count)).eval()
    x = words(count=count)
    found = survey(model, x)
    metrics = estimate_moments(model, found.sites, [x])
    assert metrics["0"].inputs.root.shape == metrics["1"].outputs.root.shape == (count,)
    assert metrics["0"].outputs.root.shape == metrics["1"].inputs.root.shape == (8, 8)
    result = tenfold.compress(model, x, "params=0.6", calibration=[x, words(count=count, seed=1)])
    assert COSTS["params"].measure(result.model, x) <= 0.6 * COSTS["params"].measure(model, x)


def test_the_gram_matrix_is_made_in_parts(monkeypatch):
    matrix = torch.randn(6, 101, generator=torch.Generator().manual_seed(0))
    whole = gram(matrix)
    monkeypatch.setattr(_spectrum, "CHUNK", 40)
    torch.testing.assert_close(gram(matrix), whole)
    torch.testing.assert_close(whole, matrix.double() @ matrix.double().T)


def test_a_table_is_exported(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, x = tagger(), words()
    result = tenfold.compress(model, x, "params=0.6", include=["words"])
    exported = tenfold.export(result.model, x, tmp_path / "tagger.onnx")
    session = onnxruntime.InferenceSession(str(exported.path))
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(y), result.model(x).detach(), rtol=1e-4, atol=1e-4)

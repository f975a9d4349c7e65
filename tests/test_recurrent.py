"""LSTM, GRU and RNN: opened, factored and handed over as stock layers, against torch's own."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import tenfold
from tenfold.build.rebuild import build_structure
from tenfold.compounds import finish_all, open_all
from tenfold.costs import COSTS
from tenfold.errors import PlanError
from tenfold.formats import FORMATS
from tenfold.formats.metric import Metric
from tenfold.layers import describe, kind_of, weight_of
from tenfold.network.inputs import leaves
from tenfold.runtimes.onnxruntime.unproject import unprojected
from tenfold.survey import survey
from tenfold.survey.stage import dense_cost

IN, HIDDEN, TIME, BATCH = 5, 6, 7, 4
MADE = {
    f"{cls.__name__} of {layers}{' both ways' * both}{' batch first' * first}{' projected' * p}": (
        cls,
        {
            "num_layers": layers,
            "bidirectional": both,
            "batch_first": first,
            "bias": not first,
            **({"proj_size": 3} if p else {}),
        },
    )
    for cls, layers, both, first in itertools.product(
        (nn.LSTM, nn.GRU, nn.RNN), (1, 3), (False, True), (False, True)
    )
    for p in ((False, True) if cls is nn.LSTM else (False,))
}
LSTMS = [label for label, (cls, more) in MADE.items() if cls is nn.LSTM and "proj_size" not in more]
every_network = pytest.mark.parametrize("label", MADE)


def made(label, rank=None):
    """A network in double precision, its weights of a rank."""
    cls, more = MADE[label]
    torch.manual_seed(0)
    module = cls(IN, HIDDEN, **more).double()
    if rank is not None:
        low_rank(module, rank)
    return module


def low_rank(module, rank):
    with torch.no_grad():
        for p in module.parameters():
            if p.ndim == 2 and min(p.shape) > rank:
                u, s, v = torch.linalg.svd(p, full_matrices=False)
                p.copy_(u[:, :rank] * s[:rank] @ v[:rank])
    return module


def calls(module):
    """Inputs of every shape: with states and without, packed in any order, without a batch."""
    torch.manual_seed(1)
    count = module.num_layers * (2 if module.bidirectional else 1)
    h = torch.randn(count, BATCH, module.proj_size or HIDDEN).double()
    c = torch.randn(count, BATCH, HIDDEN).double()
    x = torch.randn(BATCH, TIME, IN).double()
    lstm = isinstance(module, nn.LSTM)
    states, one = ((h, c), (h[:, 0], c[:, 0])) if lstm else (h, h[:, 0])
    usual = x if module.batch_first else x.transpose(0, 1)
    mixed = pack_padded_sequence(x, [3, 7, 1, 5], batch_first=True, enforce_sorted=False)
    falling = pack_padded_sequence(x, [7, 5, 5, 1], batch_first=True)
    return {
        "usual": (usual,),
        "states": (usual, states),
        "packed": (falling,),
        "packed, states": (mixed, states),
        "no batch": (x[0],),
        "no batch, states": (x[0], one),
    }


def same(wanted, found, off=1e-9):
    """One structure of outputs, equal within rounding."""
    assert type(wanted) is type(found)
    if isinstance(wanted, torch.Tensor):
        torch.testing.assert_close(found, wanted, rtol=off, atol=off)
        return
    if isinstance(wanted, PackedSequence):
        assert all(
            torch.equal(a, b) for a, b in zip(wanted[1:], found[1:], strict=True) if a is not None
        )
        same(wanted.data, found.data, off)
        return
    for a, b in zip(wanted, found, strict=True):
        same(a, b, off)


def sites_of(opened):
    """Names of the layers that can be factored."""
    return [
        name
        for name, part in opened.named_modules()
        if (kind := kind_of(part)) is not None and kind.refuses(part) is None
    ]


def factored(module, rank, names=None):
    """The module opened, with chains of a rank in the place of its layers."""
    opened = open_all(module)
    svd = FORMATS["svd"]
    for name in names or sites_of(opened):
        layer = opened.get_submodule(name)
        site, weight = describe(layer, name), weight_of(layer).detach()
        ranks = (min(rank, *svd.rank_limits(site)),)
        factors = svd.factors(svd.analyse(site, weight, Metric()), ranks)
        opened.set_submodule(name, svd.layers(site, ranks, factors, layer.bias))
    return opened


@every_network
def test_opened_and_closed_again_is_equal(label):
    module = made(label)
    opened = open_all(module)
    closed = finish_all(opened)
    assert type(closed) is type(module)
    assert closed.state_dict().keys() == module.state_dict().keys()
    assert all(torch.equal(x, closed.state_dict()[n]) for n, x in module.state_dict().items())
    for args in calls(module).values():
        same(module(*args), opened(*args))


@every_network
def test_what_is_handed_over_computes_what_the_factored_layers_do(label):
    module = made(label)
    opened = factored(module, 3)
    finished = finish_all(opened)
    stock = [part for part in finished.modules() if isinstance(part, nn.RNNBase)]
    assert {type(part) for part in stock} == {type(module)}
    assert all(part.num_layers == 1 for part in stock)
    for args in calls(module).values():
        (wanted, ends), (found, final) = opened(*args), finished(*args)
        same(wanted, found)
        for a, b in zip(leaves(ends), leaves(final), strict=True):
            assert a.shape == b.shape
            same(a, b)
        assert type(ends) is type(final)


@pytest.mark.parametrize("label", LSTMS)
def test_weights_of_low_rank_lose_nothing_even_in_the_states(label):
    module = made(label, 1)
    below = [
        name for name in sites_of(open_all(module)) if name != f"readers.{module.num_layers - 1}"
    ]
    finished = finish_all(factored(module, 3, below))
    assert sum(p.numel() for p in finished.parameters()) < sum(
        p.numel() for p in module.parameters()
    )
    for name, args in calls(module).items():
        (wanted, (h, c)), (found, (h2, c2)) = module(*args), finished(*args)
        if "states" not in name:  # what is given need not lie in what the weights read
            same(wanted, found, 1e-6)  # factors are float32
            same(c, c2, 1e-6)
        assert h.shape == h2.shape


@pytest.mark.parametrize("label", [label for label in MADE if "batch first" not in label])
@pytest.mark.parametrize("given", ["usual", "packed, states"])
def test_costs_are_those_of_what_is_handed_over(label, given):
    module = made(label)
    holder = Holder(module)
    args = calls(module)[given]
    found = survey(holder, args)
    finished = finish_all(factored(holder, 3))
    svd = FORMATS["svd"]
    for name in COSTS:
        cost = COSTS[name]
        assert cost.measure(holder, args) == pytest.approx(found.totals[name])
        left = found.totals[name] - sum(dense_cost(site, name) for site in found.sites)
        priced = [
            cost.total(svd.ops(site, (min(3, *svd.rank_limits(site)),))) for site in found.sites
        ]
        assert left >= 0
        assert cost.measure(finished, args) == pytest.approx(left + sum(priced))


class Holder(nn.Module):
    """A network around a recurrent one."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn

    def forward(self, x, hx=None):
        return self.rnn(x, hx)


class Classifier(nn.Module):
    """Classes of token sequences."""

    def __init__(self, cls=nn.LSTM, **more):
        super().__init__()
        self.embed = nn.Embedding(9, 12)
        self.rnn = cls(12, 24, batch_first=True, **more)
        width = 48 if self.rnn.bidirectional else 24
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        return self.head(self.rnn(self.embed(x))[0].mean(1))


def tokens(*shape):
    return torch.randint(9, shape, generator=torch.Generator().manual_seed(3))


NETWORKS = {
    "lstm": {"num_layers": 2},
    "lstm, both ways": {"bidirectional": True},
    "lstm, dropout": {"num_layers": 3, "dropout": 0.1},
    "gru": {"cls": nn.GRU, "num_layers": 2, "bidirectional": True},
    "rnn": {"cls": nn.RNN, "nonlinearity": "relu", "num_layers": 2},
}


def classifier(label):
    torch.manual_seed(0)
    return low_rank(Classifier(**NETWORKS[label]), 3).eval()


@pytest.mark.parametrize("label", NETWORKS)
def test_a_classifier_is_compressed_tuned_saved_and_loaded(label, tmp_path):
    model, x = classifier(label), tokens(6, 4)
    real = [tokens(12, 4), tokens(12, 4)]
    data = [(inputs, model(inputs).argmax(1)) for inputs in real]
    budget = "params=0.7,macs=0.8"
    result = tenfold.compress(model, x, budget, calibration=real, data=data, epochs=1)
    assert all(limit.reached <= limit.limit for limit in result.report.limits)
    with torch.no_grad():
        off = (result.untuned(x) - model(x)).norm() / model(x).norm()
    assert off < 0.2
    moved = zip(result.model.rnn.parameters(), result.untuned.rnn.parameters())
    assert all(not torch.equal(p, q) for p, q in moved)
    again = tenfold.load(tenfold.save(result, tmp_path / "small"), model)
    assert torch.equal(again(x), result.model(x))
    applied = tenfold.apply(result.plan, model, calibration=real)
    torch.testing.assert_close(applied(x), result.untuned(x), rtol=1e-3, atol=1e-4)
    assert [line.params for line in result.report.lines] == [
        (choice.before["params"], choice.costs["params"]) for choice in result.plan.choices
    ]


def test_most_of_an_lstm_can_be_touched_and_of_a_gru_the_rest_is_named():
    x = tokens(2, 4)
    found = survey(classifier("lstm"), x)
    sites = sum(dense_cost(site, "params") for site in found.sites)
    assert sites > 0.9 * (found.totals["params"] - 9 * 12)
    found = survey(classifier("gru"), x)
    left = {refusal.name: refusal for refusal in found.refusals}
    assert "no stock GRU projects" in left["rnn.readers.0"].reason
    assert left["rnn.readers.0"].params == 2 * 3 * 24 * 24
    assert left["rnn.state_bias_1"].params == 2 * 3 * 24


def test_sizes_add_up():
    found = survey(classifier("lstm"), tokens(2, 4))
    sites = sum(dense_cost(site, "params") for site in found.sites)
    assert sites + sum(refusal.params for refusal in found.refusals) == found.totals["params"]


def test_half_precision_is_handed_back():
    model, x = classifier("lstm").bfloat16(), tokens(2, 4)
    result = tenfold.compress(model, x, "params=0.6")
    assert {p.dtype for p in result.model.parameters()} == {torch.bfloat16}
    assert result.report.after["params"] <= 0.6 * result.report.before["params"]


def test_ranks_are_refined_end_to_end():
    model, x = classifier("lstm"), tokens(4, 4)
    real = [tokens(12, 4)] * 2
    result = tenfold.compress(model, x, "params=0.6", calibration=real, refine="end-to-end")
    assert result.report.after["params"] <= 0.6 * result.report.before["params"]
    assert not any("Opened" in type(part).__name__ for part in result.model.modules())


def test_dropout_stays_between_the_layers():
    finished = finish_all(factored(nn.LSTM(IN, HIDDEN, 2, dropout=0.5), 3)).train()
    x = torch.randn(TIME, BATCH, IN)
    assert not torch.equal(finished(x)[0], finished(x)[0])
    assert torch.equal(finished.eval()(x)[0], finished(x)[0])


def test_gradients_reach_all_that_is_handed_over():
    finished = finish_all(factored(nn.LSTM(IN, HIDDEN, 2, bidirectional=True), 3))
    sum(x.square().sum() for x in leaves(finished(torch.randn(TIME, BATCH, IN)))).backward()
    assert all(p.grad is not None and p.grad.any() for p in finished.parameters())


def test_a_rank_that_is_no_projection_is_refused():
    model, x = classifier("lstm"), tokens(2, 4)
    plan = tenfold.plan(model, x, "params=0.6")
    changes = {"format": "svd", "ranks": (24,)}
    choices = [replace(c, **changes) if c.site == "rnn.readers.0" else c for c in plan.choices]
    with pytest.raises(PlanError, match="below its 24 channels"):
        build_structure(model, replace(plan, choices=tuple(choices)))


@pytest.mark.parametrize(
    "label", ["LSTM of 1 projected", "LSTM of 3 both ways batch first projected"]
)
def test_a_projected_lstm_is_written_to_onnx_as_one_that_is_not(label):
    module = made(label)
    plain = unprojected(module)
    assert not any(getattr(part, "proj_size", 0) for part in plain.modules())
    for name, args in calls(module).items():
        if "packed" not in name:
            same(module(*args), plain(*args))


def test_what_is_handed_over_is_exported(tmp_path):
    pytest.importorskip("onnxruntime")
    small = finish_all(factored(Holder(nn.LSTM(IN, HIDDEN, batch_first=True)), 3)).eval()
    assert small.rnn.layers[0].proj_size == 3
    exported = tenfold.export(small, torch.randn(2, 3, IN), tmp_path / "small.onnx")
    assert exported.difference < 1e-5

"""What every compound must keep: those that are registered, and one that lives in tests."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

import tenfold
from tenfold.compounds import COMPOUNDS, Opened, compound_of, open_all, open_for
from tenfold.costs import COSTS
from tenfold.network.inputs import mapped
from tenfold.survey import survey
from tests.compounds.attention import attention_examples
from tests.compounds.experts import Mixed, expert_examples
from tests.compounds.stacked import Stacked, StackedUnit

torch.manual_seed(0)
EXAMPLES = {  # a compound, its positional inputs and its keywords
    "stacked": (StackedUnit(6, 5), (torch.randn(3, 6),), {}),
    "stacked, keyword": (StackedUnit(6, 5), (torch.randn(3, 6),), {"doubled": True}),
    "lstm": (nn.LSTM(5, 4), (torch.randn(3, 2, 5),), {}),
    "lstm, both directions": (
        nn.LSTM(5, 4, 2, batch_first=True, bidirectional=True, bias=False),
        (torch.randn(2, 3, 5), (torch.randn(4, 2, 4), torch.randn(4, 2, 4))),
        {},
    ),
    "lstm, projected": (nn.LSTM(5, 4, 2, proj_size=2), (torch.randn(3, 2, 5),), {}),
    "gru": (nn.GRU(5, 4, 2, bidirectional=True), (torch.randn(3, 5), torch.randn(4, 4)), {}),
    "rnn": (nn.RNN(5, 4, 2), (torch.randn(3, 2, 5),), {"hx": torch.randn(2, 2, 4)}),
    "lstm cell": (
        nn.LSTMCell(5, 4),
        (torch.randn(2, 5), (torch.randn(2, 4), torch.randn(2, 4))),
        {},
    ),
    "gru cell": (nn.GRUCell(5, 4, bias=False), (torch.randn(2, 5), torch.randn(2, 4)), {}),
    "rnn cell": (nn.RNNCell(5, 4, nonlinearity="relu"), (torch.randn(5), torch.randn(4)), {}),
    "stacked, nested": (StackedUnit(6, 5, StackedUnit(6, 6)), (torch.randn(3, 6),), {}),
    "bilinear": (nn.Bilinear(6, 4, 5), (torch.randn(3, 6), torch.randn(3, 4)), {}),
    "bilinear, no bias": (
        nn.Bilinear(6, 4, 5, bias=False),
        (torch.randn(2, 3, 6), torch.randn(2, 3, 4)),
        {},
    ),
    **attention_examples(),
    **expert_examples(),
}


@pytest.fixture(autouse=True, scope="module")
def stacked():
    with COMPOUNDS.adding("stacked", Stacked()) as compound:
        yield compound


# To export takes a second: an example of each way through the code.
EXPORTED = [name for name in EXAMPLES if name.count(",") == 0 or "both" in name or "more" in name]


def doubled(x):
    return x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x


@pytest.fixture(params=list(EXAMPLES))
def example(request):
    """In double precision."""
    module, inputs, keywords = EXAMPLES[request.param]
    return copy.deepcopy(module).double(), mapped(doubled, inputs), mapped(doubled, keywords)


def tensors(value):
    """Those of an output, in their order."""
    if isinstance(value, (tuple, list)):
        return [tensor for item in value for tensor in tensors(item)]
    return [value] if isinstance(value, torch.Tensor) else []


def same(wanted, found):
    """Outputs of one structure that are equal within rounding."""
    pairs = list(zip(tensors(wanted), tensors(found), strict=True))
    assert type(wanted) is type(found)
    return pairs and all(torch.allclose(x, y, atol=1e-10, equal_nan=True) for x, y in pairs)


@pytest.mark.parametrize("training", [False, True])
def test_opened_is_equal(example, training):
    module, inputs, keywords = example
    module.train(training)
    opened = open_all(module)
    assert any(isinstance(part, Opened) for part in opened.modules())
    assert all(part.training is training for part in opened.modules())
    assert same(module(*inputs, **keywords), opened(*inputs, **keywords))
    with torch.no_grad():
        assert same(module(*inputs, **keywords), opened(*inputs, **keywords))


def test_gradients_are_equal(example):
    module, inputs, keywords = example
    opened, grads = open_all(module), []
    for one in (module, opened):
        moved = mapped(lambda x: x.clone().requires_grad_(x.is_floating_point()), inputs)
        outputs = [y for y in tensors(one(*moved, **keywords)) if y.requires_grad]
        tried = [x for x in tensors(moved) if x.requires_grad]
        wanted = [*tried, *one.parameters()]
        sums = torch.autograd.grad(sum(y.cos().sum() for y in outputs), wanted, allow_unused=True)
        count = len(tried)
        pairs = zip(wanted[count:], sums[count:])  # an expert without a token has no gradient
        flat = torch.cat([(0 * p if g is None else g).flatten() for p, g in pairs])
        grads.append((sums[:count], flat.sort().values))
    assert same(grads[0][0], grads[1][0])
    assert torch.allclose(grads[0][1], grads[1][1], atol=1e-10)


def test_the_original_stays(example):
    module, _, _ = example
    before, classes = copy.deepcopy(module.state_dict()), [type(m) for m in module.modules()]
    open_all(module)
    assert [type(m) for m in module.modules()] == classes
    assert list(module.state_dict()) == list(before)
    assert all(torch.equal(x, before[name]) for name, x in module.state_dict().items())


def test_nothing_is_added_or_lost(example):
    module, inputs, _ = example
    opened = open_all(module)
    for cost in ("params", "bytes"):
        assert COSTS[cost].measure(opened, inputs) == COSTS[cost].measure(module, inputs)
    frozen = open_all(copy.deepcopy(module).requires_grad_(False))
    assert not any(p.requires_grad for p in frozen.parameters())
    assert all(p.requires_grad for p in opened.parameters())


def test_names_are_the_same_each_time(example):
    module, _, _ = example
    names = list(open_all(module).state_dict())
    assert names == list(open_all(copy.deepcopy(module)).state_dict())
    assert open_all(open_all(module)).state_dict().keys() == set(names)


def test_an_opened_module_holds_layers_and_no_compounds(example):
    module, _, _ = example
    opened = open_all(module)
    assert not any(compound_of(part) for part in opened.modules())
    assert any(isinstance(part, nn.Linear) for part in opened.modules())


def test_copies_are_equal_and_apart(example):
    module, inputs, keywords = example
    opened = open_all(module).eval()
    other = copy.deepcopy(opened)
    assert same(opened(*inputs, **keywords), other(*inputs, **keywords))
    assert not {p.data_ptr() for p in opened.parameters()} & {
        p.data_ptr() for p in other.parameters()
    }


@pytest.mark.parametrize("example", EXPORTED, indirect=True)
def test_opened_modules_are_exported(example):
    module, inputs, keywords = example
    opened = open_all(module).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(opened, inputs, keywords)
    assert same(opened(*inputs, **keywords), program.module()(*inputs, **keywords))


def test_every_compound_has_an_example():
    parts = [part for module, _, _ in EXAMPLES.values() for part in module.modules()]
    assert {compound_of(part) for part in parts} - {None} == set(COMPOUNDS.values())


def test_what_only_looks_like_experts_stays_closed():
    module = Mixed()
    assert open_all(module) is module
    assert "not shown" in compound_of(module).refuses(module)


class Places(nn.Module):
    """Parameters of three axes that are no weights of experts."""

    def __init__(self):
        super().__init__()
        self.places, self.first = (
            nn.Parameter(torch.zeros(2, 7, 8)),
            nn.Parameter(torch.zeros(2, 1, 8)),
        )

    def forward(self, x):
        return torch.cat([self.first, x + self.places], 1)


def test_parameters_of_other_shapes_are_no_compound():
    assert compound_of(Places()) is None


class Net(nn.Module):
    """Two units of low rank, and a layer between them."""

    def __init__(self):
        super().__init__()
        self.first, self.middle = StackedUnit(16, 16), nn.Linear(16, 16)
        self.last = StackedUnit(16, 16, StackedUnit(16, 16))

    def forward(self, x):
        return self.last(self.middle(self.first(x)))


def low_rank(model, rank=3):
    """Weights of a low rank, so that a right compression changes next to nothing."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                u, s, v = torch.linalg.svd(parameter, full_matrices=False)
                parameter.copy_(u[:, :rank] * s[:rank] @ v[:rank])
    return model.eval()


@pytest.fixture
def net():
    torch.manual_seed(0)
    return low_rank(Net()), torch.randn(4, 16)


def test_a_plan_names_layers_of_opened_compounds(net):
    model, x = net
    names = [choice.site for choice in tenfold.plan(model, x, "params=0.6").choices]
    assert {"first.value", "first.gate", "middle", "last.inner.gate"} <= set(names)


def test_a_network_with_compounds_is_compressed_saved_and_loaded(net, tmp_path):
    model, x = net
    before = [type(part) for part in model.modules()]
    result = tenfold.compress(model, x, "params=0.6")
    count = sum(p.numel() for p in result.model.parameters())
    assert (
        count == result.report.after["params"] <= 0.6 * sum(p.numel() for p in model.parameters())
    )
    assert [type(part) for part in model.modules()] == before
    assert torch.allclose(model(x), result.model(x), atol=1e-3)
    loaded = tenfold.load(tenfold.save(result, tmp_path / "saved"), Net)
    assert torch.equal(loaded(x), result.model(x))
    assert torch.allclose(tenfold.apply(result.plan, model)(x), result.model(x), atol=1e-5)


def test_what_is_not_factored_comes_back_closed(net, tmp_path):
    model, x = net
    result = tenfold.compress(model, x, "params=0.9", include=("first", "middle"))
    assert isinstance(result.model.first, Opened)
    assert type(result.model.last) is type(result.model.last.inner) is StackedUnit
    loaded = tenfold.load(tenfold.save(result, tmp_path / "saved"), Net)
    assert type(loaded.last) is StackedUnit
    assert torch.equal(loaded(x), result.model(x))


def test_an_inner_compound_stays_closed_in_an_open_one(net):
    model, _ = net
    opened = open_for(model, ["last.value"])
    assert isinstance(opened.last, Opened)
    assert type(opened.last.inner) is StackedUnit
    opened = open_for(model, ["last.inner.value"])
    assert isinstance(opened.last, Opened)
    assert isinstance(opened.last.inner, Opened)


def test_patterns_name_a_compound_or_its_layers(net):
    model, x = net
    for pattern in ("first", "first.*", "fir*"):
        left = survey(model, x, exclude=(pattern,))
        assert not any(site.name.startswith("first") for site in left.sites)
    only = survey(model, x, include=("last.inner", "first.gate"))
    assert [s.name for s in only.sites] == ["first.gate", "last.inner.value", "last.inner.gate"]


def test_sizes_of_refusals_and_sites_add_up(net):
    model, x = net
    found = survey(model, x, exclude=("first.gate",))
    sites = sum(p for s in found.sites for p in [s.in_channels * s.out_channels + s.out_channels])
    assert sites + sum(r.params for r in found.refusals) == found.totals["params"]


def test_a_compound_with_a_hook_is_named_with_its_reason(net):
    model, x = net
    model.first.register_forward_hook(lambda *call: None)
    refusals = {refusal.name: refusal for refusal in survey(model, x).refusals}
    assert "hooks" in refusals["first"].reason
    assert refusals["first"].params == sum(p.numel() for p in model.first.parameters())
    assert isinstance(tenfold.compress(model, x, "params=0.8").model.first, StackedUnit)


def test_compounds_that_share_a_weight_stay_closed_and_those_used_twice_are_opened_once(net):
    model, x = net
    model.last.weight = model.first.weight
    assert "share" in {r.name: r for r in survey(model, x).refusals}["first"].reason
    twice = nn.Sequential(model.last.inner, nn.Linear(16, 16), model.last.inner)
    opened = open_all(twice)
    assert opened[0] is opened[2]
    assert isinstance(opened[0], Opened)


def test_a_tuned_network_learns_in_opened_compounds(net):
    model, x = net
    data = [(torch.randn(8, 16), torch.randint(16, (8,))) for _ in range(2)]
    result = tenfold.compress(model, x, "params=0.5", data=data, epochs=1)
    moved = [
        not torch.equal(p, q)
        for p, q in zip(result.model.first.parameters(), result.untuned.first.parameters())
    ]
    assert all(moved)
    assert isinstance(result.model.first, Opened)


def test_refined_networks_hold_opened_compounds(net):
    model, x = net
    result = tenfold.compress(
        model, x, "params=0.6", calibration=[torch.randn(16, 16)] * 2, refine="end-to-end"
    )
    assert result.report.after["params"] <= 0.6 * result.report.before["params"]
    assert torch.allclose(model(x), result.model(x), atol=1e-2)

"""What can be factored, what cannot and why, and that looking leaves no trace."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import tenfold
from tenfold.compounds import open_all
from tenfold.errors import BudgetError, InputError
from tenfold.survey.stage import survey
from tests.computing import Drawn, Rectified
from tests.networks import example, tiny_resnet


def reasons(model, x, **kw):
    return {r.name: r.reason for r in survey(model, x, **kw).refusals}


def test_every_layer_is_a_site_or_has_a_reason():
    found = survey(tiny_resnet(), example())
    assert [s.name for s in found.sites] == ["stem.0", "block.0", "block.3", "down", "head"]
    batchnorms = 3 * 2 * 12
    (rest,) = found.refusals
    assert (rest.name, rest.params) == ("3 normalisation layers", batchnorms)
    assert found.totals["params"] == sum(p.numel() for p in tiny_resnet().parameters())
    assert found.fixed["params"] == batchnorms


def test_a_layer_called_twice_is_priced_twice():
    layer = nn.Conv2d(4, 4, 3, padding=1)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    found = survey(model, torch.zeros(1, 4, 5, 5))
    (site,) = found.sites
    assert len(site.calls) == 2
    assert found.totals["macs"] == 2 * 25 * 4 * 4 * 9
    assert found.fixed["macs"] == 0


def test_reasons_name_what_is_in_the_way():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Conv2d(4, 4, (3, 1), groups=4)
            self.b = Drawn(4, 4, 3)
            self.c = nn.Linear(4, 4)
            self.d = Drawn(4, 4, 1)
            self.d.weight = self.c.weight
            self.e = parametrizations.weight_norm(Rectified(4, 4))
            self.f = nn.Linear(4, 4)
            self.g = nn.Linear(4, 1)
            self.h = nn.Linear(4, 4)
            self.i = nn.Linear(4, 4)
            self.i.register_forward_hook(lambda *_: None)

        def forward(self, x):
            x = self.b(self.a(x)).mean((2, 3))
            x = self.i(self.e(self.c(x)))
            return self.g(self.h(x))

    told = reasons(Odd(), torch.zeros(1, 4, 9, 9))
    assert "4 groups" in told["a"]
    assert "not shown to be a Conv2d" in told["b"]
    assert "shared with d.weight" in told["c"]
    assert "not shown to be a Conv2d" in told["d"]
    assert "remove_parametrizations" in told["e"]
    assert "never runs" in told["f"]
    assert "channel counts is 1" in told["g"]
    assert "hooks" in told["i"]
    assert "h" not in told


def test_patterns_choose_layers():
    told = reasons(tiny_resnet(), example(), include=("block.*", "head"), exclude=("block.3",))
    assert told["block.3"] == "excluded"
    assert told["stem.0"] == "not in the include patterns"
    assert set(told) == {"stem.0", "block.3", "down", "3 normalisation layers"}


class Mixed(nn.Module):
    """Parameters in layers of many kinds, and some of its own."""

    def __init__(self):
        super().__init__()
        self.table, self.lstm = nn.Embedding(50, 16), nn.LSTM(16, 16, batch_first=True)
        self.kernel, self.scale = nn.Parameter(torch.ones(64, 16)), nn.Parameter(torch.ones(1))
        self.shift = nn.Parameter(torch.ones(1))
        self.norms = nn.Sequential(nn.LayerNorm(16), nn.LayerNorm(16))
        self.lift, self.head = nn.Linear(64, 32), nn.Linear(32, 50)
        self.last = nn.Linear(50, 50)
        self.last.weight = nn.Parameter(torch.ones(32, 50))
        self.tied = nn.Embedding(50, 16)
        self.tied.weight = self.table.weight

    def forward(self, x):
        x = self.norms(self.lstm(self.table(x))[0]) * self.scale + self.shift
        return self.head(self.lift(x @ self.kernel.T)) + self.tied(x.new_zeros(1).long()).sum()


def test_every_parameter_is_in_a_site_or_in_a_refusal_with_its_size():
    model = Mixed()
    found = survey(model, torch.zeros(2, 3, dtype=torch.long))
    sizes = {refusal.name: refusal.params for refusal in found.refusals}
    names = ["table", "lstm.inputs.0", "lstm.readers.0", "lift", "head"]
    assert [site.name for site in found.sites] == names
    assert [place.name for place in found.sites[0].places] == ["table", "tied"]
    assert sizes == {
        "last": 32 * 50 + 50,
        "lstm.state_bias_0": 4 * 16,
        "kernel": 64 * 16,
        "2 parameters": 2,
        "2 normalisation layers": 4 * 16,
    }
    opened = open_all(model)
    layers = sum(p.numel() for name in names for p in opened.get_submodule(name).parameters())
    assert layers + sum(sizes.values()) == sum(p.numel() for p in model.parameters())


def test_a_layer_of_another_kind_is_named():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    model.register_module("other", nn.EmbeddingBag(8, 8))
    model.forward = lambda x: model[1](model[0](x))
    (rest,) = survey(model, torch.zeros(1, 8)).refusals
    assert rest.name == "other"
    assert "EmbeddingBag" in rest.reason


def test_a_budget_error_names_the_largest_parts_and_open_ways_alone():
    with pytest.raises(BudgetError) as caught:
        tenfold.plan(Mixed(), torch.zeros(2, 3, dtype=torch.long), "params=0.1", metric="frobenius")
    told = str(caught.value)
    assert (
        "last (1,650 parameters), kernel (1,024 parameters), lstm.state_bias_0 (64 parameters)"
        in told
    )
    assert "allow" not in told
    assert "layers" not in told
    with pytest.raises(BudgetError, match=r"exclude fewer layers or allow more formats\.$"):
        tenfold.plan(tiny_resnet(), example(), "params=0.01", exclude=["head"], formats=["svd"])


def test_a_pattern_without_a_layer_is_a_slip():
    with pytest.raises(InputError, match=r"'blok\.\*'"):
        survey(tiny_resnet(), example(), exclude=("blok.*",))


@pytest.mark.parametrize("bad", [torch.zeros(1, 5, 12, 12), torch.zeros(3), "no tensor"])
def test_an_example_that_does_not_run_is_told_in_one_sentence(bad):
    with pytest.raises(InputError, match="must run on the example") as caught:
        survey(tiny_resnet(), bad)
    assert "\n" not in str(caught.value)


def test_nan_weights_are_named():
    model = tiny_resnet()
    model.down.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match=r"down\.weight"):
        survey(model, example())


@pytest.mark.parametrize("model", [nn.Sequential(nn.ReLU()), nn.Conv2d(4, 4, 3)])
def test_nothing_to_factor_is_an_error(model):
    with pytest.raises(InputError, match="at least one"):
        survey(model, torch.zeros(1, 4, 5, 5))


def test_the_model_and_the_random_state_are_as_they_were():
    model = tiny_resnet().train()
    model.block.eval()
    model.head.weight.grad = torch.ones_like(model.head.weight)
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    state = torch.get_rng_state()
    survey(model, example(4))
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert bool((model.head.weight.grad == 1).all())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(m._forward_hooks for m in model.modules())


class Typed(nn.Module):
    """Asks the weight of its second layer for its type, as T5 does."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(16, 16) for _ in range(3))

    def forward(self, x):
        return self.third(self.second(self.first(x).to(self.second.weight.dtype)))


class Shaped(Typed):
    """Asks for a shape, too."""

    def forward(self, x):
        return super().forward(x) * self.third.weight.shape[0]


class Added(Typed):
    """Computes with a weight."""

    def forward(self, x):
        return super().forward(x) + 0 * self.third.weight.norm()


@pytest.mark.parametrize("kind", [Typed, Shaped])
def test_a_network_may_ask_a_weight_for_its_type_and_shape(kind):
    model, x = kind(), torch.ones(2, 16)
    assert [site.name for site in survey(model, x).sites] == ["first", "second", "third"]
    small = tenfold.compress(model, x, "params=0.5").model
    assert small.double()(x.double()).dtype == torch.float64
    assert {name for name, _ in small.named_parameters()}.isdisjoint({"second.weight"})
    assert len(copy.deepcopy(small).state_dict()) == len(small.state_dict())


def test_what_computes_with_a_weight_keeps_the_layer():
    found = survey(Added(), torch.ones(2, 16))
    assert [site.name for site in found.sites] == ["first", "second"]
    assert "looks into it" in {r.name: r.reason for r in found.refusals}["third"]

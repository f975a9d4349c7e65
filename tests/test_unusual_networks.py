"""Networks that work in place, look into their layers or keep odd things: compressed all the same,
or the layer is refused with its reason, and nothing of theirs is changed."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

import tenfold
from tenfold.deploy.prepare import prepare
from tenfold.errors import InputError, PlanError
from tenfold.runtimes import ENGINES
from tenfold.survey.stage import survey
from tests.networks import tiny_resnet


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(4))


def seeded(make):
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(2)
        return make().eval()


def compressed(model, shown, budget="params=0.5", **asked):
    return tenfold.compress(model, shown, budget, **asked)


def reasons(model, shown):
    return {r.name: r.reason for r in survey(model, shown).refusals}


class Chain(nn.Module):
    """Convolutions with something between; ``again`` calls the second one twice."""

    def __init__(self, inplace, norm=False, again=False):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 24, 3, padding=1), nn.Conv2d(24, 24, 3, padding=1)
        self.norm = nn.BatchNorm2d(24) if norm else nn.Identity()
        self.act, self.head = nn.ReLU(inplace=inplace), nn.Linear(24, 6)
        self.again = again

    def forward(self, x):
        x = self.norm(self.second(self.act(self.first(x))))
        x = self.second(self.act(x)) if self.again else x
        return self.head(self.act(x).mean((2, 3)))


@pytest.mark.parametrize("kind", [{"norm": True}, {"again": True}, {"norm": True, "again": True}])
def test_activations_in_place_change_nothing(kind):
    shown, real = noise(1, 3, 10, 10), noise(24, 3, 10, 10)
    found = [
        compressed(seeded(lambda: Chain(inplace, **kind)), shown, calibration=real)  # noqa: B023
        for inplace in (False, True)
    ]
    assert found[0].plan.choices == found[1].plan.choices
    for mine, theirs in zip(found[0].model.parameters(), found[1].model.parameters()):
        assert torch.equal(mine, theirs)


class Late(nn.Module):
    """A BatchNorm behind an activation."""

    def __init__(self, inplace):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 24, 3, bias=False), nn.ReLU(inplace=inplace)
        self.norm, self.head = nn.BatchNorm2d(24), nn.Conv2d(24, 24, 1)

    def forward(self, x):
        return self.head(self.norm(self.act(self.conv(x))))


@pytest.mark.parametrize("inplace", [False, True])
def test_statistics_of_what_an_activation_makes_are_left_alone(inplace):
    model = seeded(lambda: Late(inplace))
    small = compressed(model, noise(1, 3, 10, 10), calibration=noise(16, 3, 10, 10)).model
    assert torch.equal(small.norm.running_mean, model.norm.running_mean)


class Normalising(nn.Module):
    """Changes its input in place, or not."""

    def __init__(self, inplace, norm):
        super().__init__()
        self.inplace, self.net = inplace, Chain(False, norm)

    def forward(self, x):
        x = x.sub_(0.4).div_(0.2) if self.inplace else x.sub(0.4).div(0.2)
        return self.net(x)


@pytest.mark.parametrize("norm", [False, True])
def test_an_input_changed_in_place_is_a_copy(norm):
    shown = noise(1, 3, 10, 10)
    before = shown.clone()
    found = [
        compressed(
            seeded(lambda inplace=inplace: Normalising(inplace, norm)),
            shown,
            data=[noise(8, 3, 10, 10)],
            epochs=1,
        )
        for inplace in (False, True)
    ]
    assert torch.equal(shown, before)
    assert found[0].plan.choices == found[1].plan.choices
    assert found[0].report.history == found[1].report.history


@pytest.mark.parametrize("engine", ["eager", "eager-nchw"])
def test_timing_leaves_the_example_alone(engine):
    model, shown = seeded(lambda: Normalising(True, True)), noise(1, 3, 10, 10)
    before = shown.clone()
    prepare(ENGINES[engine], model, shown)()
    assert torch.equal(shown, before)


class Reads(nn.Module):
    """Reads the weight of a layer that it calls: its type, or its numbers."""

    def __init__(self, numbers):
        super().__init__()
        self.lift, self.proj, self.head = nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 16)
        self.numbers = numbers

    def forward(self, x):
        x = self.lift(x).relu().to(self.proj.weight.dtype)
        return self.head(self.proj(x).relu() + (self.proj.weight.mean(0) if self.numbers else 0))


def test_a_layer_is_refused_whose_weight_the_network_computes_with():
    model, shown = seeded(lambda: Reads(numbers=True)), noise(2, 16)
    assert list(reasons(model, shown)) == ["proj"]
    assert "looks into it (AttributeError" in reasons(model, shown)["proj"]
    assert compressed(model, shown, "params=0.8").report.after["params"] <= 0.8 * 2_128


class AsksForClass(nn.Module):
    """Rectifies what linear layers of its list put out, and adds noise where it is told to."""

    def __init__(self, noise=None):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(16, 48), nn.Linear(48, 48), nn.LayerNorm(48)])
        self.head, self.noise = nn.Linear(48, 48), noise

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
            x = x.relu() if isinstance(layer, nn.Linear) else x
        return self.head(x + self.noise(x) if self.noise else x)


@pytest.mark.parametrize(
    ("make", "asked"),
    [
        (lambda: Reads(numbers=False), ["proj"]),
        (AsksForClass, ["layers.0", "layers.1"]),
        (lambda: AsksForClass(torch.randn_like), ["layers.0", "layers.1"]),
    ],
    ids=["type of the weight", "class", "class, with noise"],
)
def test_a_chain_passes_for_a_layer_that_the_network_asks_about(make, asked, tmp_path):
    model, shown = seeded(make), noise(4, 16)
    with torch.no_grad():
        for layer in (m for m in model.modules() if type(m) is nn.Linear):
            layer.weight.copy_(layer.weight[:, :3] @ layer.weight[:3])  # of rank 3
    assert reasons(model, shown).keys().isdisjoint(asked)
    result = compressed(model, shown, "params=0.5", metric="frobenius")
    for name in asked:
        chain, layer = result.model.get_submodule(name), model.get_submodule(name)
        assert isinstance(chain, nn.Linear)
        assert (chain.in_features, chain.weight.shape) == (layer.in_features, layer.weight.shape)
        assert chain.weight.isnan().all()  # nobody computes with it unnoticed
        assert [type(link) for link in chain] == [nn.Linear, nn.Linear]
    torch.manual_seed(0)
    wanted = model(shown)
    torch.manual_seed(0)
    assert torch.allclose(result.model(shown), wanted, atol=1e-4)
    tenfold.save(result, tmp_path / "saved")
    again = tenfold.load(tmp_path / "saved", seeded(make))
    torch.manual_seed(0)
    assert torch.allclose(again(shown), wanted, atol=1e-4)


def test_noise_that_no_seed_repeats_refuses_no_layer():
    own = torch.Generator()
    model = seeded(lambda: AsksForClass(lambda x: torch.randn(x.shape, generator=own)))
    model.layers = nn.ModuleList([nn.Sequential(*list(model.layers))])
    assert not {"layers.0.0", "layers.0.1", "head"} & set(reasons(model, noise(4, 16)))


def test_fused_transformer_layers_are_counted_and_factored_in_parts():
    def make():
        return nn.Sequential(
            nn.TransformerEncoderLayer(16, 2, 32, batch_first=True),
            nn.Linear(16, 64),
            nn.Linear(64, 16),
        )

    model, shown = seeded(make), noise(2, 5, 16)
    assert not {"0", "0.self_attn", "0.linear1", "0.linear2"} & set(reasons(model, shown))
    result = compressed(model, shown, "macs=0.9")
    assert result.report.before["macs"] >= 10 * (4 * 16 * 16 + 2 * 16 * 32 + 2 * 16 * 64)
    assert result.model(shown).shape == model(shown).shape


def test_a_shared_bias_is_refused():
    model = seeded(lambda: nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32)))
    model.append(nn.Linear(32, 32))
    model[3].bias = model[2].bias
    assert "bias is shared with 3.bias" in reasons(model, noise(1, 16))["2"]
    result = compressed(model, noise(1, 16), "params=0.95")
    assert result.report.after["params"] <= 0.95 * result.report.before["params"]


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 16))

    def forward(self, x, scale):
        return self.net(x) * scale


def test_calibration_serves_a_plan_of_several_inputs_again():
    model = seeded(Named)
    batch = {"x": noise(32, 16) @ torch.diag(torch.logspace(0, -3, 16)), "scale": torch.ones(1)}
    result = compressed(model, batch, calibration=[batch])
    again = tenfold.apply(result.plan, model, calibration=[batch])
    torch.testing.assert_close(again(**batch), result.model(**batch), rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="must be applied with it"):
        tenfold.apply(result.plan, model)


def test_calibration_that_does_not_fit_is_told():
    model = seeded(Named)
    shown = {"x": noise(4, 16), "scale": torch.ones(1)}
    with pytest.raises(InputError, match="must run through the model, but found TypeError"):
        compressed(model, shown, calibration=[(noise(4, 16), torch.ones(1))])


def test_a_convolution_may_go_without_a_batch():
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 24, 3), nn.ReLU(), nn.Conv2d(24, 24, 3)))
    shown = noise(3, 12, 12)
    result = compressed(model, shown, calibration=[shown, noise(3, 12, 12)])
    assert result.model(shown).shape == model(shown).shape


class Kept(nn.Module):
    """A mask, and a state that is no tensor."""

    def __init__(self):
        super().__init__()
        self.net = tiny_resnet()
        self.register_buffer("mask", torch.full((4, 4), -torch.inf).triu(1))

    def forward(self, x):
        return self.net(x)

    def get_extra_state(self):
        return {"version": 3}

    def set_extra_state(self, state):
        assert state == {"version": 3}


def test_masks_and_other_things_may_be_kept_beside_the_weights(tmp_path):
    model, shown = Kept().eval(), noise(1, 3, 12, 12)
    for _ in range(2):
        result = compressed(model, shown, data=[noise(8, 3, 12, 12)], epochs=1, checkpoint=tmp_path)
        assert result.model.mask.isneginf().sum() == 6


def test_a_lazy_module_is_told():
    model = seeded(lambda: nn.Sequential(nn.LazyLinear(8), nn.Linear(8, 8)))
    with pytest.raises(InputError, match=r"lazy module.*run the model once"):
        survey(model, noise(1, 16))


class Guarded(nn.Module):
    """A backbone without gradients."""

    def __init__(self):
        super().__init__()
        self.net = tiny_resnet()

    def forward(self, x):
        with torch.no_grad():
            return self.net(x)


class Unused(nn.Module):
    """A BatchNorm that is never run."""

    def __init__(self):
        super().__init__()
        self.net, self.norm = Chain(False), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.net(x)


@pytest.mark.parametrize("make", [Guarded, Unused])
def test_where_no_inputs_can_be_made_noise_serves(make):
    model, shown = seeded(make), noise(1, 3, 12, 12)
    found = tenfold.plan(model, shown, "params=0.5")
    assert found.origin == "noise"
    assert found.predicted["params"] <= 0.5 * found.before["params"]
    with pytest.raises(InputError, match="gradients reach"):
        tenfold.plan(model, shown, "params=0.5", metric="synthetic")


class Counting(nn.Module):
    """Changes one buffer, and puts another tensor in place of another."""

    def __init__(self):
        super().__init__()
        self.net = tiny_resnet()
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("last", torch.zeros(1))

    def forward(self, x):
        self.seen += 1
        self.last = x.mean().reshape(1)
        return self.net(x)


def test_forwards_replaced_by_hand_and_counting_buffers_stay():
    model, shown = Counting().eval(), noise(1, 3, 12, 12)
    last, plain = model.last, model.net.down.forward
    model.net.down.forward = lambda x: 2 * plain(x)
    assert reasons(model, shown)["net.down"] == "its forward was replaced by hand"
    compressed(model, shown)
    assert model.seen == 0
    assert model.last is last
    assert model.last == 0
    assert "forward" in vars(model.net.down)


class ByName(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(16, 32), nn.Linear(32, 32)

    def forward(self, x):
        return self.b(input=self.b(self.a(x)))


def test_a_layer_called_by_name_is_refused():
    assert "passed by name" in reasons(seeded(ByName), noise(1, 16))["b"]


def weight_normed():
    normed = torch.nn.utils.weight_norm(nn.Conv2d(3, 24, 3))
    return nn.Sequential(normed, nn.ReLU(), nn.Conv2d(24, 24, 3))


def test_what_a_module_computed_before_is_no_hindrance(tmp_path):
    model, shown = seeded(weight_normed), noise(1, 3, 12, 12)
    result = compressed(model, shown, metric="frobenius")
    again = tenfold.load(tenfold.save(result, tmp_path / "small"), seeded(weight_normed))
    torch.testing.assert_close(again(shown), result.model(shown))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": {"seed": "a"}}, "seed must be a whole number, but found 'a'"),
        ({"settings": None}, "fields that tenfold writes"),
    ],
)
def test_an_edited_plan_of_wrong_kinds_is_told(change, told):
    plan = tenfold.plan(tiny_resnet(), noise(1, 3, 12, 12), "params=0.5", metric="frobenius")
    text = tenfold.plan_to_json(plan)
    with pytest.raises(PlanError, match=told):
        tenfold.plan_from_json({**text, **change})
    twice = copy.deepcopy(text)
    twice["choices"].append(twice["choices"][0])
    with pytest.raises(PlanError, match="named twice"):
        tenfold.plan_from_json(twice)


class Keeping(nn.Module):
    """Looks back on what it computed, as networks that are inspected do."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(16, 24), nn.Linear(24, 8)
        self.seen, self.named = [], {}

    def forward(self, x):
        x = self.first(x).relu()
        self.seen, self.named = [x], {"last": (x,)}
        return self.head(x)


def test_a_network_that_keeps_activations_in_lists_can_be_copied():
    model, x = seeded(Keeping), noise(4, 16)
    model(x)
    found = tenfold.plan(model, x, "params=0.6")
    assert tenfold.apply(found, model)(x).shape == (4, 8)
    result = compressed(model, x, "params=0.6", calibration=[x], refine="end-to-end")
    assert result.model(x).shape == (4, 8)


@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
def test_normalised_weights_are_resumed_and_widened(norm, tmp_path):
    def make(dtype=torch.float32):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = seeded(lambda: tiny_resnet())
            last = next(m for m in reversed(list(model.modules())) if isinstance(m, nn.Linear))
            torch.manual_seed(3)  # spectral_norm draws a vector
            norm(last)
            return model.to(dtype)

    x = noise(2, 3, 12, 12)
    asked = {"data": [noise(8, 3, 12, 12)], "epochs": 1, "checkpoint": tmp_path / "run"}
    first, again = (compressed(make(), x, **asked).model for _ in range(2))
    assert torch.equal(first(x), again(x))
    half = make(torch.bfloat16)
    assert tenfold.apply(tenfold.plan(half, x.bfloat16(), "params=0.5"), half) is not None


def test_weights_that_share_memory_alone_are_tied_too():
    model = seeded(
        lambda: nn.Sequential(
            nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 24)
        )
    )
    model[2].weight.data = model[0].weight.data
    model[4].register_buffer("first", model[4].weight.detach())
    model.append(nn.Linear(24, 24))
    x = noise(2, 24)
    told = reasons(model, x)
    assert told["0"] == "its weight is shared with 2.weight"
    assert told["2"] == "its weight is shared with 0.weight"
    assert told["4"] == "its weight is shared with 4.first"
    result = compressed(model, x, "params=0.9")
    assert all(limit.reached <= limit.limit for limit in result.report.limits)


def test_what_the_caller_set_in_torch_does_not_matter():
    model, x = seeded(lambda: tiny_resnet()), noise(2, 3, 12, 12)
    asked = {"data": [noise(8, 3, 12, 12)], "epochs": 1, "formats": ["svd"]}
    usual = compressed(model, x, **asked).model(x)
    for setting in (torch.no_grad(), torch.inference_mode()):
        with setting:
            found = compressed(model, x, **asked)
        torch.testing.assert_close(found.model(x), usual)
    torch.set_default_dtype(torch.float64)
    try:
        narrow = compressed(model, x, calibration=[x], formats=["svd"])
        assert narrow.model(x).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


class Replacing(nn.Module):
    """Puts a new buffer in place of the old one with every pass."""

    def __init__(self):
        super().__init__()
        self.net = tiny_resnet()
        self.register_buffer("passes", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.passes = self.passes + 1
        return self.net(x)


def test_inputs_made_to_train_on_leave_the_network_as_it_was():
    model = Replacing().eval()
    before = model.passes
    compressed(model, noise(1, 3, 12, 12), data="synthetic", epochs=0)
    assert model.passes is before
    assert int(before) == 0


def test_apply_refuses_weights_that_are_not_numbers():
    model, x = seeded(lambda: nn.Sequential(nn.Linear(24, 24), nn.Linear(24, 24))), noise(2, 24)
    found = tenfold.plan(model, x, "params=0.6")
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    with pytest.raises(InputError, match=r"NaN or infinity in 0\.weight"):
        tenfold.apply(found, model)


def test_a_frozen_weight_leaves_its_bias_as_trainable_as_it_was():
    model, x = seeded(lambda: nn.Sequential(nn.Linear(24, 24), nn.Linear(24, 24))), noise(2, 24)
    model[0].weight.requires_grad_(False)
    found = compressed(model, x, "params=0.6").model
    for name, parameter in found.named_parameters():
        if name.startswith("0."):
            assert parameter.requires_grad == (parameter.ndim == 1)

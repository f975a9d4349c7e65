"""What networks of every kind are owed: inputs held apart, made tokens, an honest forecast, and a
plan that is on these inputs never worse than plainer ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import tenfold
from tenfold.build.reconstruct.quadratic import pull_for
from tenfold.curves.outcome import Judge
from tenfold.curves.weigh import choose_sides
from tenfold.data.apart import split_apart
from tenfold.data.batches import rows_of
from tenfold.data.tokens import find_vocabulary, made_tokens
from tenfold.errors import InputError
from tenfold.formats.metric import Metric
from tenfold.report.say import say_forecast, say_warning
from tenfold.sense import sense
from tenfold.sense.moments import estimate_moments
from tenfold.sense.shrink import Spread
from tenfold.store.plan_file import plan_from_json, plan_to_json
from tenfold.survey import survey
from tenfold.tasks import guess_task, read_task
from tests.networks import example, tiny_resnet


class Tokens(nn.Module):
    """A table, two layers at every position, and scores of the next token or of this one."""

    def __init__(self, tokens=40, width=16):
        super().__init__()
        self.table = nn.Embedding(tokens, width)
        self.inner, self.outer = nn.Linear(width, 48), nn.Linear(48, width)
        self.head = nn.Linear(width, tokens)

    def forward(self, ids, attention_mask=None):
        x = self.table(ids)
        return self.head(x + self.outer(torch.relu(self.inner(x))))


class Mlp(nn.Module):
    """A classifier of vectors."""

    def __init__(self, inputs=24, classes=40):
        super().__init__()
        self.first, self.head = nn.Linear(inputs, 32), nn.Linear(32, classes)

    def forward(self, x):
        return self.head(torch.relu(self.first(x)))


def seeded(make, seed=0):
    torch.manual_seed(seed)
    return make().eval()


IDS = torch.arange(2, 14)[None]


def test_what_measures_has_made_nothing():
    model = tiny_resnet()
    batches = [torch.randn(5, 3, 12, 12) for _ in range(6)]
    split = split_apart(model, batches)
    assert split.honest
    assert not {id(x) for x in split.seen} & {id(x) for x in split.apart}
    assert sum(map(rows_of, (*split.seen, *split.apart))) == 30

    (one,) = (torch.randn(8, 3, 12, 12),)
    split = split_apart(model, [one])
    assert torch.equal(torch.cat([*split.seen, *split.apart]), one)
    assert [len(x) for x in (*split.seen, *split.apart)] == [6, 2]
    assert not split_apart(model, [one[:1]]).honest


def test_damages_and_sides_are_measured_on_inputs_apart(monkeypatch):
    seen_by = {}

    def spying(name, function):
        def spy(*args, **keywords):
            batches = next(a for a in args if isinstance(a, tuple) and torch.is_tensor(a[0]))
            seen_by[name] = {tuple(row) for x in batches for row in x.flatten(1)[:, :6].tolist()}
            return function(*args, **keywords)

        return spy

    from tenfold.pipeline import learn
    from tenfold.sense import stage

    monkeypatch.setattr(learn, "measure_damages", spying("damage", learn.measure_damages))
    monkeypatch.setattr(learn, "choose_sides", spying("sides", learn.choose_sides))
    monkeypatch.setattr(stage, "estimate_moments", spying("moments", stage.estimate_moments))
    model, data = seeded(Mlp), torch.randn(64, 24)
    tenfold.plan(model, data[:1], "params=0.6", calibration=data)
    assert seen_by["damage"] == seen_by["sides"]
    assert len(seen_by["damage"]) == 16
    assert not seen_by["damage"] & seen_by["moments"]


def test_a_moment_of_a_few_inputs_is_trusted_less_than_one_of_many():
    torch.manual_seed(0)
    shape = torch.linspace(0.2, 2, 30)
    ridges = []
    for count in (8, 64, 4096):
        spread = Spread()
        spread.add(torch.randn(count, 30) * shape, count)
        ridges.append(spread.ridge())
    assert ridges[0] > 2 * ridges[1] > 8 * ridges[2]
    alike = Spread()
    alike.add(torch.ones(64, 30) * shape, 64)
    assert alike.ridge() < 1e-6


def test_fits_to_few_inputs_are_pulled_to_the_original():
    assert pull_for(500, inputs=128, rows=100_000) == pytest.approx(0.01)
    assert pull_for(1000, inputs=24, rows=2400) > 0.1
    assert pull_for(1000, inputs=2000, rows=30_000) < 0.02


def test_a_layer_wider_than_its_inputs_is_not_cut_to_their_number():
    model = seeded(lambda: Mlp(classes=400))
    with torch.no_grad():
        model.head.weight.normal_()
    few = torch.randn(12, 24)
    plan = tenfold.plan(model, few[:1], "params=0.7", calibration=few)
    built = tenfold.apply(plan, model, calibration=few)
    others = torch.randn(500, 24)
    task = read_task("classes")
    plain = tenfold.apply(tenfold.plan(model, few[:1], "params=0.7", metric="frobenius"), model)
    with torch.no_grad():
        mine, theirs = (task.shift(net(others), model(others)) for net in (built, plain))
    assert mine <= 1.05 * theirs


def test_token_ids_are_made_where_a_table_looks_them_up():
    model = seeded(Tokens)
    found = find_vocabulary(model, {"ids": IDS, "attention_mask": torch.ones_like(IDS)})
    assert (found.size, found.ids.shape) == (40, IDS.shape)
    batches = made_tokens(model, {"ids": IDS, "attention_mask": torch.ones_like(IDS)}, 40)
    ids = torch.cat([batch["ids"] for batch in batches])
    assert ids.shape == (40, 12)
    assert int(ids.max()) < 40
    assert bool((ids[:, 0] == IDS[0, 0]).all() and (ids[:, -1] == IDS[0, -1]).all())
    assert len(ids[:, 1:-1].unique()) > 20
    assert all(bool(batch["attention_mask"].all()) for batch in batches)
    assert find_vocabulary(tiny_resnet(), example()) is None


def test_a_token_network_is_planned_without_data_and_built_again():
    model = seeded(Tokens)
    result = tenfold.compress(model, IDS, "params=0.8")
    assert result.plan.origin == "tokens"
    told = plan_from_json(plan_to_json(result.plan))
    assert told == result.plan
    again = tenfold.apply(told, model)
    assert torch.allclose(again(IDS), result.model(IDS), atol=1e-5)


def test_ids_are_drawn_from_what_the_network_predicts():
    model = seeded(Tokens)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias[:] = -100
        model.head.bias[7:9] = 100
    ids = torch.cat(made_tokens(model, IDS, 64))[:, 1:-1]
    assert float(((ids == 7) | (ids == 8)).double().mean()) > 0.8


@pytest.mark.parametrize("share", [0.4, 0.7])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_plan_is_on_inputs_apart_never_worse_than_plainer_ones(seed, share):
    model, data = seeded(Mlp, seed), torch.randn(96, 24)
    budget = {"params": share}
    sensed = sense(model, survey(model, data[:1]), data[:1], calibration=data)
    judge = Judge(model, sensed.apart, guess_task(model, model(data)))

    def shift(plan, **given):
        return judge.shift(tenfold.apply(plan, model, **given))

    chosen = tenfold.compress(model, data[:1], budget, calibration=data)
    best = judge.shift(chosen.model)
    plain = tenfold.plan(model, data[:1], budget, metric="frobenius")
    assert best <= shift(plain) + 1e-6
    for method in ("uniform", "energy"):
        from tenfold.build.rebuild import rebuild

        other = tenfold.plan(model, data[:1], budget, calibration=data, method=method)
        assert best <= judge.shift(rebuild(model, other, sensed.metrics)) + 1e-6


def test_a_plan_made_with_calibration_is_not_applied_poorer():
    model, data = tiny_resnet(), torch.randn(16, 3, 12, 12)
    plan = tenfold.plan(model, example(), "params=0.5", calibration=data)
    with pytest.raises(InputError, match="made with calibration"):
        tenfold.apply(plan, model)
    tenfold.apply(plan, model, calibration=data)


def test_an_older_plan_that_noise_measured_takes_weights_as_they_are():
    plan = tenfold.plan(seeded(Mlp), torch.zeros(1, 24), "params=0.6", metric="frobenius")
    body = {**plan_to_json(plan), "tenfold_plan": 2, "origin": "noise"}
    del body["forecast"]
    for choice in body["choices"]:
        choice.pop("metric")
    assert {choice.metric for choice in plan_from_json(body).choices} == {"plain"}
    body["origin"] = "synthetic"
    assert {choice.metric for choice in plan_from_json(body).choices} == {"both"}


def test_padding_changes_no_moment():
    model = seeded(Tokens)
    ids = torch.randint(40, (6, 9))
    wide = torch.cat([ids, torch.zeros(6, 4, dtype=torch.long)], 1)
    masks = torch.ones_like(ids), torch.cat([torch.ones_like(ids), torch.zeros(6, 4).long()], 1)
    found = survey(model, ids).sites
    metrics = [
        estimate_moments(model, found, [{"ids": x, "attention_mask": mask}], read_task("embedding"))
        for x, mask in ((ids, masks[0]), (wide, masks[1]))
    ]
    for name in metrics[0]:
        one, other = (m[name].inputs.root for m in metrics)
        assert torch.allclose(one, other, rtol=0.05, atol=0.02)


def test_the_forecast_tells_a_network_that_works_from_one_that_is_destroyed():
    torch.manual_seed(0)
    model, data = seeded(lambda: Mlp(classes=10)), torch.randn(256, 24)
    with torch.no_grad():
        for weight in (p for p in model.parameters() if p.ndim == 2):  # of nearly rank 5
            weight.copy_(30 * weight[:, :5] @ weight[:5] + 0.1 * weight)
    kept = tenfold.compress(model, data[:1], "params=0.7", calibration=data)
    gone = tenfold.compress(model, data[:1], "params=0.15", calibration=data)
    assert kept.plan.forecast.agreement > 0.9
    assert not kept.plan.forecast.hardly
    assert say_warning(kept.plan) == ""
    assert gone.plan.forecast.agreement < 0.6
    assert gone.plan.forecast.inputs == 64
    assert "hardly work" in say_warning(gone.plan)
    assert "keep params=0." in say_warning(gone.plan)
    assert "% of the original's decisions" in say_forecast(gone.plan)
    assert "hardly work" in gone.report.measured["forecast"]
    enough = gone.plan.forecast.enough
    better = tenfold.plan(model, data[:1], enough, calibration=data)
    assert better.forecast.agreement >= 0.9
    told = plan_from_json(plan_to_json(gone.plan))
    assert told.forecast == gone.plan.forecast


def test_outputs_that_decide_nothing_are_forecast_input_by_input():
    class Values(Mlp):
        def forward(self, x):
            return torch.relu(super().forward(x))

    torch.manual_seed(0)
    model, data = seeded(Values), torch.randn(64, 24)
    plan = tenfold.plan(model, data[:1], "params=0.5", calibration=data, task="regression")
    assert plan.forecast.kind == "outputs"
    assert 0 < plan.forecast.agreement < 1
    assert 1e-4 < plan.forecast.spread < 0.1
    assert "within" in say_forecast(plan)


def test_each_layer_is_weighed_where_it_does_least_damage():
    model, data = seeded(Mlp), torch.randn(64, 24)
    found = survey(model, data[:1])
    metrics = estimate_moments(model, found.sites, [data])
    wrong = {name: replace(m, inputs=None, outputs=skewed(m)) for name, m in metrics.items()}
    sides = choose_sides(model, found, wrong, [torch.randn(64, 24)])
    assert set(sides.values()) <= {"inputs", "plain"}
    assert Metric(inputs=metrics["head"].inputs).on("plain") == Metric()


def skewed(metric):
    """A root of outputs that cares for a half of them alone."""
    size = len(metric.outputs.root)
    values = torch.full((size,), 1e-3)
    values[: size // 2] = 10.0
    root = replace(metric.outputs, root=values.diag(), inverse=(1 / values).diag())
    return root

"""Any input, any output, any task: how outputs are compared, and what is guessed."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import tenfold
from tenfold.cli import main
from tenfold.costs import COSTS
from tenfold.data.batches import logits_of
from tenfold.errors import InputError
from tenfold.network.batching import batch_taken, takes, takes_rows
from tenfold.network.names import input_names
from tenfold.network.padding import masks_of
from tenfold.sense.moments import estimate_moments
from tenfold.store.plan_file import plan_from_json, plan_to_json
from tenfold.survey import survey
from tenfold.tasks import TASKS, guess_task, parts_of, read_task
from tenfold.training import TuneSettings, tune
from tests.networks import example, tiny_resnet

Pair = namedtuple("Pair", "mask scores")
NOTHING = nn.Identity()


@dataclass
class Answer:
    logits: torch.Tensor
    past_key_values: tuple = ()


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def of_rank(model, rank=3):
    """Weights of a low rank, so that a right compression changes next to nothing."""
    with torch.no_grad():
        for p in model.parameters():
            if p.ndim > 1:
                u, s, v = torch.linalg.svd(p.flatten(1), full_matrices=False)
                p.copy_((u[:, :rank] * s[:rank] @ v[:rank]).reshape(p.shape))
    return model.eval()


def compressed(model, x, budget="params=0.5", **more):
    result = tenfold.compress(model, x, budget, **more)
    before, after = (COSTS["params"].measure(m, x) for m in (model, result.model))
    assert after <= 0.5 * before
    return result


def gap(one, other):
    return float((one - other).abs().max() / other.abs().max())


@pytest.mark.parametrize("name", list(TASKS))
def test_alike_is_zero_and_further_is_more(name):
    task, goal = read_task(name), noise(6, 9)
    near, far = (goal + share * noise(6, 9, seed=1) for share in (0.01, 0.3))
    assert task.distance(goal, goal) == pytest.approx(0, abs=1e-9)
    assert 0 < task.distance(near, goal) < task.distance(far, goal)


@pytest.mark.parametrize("name", ["regression", "embedding", "detection"])
@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_distances_do_not_depend_on_the_scale(name, scale):
    task, goal, mine = read_task(name), noise(6, 9).double(), noise(6, 9, seed=1).double()
    wanted = task.distance(mine, goal)
    assert task.distance(scale * mine, scale * goal) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: (None, x),
        lambda x: Pair(x > 0, x),
        lambda x: {"boxes": [x], "count": 3},
        lambda x: Answer(x, (100 * x, x)),
        lambda x: SimpleNamespace(scores=x, name="a"),
        lambda x: [{"a": x.to_sparse()}, "text"],
        lambda x: torch.complex(x, x),
    ],
)
def test_outputs_of_any_kind_are_compared(wrap):
    goal, mine = noise(5, 4), noise(5, 4, seed=1)
    task = read_task("regression")
    assert task.distance(wrap(mine), wrap(goal)) == pytest.approx(task.distance(mine, goal))
    learned = goal.clone().requires_grad_()
    task.drawn_loss(wrap(learned)).backward()
    assert bool(learned.grad.any())


def test_caches_and_hidden_states_are_no_answers():
    x = noise(2, 3, 4)
    output = {"hidden_states": (x,), "logits": x, "past_key_values": ((x, x),), "ids": x > 0}
    assert list(parts_of(output)) == ["logits"]
    assert list(parts_of({"last_hidden_state": x, "past": x})) == ["last_hidden_state", "past"]
    assert logits_of((None, x > 0, x)) is x


def test_whole_numbers_are_compared_where_there_is_nothing_else():
    task = read_task("classes")
    assert task.distance(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 3, 5])) == 0.25
    assert task.drawn_loss(torch.tensor([1, 2])) is None


def test_sets_of_any_number_in_any_order():
    task, goal = read_task("detection"), noise(7, 4)
    assert task.distance([goal.flip(0)], [goal]) == pytest.approx(0, abs=1e-9)
    assert 0 < task.distance([goal[:5]], [goal]) < 1
    assert task.distance([goal[:0]], [goal]) == 1
    assert task.distance([], [goal]) == 1
    assert read_task("regression").distance(noise(2, 3), noise(4, 5)) > 0


@pytest.mark.parametrize(
    ("output", "labels", "name"),
    [
        (noise(64, 10), None, "classes:1"),
        (noise(64, 10).softmax(1), None, "classes:1"),
        (noise(64, 1) + 0.1 * noise(64, 2, seed=1), None, "regression"),
        (noise(64, 1) + 0.1 * noise(64, 2, seed=1), torch.zeros(64, dtype=torch.long), "classes:1"),
        (noise(64, 10), noise(64, 10), "regression"),
        (1e6 * noise(64, 10), None, "regression"),
        (noise(64, 10).relu(), None, "regression"),
        (nn.functional.normalize(noise(64, 16)), None, "embedding"),
        ([{"boxes": noise(3, 4), "scores": noise(3)}], None, "detection"),
        (noise(2, 5, 12), None, "regression"),
        (noise(2, 5, 12), torch.zeros(2, 5, dtype=torch.long), "language"),
        (noise(2, 5, 4, 4), torch.zeros(2, 4, 4, dtype=torch.long), "classes:1"),
        (noise(64, 1), None, "regression"),
        (None, None, "regression"),
    ],
)
def test_what_is_guessed(output, labels, name):
    assert guess_task(NOTHING, output, labels).name == name


def test_scores_of_as_many_tokens_as_there_are_in_a_table_are_a_language_model():
    assert guess_task(nn.Embedding(12, 4), noise(2, 5, 12)).name == "language"


def test_the_task_is_told_and_kept():
    model = tiny_resnet()
    plan = tenfold.plan(model, example(), "params=0.6", task="classes")
    assert (plan.task, plan.settings.task) == ("classes:1", "classes:1")
    assert plan_from_json(plan_to_json(plan)) == plan
    old = {k: v for k, v in plan_to_json(plan).items() if k != "task"}
    assert plan_from_json(old).task == ""

    def apart(output, original):
        return (output - original).abs().mean()

    own = tenfold.plan(model, example(), "params=0.6", task=apart)
    assert own.task == own.settings.task == "function apart"
    assert isinstance(tenfold.apply(plan_from_json(plan_to_json(own)), model), nn.Module)


@pytest.mark.parametrize(
    ("task", "rule"),
    [
        ("colours", "task must be a known name"),
        ("classes:a", "followed by the mode"),
        ("language:2", "takes nothing after it"),
        (lambda output, original: output, "must give one number"),
    ],
)
def test_a_task_that_is_none_is_one_sentence(task, rule):
    with pytest.raises(InputError, match=rule):
        tenfold.plan(tiny_resnet(), example(), "params=0.6", task=task)


class Place(nn.Module):
    """Two coordinates, most of which both have in common."""

    def __init__(self):
        super().__init__()
        self.common, self.gap = (
            nn.Sequential(
                nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
            )
            for _ in range(2)
        )

    def forward(self, x):
        middle = 10 * self.common(x)
        return torch.cat([middle, middle + 0.1 * self.gap(x)], 1)


def test_what_is_common_to_two_coordinates_counts():
    torch.manual_seed(0)
    model, x = Place().eval(), noise(64, 8)
    plan = tenfold.plan(model, x, "params=0.5", calibration=[x])
    assert plan.task == "regression"
    sizes = dict.fromkeys(("common", "gap"), 0.0)
    for choice in plan.choices:
        sizes[choice.site.split(".")[0]] += choice.costs["params"]
    assert sizes["common"] > sizes["gap"]


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_inputs_and_outputs_of_any_scale(scale):
    torch.manual_seed(0)
    model = of_rank(
        nn.Sequential(nn.Linear(16, 48), nn.Tanh(), nn.Linear(48, 48), nn.Linear(48, 3))
    )
    with torch.no_grad():
        model[0].weight /= scale
        model[3].weight *= scale
        model[3].bias *= scale
    x = scale * noise(32, 16)
    result = compressed(model, x, calibration=[x])
    with torch.no_grad():
        assert gap(result.model(x), model(x)) < 1e-2


class Sampler(nn.Module):
    """Draws noise in evaluation mode too, from torch or from a generator of its own."""

    def __init__(self, own):
        super().__init__()
        self.body, self.head = nn.Linear(24, 48), nn.Linear(48, 24)
        self.draw = torch.Generator() if own else None

    def forward(self, x):
        hidden = torch.relu(self.body(x))
        return self.head(hidden + 3 * torch.randn(hidden.shape, generator=self.draw))


@pytest.mark.parametrize("own", [False, True])
def test_passes_that_are_compared_draw_the_same_noise(own):
    torch.manual_seed(0)
    model, x = of_rank(Sampler(own)), noise(32, 24)
    result = compressed(model, x, calibration=[x])
    outputs = []
    for network in (model, result.model):
        torch.manual_seed(3)
        if own:
            network.draw.manual_seed(3)
        outputs.append(network(x).detach())
    assert gap(*outputs) < 1e-2


@pytest.mark.parametrize("guard", [torch.no_grad, torch.inference_mode])
def test_parts_without_gradients(guard):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 24, 3), nn.BatchNorm2d(24), nn.ReLU())
            self.head = nn.Linear(24, 24)

        def forward(self, x):
            with guard():
                x = self.body(x).mean((2, 3))
            return self.head(x)

    torch.manual_seed(0)
    model, x = of_rank(Net()), noise(8, 3, 8, 8)
    result = compressed(model, x, calibration=[x])
    with torch.no_grad():
        assert gap(result.model(x), model(x)) < 2e-2


class OneImage(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 16, 3, 2, 1), nn.Linear(16 * 16, 24)

    def forward(self, x):
        assert len(x) == 1
        return self.head(torch.relu(self.body(x)).view(1, -1))


def test_networks_for_one_batch_size():
    torch.manual_seed(0)
    model, x = of_rank(OneImage()), noise(1, 3, 8, 8)
    assert (batch_taken(model, x, 64), batch_taken(tiny_resnet(), example(), 64)) == (1, 64)
    result = compressed(model, x)
    assert gap(result.model(x).detach(), model(x).detach()) < 2e-2
    compressed(model, x, calibration=noise(4, 3, 8, 8))


def test_any_tensor_that_comes_out_may_hold_the_rows():
    model = nn.Linear(3, 2)
    model.forward = lambda x: {"loss": x.sum(), "scores": (x.mean(), x[:, :2])}
    assert takes_rows(model, torch.ones(1, 3), 4)
    assert takes(model, torch.ones(1, 3))
    assert not takes(model, "text")


def test_a_forward_in_c_does_not_say_the_names_of_its_arguments():
    model, x = nn.Identity(), torch.tensor([[1, 0, 1]])
    model.forward = torch.add
    assert input_names(model, (x, x)) == ["input0", "input1"]
    assert masks_of(model, (x, x)) == {}
    assert list(masks_of(model, {"input": x, "attention_mask": x})) == ["attention_mask"]


class Detector(nn.Module):
    """In training raw maps, in evaluation any number of boxes an image."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.BatchNorm2d(24), nn.ReLU())
        self.boxes, self.scores = nn.Conv2d(24, 4, 3, 1, 1), nn.Conv2d(24, 1, 1)

    def forward(self, x):
        maps = [self.boxes(self.body(x)), self.scores(self.body(x))]
        if self.training:
            return maps
        boxes = [(b.flatten(1).T, s.flatten()) for b, s in zip(*maps)]
        return [{"boxes": b[s > 0], "scores": s[s > 0]} for b, s in boxes]


def test_detections_and_other_outputs_in_training():
    torch.manual_seed(0)
    model, x = Detector().eval(), noise(2, 3, 12, 12)
    data = [noise(4, 3, 12, 12, seed=k) for k in range(2)]
    result = compressed(model, x, data=data, epochs=1, calibration=[x])
    assert result.plan.task == "detection"
    assert not result.model.training
    assert not model.training


def test_further_outputs_are_taught_too():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.a, self.b = nn.Linear(12, 32), nn.Linear(32, 3), nn.Linear(32, 32)

        def forward(self, x):
            hidden = torch.tanh(self.body(x))
            return {"a": self.a(hidden), "b": torch.complex(self.b(hidden), hidden)}

    torch.manual_seed(0)
    teacher, x = Two().eval(), noise(32, 12)
    plan = tenfold.plan(teacher, x, "params=0.4", metric="frobenius")
    student = tenfold.apply(plan, teacher)
    settings = TuneSettings(epochs=20, rate=1e-2, features=0.0, class_mode=None)
    tuned = tune(student, teacher, [x], settings=settings).model
    gaps = [gap(m(x)["b"].detach(), teacher(x)["b"].detach()) for m in (tuned, student)]
    assert gaps[0] < gaps[1]


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(12, 16)
        self.body, self.head = nn.Linear(16, 32), nn.Linear(32, 12)

    def forward(self, input_ids, attention_mask=None):
        return {"logits": self.head(torch.relu(self.body(self.table(input_ids))))}


def padded(batch, more):
    ids = nn.functional.pad(batch["input_ids"], (0, more), value=3)
    return {
        "input_ids": ids,
        "attention_mask": nn.functional.pad(batch["attention_mask"], (0, more)),
    }


def test_padding_changes_nothing():
    torch.manual_seed(0)
    model = Tokens().eval()
    ids = torch.randint(12, (4, 6))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    sites = survey(model, batch).sites
    plans, moments, outputs = [], [], []
    for inputs in (batch, padded(batch, 5)):
        torch.manual_seed(0)
        moments.append(estimate_moments(model, sites, [inputs], read_task("language")))
        plan = tenfold.plan(model, batch, "params=0.7", calibration=[inputs])
        plans.append([(c.site, c.format, c.ranks) for c in plan.choices])
        outputs.append(tenfold.apply(plan, model, calibration=[inputs])(ids)["logits"])
    assert plan.task == "language"
    for name, one in moments[0].items():
        torch.testing.assert_close(one.inputs.root, moments[1][name].inputs.root)
        torch.testing.assert_close(one.outputs.root, moments[1][name].outputs.root)
    assert plans[0] == plans[1]
    torch.testing.assert_close(*outputs, rtol=1e-3, atol=1e-4)


def test_class_mode_states_the_task_too():
    torch.manual_seed(0)
    model = Tokens().eval()
    ids = torch.randint(12, (4, 6))
    data = [{"input_ids": ids, "labels": ids}]
    for more, name in (({}, "language"), ({"tuning": {"class_mode": 2}}, "classes:2")):
        result = tenfold.compress(
            model, {"input_ids": ids}, "params=0.7", data=data, epochs=1, **more
        )
        assert result.plan.task == name
        assert result.plan.tuning["class_mode"] == (2 if more else -1)


def test_a_function_of_ones_own_on_the_command_line(tmp_path, capsys):
    (tmp_path / "net.py").write_text(
        "import torch\n"
        "def pair():\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Linear(24, 24)), torch.zeros(2, 24)\n"
        "def apart(output, original):\n"
        "    return (output - original).abs().max()\n"
    )
    file = tmp_path / "net.py"
    command = ["plan", f"{file}:pair", "--budget", "params=0.5", "--task"]
    assert main([*command, f"{file}:apart"]) == 0
    assert "function apart (as stated)" in " ".join(capsys.readouterr().out.split())
    assert main([*command, "colours"]) == 2

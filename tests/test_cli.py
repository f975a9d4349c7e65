"""The command line as a person uses it: examples, exit codes, one sentence for an error."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from tenfold.cli import main

SOURCE = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4),
    )

def pair():
    return make(), torch.zeros(1, 3, 8, 8)

def plain():
    return nn.Sequential(nn.ReLU())

def loader():
    torch.manual_seed(1)
    return [(torch.randn(8, 3, 8, 8), torch.randint(0, 4, (8,))) for _ in range(3)]

def images():
    torch.manual_seed(1)
    return torch.randn(12, 3, 8, 8)

def loss(output, batch):
    return ((output - 1) ** 2).mean()

def closeness(output, batch):
    return -loss(output, batch)

def broken():
    raise RuntimeError("no such thing")

number = 3
"""


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(SOURCE)
    return path


def weights(net, change=None):
    """Weights of the network in a file, possibly spoilt."""
    namespace = {}
    exec(SOURCE, namespace)
    state = namespace["make"]().state_dict()
    if change:
        change(state)
    path = net.with_name("weights.safetensors")
    save_file(state, path)
    return str(path)


def last_json(capsys):
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_inspect_lists_layers(net, capsys):
    assert main(["inspect", f"{net}:pair", "--json"]) == 0
    found = last_json(capsys)
    assert [x["name"] for x in found["layers"]] == ["0", "2", "6"]


def test_plan_is_written_and_read_back(net, tmp_path, capsys):
    out = tmp_path / "plan.json"
    assert main(["plan", f"{net}:pair", "--budget", "params=0.5", "--out", str(out)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "keep at most 0.5 of the parameters" in told
    assert json.loads(out.read_text())["budget"][0]["asked"] == "0.5"


def test_compress_then_evaluate(net, tmp_path, capsys):
    out = tmp_path / "small"
    arguments = ["compress", f"{net}:make", "--weights", weights(net), "--example", "1x3x8x8"]
    arguments += ["--budget", "params=0.5", "--data", f"{net}:loader", "--epochs", "1"]
    assert main([*arguments, "--out", str(out), "--json"]) == 0
    found = last_json(capsys)
    assert found["after"]["params"] <= 0.5 * found["before"]["params"]
    assert not list(tmp_path.glob("*.checkpoint"))
    assert main(["evaluate", str(out), "--data", f"{net}:loader", "--json"]) == 0
    assert set(last_json(capsys)["accuracy"]) == {"before", "after"}


def test_a_loss_and_a_quality_of_ones_own(net, tmp_path, capsys):
    out = tmp_path / "small"
    arguments = [
        "compress",
        f"{net}:pair",
        "--budget",
        "params=0.6",
        "--data",
        f"{net}:loader",
        "--epochs",
        "2",
        "--loss",
        f"{net}:loss",
        "--quality",
        f"{net}:closeness",
        "--class-mode",
        "none",
        "--validation",
        f"{net}:loader",
        "--out",
        str(out),
    ]
    assert main(arguments) == 0
    history = json.loads((out / "report.json").read_text())["history"]
    assert history[-1]["score"] < 0
    capsys.readouterr()
    assert (
        main(
            [
                "evaluate",
                str(out),
                "--data",
                f"{net}:loader",
                "--json",
                "--quality",
                f"{net}:closeness",
            ]
        )
        == 0
    )
    found = last_json(capsys)["quality"]
    assert found["after"] == pytest.approx(history[-1]["score"], abs=1e-4)


def test_a_few_inputs_in_one_tensor(net, tmp_path):
    out = tmp_path / "small"
    assert (
        main(
            [
                "compress",
                f"{net}:pair",
                "--budget",
                "params=0.6",
                "--data",
                f"{net}:images",
                "--epochs",
                "1",
                "--out",
                str(out),
            ]
        )
        == 0
    )
    settings = json.loads((out / "plan.json").read_text())["tuning"]
    assert (settings["batchnorm"], settings["rate"]) == ("frozen", 5e-4)


@pytest.mark.parametrize("real", ["images", "loader"])
def test_every_setting_and_real_inputs_to_sense_on(net, tmp_path, real):
    out, again = tmp_path / "small", tmp_path / "again"
    assert (
        main(
            [
                "compress",
                f"{net}:pair",
                "--budget",
                "params=0.6",
                "--data",
                f"{net}:loader",
                "--tuning",
                "precision=bf16, channels_last=yes,ema=0.9,accumulate=2",
                "--epochs",
                "1",
                "--calibration",
                f"{net}:{real}",
                "--out",
                str(out),
            ]
        )
        == 0
    )
    plan = json.loads((out / "plan.json").read_text())
    tuning = plan["tuning"]
    assert (tuning["precision"], tuning["channels_last"]) == ("bf16", True)
    assert (tuning["ema"], tuning["accumulate"], tuning["epochs"]) == (0.9, 2, 1)
    assert plan["origin"] == "calibration"
    recipe = (
        (out / "recipe.yaml")
        .read_text()
        .replace(
            "tuning:\n  precision: bf16\n  channels_last: true\n  ema: 0.9\n  accumulate: 2\n",
            "tuning: precision=bf16, channels_last=yes,ema=0.9,accumulate=2\n",
        )
    )
    assert "channels_last=yes" in recipe
    (tmp_path / "r.yaml").write_text(recipe)
    assert main(["compress", "--config", str(tmp_path / "r.yaml"), "--out", str(again)]) == 0
    repeated = json.loads((again / "plan.json").read_text())
    assert [repeated[key] for key in ("settings", "tuning", "origin")] == [
        plan[key] for key in ("settings", "tuning", "origin")
    ]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--data", "NET:loader", "--loss", "NET:number"], "no function 'number'"),
        (["--data", "NET:loader", "--class-mode", "two"], "must be a whole number or none"),
        (["--loss", "NET:loss"], "--loss needs --data"),
        (["--class-mode", "1"], "--class-mode needs --data"),
        (["--tuning", "ema=0.9"], "--tuning needs --data"),
        (
            ["--data", "NET:loader", "--tuning", "emma=0.9"],
            "must hold known settings, but found 'emma",
        ),
        (["--data", "NET:loader", "--tuning", "epochs=3"], "use --epochs"),
        (
            ["--data", "NET:loader", "--tuning", "ema=much"],
            "ema must be a number, but found 'much'",
        ),
        (["--data", "NET:loader", "--tuning", "clip=nan"], "clip must be a number"),
        (["--data", "NET:loader", "--tuning", "balance=2"], "balance must be true or false"),
        (["--data", "NET:loader", "--tuning", "accumulate=0"], "accumulate must be 1 or more"),
        (["--calibration", "NET:none"], "no function 'none'"),
        (["--data", "synthetic"], "100 unlabelled inputs"),
    ],
)
def test_a_slip_in_the_fine_tuning_is_told(net, tmp_path, capsys, flags, told):
    flags = [flag.replace("NET", str(net)) for flag in flags]
    assert (
        main(
            [
                "compress",
                f"{net}:pair",
                "--budget",
                "params=0.6",
                *flags,
                "--out",
                str(tmp_path / "small"),
            ]
        )
        == 2
    )
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_saved_recipe_repeats_the_run(net, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    assert main(["compress", f"{net}:pair", "--budget", "params=0.4", "--out", str(first)]) == 0
    recipe = str(first / "recipe.yaml")
    assert main(["compress", "--config", recipe, "--out", str(second)]) == 0
    same = [(p / "model.safetensors").read_bytes() for p in (first, second)]
    assert same[0] == same[1]


def nan(state):
    state["0.weight"][0] = torch.nan


def shrink(state):
    state["0.weight"] = torch.zeros(2, 2)


BAD = {
    "missing file": (2, ["plan", "{dir}/none.py:make", "--budget", "params=0.5"]),
    "missing function": (2, ["plan", "{net}:none", "--budget", "params=0.5"]),
    "no function": (2, ["plan", "{net}:number", "--budget", "params=0.5"]),
    "raises": (2, ["plan", "{net}:broken", "--budget", "params=0.5"]),
    "unknown source": (2, ["plan", "elsewhere", "--budget", "params=0.5"]),
    "no example": (2, ["plan", "{net}:make", "--budget", "params=0.5"]),
    "bad shape": (2, ["plan", "{net}:make", "--example", "1xbig", "--budget", "params=0.5"]),
    "wrong shape": (2, ["plan", "{net}:make", "--example", "1x5x8x8", "--budget", "params=0.5"]),
    "nothing to compress": (2, ["plan", "{net}:plain", "--example", "1x3", "--budget", "params=1"]),
    "budget 0": (3, ["plan", "{net}:pair", "--budget", "params=0"]),
    "budget 2": (3, ["plan", "{net}:pair", "--budget", "params=2"]),
    "nonsense": (3, ["plan", "{net}:pair", "--budget", "small please"]),
    "unknown cost": (3, ["plan", "{net}:pair", "--budget", "beauty=0.5"]),
    "unreachable": (3, ["plan", "{net}:pair", "--budget", "params=0.001"]),
    "no budget": (2, ["plan", "{net}:pair"]),
    "unknown format": (2, ["plan", "{net}:pair", "--budget", "params=0.5", "--formats", "magic"]),
    "unknown method": (2, ["plan", "{net}:pair", "--budget", "params=0.5", "--method", "magic"]),
    "no out": (2, ["compress", "{net}:pair", "--budget", "params=0.5"]),
    "epochs without data": (
        2,
        ["compress", "{net}:pair", "--budget", "params=0.5", "--epochs", "2", "--out", "{dir}/o"],
    ),
    "missing weights": (
        2,
        ["plan", "{net}:pair", "--weights", "{dir}/none", "--budget", "params=0.5"],
    ),
    "not safetensors": (2, ["plan", "{net}:pair", "--weights", "{net}", "--budget", "params=0.5"]),
    "missing recipe": (2, ["compress", "--config", "{dir}/none.yaml"]),
    "out exists": (2, ["compress", "{net}:pair", "--budget", "params=0.5", "--out", "{dir}"]),
    "no directory": (2, ["evaluate", "{dir}/none", "--data", "demo", "--source", "{net}:pair"]),
    "negative epochs": (
        2,
        [
            "compress",
            "{net}:pair",
            "--budget",
            "params=0.5",
            "--data",
            "{net}:loader",
            "--epochs",
            "-1",
            "--out",
            "{dir}/o",
        ],
    ),
}


@pytest.mark.parametrize("label", BAD)
def test_bad_input_is_one_sentence_and_leaves_nothing(label, net, tmp_path, capsys):
    code, arguments = BAD[label]
    before = set(tmp_path.iterdir())
    filled = [a.format(net=net, dir=tmp_path) for a in arguments]
    assert main(filled) == code
    told = capsys.readouterr().err.strip()
    errors = [line for line in told.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, told
    assert "but found" in errors[0]
    assert errors[0].endswith(".")
    assert "Traceback" not in told
    assert {p for p in tmp_path.iterdir() if p.name != "__pycache__"} == before


@pytest.mark.parametrize(("change", "told"), [(nan, "NaN"), (shrink, "fit")])
def test_bad_weights_are_told(change, told, net, capsys):
    file = weights(net, change)
    assert main(["plan", f"{net}:pair", "--weights", file, "--budget", "params=0.5"]) == 2
    assert told in capsys.readouterr().err


def test_a_slip_in_a_flag_is_bad_input_too(capsys):
    assert main(["plan", "demo", "--budgett", "params=0.5"]) == 2
    assert "No such option" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["inspect", "plan", "compress", "evaluate", "bench", "compare", "table", "demo"]
)
def test_help_shows_examples(command, capsys):
    assert main([command, "-h"]) == 0
    told = capsys.readouterr().out
    assert "Examples" in told
    assert f"tenfold {command}" in told


def test_help_lists_exit_codes(capsys):
    assert main(["-h"]) == 0
    assert "budget that cannot be met" in " ".join(capsys.readouterr().out.split())

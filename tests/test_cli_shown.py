"""What the command line shows and what it leaves: odd names, small terminals, foreign files."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from tenfold.cli import main
from tenfold.cli._terminal import table
from tenfold.values import spared

SOURCE = """
import torch
from torch import nn

def named(name):
    torch.manual_seed(0)
    net = nn.Sequential()
    net.add_module(name, nn.Linear(24, 24))
    net.add_module("act", nn.ReLU())
    net.add_module("head", nn.Linear(24, 8))
    return net, torch.zeros(2, 24)

def plain():
    return named("first")

def bare():
    return named("first")[0]

def markup():
    return named("[/]")

def formula():
    return named("$\\\\frac$")

def loader():
    torch.manual_seed(1)
    return [(torch.randn(8, 24), torch.randint(0, 8, (8,))) for _ in range(3)]

def stream():
    yield from loader()

def empty():
    return []

def unknown(output, batch):
    return float("nan")
"""


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(SOURCE)
    return path


def squeezed(net, name, out, *more):
    asked = ["--budget", "params=0.6", "--formats", "svd", "--method", "uniform"]
    return main(["compress", f"{net}:{name}", *asked, "--out", str(out), *more])


def test_a_run_takes_away_its_own_checkpoint_alone(net, tmp_path):
    foreign = tmp_path / "small.checkpoint"
    foreign.mkdir()
    (foreign / "precious").write_text("mine")
    assert squeezed(net, "plain", tmp_path / "small") == 0
    assert squeezed(net, "plain", tmp_path / "other", "--data", f"{net}:loader", "--epochs=1") == 0
    assert not (tmp_path / "other.checkpoint").exists()
    assert (foreign / "precious").read_text() == "mine"
    trained = tmp_path / "third.checkpoint"
    trained.mkdir()
    (trained / "precious").write_text("mine")
    assert squeezed(net, "plain", tmp_path / "third", "--data", f"{net}:loader", "--epochs=1") == 0
    assert [path.name for path in trained.iterdir()] == ["precious"]


@pytest.mark.parametrize("data", ["stream", "empty"])
def test_no_accuracy_is_made_of_no_batches(net, tmp_path, capsys, data):
    squeezed(net, "plain", tmp_path / "small")
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "small"), "--data", f"{net}:{data}"]) == 2
    assert "not a generator" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["markup", "formula"])
def test_names_are_shown_as_they_are(net, tmp_path, capsys, name):
    out = tmp_path / "small[best]"
    assert squeezed(net, name, out) == 0
    said = capsys.readouterr().out
    assert {"markup": "[/]", "formula": "$\\frac$"}[name] in said
    assert "small[best]" in said.replace("\n", "")
    assert (out / "report.html").is_file()


def test_a_plan_is_written_even_where_it_cannot_be_shown(net, tmp_path):
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tenfold",
            "plan",
            f"{net}:plain",
            "--budget",
            "params=0.6",
            "--method",
            "uniform",
            "--out",
            str(tmp_path / "plan.json"),
        ],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert b"?" in run.stdout  # in place of arrows
    assert json.loads((tmp_path / "plan.json").read_text())["choices"]


def test_narrow_tables_keep_every_number():
    rows = [["a.very.long.name.of.a.layer" * 3, "cp-separable", "12x34", "262.7k → 103.4k", ""]]
    narrow = Console(width=80, record=True, file=open(os.devnull, "w"), markup=False)  # noqa: SIM115
    narrow.print(table("Plan", ["layer", "format", "#ranks", "#params", "note"], rows))
    shown = narrow.export_text()
    assert all(text in shown for text in ("cp-separable", "12x34", "262.7k → 103.4k"))


def test_the_certificate_never_promises_more_than_all_of_the_damage():
    assert spared(0.0) == 0
    assert spared(1.0) == 0.5
    assert spared(float("inf")) == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("formats: 3", "formats must be a list of names"),
        ("seed: 2024-13-45", "must be a YAML file"),
    ],
)
def test_a_recipe_of_other_types_is_told(net, tmp_path, capsys, line, told):
    (tmp_path / "r.yaml").write_text(f"source: {net}:plain\nbudget: params=0.6\n{line}\n")
    assert main(["plan", "--config", str(tmp_path / "r.yaml")]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_what_a_recipe_leaves_blank_has_its_default(net, tmp_path):
    (tmp_path / "r.yaml").write_text(
        f"source: {net}:plain\nbudget: params=0.6\nseed:\nmethod: uniform\nformats:\n"
    )
    assert main(["plan", "--config", str(tmp_path / "r.yaml")]) == 0


def test_a_recipe_of_a_run_plans_beside_its_directory(net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(f"source: {net}:plain\nbudget: params=0.6\nout: results\n")
    assert main(["plan", "--config", "r.yaml", "--method", "uniform"]) == 0
    assert not (tmp_path / "results").exists()


def test_a_saved_model_without_a_recipe_takes_an_example(net, tmp_path):
    squeezed(net, "plain", tmp_path / "small")
    (tmp_path / "small" / "recipe.yaml").unlink()
    asked = ["--data", f"{net}:loader", "--source", f"{net}:bare"]
    assert main(["evaluate", str(tmp_path / "small"), *asked]) == 2
    assert main(["evaluate", str(tmp_path / "small"), *asked, "--example", "2x24"]) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["inspect", "{net}:bare", "--example", "1x99999999x99999999"], "must fit into memory"),
        (["plan", "{net}:plain", "--budget", "params=1e400"], "must be finite"),
        (["inspect", "a" * 300 + ".py:make"], "check the path"),
    ],
)
def test_what_is_too_much_is_one_sentence(net, capsys, arguments, told):
    assert main([text.format(net=net) for text in arguments]) in (2, 3)
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_quality_that_is_no_number_is_not_written_as_one(net, tmp_path, capsys):
    squeezed(net, "plain", tmp_path / "small")
    asked = ["--data", f"{net}:loader", "--quality", f"{net}:unknown", "--json"]
    assert main(["evaluate", str(tmp_path / "small"), *asked]) == 2
    assert "found NaN" in " ".join(capsys.readouterr().err.split())

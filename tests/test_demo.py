"""The embedded network and images are what the documentation says."""

from __future__ import annotations

import json

import pytest
import torch

import tenfold
from tenfold.bench import compare
from tenfold.cli import main
from tenfold.demo import run
from tenfold.demo.data import Mixed, blend, read_split, train_batches
from tenfold.demo.network import example, load_network
from tenfold.demo.run import Outcome
from tenfold.errors import TenfoldError
from tenfold.store.folder import read_report
from tenfold.values import Mean
from tests.networks import example as picture
from tests.networks import tiny_resnet


def test_the_embedded_images_are_complete():
    for split in ("train", "test"):
        images, labels = read_split(split)
        assert images.shape == (10_000, 1, 28, 28)
        assert sorted(set(labels.tolist())) == list(range(10))


def test_the_network_knows_them():
    images, labels = read_split("test")
    with torch.no_grad():
        hits = load_network()(images[:500]).argmax(1) == labels[:500]
    assert float(hits.float().mean()) > 0.9
    assert load_network()(example()).shape == (1, 10)


def test_batches_are_shuffled_and_whole():
    torch.manual_seed(0)
    first = [labels for _, labels in train_batches()]
    second = [labels for _, labels in train_batches()]
    assert len(first) == len(train_batches()) == 100
    assert not torch.equal(first[0], second[0])


def test_blends_lie_between_their_two_images():
    torch.manual_seed(0)
    images = torch.randn(40, 1, 28, 28)
    mixed, other = blend(images), images.flip(0)
    assert bool((mixed >= torch.minimum(images, other) - 1e-6).all())
    assert bool((mixed <= torch.maximum(images, other) + 1e-6).all())
    same = (mixed == images).flatten(1).all(1)
    assert 5 < int(same.sum()) < 35
    assert next(iter(Mixed(images, torch.zeros(40), batch=5))).shape == (5, 1, 28, 28)


def test_both_networks_are_timed_in_a_process_of_their_own(monkeypatch):
    monkeypatch.setattr(run, "FLAGS", (*run.FLAGS[:-2], "2", "--json"))
    result = tenfold.compress(
        load_network(), example(), "params=0.5", formats=("svd",), metric="frobenius"
    )
    cells = run.time_apart(result)
    assert [(cell.engine, cell.threads, cell.batch) for cell in cells] == [
        ("eager", 1, 1),
        ("eager", 1, 32),
    ]
    for cell in cells:
        assert cell.models["after"].bytes < cell.models["before"].bytes
        assert cell.ratio() > 0


def test_a_timing_that_cannot_be_had_is_told(monkeypatch):
    monkeypatch.setattr(run, "FLAGS", ("--engine", "abacus", "--json"))
    monkeypatch.setattr(run, "save", lambda result, folder: folder)
    with pytest.raises(TenfoldError, match="abacus"):
        run.time_apart(None)


def test_every_promise_is_said_to_be_kept_or_missed(monkeypatch, capsys, tmp_path):
    model = tiny_resnet()
    result = tenfold.compress(model, picture(), "params=0.5", metric="frobenius")
    cells = compare({"before": model, "after": result.model}, picture(), batches=(1, 32), runs=3)
    scores = {"before": 93.0, "plan_only": 92.5, "after": 92.9}
    means = {name: Mean(value, 10_000, 0.26) for name, value in scores.items()}
    outcome = Outcome(run.with_measured(result, means, cells), means, cells, 10.0)
    monkeypatch.setattr("tenfold.cli.demo.run_demo", lambda progress: outcome)
    out = tmp_path / "small"
    assert main(["demo", "--out", str(out), "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out.splitlines()[-1])
    assert found["accuracy"] == scores
    assert found["latency_ms"]["32"]["after"] == cells[1].models["after"].timing.median
    assert found["params"]["after"] < found["params"]["before"]
    assert "kept   0.10 points lost" in told.err
    kept = read_report(out)
    assert (kept.quality[0].alone, len(kept.latency)) == (means["plan_only"], 2)
    assert "demo" in kept.command
    assert "source: demo" in (out / "recipe.yaml").read_text()
    assert f"missed {result.report.times_smaller('params'):.2f} times smaller" in told.err

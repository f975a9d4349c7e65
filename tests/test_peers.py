"""Tools side by side: budgets, what fails, and the page that is written from the numbers."""

from __future__ import annotations

import subprocess

import pytest
import torch
from torch import nn

from benchmarks.networks import cifar, tiny
from benchmarks.peers import __main__ as command
from benchmarks.peers import page, venvs
from benchmarks.peers.budget import Budget, turn
from benchmarks.peers.cases import load_case
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.one import row_of
from benchmarks.peers.train import distil
from benchmarks.result_files import RESULTS, read_json

HALF = Budget("params", 0.5, 500, None)


@pytest.fixture(scope="module")
def case():
    return load_case("tiny")


def test_the_page_is_what_the_results_say():
    assert page.PAGE.read_text("utf-8") == page.page_of(read_json(RESULTS / "peers.json"))


def test_the_knob_ends_within_the_budget_and_close_to_it():
    shrunk = turn(lambda knob: nn.Linear(round(1000 * knob), 1, bias=False), HALF)
    assert 495 <= shrunk.model.in_features <= 500


def test_a_knob_that_never_fits_is_an_error():
    with pytest.raises(ValueError, match="no setting is within 50% of the params"):
        turn(lambda knob: nn.Linear(1000, 1), HALF)


def test_a_row_is_within_its_budget_and_has_every_number(case):
    row = row_of("whitened_svd", case, "params", 0)
    assert row["params"] <= case.shares["params"] < row["params"] + 0.1
    assert {"quality", "macs", "cpu"} <= row.keys()


def test_the_same_training_brings_a_network_closer(case):
    images = tiny.read_images()
    data = cifar.batches(images["train_x"], images["train_y"], 32)
    student = tiny.tiny()
    nn.init.zeros_(student.classes.weight)
    inputs = data[0][0]

    def apart():
        with torch.no_grad():
            return float((student(inputs) - case.model(inputs)).square().mean())

    before = apart()
    distil(student, case.model, data, steps=20)
    assert apart() < before
    assert not student.training


def test_a_tool_that_does_not_install_is_a_row(monkeypatch, tmp_path):
    def refuse(words, **_):
        raise subprocess.CalledProcessError(1, words, stderr="ERROR: No such version in /a/b/c\n")

    monkeypatch.setattr(venvs.subprocess, "run", refuse)
    asked = ["--quick", "--peers", "aimet", "--venvs", str(tmp_path), "--results", str(tmp_path)]
    command.main(asked)
    results = read_json(tmp_path / "peers.json")
    said = "does not install: ERROR: No such version in c"
    assert results["networks"]["tiny"]["rows"]["params"]["aimet"] == {"failed": said}
    assert f"| {PEERS['aimet'].title} | {said} |" in page.page_of(results)


def test_where_tenfold_is_behind_is_said():
    rows = {"tenfold": {"quality": 90.0, "cpu": 9.0}, "tensorly": {"quality": 91.5, "cpu": 10.0}}
    network = {"shares": {"params": 0.5}, "rows": {"params": rows}}
    (sentence,) = page.defeats({"networks": {"tiny": network}})
    assert "Quality without training: tenfold 90.00; tensorly" in sentence
    assert "91.50" in sentence

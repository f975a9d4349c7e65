"""Files that were damaged, or made to harm, load or are refused in one sentence."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from random import Random

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import tenfold
from benchmarks.fuzzing.attempt import LOADED, REFUSED, attempt, is_sentence
from benchmarks.fuzzing.mutate_json import mutate_json
from benchmarks.fuzzing.mutate_yaml import BOMB, MERGES
from tenfold.cli.recipe import make_recipe
from tenfold.errors import InputError, PlanError
from tenfold.latency.table import read_table
from tenfold.machine.from_json import make
from tenfold.machine.read_json import read_json, read_yaml
from tenfold.report import report_from_json, report_to_json
from tenfold.store.read_state import read_state
from tenfold.store.sweep_folder import read_sweep
from tenfold.values import Mean, Plan
from tests.reports import made_plan, made_report

BAD_JSON = {
    "deep": "[" * 100_000,
    "twice": '{"a": 1, "a": 2}',
    "large": "[1e999]",
    "long": f"[{'1' * 40}]",
    "half of a character": '["\\ud800"]',
    "cut": '{"a": [1, 2',
    "empty": "",
}
BAD_YAML = {
    "aliases": BOMB,
    "merges": MERGES,
    "itself": "a: &a [*a]",
    "tag": "!!python/object/apply:os.system ['true']",
    "bool": "a: !!bool maybe",
    "int": "a: !!int ''",
    "time": "a: !!timestamp x",
    "date": "a: 2001-99-99",
    "twice": "a: 1\na: 2",
    "brackets": "[" * 3000,
    "half of a character": 'a: "\\uD800"',
}
PLAN = tenfold.plan_to_json(made_plan(["a", "b"]))
WRONG = {
    "damage": "much",
    "before": {"params": "many"},
    "bound": True,
    "choices": [{**PLAN["choices"][0], "ranks": [2.5]}],
    "trace": {"step": 1},
    "seconds": [1.0],
    "example": {"shape": [10**6, 10**6], "dtype": "float32"},
    "task": None,
    "predicted": {"params": 10**400},
}


@pytest.mark.parametrize("what", BAD_JSON)
def test_json_that_is_none_is_told(what, tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(BAD_JSON[what])
    with pytest.raises(InputError, match="A plan must be a JSON file") as caught:
        read_json(file, "A plan")
    assert is_sentence(str(caught.value))


@pytest.mark.parametrize("what", BAD_YAML)
def test_yaml_that_is_none_is_told(what, tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text(BAD_YAML[what])
    with pytest.raises(InputError, match="A recipe must be a YAML file") as caught:
        read_yaml(file, "A recipe")
    assert is_sentence(str(caught.value))


def test_numbers_that_json_cannot_hold_are_nan(tmp_path):
    (tmp_path / "x.json").write_text('{"value": NaN, "samples": 3}')
    read = make(Mean, read_json(tmp_path / "x.json", "A mean"))
    assert read.value != read.value
    assert read.samples == 3


@pytest.mark.parametrize("name", WRONG)
def test_a_plan_with_a_value_of_another_type_is_refused(name):
    with pytest.raises(PlanError, match=r"\.$") as caught:
        tenfold.plan_from_json({**PLAN, name: WRONG[name]})
    assert is_sentence(str(caught.value))


def test_a_dtype_that_torch_does_not_have_is_refused():
    example = {"shape": [1, 3], "dtype": "os"}
    with pytest.raises(PlanError, match="'os'"):
        tenfold.plan_from_json({**PLAN, "example": example})


@pytest.mark.parametrize("data", [[], None, "report", {"tenfold_report": 2}, 7])
def test_what_is_no_report_is_refused(data):
    with pytest.raises(InputError, match=r"tenfold\.save"):
        report_from_json(data)


def test_a_report_is_read_as_it_was_written():
    report = made_report(made_plan(["a", "b"]))
    assert report_from_json(json.loads(json.dumps(report_to_json(report)))) == report


def test_a_plan_is_read_as_it_was_written():
    plan = made_plan(["a", "b"])
    assert make(Plan, plan) is plan
    assert tenfold.plan_from_json(json.loads(json.dumps(PLAN))) == plan


def test_damaged_plans_load_or_are_refused(tmp_path):
    content = json.dumps(PLAN).encode()

    def use(folder):
        tenfold.plan_from_json(read_json(folder / "plan.json", "A plan"))

    found = set()
    for number in range(100):
        (tmp_path / "plan.json").write_bytes(mutate_json(content, Random(number)))
        found.add(attempt(use, tmp_path))
    assert found == {LOADED, REFUSED}


@pytest.mark.parametrize(
    "changed", [{"budget": []}, {"predicted": {}}, {"before": {"params": 0}}, {"before": {}}]
)
def test_a_sweep_whose_plan_has_no_size_is_refused(changed, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({**PLAN, **changed}))
    point = {"amount": "0.5", "plan": "plan.json", "damage": 0.1, "quality": None}
    told = {"cost": "params", "points": [point], "unmet": [], "original": None, "asked": {}}
    (tmp_path / "sweep.json").write_text(json.dumps({"tenfold_sweep": 1, **told}))
    with pytest.raises(InputError, match="A sweep must be one that tenfold wrote"):
        read_sweep(tmp_path)


def test_tuning_that_is_a_list_is_refused(tmp_path):
    (tmp_path / "recipe.yaml").write_text("source: demo\nbudget: params=0.5\ntuning: [1]")
    with pytest.raises(InputError, match="text or a mapping"):
        make_recipe({}, tmp_path / "recipe.yaml")


@pytest.mark.parametrize("engine", [None, 3, ["onnxruntime"]])
def test_a_table_with_a_value_of_another_type_is_refused(engine, tmp_path):
    table = {"tenfold_latency": 1, "engine": engine, "threads": 1, "whole": 1.0, "times": {}}
    (tmp_path / "table.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match="engine"):
        read_table(tmp_path / "table.json")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "", "a\nb", 3])
def test_an_index_with_names_that_no_file_has_is_refused(name, tmp_path):
    file = tmp_path / "model.safetensors.index.json"
    file.write_text(json.dumps({"weight_map": {"weight": name}}))
    with pytest.raises(InputError) as caught:
        read_state(tmp_path)
    assert is_sentence(str(caught.value))


def test_what_a_sentence_quotes_is_shortened_and_shown():
    error = InputError(f"It must be short, but found {'x' * 10**6}\n\ud800\0; cut it.")
    assert is_sentence(str(error))
    assert str(error).endswith("cut it.")


def makes_bytes():
    """A pickle of a few bytes that stand for many."""
    return b"\x80\x02cbuiltins\nbytearray\nJ" + struct.pack("<i", 2**31 - 1) + b"\x85R."


def asks_for_text():
    """A pickle in the old form whose text is longer than its file."""
    return pickle.dumps(0x1950A86A20F9469CFC6C, 2) + b"\x80\x02X" + struct.pack("<I", 2**32 - 1)


@pytest.mark.parametrize("archived", [True, False])
def test_a_pickle_that_asks_for_memory_is_refused(archived, tmp_path):
    file = tmp_path / "net.pth"
    if archived:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("net/data.pkl", makes_bytes())
            archive.writestr("net/version", "3")
    else:
        file.write_bytes(asks_for_text())
    assert attempt(lambda folder: read_state(folder / "net.pth"), tmp_path) == REFUSED


def test_an_archive_that_is_compressed_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", b"N." + bytes(10**6))
    with pytest.raises(InputError, match="compressed"):
        read_state(tmp_path / "net.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch_save_are_read_as_before(zipped, tmp_path):
    state = nn.Linear(4, 3).state_dict()
    held = {"state_dict": state, "epoch": 2**40, "sparse": torch.eye(3).to_sparse(), "name": "x"}
    torch.save(held, tmp_path / "x.bin", _use_new_zipfile_serialization=zipped)
    read = read_state(tmp_path / "x.bin")
    assert torch.equal(read["state_dict"]["weight"], state["weight"])
    assert read["epoch"] == 2**40


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", "[" * 10_000, '{"plan": 1}'])
@pytest.mark.parametrize("name", ["source.json", "plan.json"])
def test_damaged_work_of_a_checkpoint_is_told(name, content, half_done, tmp_path):
    work = half_done(tmp_path)
    (work / name).write_text(content)
    source = tmp_path / "source"

    def use(folder):
        tenfold.compress_checkpoint(source, "params=0.6", folder / "out", method="uniform")

    found = attempt(use, tmp_path, output="out")
    assert found in (LOADED, REFUSED)
    assert (tmp_path / "out" / "plan.json").is_file() == (found == LOADED)


@pytest.mark.parametrize("field", ["before", "choices", "predicted"])
def test_a_plan_of_unfinished_work_that_was_changed_is_made_anew(field, half_done, tmp_path):
    file = half_done(tmp_path) / "plan.json"
    kept = json.loads(file.read_text())
    kept["plan"][field] = type(kept["plan"][field])()
    file.write_text(json.dumps(kept))
    source = tmp_path / "source"
    plan = tenfold.compress_checkpoint(source, "params=0.6", tmp_path / "out", method="uniform")
    assert plan.choices
    assert plan.predicted["params"] <= 0.6 * plan.before["params"]


def test_a_moment_that_is_not_finite_is_refused(half_done, tmp_path):
    half_done(tmp_path)
    moment = torch.eye(12)
    moment[1, 0] = float("nan")
    save_file({"a.weight": moment}, tmp_path / "moments.safetensors")
    with pytest.raises(InputError, match="moment"):
        tenfold.compress_checkpoint(
            tmp_path / "source",
            "params=0.9",
            tmp_path / "other",
            moments=tmp_path / "moments.safetensors",
        )


@pytest.fixture
def half_done():
    """A function that leaves the unfinished work of a checkpoint in a folder."""

    def stop(stage, done, total):
        if (stage, done) == ("shards", 0):
            raise KeyboardInterrupt

    def leave(folder):
        (folder / "source").mkdir()
        weights = {f"{name}.weight": torch.randn(12, 12) for name in "ab"}
        save_file(weights, folder / "source" / "model.safetensors")
        with pytest.raises(KeyboardInterrupt):
            tenfold.compress_checkpoint(
                folder / "source", "params=0.6", folder / "out", method="uniform", progress=stop
            )
        return folder / "out.unfinished"

    return leave

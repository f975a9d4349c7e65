"""Checkpoints that no memory holds: factored one tensor at a time, without a network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import tenfold
from tenfold.cli import main
from tenfold.errors import BudgetError, InputError
from tenfold.formats.metric import Root
from tenfold.machine.processes import torch_threads
from tenfold.store.read_state import read_state
from tests.stream_run import BUDGET, QUICK, SHARD

ROOT = Path(__file__).parents[1]


class Net(nn.Module):
    """A wide and a tall matrix with biases, a norm and a counter."""

    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(24, 40), nn.Linear(40, 24)
        self.norm = nn.BatchNorm1d(24)

    def forward(self, x):
        return self.norm(self.down(self.up(x).relu()))


def make_net(dtype=torch.float32):
    torch.manual_seed(0)
    return Net().to(dtype).eval()


def shard(state, folder, count):
    """Write a state as so many files with an index."""
    folder.mkdir()
    names = sorted(state)
    places = {
        name: f"model-{k % count + 1:05d}-of-{count:05d}.safetensors"
        for k, name in enumerate(names)
    }
    for file in set(places.values()):
        save_file({n: state[n] for n in names if places[n] == file}, folder / file)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The net in two shards, with a file beside."""
    where = shard(make_net().state_dict(), tmp_path_factory.mktemp("stream") / "net", 2)
    (where / "tokenizer.json").write_text("{}")
    return where


def dense(state, layer):
    """The weight that two factors stand for."""
    return state[f"{layer}.1.weight"].double() @ state[f"{layer}.0.weight"].double()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_factors_are_the_best_of_their_rank_and_all_else_is_as_it_was(dtype, tmp_path):
    model = make_net(dtype)
    shard(model.state_dict(), tmp_path / "net", 2)
    plan = tenfold.compress_checkpoint(tmp_path / "net", BUDGET, tmp_path / "small")
    state, original = load_file(tmp_path / "small" / "model.safetensors"), model.state_dict()
    assert sum(x.numel() for x in state.values()) == plan.predicted["params"]
    assert plan.predicted["params"] <= 0.5 * sum(x.numel() for x in original.values())
    assert {choice.format for choice in plan.choices} == {"svd"}
    for choice in plan.choices:
        weight = original[f"{choice.site}.weight"].double()
        values = torch.linalg.svdvals(weight)
        best = values[choice.ranks[0] :].norm() / values.norm()
        found = (dense(state, choice.site) - weight).norm() / weight.norm()
        assert choice.error == pytest.approx(float(best), rel=1e-4)
        assert found == pytest.approx(float(best), rel=1e-5 if dtype == torch.float32 else 1e-2)
        assert state[f"{choice.site}.0.weight"].dtype == dtype
        assert torch.equal(state[f"{choice.site}.1.bias"], original[f"{choice.site}.bias"])
    for name in original:
        if name.startswith("norm."):
            assert torch.equal(state[name], original[name])
    assert sum(refusal.params for refusal in plan.refusals) == 24 * 4 + 1
    assert plan.gap < 0.1


def test_the_folder_opens_as_a_network_from_one_file_or_several(folder, tmp_path):
    one, many = tmp_path / "one", tmp_path / "many"
    tenfold.compress_checkpoint(folder, BUDGET, one, **QUICK)
    tenfold.compress_checkpoint(folder, BUDGET, many, shard="1kB", **QUICK)
    assert len(list(many.glob("model-*.safetensors"))) > 2
    assert (one / "tokenizer.json").read_text() == "{}"
    assert "fewer" in (many / "README.md").read_text()
    assert not list(tmp_path.glob("*.unfinished"))
    x, wanted = torch.randn(5, 24), make_net()
    state = load_file(one / "model.safetensors")
    with torch.no_grad():
        for name in ("up", "down"):
            wanted.get_submodule(name).weight.copy_(dense(state, name))
        found = [tenfold.load(out, Net)(x) for out in (one, many)]
        assert torch.equal(*found)
        torch.testing.assert_close(found[0], wanted(x))


def test_other_types_are_copied_bit_for_bit(tmp_path):
    state = {
        "wide.weight": torch.randn(16, 32),
        "half.weight": torch.randn(32, 16).half(),
        "whole.weight": torch.randint(-9, 9, (8, 8), dtype=torch.int8),
        "conv.weight": torch.randn(4, 4, 3, 3),
        "small.weight": torch.randn(8, 8).to(torch.float8_e4m3fn),
        "scalar": torch.tensor(3),
        "nothing": torch.zeros(0, 4),
        "odd": torch.tensor([True, False, True]),
        "embed.weight": torch.randn(30, 8),
    }
    save_file(state, tmp_path / "model.safetensors")
    plan = tenfold.compress_checkpoint(tmp_path, "bytes=0.8", tmp_path / "out", **QUICK)
    found = load_file(tmp_path / "out" / "model.safetensors")
    for name in set(state) - {"wide.weight", "half.weight"}:
        assert found[name].dtype == state[name].dtype
        same = [x.reshape(-1).view(torch.uint8) for x in (found[name], state[name])]
        assert torch.equal(*same)
    assert found["half.0.weight"].dtype == torch.float16
    told = {refusal.name: refusal.reason for refusal in plan.refusals}
    assert "table" in told["embed.weight"]
    assert "I8" in told["whole.weight"]
    assert "two axes" in told["conv.weight"]


@pytest.mark.parametrize("diagonal", [False, True])
def test_moments_weigh_errors_by_what_layers_see(diagonal, folder, tmp_path):
    torch.manual_seed(1)
    original, moments = read_state(folder), {}
    for name, width in (("up", 24), ("down", 40)):
        x = torch.randn(400, width) * torch.logspace(-1, 1, width)
        x = x if diagonal else x @ torch.randn(width, width)
        moment = x.T @ x / len(x)
        moments[f"{name}.weight"] = (moment.diagonal() if diagonal else moment).contiguous()
    save_file(moments, tmp_path / "moments.safetensors")
    out = tmp_path / "out"
    plan = tenfold.compress_checkpoint(
        folder, BUDGET, out, moments=tmp_path / "moments.safetensors", **QUICK
    )
    state = load_file(out / "model.safetensors")
    assert plan.origin == "calibration"
    for choice in plan.choices:
        root = Root.of(moments[f"{choice.site}.weight"]).root.double()
        root = torch.diag(root) if diagonal else root
        weight = original[f"{choice.site}.weight"].double()
        lost = (dense(state, choice.site) - weight) @ root
        assert float(lost.norm() / (weight @ root).norm()) == pytest.approx(choice.error, rel=1e-3)


def test_layers_without_a_moment_stay(folder, tmp_path):
    save_file({"up.weight": torch.ones(24)}, tmp_path / "moments.safetensors")
    plan = tenfold.compress_checkpoint(
        folder, "params=0.9", tmp_path / "out", moments=tmp_path / "moments.safetensors", **QUICK
    )
    assert [choice.site for choice in plan.choices] == ["up"]
    told = {refusal.name: refusal.reason for refusal in plan.refusals}
    assert told["down.weight"] == "there is no moment of its inputs"


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"budget": "params=0.01"}, BudgetError, "ask for at least params=0.1"),
        ({"budget": "macs=0.5"}, BudgetError, "params or bytes, but found 'macs'"),
        ({"exclude": ["nothing*"]}, InputError, "choose among .*up"),
        ({"exclude": ["up", "down"]}, InputError, "at least one matrix"),
        ({"moments": "wrong.safetensors", "budget": "params=0.9"}, InputError, r"\(in, in\)"),
        ({"moments": "strange.safetensors"}, InputError, "names of weights"),
        ({"folder": "none"}, InputError, "must exist"),
        ({"folder": "cut"}, InputError, "whole safetensors"),
        ({"folder": "nan"}, InputError, "NaN or infinity in up.weight"),
        ({"out": "cut"}, InputError, "must not exist yet"),
        ({"shard": "many"}, BudgetError, "bytes"),
    ],
)
def test_what_cannot_be_is_one_sentence(asked, error, told, folder, tmp_path):
    state = make_net().state_dict()
    save_file({"up.weight": torch.ones(40)}, tmp_path / "wrong.safetensors")
    save_file({"strange": torch.ones(40)}, tmp_path / "strange.safetensors")
    for name in ("cut", "nan"):
        (tmp_path / name).mkdir()
        state["up.weight"][0, 0] = torch.nan
        save_file(state, tmp_path / name / "model.safetensors")
    whole = (tmp_path / "cut" / "model.safetensors").read_bytes()
    (tmp_path / "cut" / "model.safetensors").write_bytes(whole[:-5])
    paths = {key: tmp_path / asked[key] for key in ("folder", "out", "moments") if key in asked}
    asked = {"folder": folder, "budget": BUDGET, "out": tmp_path / "out", **QUICK, **asked, **paths}
    with pytest.raises(error, match=told):
        tenfold.compress_checkpoint(**asked)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def apart(folder, tmp_path_factory):
    """What a process says that was killed twice, where it left its work, and a larger source."""
    where = tmp_path_factory.mktemp("apart")
    torch.manual_seed(0)
    large = {f"layer{k}.weight": torch.randn(128, 2048).bfloat16() for k in range(96)}
    shard(large, where / "source", 8)
    command = [sys.executable, "-m", "tests.stream_run"]
    said = subprocess.run(
        [*command, str(folder), str(where / "source"), str(where / "killed")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert not said.returncode, said.stderr[-3000:]
    return where, list(map(int, said.stdout.split()))


def test_a_killed_run_goes_on_and_ends_the_same(folder, apart, tmp_path):
    where, (first, second, _) = apart
    assert (first, second) == (2, 2)
    unfinished = where / "killed.unfinished"
    assert len(list(unfinished.glob("out/model-*.safetensors"))) == 1
    before = {file: file.stat().st_mtime_ns for file in unfinished.rglob("*.safetensors")}
    told = []
    with torch_threads(1):
        out = where / "killed"
        tenfold.compress_checkpoint(
            folder, BUDGET, out, shard=SHARD, **QUICK, progress=lambda *x: told.append(x)
        )
        tenfold.compress_checkpoint(folder, BUDGET, tmp_path / "killed", shard=SHARD, **QUICK)
    assert ("spectra", 0, 2) not in told
    kept = [file for file in before if file.parent.name == "out"]
    assert [(out / f.name).stat().st_mtime_ns for f in kept] == [before[f] for f in kept]
    files = sorted(file.name for file in out.iterdir())
    assert files == sorted(file.name for file in (tmp_path / "killed").iterdir())
    for name in files:
        assert (out / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name
    assert not unfinished.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is told by Linux alone")
def test_memory_holds_a_tensor_and_not_the_checkpoint(apart):
    where, (*_, peak) = apart
    files = list((where / "source").glob("*.safetensors"))
    whole, largest = sum(f.stat().st_size for f in files), 2 * 128 * 2048
    bound = 2 * largest + 14 * 2**20
    assert whole > 3 * bound
    assert peak < bound


def test_another_budget_keeps_the_spectra_and_another_source_nothing(folder, tmp_path):
    def stop(stage, done, total):
        if (stage, done) == ("shards", 1):
            raise KeyboardInterrupt

    def run(folder, budget, told):
        with pytest.raises(KeyboardInterrupt):
            tenfold.compress_checkpoint(
                folder,
                budget,
                tmp_path / "out",
                shard=SHARD,
                **QUICK,
                progress=lambda *x: told.append(x) or stop(*x),
            )

    first, second, third = [], [], []
    run(folder, BUDGET, first)
    run(folder, "params=0.4", second)
    assert first[0] == ("spectra", 0, 2)
    assert second[0] == ("spectra", 2, 2)
    assert second[1][:2] == ("shards", 0)
    shard(make_net(torch.float64).state_dict(), tmp_path / "other", 1)
    run(tmp_path / "other", "params=0.4", third)
    assert third[0] == ("spectra", 0, 2)


def test_the_command_line_streams(folder, tmp_path, capsys):
    out = tmp_path / "small"
    words = ["compress", "--stream", str(folder), "--budget", "params=0.6", "--out", str(out)]
    assert main([*words, "--exclude", "down", "--method", "energy", "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out.splitlines()[-1])
    assert [choice["site"] for choice in told["choices"]] == ["up"]
    assert "excluded" in captured.err
    with safe_open(out / "model.safetensors", "pt") as file:
        assert "down.weight" in file.keys()  # noqa: SIM118
    assert main([*words[:-1], str(tmp_path / "x"), "--data", "demo"]) == 2
    assert main(["compress", "demo", "--shard", "1GB", "--budget", "params=0.5"]) == 2
    assert main(["compress", "--stream", str(folder), "--out", str(tmp_path / "x")]) == 2


LLAMA = {
    "vocab_size": 32,
    "max_position_embeddings": 20,
    "hidden_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 48,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


@pytest.mark.parametrize("tied", [False, True])
def test_a_language_model_is_opened_again(tied, tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**LLAMA, tie_word_embeddings=tied)
    model = transformers.LlamaForCausalLM(config).eval()
    model.save_pretrained(tmp_path / "net")
    plan = tenfold.compress_checkpoint(tmp_path / "net", "params=0.8", tmp_path / "small", **QUICK)
    sites = {choice.site for choice in plan.choices}
    told = {refusal.name: refusal.reason for refusal in plan.refusals}
    assert ("model.embed_tokens" in sites) is not tied
    assert not tied or "lm_head" in told["model.embed_tokens.weight"]
    again = tenfold.load_pretrained(tmp_path / "small")
    assert sum(p.numel() for p in again.parameters()) == plan.predicted["params"]
    ids = torch.tensor([[1, 5, 3, 2]])
    with torch.no_grad():
        found, wanted = again(ids).logits, model(ids).logits
    assert torch.nn.functional.cosine_similarity(found, wanted, dim=-1).min() > 0.5


def test_classes_that_keep_weights_the_other_way_round_stay(tmp_path):
    transformers = pytest.importorskip("transformers")
    sizes = {"vocab_size": 32, "n_embd": 24, "n_layer": 1, "n_head": 2, "n_positions": 20}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes))
    model.save_pretrained(tmp_path / "net")
    with pytest.raises((InputError, BudgetError), match=r"Conv1D|smallest reachable"):
        tenfold.compress_checkpoint(tmp_path / "net", "params=0.5", tmp_path / "small")

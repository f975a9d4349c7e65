"""Weights as people have them: shards, checkpoints of training runs, wrappers around names."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tenfold.cli import main
from tenfold.errors import InputError
from tenfold.store.source_weights import load_weights
from tests.networks import tiny_resnet


class Tied(nn.Module):
    """A head that is the table the other way round."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.table.weight


class Anything:
    """What a pickle may hold."""


@pytest.fixture(scope="module")
def state():
    """The weights that every file here has in some form."""
    return tiny_resnet(seed=3).state_dict()


def under(prefix, state):
    return {prefix + name: value.clone() for name, value in state.items()}


WRAPPED = {
    "as they are": (lambda s: s, ()),
    "of DataParallel": (lambda s: under("module.", s), ("'module.'",)),
    "of torch.compile": (lambda s: under("_orig_mod.", s), ("'_orig_mod.'",)),
    "of both": (lambda s: under("module._orig_mod.", s), ("'module._orig_mod.'",)),
    "of a training run": (
        lambda s: {"epoch": 3, "state_dict": under("module.", s), "args": {"rate": 0.1}},
        ("under 'state_dict'", "'module.'"),
    ),
    "of a wrapper of ones own": (lambda s: {"model": under("net.", s)}, ("'model'", "'net.'")),
    "of an average": (
        lambda s: {"ema": {"n_averaged": torch.tensor(5), **under("module.", s)}},
        ("under 'ema'", "'module.'"),
    ),
    "deep inside": (lambda s: {"a": {"b": {"params": s}}}, ("under 'a.b.params'",)),
}


@pytest.mark.parametrize("label", WRAPPED)
def test_wrappers_are_taken_off_and_told(label, state, tmp_path):
    wrap, told = WRAPPED[label]
    torch.save(wrap(state), tmp_path / "w.pth")
    model = tiny_resnet(seed=0)
    notes = load_weights(model, tmp_path / "w.pth")
    assert all(torch.equal(x, state[name]) for name, x in model.state_dict().items())
    assert len(notes) == len(told)
    assert all(part in note for part, note in zip(told, notes))


def test_the_command_line_says_what_was_taken_off(tmp_path, capsys):
    (tmp_path / "net.py").write_text(
        "import torch\n"
        "def make():\n"
        "    return torch.nn.Sequential(torch.nn.Linear(8, 8)), torch.zeros(1, 8)\n"
    )
    save_file({"module.0.weight": torch.ones(8, 8), "module.0.bias": torch.ones(8)}, tmp_path / "w")
    (tmp_path / "w").rename(tmp_path / "w.safetensors")
    words = ["inspect", f"{tmp_path}/net.py:make", "--weights", f"{tmp_path}/w.safetensors"]
    assert main([*words, "--json"]) == 0
    told = capsys.readouterr()
    assert "Took the prefix 'module.' off the names" in told.err
    json.loads(told.out.strip().splitlines()[-1])


@pytest.mark.parametrize("named", ["the folder", "the index"])
def test_shards_are_read_by_their_index(named, state, tmp_path):
    names = list(state)
    index = {}
    for number, part in enumerate((names[::2], names[1::2])):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: state[name].contiguous() for name in part}, tmp_path / file)
        index |= dict.fromkeys(part, file)
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": index}))
    model = tiny_resnet(seed=0)
    assert load_weights(model, tmp_path if named == "the folder" else path) == ()
    assert all(torch.equal(x, state[name]) for name, x in model.state_dict().items())
    (tmp_path / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(InputError, match="All files of an index must exist, but found no"):
        load_weights(model, path)


def test_a_pickle_with_more_than_tensors_is_never_run(tmp_path):
    torch.save({"model": Anything()}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"tensors and plain values alone, .*Anything") as told:
        load_weights(tiny_resnet(), tmp_path / "w.pt")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("suffix", ["pth", "bin", "safetensors", "txt"])
def test_a_file_that_is_no_checkpoint_is_told(suffix, tmp_path):
    path = tmp_path / f"w.{suffix}"
    path.write_text("something else")
    with pytest.raises(
        InputError, match=r"^Weights must be a .*safetensors file.*but found"
    ) as told:
        load_weights(tiny_resnet(), path)
    assert "\n" not in str(told.value)


def test_a_misfit_names_what_is_missing_and_what_is_unknown(state, tmp_path):
    torch.save({"elsewhere." + name: x for name, x in list(state.items())[:-1]}, tmp_path / "w.pt")
    model = tiny_resnet()
    before = {name: x.clone() for name, x in model.state_dict().items()}
    last, first = list(state)[-1], next(iter(state))
    with pytest.raises(
        InputError, match=r"no \S+ and an unknown \S+ \(\d+ missing and \d+ unknown"
    ):
        load_weights(model, tmp_path / "w.pt")
    torch.save({name: x for name, x in state.items() if name != last}, tmp_path / "v.pt")
    with pytest.raises(InputError, match=f"found no {last} in"):
        load_weights(model, tmp_path / "v.pt")
    torch.save({**state, first: torch.zeros(1)}, tmp_path / "u.pt")
    with pytest.raises(InputError, match=rf"{first} of shape \(1,\) instead of"):
        load_weights(model, tmp_path / "u.pt")
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())


def test_counts_of_batches_may_be_missing(state, tmp_path):
    older = {name: x for name, x in state.items() if not name.endswith("num_batches_tracked")}
    assert len(older) < len(state)
    torch.save(older, tmp_path / "w.pt")
    model = tiny_resnet(seed=0)
    load_weights(model, tmp_path / "w.pt")
    assert all(
        torch.equal(x, older[name]) for name, x in model.state_dict().items() if name in older
    )


def test_tied_weights_come_once_or_twice_but_not_differently(tmp_path):
    table = torch.randn(7, 4)
    for kept in (("table.weight",), ("head.weight",), ("table.weight", "head.weight")):
        torch.save(dict.fromkeys(kept, table), tmp_path / "w.pt")
        model = Tied()
        load_weights(model, tmp_path / "w.pt")
        assert torch.equal(model.head.weight, table)
        assert model.head.weight is model.table.weight
    torch.save({"table.weight": table, "head.weight": table + 1}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="which the model ties, with different numbers"):
        load_weights(Tied(), tmp_path / "w.pt")

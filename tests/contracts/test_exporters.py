"""What every registered exporter must keep: what its runtime computes is what the model does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tenfold
from tenfold.errors import InputError, MissingExtra
from tenfold.network.inputs import batch_of, leaves, resize, shuffle
from tenfold.runtimes.exporters import EXPORTERS
from tests.networks import example, tiny_resnet

NAMES = list(EXPORTERS)
BOUND = ("executorch", "tflite")  # files for the example's very shape


@pytest.fixture(params=NAMES)
def exporter(request):
    """Each exporter whose packages are there."""
    found = EXPORTERS[request.param]
    if found.unavailable():
        pytest.skip(found.unavailable())
    return found


@pytest.fixture(scope="module")
def small():
    """A compressed network."""
    return tenfold.compress(tiny_resnet(), example(), "params=0.5", metric="frobenius").model


class Named(nn.Module):
    """Two inputs by name, two outputs by name."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 4), nn.Linear(5, 4)

    def forward(self, left, right):
        both = self.first(left) * torch.sigmoid(self.second(right))
        return {"sum": both.sum(1, keepdim=True), "all": both}


class Reads(nn.Module):
    """Goes one way or the other by what it sees."""

    def forward(self, x):
        if x.sum() > 0:
            return x + 1
        return x - 1


def test_the_file_computes_what_the_model_does(exporter, small, tmp_path):
    small.train()
    before = {name: value.clone() for name, value in small.state_dict().items()}
    done = tenfold.export(
        small, example(), tmp_path / f"new/net{exporter.suffix}", to=exporter.name
    )
    assert small.training
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    assert done.difference < 1e-4
    assert done.dynamic == (exporter.name not in BOUND)
    assert done.bytes == sum(file.stat().st_size for file in done.path.parent.iterdir())
    small.eval()
    runner = exporter.read(done.path, small)
    for batch in (1, 4) if done.dynamic else (1,):
        probe = shuffle(resize(example(), batch), seed=batch)
        with torch.no_grad():
            (found,), wanted = leaves(runner(probe)), small(probe)
        assert found.shape == wanted.shape
        assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert {file.stem for file in done.path.parent.iterdir()} == {"net"}


def test_inputs_and_outputs_by_name(exporter, tmp_path):
    model = Named().eval()
    inputs = {"left": torch.randn(2, 6), "right": torch.randn(2, 5)}
    done = tenfold.export(model, inputs, tmp_path / f"net{exporter.suffix}", to=exporter.name)
    found = exporter.read(done.path, model)(inputs)
    for wanted, value in zip(leaves(model(**inputs)), leaves(found)):
        assert (wanted - value).abs().max() < 1e-4


def test_what_does_not_export_is_named_and_leaves_nothing(exporter, tmp_path):
    if exporter.name == "safetensors":
        pytest.skip("weights export whatever forward does")
    with pytest.raises(InputError, match=r"test_exporters\.py:\d+ `if x\.sum\(\) > 0:`") as told:
        tenfold.export(Reads(), example(), tmp_path / f"a{exporter.suffix}", to=exporter.name)
    assert len(str(told.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_file_that_computes_something_else_is_refused(exporter, small, tmp_path, monkeypatch):
    write = type(exporter).write

    def spoilt(self, model, inputs, path):
        state = {name: value.clone() for name, value in model.state_dict().items()}
        nn.init.constant_(next(model.parameters()), 0.5)
        dynamic = write(self, model, inputs, path)
        model.load_state_dict(state)
        return dynamic

    monkeypatch.setattr(type(exporter), "write", spoilt)
    with pytest.raises(InputError, match=r"outputs off by .* because of stem\S* \(Conv2d\)"):
        tenfold.export(small, example(), tmp_path / f"a{exporter.suffix}", to=exporter.name)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_one_sentence(exporter, small, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    if not exporter.packages:
        assert exporter.unavailable() is None
        return
    with pytest.raises(MissingExtra, match=r"pip install 'tenfold\[") as told:
        tenfold.export(small, example(), tmp_path / f"a{exporter.suffix}", to=exporter.name)
    assert len(str(told.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_model_for_one_batch_size_is_exported_for_it(tmp_path):
    class Fixed(nn.Module):
        def forward(self, x):
            return x.reshape(1, 3, 144).mean(2)

    class Mixing(nn.Module):
        def forward(self, x):
            return x.reshape(1, 3, -1).mean(2)

    class Counting(nn.Module):
        def forward(self, x):
            return x.mean((2, 3)) + torch.zeros(len(x), 3)

    for name, model in (("a", Fixed()), ("b", Mixing()), ("c", Counting())):
        done = tenfold.export(model, example(), tmp_path / f"{name}.pt2", to="torch-export")
        assert not done.dynamic
        assert done.batches == (1,)


def test_what_draws_at_random_is_named(tmp_path):
    class Draws(nn.Module):
        def forward(self, x):
            return x.flatten(1) + torch.rand(5).sum()

    if EXPORTERS["onnx"].unavailable():
        pytest.skip(EXPORTERS["onnx"].unavailable())
    with pytest.raises(InputError, match=r"aten\.rand\.default draws at random"):
        tenfold.export(Draws(), example(), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_an_operation_that_onnx_lacks_is_named(tmp_path):
    class Rare(nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x)

    if EXPORTERS["onnx"].unavailable():
        pytest.skip(EXPORTERS["onnx"].unavailable())
    with pytest.raises(InputError, match="bessel_j0") as told:
        tenfold.export(Rare(), example(), tmp_path / "a.onnx")
    assert len(str(told.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_onnx_tells_nothing_of_this_machine(small, tmp_path):
    if EXPORTERS["onnx"].unavailable():
        pytest.skip(EXPORTERS["onnx"].unavailable())
    done = tenfold.export(small, example(), tmp_path / "a.onnx")
    raw = done.path.read_bytes()
    assert b"forward" not in raw
    assert b"site-packages" not in raw
    assert done.bytes < 4 * sum(p.numel() for p in small.parameters()) + 15_000


def test_an_interrupted_export_leaves_nothing(small, tmp_path, monkeypatch):
    def interrupted(self, model, inputs, path):
        path.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(type(EXPORTERS["torch-export"]), "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tenfold.export(small, example(), tmp_path / "a.pt2", to="torch-export")
    assert not list(tmp_path.iterdir())


def test_existing_files_stay_as_they_are(exporter, small, tmp_path):
    """The second file of a pair counts too."""
    taken = tmp_path / ("net.bin" if exporter.name == "openvino" else f"net{exporter.suffix}")
    taken.write_text("mine")
    with pytest.raises(InputError, match="must not exist yet"):
        tenfold.export(small, example(), tmp_path / f"net{exporter.suffix}", to=exporter.name)
    assert [file.name for file in tmp_path.iterdir()] == [taken.name]
    assert taken.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "to", "inputs", "told"),
    [
        ("a.bin", "safetensors", example(), r"must end in \.safetensors"),
        ("a.pt2", "paper", example(), "exporter must be a known name"),
        ("file/a.pt2", "torch-export", example(), "must be writable"),
        ("a.pt2", "torch-export", (example(), 3), "tensor, or a tuple or mapping"),
        ("a.pt2", "torch-export", (), "but found nothing"),
        ("a.pt2", "torch-export", torch.tensor(1.0), "batch first"),
    ],
)
def test_bad_arguments_are_one_sentence(name, to, inputs, told, small, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=told) as error:
        tenfold.export(small, inputs, tmp_path / name, to=to)
    assert len(str(error.value).splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_random_inputs_stay_within_the_example():
    drawn = shuffle(example(), seed=3)
    assert batch_of(drawn) == 1
    assert example().min() <= drawn.min() < drawn.max() <= example().max()
    assert shuffle(torch.zeros(2, 50)).std() > 0.5
    assert torch.equal(shuffle(torch.arange(4)), torch.arange(4))

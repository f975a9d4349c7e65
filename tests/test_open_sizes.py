"""Exported files take what people feed them: other sizes, constants, mappings, their own names."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

import tenfold
from tenfold.deploy.prepare import answers
from tenfold.errors import InputError
from tenfold.network.arrays import tensors_in
from tenfold.network.call import run
from tenfold.runtimes import FILES, Axes
from tenfold.runtimes.axes import other_sizes, stretched

ANY_SIZE = ("onnx", "openvino", "torch-export")


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


def present(kinds):
    return [
        pytest.param(
            kind,
            marks=pytest.mark.skipif(bool(FILES[kind].unavailable()), reason="not installed"),
        )
        for kind in kinds
    ]


def seeded(make):
    torch.manual_seed(0)
    return make().eval()


def images():
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 3, 1, 1))


def flat():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.Flatten(), nn.Linear(256, 5))


class Halves(nn.Module):
    """Halves and joins again, so that only even sizes run."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 6, 2, 2), nn.ConvTranspose2d(6, 3, 2, 2)

    def forward(self, image):
        return image + self.up(self.down(image).relu())


class Words(nn.Module):
    """Ids and a mask of one length, a position each."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(11, 8), nn.Embedding(12, 8)
        self.out = nn.Linear(8, 5)

    def forward(self, input_ids, attention_mask=None, use_cache=True, scale=1):
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        hidden = (self.words(input_ids) + self.places(places)) * attention_mask[..., None]
        return Said(self.out(hidden) * scale, Cache(hidden) if use_cache else None, hidden.mean(1))


class Cache:
    """What no graph can give."""

    def __init__(self, x):
        self.x = x


@dataclass
class Said:
    logits: Tensor
    past: Cache | None
    pooled: Tensor


@pytest.mark.parametrize("kind", present(ANY_SIZE))
@pytest.mark.parametrize(("make", "side"), [(images, 16), (Halves, 12)])
def test_images_of_any_size(kind, make, side, tmp_path):
    model, path = seeded(make), tmp_path / f"net{FILES[kind].suffix}"
    done = tenfold.export(model, noise(1, 3, side, side), path, to=kind)
    assert done.dynamic
    assert list(done.axes.values()) == [(2, 3)]
    for probe in (noise(1, 3, side + 4, 2 * side), noise(5, 3, 2 * side, side - 2)):
        (found,) = answers(FILES[kind].load(path), probe)
        assert torch.allclose(found, run(model, probe), atol=1e-4)


@pytest.mark.parametrize("kind", present(ANY_SIZE))
def test_sizes_that_the_model_fixes_stay_fixed(kind, tmp_path):
    model, path = seeded(flat), tmp_path / f"net{FILES[kind].suffix}"
    done = tenfold.export(model, noise(1, 3, 8, 8), path, to=kind)
    assert done.dynamic
    assert done.axes == {}


@pytest.mark.parametrize("kind", present(ANY_SIZE))
def test_texts_of_any_length_with_constants(kind, tmp_path):
    model, path = seeded(Words), tmp_path / f"net{FILES[kind].suffix}"
    ids = torch.tensor([[1, 2, 3, 4]])
    example = {"input_ids": ids, "attention_mask": torch.ones(1, 4), "use_cache": False, "scale": 3}
    done = tenfold.export(model, example, path, to=kind)
    assert done.axes == {"input_ids": (1,), "attention_mask": (1,)}
    longer = {**example, "input_ids": ids.repeat(2, 2), "attention_mask": torch.ones(2, 8)}
    found = answers(FILES[kind].load(path), longer)
    wanted = tensors_in(run(model, longer))
    assert len(found) == len(wanted) == 2
    assert all(torch.allclose(x, y, atol=1e-4) for x, y in zip(found, wanted))


@pytest.mark.parametrize("kind", present(["onnx"]))
def test_names_are_those_of_arguments_and_keys(kind, tmp_path):
    import onnx

    model, ids = seeded(Words), torch.tensor([[1, 2, 3, 4]])
    tenfold.export(model, (ids, torch.ones(1, 4), True), tmp_path / "a.onnx", to=kind)
    graph = onnx.load(tmp_path / "a.onnx").graph
    assert [x.name for x in graph.input] == ["input_ids", "attention_mask"]
    assert [x.name for x in graph.output] == ["logits", "pooled"]
    assert "words.weight" in {x.name for x in graph.initializer}
    tenfold.export(seeded(images), noise(1, 3, 8, 8), tmp_path / "b.onnx", to=kind)
    (taken,) = onnx.load(tmp_path / "b.onnx").graph.input
    assert taken.type.tensor_type.shape.dim[1].dim_value == 3


@pytest.mark.parametrize("kind", present(["onnx"]))
def test_a_file_that_is_wrong_at_other_sizes_is_written_for_one(kind, tmp_path, monkeypatch):
    runtime = type(FILES[kind])
    write, calls = runtime.write, []

    def bound(self, model, example, path, sizes=True):
        """A converter that takes the sizes of the example for constants, and says otherwise."""
        calls.append(sizes)
        axes = write(self, model, example, path, sizes=False)
        return Axes(axes.batch, (((0, 2),), ((0, 3),))) if sizes else axes

    monkeypatch.setattr(runtime, "write", bound)
    done = tenfold.export(seeded(images), noise(1, 3, 8, 8), tmp_path / "a.onnx", to=kind)
    assert calls == [True, False]
    assert done.dynamic
    assert done.axes == {}
    assert done.difference < 1e-4


def test_an_example_of_constants_alone_is_told(tmp_path):
    with pytest.raises(InputError, match="but found a tensor without axes"):
        tenfold.export(seeded(images), (None, True), tmp_path / "a.pt2", to="torch-export")


def test_inputs_of_one_length_are_stretched_alike():
    example = {"a": noise(1, 6, 3), "b": noise(1, 6), "fixed": None}
    groups = (((0, 1), (1, 1)), ((0, 2),))
    shapes = [[tuple(each[key].shape) for key in "ab"] for each in other_sizes(example, groups)]
    assert shapes[0] == [(1, 9, 6), (1, 9)]
    assert shapes[1] == [(1, 12, 6), (1, 12)]
    assert stretched(example, {groups[1]: 0.5})["fixed"] is None

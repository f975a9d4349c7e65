"""int8 files: close to the float model, chosen on inputs kept apart, whole or not at all."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

import tenfold
from tenfold.data.calibrate import calibration_inputs, in_batches, joined
from tenfold.deploy.measure import logits_by_pieces, score
from tenfold.deploy.prepare import answers
from tenfold.deploy.variants import check_close, copy_to, new_file
from tenfold.errors import InputError
from tenfold.runtimes import FILES
from tests.networks import example, tiny_resnet

needs_onnx = pytest.mark.skipif(
    bool(FILES["onnx"].unavailable()), reason=str(FILES["onnx"].unavailable())
)


def batches(count=6):
    torch.manual_seed(3)
    return [(torch.randn(16, 3, 12, 12), torch.randint(0, 5, (16,))) for _ in range(count)]


@pytest.fixture(scope="module")
def small():
    """A compressed network with a depthwise middle."""
    built = tenfold.compress(
        tiny_resnet(), example(), "params=0.6", formats=("cp",), metric="frobenius"
    ).model
    assert any(getattr(layer, "groups", 1) > 1 for layer in built.modules())
    return built


@needs_onnx
def test_the_closest_variant_is_written_and_measured(small, tmp_path):
    done = tenfold.quantise(
        small,
        example(),
        tmp_path / "a.onnx",
        calibration=batches(),
        test=batches(2),
        original=tiny_resnet(),
    )
    assert done.error == min(done.tried.values()) < 0.1
    assert len(done.tried) == 6
    assert done.calibration == "calibration"
    assert [x.name for x in done.files] == ["original", "compressed", "int8"]
    assert [x.accuracy is None for x in done.files] == [False] * 3
    assert done.files[2].bytes == (tmp_path / "a.onnx").stat().st_size
    assert {path.name for path in tmp_path.iterdir()} == {"a.onnx", "a.onnx.json"}
    told = json.loads((tmp_path / "a.onnx.json").read_text())
    assert told["error"] == done.error
    assert told["files"][2]["latency"]["1"]["median"] > 0

    import onnx

    kinds = [node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node]
    assert "QuantizeLinear" in kinds
    x = batches(7)[6][0][:3]  # like those of the calibration, and none of them
    (found,) = answers(FILES["onnx"].load(done.path), x)
    with torch.no_grad():
        wanted = small(x)
    assert (found - wanted).norm() < 0.2 * wanted.norm()


@needs_onnx
def test_without_data_the_inputs_are_made(small, tmp_path):
    done = tenfold.quantise(small, example(), tmp_path / "a.onnx")
    assert done.calibration == "synthetic"
    assert done.error < 0.2
    assert all(x.accuracy is None for x in done.files)


def test_a_file_is_copied_with_what_belongs_to_it(tmp_path):
    """The second file of a pair, or all of a folder, under the name that was asked for."""
    file = new_file(tmp_path, "0", ".xml")
    file.write_text("graph")
    file.with_suffix(".bin").write_text("weights")
    (tmp_path / "part").mkdir()
    copy_to(tmp_path / "part" / "a.b.xml", file)
    assert {x.name for x in (tmp_path / "part").iterdir()} == {"a.b.xml", "a.b.bin"}
    folder = new_file(tmp_path, "1", ".mlpackage")
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "weights").write_text("weights")
    copy_to(tmp_path / "part" / "a.mlpackage", folder)
    assert (tmp_path / "part" / "a.mlpackage" / "data" / "weights").read_text() == "weights"


def test_judged_inputs_are_not_those_the_ranges_come_from(small):
    data = batches()
    ranges, judged, origin = calibration_inputs(small, example(), data)
    assert origin == "calibration"
    assert torch.equal(torch.cat([ranges, judged]), torch.cat([x for x, _ in data]))
    assert len(ranges) == len(judged)


def test_calibration_batches_have_one_size():
    x = torch.arange(10.0)
    assert [len(part) for part in in_batches(x, 4)] == [4, 4]
    assert [part.tolist() for part in in_batches(x[:3], 4)] == [[0, 1, 2, 0]]


def test_batches_of_several_inputs_are_joined():
    assert joined([{"a": torch.zeros(2)}, {"a": torch.ones(1)}])["a"].tolist() == [0, 0, 1]
    assert [len(x) for x in joined([(torch.zeros(2), torch.zeros(2))] * 2)] == [4, 4]


def test_pieces_of_one_size_give_the_same_as_the_whole():
    model = tiny_resnet()
    x = torch.randn(7, 3, 12, 12)
    with torch.no_grad():
        seen = []
        found = logits_by_pieces(lambda part: [seen.append(len(part)), model(part)][1:], x, 3)
        wanted = model(x)
        right = wanted.argmax(1)
        right[0] = (right[0] + 1) % 5
        assert score(model, [(x, right)], 2, dynamic=False, class_mode=1) == pytest.approx(600 / 7)
    assert seen == [3, 3, 3]
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("data", "told"),
    [(None, "no BatchNorm"), ([], "must hold a batch"), ([torch.zeros(1, 3, 8, 8)], "two inputs")],
)
def test_nothing_to_calibrate_on_is_one_sentence(data, told, tmp_path):
    if FILES["onnx"].unavailable():
        pytest.skip(FILES["onnx"].unavailable())
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2))
    with pytest.raises(InputError, match=told) as error:
        tenfold.quantise(model, torch.zeros(1, 3, 8, 8), tmp_path / "a.onnx", calibration=data)
    assert len(str(error.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_other_kinds_and_useless_files_are_refused(small, tmp_path):
    with pytest.raises(InputError, match="choose from executorch, onnx"):
        tenfold.quantise(small, example(), tmp_path / "a.xml", to="openvino")
    with pytest.raises(InputError, match="outputs off by 130%"):
        check_close(1.3, "onnx")
    with pytest.raises(InputError, match="nan"):
        check_close(float("nan"), "onnx")

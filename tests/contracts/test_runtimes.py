"""What every registered runtime must keep: what it computes is what the model does, whether its
file is exported, timed or quantised; and that a stranger's runtime is one new file."""

from __future__ import annotations

import gc
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import tenfold
from tenfold.bench import compare, engines_at_hand
from tenfold.cli import main
from tenfold.deploy.prepare import answers, deploy, deploy_layer, prepare, prepare_layer
from tenfold.errors import InputError, MissingExtra
from tenfold.machine.files import bytes_in
from tenfold.network.arrays import tensors_in
from tenfold.network.call import run
from tenfold.network.inputs import batch_of, leaves, resize, shuffle
from tenfold.runtimes import ENGINES, FILES, INT8, RUNTIMES, FileRuntime, check_available
from tests.networks import example, tiny_resnet

BOUND = ("executorch", "tflite")  # files for the example's very shape
TOYS = Path(__file__).parent / "toy_runtimes"


def present(names, runtimes):
    """A parameter a name, skipped where the runtime is not there."""
    return [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                bool(runtimes[name].unavailable()), reason=str(runtimes[name].unavailable())
            ),
        )
        for name in names
    ]


def needs(name):
    return pytest.mark.skipif(
        bool(FILES[name].unavailable()), reason=str(FILES[name].unavailable())
    )


KINDS = present(FILES, FILES)
HERE = present(ENGINES, ENGINES)
WRITTEN = present([x for x in FILES if FILES[x].timed], FILES)


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


def test_every_runtime_has_its_names():
    for name in RUNTIMES:
        runtime = RUNTIMES[name]
        assert runtime.name == name
        assert runtime.label
        assert bool(runtime.packages) == bool(runtime.extra)
    assert set(ENGINES) == set(RUNTIMES) - {"safetensors"}
    assert {FILES[kind].name for kind in FILES} == {
        name for name in RUNTIMES if isinstance(RUNTIMES[name], FileRuntime)
    }
    assert FILES["onnx"] is ENGINES["onnxruntime"]
    assert set(INT8) == {"onnx", "executorch"}
    assert len({FILES[kind].suffix for kind in FILES}) == len(list(FILES))


# Files


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_computes_what_the_model_does(kind, small, tmp_path):
    runtime = FILES[kind]
    small.train()
    before = {name: value.clone() for name, value in small.state_dict().items()}
    done = tenfold.export(small, example(), tmp_path / f"new/net{runtime.suffix}", to=kind)
    assert small.training
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    assert done.difference < 1e-4
    assert done.unchecked is None
    assert done.dynamic == (kind not in BOUND)
    assert done.bytes == sum(file.stat().st_size for file in done.path.parent.iterdir())
    small.eval()
    loaded = runtime.load(done.path, structure=small)
    for batch in (1, 4) if done.dynamic else (1,):
        probe = shuffle(resize(example(), batch), seed=batch)
        with torch.no_grad():
            (found,), wanted = answers(loaded, probe), small(probe)
        assert found.shape == wanted.shape
        assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert {file.stem for file in done.path.parent.iterdir()} == {"net"}


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_and_outputs_by_name(kind, tmp_path):
    model, path = Named().eval(), tmp_path / f"net{FILES[kind].suffix}"
    inputs = {"left": torch.randn(2, 6), "right": torch.randn(2, 5)}
    tenfold.export(model, inputs, path, to=kind)
    found = answers(FILES[kind].load(path, structure=model), inputs)
    for wanted, value in zip(leaves(model(**inputs)), found):
        assert (wanted - value).abs().max() < 1e-4


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_does_not_export_is_named_and_leaves_nothing(kind, tmp_path):
    with pytest.raises(InputError, match=r"test_runtimes\.py:\d+ `if x\.sum\(\) > 0:`") as told:
        tenfold.export(Reads(), example(), tmp_path / f"a{FILES[kind].suffix}", to=kind)
    assert len(str(told.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_computes_something_else_is_refused(kind, small, tmp_path, monkeypatch):
    runtime = FILES[kind]
    write = type(runtime).write

    def spoilt(self, model, inputs, path, sizes=True):
        state = {name: value.clone() for name, value in model.state_dict().items()}
        nn.init.constant_(next(model.parameters()), 0.5)
        axes = write(self, model, inputs, path, sizes)
        model.load_state_dict(state)
        return axes

    monkeypatch.setattr(type(runtime), "write", spoilt)
    with pytest.raises(InputError, match=r"outputs off by .* because of stem\S* \(Conv2d\)"):
        tenfold.export(small, example(), tmp_path / f"a{runtime.suffix}", to=kind)
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


@needs("onnx")
def test_what_draws_at_random_is_named(tmp_path):
    class Draws(nn.Module):
        def forward(self, x):
            return x.flatten(1) + torch.rand(5).sum()

    with pytest.raises(InputError, match=r"aten\.rand\.default draws at random"):
        tenfold.export(Draws(), example(), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@needs("onnx")
def test_an_operation_that_onnx_lacks_is_named(tmp_path):
    class Rare(nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x)

    with pytest.raises(InputError, match="bessel_j0") as told:
        tenfold.export(Rare(), example(), tmp_path / "a.onnx")
    assert len(str(told.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


@needs("onnx")
def test_onnx_tells_nothing_of_this_machine(small, tmp_path):
    done = tenfold.export(small, example(), tmp_path / "a.onnx")
    raw = done.path.read_bytes()
    assert b"forward" not in raw
    assert b"site-packages" not in raw
    assert done.bytes < 4 * sum(p.numel() for p in small.parameters()) + 15_000


def test_an_interrupted_export_leaves_nothing(small, tmp_path, monkeypatch):
    def interrupted(self, model, inputs, path):
        path.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(type(FILES["torch-export"]), "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tenfold.export(small, example(), tmp_path / "a.pt2", to="torch-export")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_existing_files_stay_as_they_are(kind, small, tmp_path):
    """The second file of a pair counts too."""
    name = f"net{FILES[kind].suffix}"
    taken = tmp_path / ("net.bin" if kind == "openvino" else name)
    taken.write_text("mine")
    with pytest.raises(InputError, match="must not exist yet"):
        tenfold.export(small, example(), tmp_path / name, to=kind)
    assert [file.name for file in tmp_path.iterdir()] == [taken.name]
    assert taken.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "to", "inputs", "told"),
    [
        ("a.bin", "safetensors", example(), r"must end in \.safetensors"),
        ("a.pt2", "paper", example(), "exporter must be a known name"),
        ("file/a.pt2", "torch-export", example(), "must be writable"),
        ("a.pt2", "torch-export", (example(), object()), "mapping of tensors .* but found object"),
        ("a.pt2", "torch-export", (None, 3), "but found a tensor without"),
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


# Engines


@pytest.mark.parametrize("name", HERE)
def test_outputs_agree_with_pytorch(name, tmp_path):
    model, x = tiny_resnet(), example(2)
    engine, mode, threads = ENGINES[name], model.training, torch.get_num_threads()
    deployed = deploy(engine, model, x, tmp_path)
    assert deployed.bytes > 4 * 5000  # it has the weights in it
    (found,) = answers(engine.load(deployed.content), x)
    assert torch.allclose(found, run(model, x), atol=1e-4)
    assert model.training == mode
    assert model.down.weight.is_contiguous()
    assert torch.get_num_threads() == threads
    assert engine.version() not in ("", "unknown")


@pytest.mark.parametrize("name", HERE)
def test_names_that_begin_with_a_digit_are_no_obstacle(name):
    if name == "compile":
        pytest.skip("the same as any model there")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU()).eval()
    x = torch.randn(1, 3, 6, 6)
    (found,) = tensors_in(prepare(ENGINES[name], model, x)())
    assert torch.allclose(found, run(model, x), atol=1e-4)


@pytest.mark.parametrize("name", HERE)
def test_a_prepared_run_outlives_its_file(name):
    if name == "compile":
        pytest.skip("it has no file")
    torch.manual_seed(0)
    x, models = torch.randn(2, 64), (nn.Linear(64, 64), nn.Linear(64, 48))
    runs = [prepare(ENGINES[name], model.eval(), x) for model in models]
    gc.collect()
    overwriting = [b"\xff" * size for size in range(1000, 40_000, 50)]
    for model, forward in [*zip(models, runs)] * 2:
        (found,) = tensors_in(forward())
        assert torch.allclose(found, run(model, x), atol=1e-4)
    assert overwriting


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_is_timed_is_the_file_that_is_exported(kind, tmp_path):
    model, runtime = tiny_resnet(), FILES[kind]
    done = tenfold.export(model, example(), tmp_path / f"out/net{runtime.suffix}", to=kind)
    (tmp_path / "timed").mkdir()
    deployed = deploy(runtime, model, example(), tmp_path / "timed")
    assert deployed.bytes == pytest.approx(done.bytes, abs=50)
    assert deployed.dynamic == done.dynamic
    for file in done.path.parent.iterdir():
        timed = tmp_path / "timed" / file.name
        if file.suffix == ".xml":  # its operations are numbered on through the process
            assert graph_of(file) == graph_of(timed)
        elif file.suffix == ".pt2":  # as is what its archive holds
            states = [torch.export.load(x).state_dict for x in (file, timed)]
            assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
        else:
            assert file.read_bytes() == timed.read_bytes()


def test_an_open_file_is_written_once_for_all_batch_sizes(monkeypatch):
    kind, written = "torch-export", []
    write = type(FILES[kind]).write

    def counting(self, model, inputs, path):
        written.append(batch_of(inputs))
        return write(self, model, inputs, path)

    monkeypatch.setattr(type(FILES[kind]), "write", counting)
    cells = compare({"it": tiny_resnet()}, example(), engines=(kind,), batches=(2, 3), runs=2)
    assert written == [2]
    assert [cell.batch for cell in cells] == [2, 3]
    assert all(cell.models["it"].difference < 1e-4 for cell in cells)


CHAINS = {
    "conv": (nn.Conv2d(6, 8, 3, stride=(2, 1), padding=(1, 0), dilation=(1, 2)), (2, 6, 9, 9)),
    "three": (
        nn.Sequential(
            nn.Conv2d(6, 4, 1, bias=False),
            nn.Conv2d(4, 4, 3, groups=4, padding=1, bias=False),
            nn.Conv2d(4, 8, 1),
        ),
        (1, 6, 7, 7),
    ),
    "conv1d": (nn.Conv1d(6, 8, 5, padding=2), (1, 6, 17)),
    "linear": (nn.Sequential(nn.Linear(12, 5, bias=False), nn.Linear(5, 9)), (3, 12)),
    "linear on tokens": (nn.Sequential(nn.Linear(12, 5, bias=False), nn.Linear(5, 9)), (2, 4, 12)),
}


def graph_of(path):
    """What a file holds but its names: versions, operations in their order, shapes."""
    if path.suffix == ".onnx":
        import onnx

        model = onnx.load(path)
        shapes = [
            [d.dim_value or None for d in x.type.tensor_type.shape.dim] for x in model.graph.input
        ]
        opsets = [(x.domain, x.version) for x in model.opset_import]
        return model.ir_version, opsets, shapes, [x.op_type for x in model.graph.node]
    import openvino

    return [
        (x.get_type_name(), [str(y.get_partial_shape()) for y in x.outputs()])
        for x in openvino.Core().read_model(str(path)).get_ordered_ops()
    ]


@pytest.mark.parametrize("label", CHAINS)
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_chain_written_the_short_way_is_the_graph_that_is_exported(name, label, tmp_path):
    engine, (layer, shape) = ENGINES[name], CHAINS[label]
    if engine.unavailable():
        pytest.skip(engine.unavailable())
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    (tmp_path / "short").mkdir()
    short = deploy_layer(engine, layer, x, tmp_path / "short")
    assert short.content.stem == "layer"  # the short way was taken
    (found,) = answers(engine.load(short.content), x)
    assert torch.allclose(found, run(layer, x), atol=1e-5)
    (tmp_path / "long").mkdir()
    long = deploy(engine, layer, x, tmp_path / "long")
    assert graph_of(short.content) == graph_of(long.content)


@needs("onnx")
def test_layers_that_are_no_chain_are_traced():
    layer, x = nn.Conv2d(3, 4, 3, padding="same"), torch.randn(1, 3, 6, 6)
    (found,) = tensors_in(prepare_layer(ENGINES["onnxruntime"], layer, x)())
    assert torch.allclose(found, run(layer, x), atol=1e-5)


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_model_that_does_not_export_is_told_before_it_is_timed(kind):
    class Data(nn.Module):
        def forward(self, x):
            return x + 1 if x.sum().item() > 0 else x - float(x.max())

    for inputs in (torch.zeros(2, 2), {"x": torch.zeros(2, 2)}):
        with pytest.raises(InputError, match=r"must export through .* the engine eager") as told:
            prepare(FILES[kind], Data(), inputs)
        assert len(str(told.value).splitlines()) == 1


# int8


@pytest.mark.parametrize("kind", present(INT8, FILES))
def test_an_int8_file_is_smaller_and_follows_the_model(kind, tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(800, 5)).eval()
    path, data = tmp_path / f"a{FILES[kind].suffix}", [torch.randn(16, 3, 12, 12) for _ in "ab"]
    done = tenfold.quantise(model, example(), path, to=kind, calibration=data)
    assert done.to == kind
    # Outputs of random layers are small sums of large terms; uint8 between layers shows in them.
    assert done.error == min(done.tried.values()) < (0.1 if kind == "executorch" else 0.2)
    floating, int8 = done.files
    assert int8.bytes == path.stat().st_size < floating.bytes / 2
    assert {file.name for file in tmp_path.iterdir()} == {path.name, f"{path.name}.json"}
    (found,) = answers(FILES[kind].load(path), example())
    assert (found - run(model, example())).norm() < 0.2 * run(model, example()).norm()


# What is not there


@pytest.mark.parametrize("name", [x for x in RUNTIMES if RUNTIMES[x].packages])
def test_a_missing_package_is_one_sentence(name, small, tmp_path, monkeypatch):
    runtime = RUNTIMES[name]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    sentence = rf"^The runtime {name} needs the package \w+, but found none; install it with pip "
    sentence += rf"install 'tenfold\[{runtime.extra}\]'\.$"
    kind = next(kind for kind in FILES if FILES[kind] is runtime)
    with pytest.raises(MissingExtra, match=sentence):
        tenfold.export(small, example(), tmp_path / f"a{runtime.suffix}", to=kind)
    with pytest.raises(MissingExtra, match=sentence):
        compare({}, example(), engines=("eager", name))
    assert not list(tmp_path.iterdir())


def test_what_needs_no_package_is_there(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("eager", "eager-nchw", "torch-export", "safetensors"):
        assert RUNTIMES[name].unavailable() is None
    assert {"eager", "eager-nchw"} <= set(engines_at_hand())


def test_a_missing_device_or_compiler_is_one_sentence(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    for name in ("cuda", "compile"):
        with pytest.raises(MissingExtra, match=rf"^The runtime {name} needs a .*, but found none"):
            check_available(name)
    with pytest.raises(InputError, match="engine must be a known name"):
        check_available("abacus")
    with pytest.raises(InputError, match="engine must be a known name"):
        check_available("safetensors")  # weights do not run by themselves


# A stranger's runtime, whose file is a folder that cannot be read back


@pytest.fixture
def toy(monkeypatch):
    """The toy, found as any file in the folder of the runtimes is."""
    package = importlib.import_module("tenfold.runtimes")
    monkeypatch.setattr(RUNTIMES, "_items", {name: RUNTIMES[name] for name in RUNTIMES})
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(TOYS)])
    importlib.import_module("tenfold.runtimes.toy")
    yield FILES["toy"]
    del sys.modules["tenfold.runtimes.toy"]


def test_a_folder_is_exported_and_can_be_entered(toy, tmp_path):
    done = tenfold.export(tiny_resnet(), example(), tmp_path / "net.toypackage", to="toy")
    assert done.difference is None
    assert done.batches == ()
    assert done.unchecked == "toy packages run on toys only"
    assert done.bytes == bytes_in(done.path) > 4 * 5000
    for entry in (done.path, *done.path.rglob("*")):
        assert entry.stat().st_mode & 0o777 == (0o755 if entry.is_dir() else 0o644)
    with pytest.raises(InputError, match="must not exist yet"):
        tenfold.export(tiny_resnet(), example(), tmp_path / "net.toypackage", to="toy")
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.toypackage"]


def test_a_folder_is_moved_whole_or_not_at_all(toy, tmp_path, monkeypatch):
    def interrupted(self, model, inputs, path):
        (path / "data").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(toy), "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tenfold.export(tiny_resnet(), example(), tmp_path / "net.toypackage", to="toy")
    assert not list(tmp_path.iterdir())


def test_what_cannot_run_here_is_not_timed(toy):
    assert "toy" in ENGINES
    assert "toy" not in engines_at_hand()
    with pytest.raises(InputError, match="but found that toy packages run on toys only; choose"):
        compare({"it": tiny_resnet()}, example(), engines=("toy",))
    with pytest.raises(InputError, match="but found that toy packages run on toys only; choose"):
        tenfold.plan(tiny_resnet(), example(), "latency=0.5@toy")
    with pytest.raises(InputError, match="int8 format must be a known name"):
        tenfold.quantise(tiny_resnet(), example(), "net.toypackage", to="toy")


def test_int8_files_that_cannot_be_judged_are_refused(toy, monkeypatch):
    monkeypatch.setattr(type(toy), "int8", INT8["onnx"])
    with pytest.raises(InputError, match="but found that toy packages run on toys only; export"):
        tenfold.quantise(tiny_resnet(), example(), "net.toypackage", to="toy")


def test_a_toy_without_its_package_is_told(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        MissingExtra, match=r"^The runtime toy needs the package json.*tenfold\[toy"
    ):
        tenfold.export(tiny_resnet(), example(), tmp_path / "net.toypackage", to="toy")


def test_the_command_line_says_that_nothing_was_compared(toy, tmp_path, capsys):
    (tmp_path / "net.py").write_text(
        "from tests.networks import example, tiny_resnet\n"
        "def make():\n    return tiny_resnet(), example()\n"
    )
    source, small = f"{tmp_path}/net.py:make", str(tmp_path / "small")
    assert main(["compress", source, "--budget", "params=0.5", "--out", small]) == 0
    out = str(tmp_path / "net.toypackage")
    assert main(["export", small, "--to", "toy", "--out", out, "--json"]) == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out.strip().splitlines()[-1])
    assert told["difference"] is None
    assert told["unchecked"] == "toy packages run on toys only"
    said = " ".join(shown.err.split())
    assert "this batch size only; nothing was compared: toy packages run on toys only." in said
    assert main(["bench", small, "--engine", "toy"]) == 2
    assert "toy packages run on toys only" in capsys.readouterr().err


def test_help_lists_what_is_registered():
    """In a process of its own, as help texts are made when the command line is imported."""
    program = (
        "import sys, tenfold.runtimes as runtimes\n"
        f"runtimes.__path__.append({str(TOYS)!r})\n"
        "from tenfold.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    for command, wanted in (
        ("export", [*FILES, "toy", *(FILES[kind].suffix for kind in FILES), ".toypackage"]),
        ("bench", [*ENGINES, "toy"]),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, command, "--help"],
            capture_output=True,
            text=True,
            check=True,
            env={"COLUMNS": "400", "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        )
        for name in wanted:
            assert name in done.stdout

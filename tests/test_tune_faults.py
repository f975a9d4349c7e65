"""A run that is killed, fills the disk, or meets bad data: nothing is lost, and it says so."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tenfold.errors import InputError, TrainingError
from tenfold.tune import tune
from tenfold.tune.checkpoint import BEST, FILE, read_state, write_state
from tests.tuning import SETTINGS, Images, make_pair, same

RUN = """
import sys
from pathlib import Path
import torch
from tenfold.tune import tune
from tests.tuning import SETTINGS, Images, make_pair

torch.set_num_threads(int(sys.argv[2]))
teacher, student = make_pair(dropout=0.2)

def tell(stage, done, total):
    print("step", done, flush=True)

tune(student, teacher, Images(teacher), settings=SETTINGS, checkpoint=Path(sys.argv[1]),
     progress=tell)
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def pair():
    return make_pair(dropout=0.2)


@pytest.fixture(scope="module")
def whole(pair):
    """The run that nothing interrupts."""
    teacher, student = pair
    return tune(student, teacher, Images(teacher), settings=SETTINGS)


def finish(pair, folder):
    teacher, student = pair
    return tune(student, teacher, Images(teacher), settings=SETTINGS, checkpoint=folder)


def kill_after(folder, steps, seconds):
    """Start the run in a process of its own, and kill it some time after it said its step."""
    root = Path(__file__).parents[1]
    arguments = [sys.executable, "-c", RUN, str(folder), str(torch.get_num_threads())]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        for line in process.stdout:
            if line.strip() in (f"step {steps}", "done"):
                break
        time.sleep(seconds)
        process.kill()
    return line.strip(), process.returncode


def test_killed_twice_it_ends_as_if_never_killed(pair, whole, tmp_path):
    told, code = kill_after(tmp_path, 4, 0.004)
    assert (told, code) == ("step 4", -9)
    told, code = kill_after(tmp_path, 11, 0.0)
    assert (told, code) == ("step 11", -9)
    reached = read_state(tmp_path / FILE)[1]["reached"]
    assert 9 <= reached["epoch"] * 6 + reached["step"] < 18
    resumed = finish(pair, tmp_path)
    assert same(resumed.model, whole.model)
    assert resumed.history == whole.history


@pytest.mark.parametrize("fail_at", [3 + 0, 2 * 6 + 3, 9, 15])
def test_data_that_raise_are_told_and_the_run_resumes(pair, whole, tmp_path, fail_at):
    teacher, student = pair
    looked_at_before = 1 + SETTINGS.reestimate
    with pytest.raises(TrainingError, match="OSError: the disk has gone at step") as caught:
        tune(student, teacher, Images(teacher, fail_at), settings=replace(SETTINGS, every=1e9),
             checkpoint=tmp_path)  # fmt: skip
    assert f"at step {fail_at - looked_at_before + 1};" in str(caught.value)
    assert (tmp_path / BEST).exists()
    resumed = finish(pair, tmp_path)
    assert same(resumed.model, whole.model)
    assert resumed.history == whole.history


@pytest.mark.parametrize("fail_at", [0, 2])
def test_data_that_raise_before_the_first_step_are_told(pair, whole, tmp_path, fail_at):
    teacher, student = pair
    with pytest.raises(TrainingError, match="but found OSError: the disk has gone; mend it"):
        tune(student, teacher, Images(teacher, fail_at), settings=SETTINGS, checkpoint=tmp_path)
    assert same(finish(pair, tmp_path).model, whole.model)


@pytest.mark.parametrize("fail_at", [0, 1, 8])
def test_validation_that_raises_is_told_and_the_best_is_kept(pair, tmp_path, fail_at):
    teacher, student = pair
    with pytest.raises(TrainingError, match="but found OSError: the disk has gone; mend it"):
        tune(student, teacher, Images(teacher), settings=SETTINGS,
             validation=Images(teacher, fail_at), checkpoint=tmp_path)  # fmt: skip
    assert (tmp_path / BEST).exists() == (fail_at > 6)


@pytest.mark.parametrize("writes", [0, 1, 7])
def test_a_full_disk_is_told_and_the_run_resumes(pair, whole, tmp_path, monkeypatch, writes):
    module = importlib.import_module("tenfold.tune.checkpoint")
    save, left = module.save_file, iter(range(writes))

    def filling(tensors, path, metadata):
        if next(left, None) is None:
            path.write_bytes(b"half of it")
            raise OSError(28, "No space left on device")
        save(tensors, path, metadata=metadata)

    monkeypatch.setattr(module, "save_file", filling)
    with pytest.raises(TrainingError, match=r"No space left.*last complete one is intact"):
        finish(pair, tmp_path)
    assert not list(tmp_path.glob("*.part"))
    monkeypatch.undo()
    resumed = finish(pair, tmp_path)
    assert same(resumed.model, whole.model)
    assert resumed.history == whole.history


def test_a_nan_loss_names_step_and_layer_and_keeps_the_best(pair, tmp_path):
    teacher, student = pair
    looked_at_before = 1 + SETTINGS.reestimate
    data = Images(teacher, spoil=looked_at_before + 4)
    with pytest.raises(TrainingError, match=r"step 5 in stem") as caught:
        tune(student, teacher, data, settings=SETTINGS, checkpoint=tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / BEST).exists()


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def foreign(path):
    write_state(path, {"weight": torch.zeros(2)}, {"by": "another program"})


def without_a_tensor(path):
    tensors, facts = read_state(path)
    tensors.pop("student.head.weight")
    write_state(path, tensors, facts)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.write_bytes(b"\x10\x00rubbish"), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (cut, "damaged"),
        (foreign, "must fit the model"),
        (without_a_tensor, "must fit the model"),
    ],
)
def test_a_damaged_checkpoint_is_told(pair, tmp_path, spoil, told):
    teacher, student = pair
    settings = replace(SETTINGS, epochs=1)
    tune(student, teacher, Images(teacher), settings=settings, checkpoint=tmp_path)
    spoil(tmp_path / FILE)
    with pytest.raises(InputError, match=told) as caught:
        tune(student, teacher, Images(teacher), settings=settings, checkpoint=tmp_path)
    assert "\n" not in str(caught.value)


def test_a_resumed_run_must_keep_its_settings(pair, tmp_path):
    teacher, student = pair
    finish(pair, tmp_path)
    with pytest.raises(InputError, match="must keep its epochs"):
        tune(
            student, teacher, Images(teacher), settings=replace(SETTINGS, epochs=5),
            checkpoint=tmp_path,
        )  # fmt: skip

"""A run that is killed, fills the disk, or meets bad data: nothing is lost, and it says so."""

from __future__ import annotations

import copy
import importlib
import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tenfold
from tenfold.errors import InputError, TrainingError
from tenfold.pipeline.resume import FILE as PLANNED
from tenfold.training import tune
from tenfold.training.checkpoint import BEST, FILE, read_state, write_state
from tests.networks import example
from tests.tuning import SETTINGS, Images, make_pair, same

RUN = """
import sys
from pathlib import Path
import torch
from tenfold.training import tune
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


def test_a_folder_in_use_is_refused_until_its_process_ends(pair, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("tenfold.training.checkpoint"), "PATIENCE", 0.1)
    slow = RUN.replace("flush=True)", "flush=True); import time; time.sleep(0.5)", 1)
    root = Path(__file__).parents[1]
    arguments = [sys.executable, "-c", slow, str(tmp_path), str(torch.get_num_threads())]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        process.stdout.readline()
        with pytest.raises(InputError, match=r"one run at a time, but found .* in use by another"):
            finish(pair, tmp_path)
        process.kill()
    assert same(finish(pair, tmp_path).model, whole.model)


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
        tune(
            student,
            teacher,
            Images(teacher, fail_at),
            settings=replace(SETTINGS, every=1e9),
            checkpoint=tmp_path,
        )
    assert f"at step {fail_at - looked_at_before + 1};" in str(caught.value)
    assert (tmp_path / BEST).exists()
    resumed = finish(pair, tmp_path)
    assert same(resumed.model, whole.model)
    assert resumed.history == whole.history


def test_data_that_raise_again_while_they_are_read_again_change_nothing(pair, whole, tmp_path):
    teacher, student = pair
    settings = replace(SETTINGS, every=1e9)
    for fail_at in (3 + 5, 3 + 2):  # the second one behind the step that the first one reached
        with pytest.raises(TrainingError, match="the disk has gone at step"):
            tune(student, teacher, Images(teacher, fail_at), settings=settings, checkpoint=tmp_path)
    assert read_state(tmp_path / FILE)[1]["reached"]["step"] == 5
    assert same(finish(pair, tmp_path).model, whole.model)


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
        tune(
            student,
            teacher,
            Images(teacher),
            settings=SETTINGS,
            validation=Images(teacher, fail_at),
            checkpoint=tmp_path,
        )
    assert (tmp_path / BEST).exists() == (fail_at > 6)


def test_an_epoch_whose_validation_raises_is_not_lost(pair, tmp_path):
    teacher, student = pair
    calls = iter(range(100))

    def quality(output, batch):
        if next(calls) == 2 * 6 + 3:  # once before training, once more after it was estimated anew
            raise OSError("no such judge")
        return 1.0

    asked = {"settings": replace(SETTINGS, every=1e9), "checkpoint": tmp_path}
    with pytest.raises(TrainingError, match="no such judge"):
        tune(
            student, teacher, Images(teacher), validation=Images(teacher), quality=quality, **asked
        )
    reached = read_state(tmp_path / FILE)[1]["reached"]
    assert (reached["epoch"], reached["step"]) == (0, 6)


@pytest.mark.parametrize("writes", [0, 1, 7])
def test_a_full_disk_is_told_and_the_run_resumes(pair, whole, tmp_path, monkeypatch, writes):
    module = importlib.import_module("tenfold.training.checkpoint")
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


def test_nan_before_the_first_step_is_told_and_what_was_handed_over_is_kept(pair, tmp_path):
    teacher, student = pair
    with pytest.raises(TrainingError, match=r"must be finite.*first 2 batches") as caught:
        tune(student, teacher, Images(teacher, spoil=2), settings=SETTINGS, checkpoint=tmp_path)
    assert "\n" not in str(caught.value)
    kept = read_state(tmp_path / BEST)[0]
    assert all(bool(torch.isfinite(value).all()) for value in kept.values())


def test_data_that_run_dry_are_told(pair):
    class Once:
        def __init__(self, data):
            self.batches = iter([*data, *data])

        def __len__(self):
            return 6

        def __iter__(self):
            return self.batches

    teacher, student = pair
    with pytest.raises(TrainingError, match="none in epoch 3"):
        tune(student, teacher, Once(Images(teacher)), settings=replace(SETTINGS, reestimate=0))


def test_a_quality_that_is_no_number_is_told_before_the_first_step(pair):
    teacher, student = pair
    with pytest.raises(TrainingError, match="found NaN before the first step"):
        tune(
            student,
            teacher,
            Images(teacher),
            settings=SETTINGS,
            validation=Images(teacher),
            quality=lambda output, batch: math.nan,
        )


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


def flip(where):
    """Change one bit of the file; ``where`` from its end, or of its header."""

    def change(path):
        held = bytearray(path.read_bytes())
        held[where] ^= 0x40
        path.write_bytes(bytes(held))

    return change


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
        (flip(-5), "damaged"),
        (flip(-4000), "damaged"),
        (flip(200), "damaged"),
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


def test_a_file_in_place_of_the_directory_is_told(pair, tmp_path):
    teacher, student = pair
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TrainingError, match="must be writable"):
        tune(student, teacher, Images(teacher), settings=SETTINGS, checkpoint=tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_checkpoint_of_another_original_or_loss_is_refused(pair, tmp_path):
    teacher, student = pair
    folder = str(tmp_path)
    tune(student, teacher, Images(teacher), settings=SETTINGS, checkpoint=folder)
    other = copy.deepcopy(teacher)
    other.head.bias.data += 1e-3
    with pytest.raises(InputError, match=f"must keep its original.*delete {folder} to start over"):
        tune(student, other, Images(teacher), settings=SETTINGS, checkpoint=folder)
    with pytest.raises(InputError, match="must keep its loss"):
        tune(
            student,
            teacher,
            Images(teacher),
            settings=SETTINGS,
            checkpoint=folder,
            loss=lambda output, batch: output.square().mean(),
        )


def test_a_resumed_run_plans_nothing_twice(pair, tmp_path, monkeypatch):
    teacher, _ = pair
    module = importlib.import_module("tenfold.pipeline.compress")
    plans = []

    def choose(*given, **asked):
        plans.append(asked)
        return plainly(*given, **asked)

    def compress(fail_at=None, **asked):
        return tenfold.compress(
            teacher,
            example(),
            data=Images(teacher, fail_at),
            tuning=SETTINGS,
            **{"budget": "params=0.5", "metric": "frobenius", "checkpoint": tmp_path, **asked},
        )

    plainly = module.choose
    monkeypatch.setattr(module, "choose", choose)
    whole = compress(checkpoint=None)
    with pytest.raises(TrainingError, match="to resume at this step"):
        compress(fail_at=12)
    resumed = compress()
    assert len(plans) == 2
    assert resumed.plan.choices == whole.plan.choices
    assert same(resumed.model, whole.model)
    assert same(resumed.untuned, whole.untuned)
    with pytest.raises(InputError, match="must keep its budget"):
        compress(budget="params=0.6")
    (tmp_path / PLANNED).write_bytes(b"rubbish")
    with pytest.raises(InputError, match="damaged"):
        compress()


def test_a_resumed_run_must_keep_its_settings(pair, tmp_path):
    teacher, student = pair
    finish(pair, tmp_path)
    with pytest.raises(InputError, match="must keep its epochs"):
        tune(
            student,
            teacher,
            Images(teacher),
            settings=replace(SETTINGS, epochs=5),
            checkpoint=tmp_path,
        )


def test_what_is_damaged_of_the_plan_is_told(pair, tmp_path):
    teacher, _ = pair
    asked = {"data": Images(teacher), "tuning": replace(SETTINGS, epochs=1)}
    asked |= {"metric": "frobenius", "checkpoint": tmp_path}
    tenfold.compress(teacher, example(), "params=0.5", **asked)
    flip(-300)(tmp_path / PLANNED)
    with pytest.raises(InputError, match="damaged"):
        tenfold.compress(teacher, example(), "params=0.5", **asked)


@pytest.mark.parametrize("kept", [True, False])
def test_best_weights_are_promised_only_where_they_are(pair, tmp_path, kept):
    teacher, student = pair
    folder = tmp_path if kept else None
    with pytest.raises(TrainingError) as caught:
        tune(
            student,
            teacher,
            Images(teacher),
            settings=replace(SETTINGS, rate=1e30),
            checkpoint=folder,
        )
    assert (f"are in {tmp_path / BEST}" in str(caught.value)) == kept
    assert ("need a checkpoint=" in str(caught.value)) != kept


def test_data_that_give_more_than_they_say_have_epochs_of_what_they_say(pair):
    class Longer(Images):
        def __len__(self):
            return 4

    teacher, student = pair
    steps = []
    tune(
        student,
        teacher,
        Longer(teacher),
        settings=SETTINGS,
        progress=lambda stage, done, total: steps.append((done, total)),
    )
    assert steps == [(done, 12) for done in range(1, 13)]


@pytest.mark.parametrize("data", ["generator", "nothing"])
def test_data_for_a_single_time_are_told_before_anything_is_planned(pair, data):
    teacher, _ = pair
    given = {"generator": (x for x in [torch.zeros(2, 3, 12, 12)]), "nothing": []}[data]
    stages = []
    with pytest.raises(InputError, match="not a generator"):
        tenfold.compress(
            teacher, example(), "params=0.5", data=given, progress=lambda *told: stages.append(told)
        )
    assert stages == []

"""Settings: ranges, values from texts, and the flags that are made from their fields."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, fields

import pytest

from tenfold.cli import main
from tenfold.cli._flags import flags_of, say_field
from tenfold.cli.plan import plan
from tenfold.errors import InputError
from tenfold.search import METHODS
from tenfold.sense.stage import KINDS
from tenfold.settings import PlanSettings, make_settings, setting
from tenfold.settings.check import check_settings, read_value
from tenfold.settings.fields import Range
from tenfold.training import TuneSettings, read_settings


@dataclass(frozen=True)
class Sample:
    """A setting of each kind."""

    count: int | None = setting(1, "How many.", least=1)
    share: float = setting(0.5, "How much.", least=0, below=1)
    names: tuple[str, ...] = setting((), "Which ones.")
    switch: bool = setting(False, "Whether.")
    word: str = setting("a", "What.", choices=("a", "b"))

    def __post_init__(self):
        check_settings(self)


@pytest.mark.parametrize(
    ("limits", "rule", "inside", "outside"),
    [
        ({"least": 0}, "0 or more", 0, -1),
        ({"above": 0, "below": math.inf}, "above 0 and finite", 0.1, math.inf),
        ({"least": 0, "most": 1}, "0 to 1", 1, 1.1),
        ({"least": 0, "below": 1}, "0 or more and below 1", 0.9, 1),
        ({"choices": ("a", "b")}, "one of a, b", "b", "c"),
    ],
)
def test_a_range_holds_what_it_says(limits, rule, inside, outside):
    values = Range(**limits)
    assert values.rule == rule
    assert values.allows(inside)
    assert not values.allows(outside)
    assert not values.allows(math.nan)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "3", 3),
        ("count", 3.0, 3),
        ("count", "none", None),
        ("share", "1e-1", 0.1),
        ("names", "a, b", ("a", "b")),
        ("names", ["a,b"], ("a,b",)),
        ("switch", "Yes", True),
        ("switch", False, False),
        ("word", "b", "b"),
    ],
)
def test_a_text_becomes_the_value_of_a_field(name, text, value):
    read = read_value(Sample, name, text)
    assert read == value
    assert getattr(Sample(**{name: read}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("count", "1.5", "count must be a whole number or none"),
        ("count", True, "count must be a whole number or none"),
        ("share", "none", "share must be a number, but found 'none'"),
        ("names", 3, "names must be a list of names"),
        ("switch", "2", "switch must be true or false"),
    ],
)
def test_a_text_of_another_kind_is_one_sentence(name, text, rule):
    with pytest.raises(InputError, match=rule):
        read_value(Sample, name, text)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("count", 0, "count must be 1 or more, but found 0"),
        ("share", 1.0, "share must be 0 or more and below 1"),
        ("share", math.nan, "share must be a number"),
        ("switch", "yes", "switch must be true or false"),
        ("word", "c", "word must be one of a, b"),
        ("colour", 1, "Sample must hold known settings, but found 'colour'"),
    ],
)
def test_a_value_that_a_setting_cannot_have_is_one_sentence(name, value, rule):
    with pytest.raises(InputError, match=rule):
        make_settings(Sample, None, {name: value})


def test_every_field_has_help_and_every_default_is_in_range():
    for cls in (PlanSettings, TuneSettings):
        cls()
        assert all(field.metadata["about"].endswith(".") for field in fields(cls))


def test_the_fields_of_plan_settings_are_flags_of_plan():
    flags = set(inspect.signature(plan).parameters)
    assert {field.name for field in fields(PlanSettings)} - flags == {"refine"}


def test_the_help_names_what_the_registries_know():
    assert all(name in say_field(PlanSettings, "method") for name in METHODS)
    assert all(name in say_field(PlanSettings, "metric") for name in KINDS)
    assert "continuous (default)" in say_field(PlanSettings, "method")


def test_a_field_more_is_a_flag_more():
    flags = flags_of(Sample)
    assert list(flags) == ["count", "share", "names", "switch", "word"]
    assert say_field(Sample, "share") == "How much. By default 0.5."


def test_tuning_reaches_every_setting_without_a_flag():
    values = {"batchnorm": "frozen", "precision": "bf16", "balance": "no", "channels_last": "yes"}
    own = ("epochs", "rate", "class_mode", "seed")
    others = [field.name for field in fields(TuneSettings) if field.name not in own]
    text = ",".join(f"{name}={values.get(name, getattr(TuneSettings, name))}" for name in others)
    settings = TuneSettings(**read_settings(text))
    assert (settings.precision, settings.balance, settings.channels_last) == ("bf16", False, True)
    for name in own:
        with pytest.raises(InputError, match="use --"):
            read_settings(f"{name}=1")


@pytest.mark.parametrize("flags", [["--metric", "frobenius"], ["--method", "super-layer"]])
def test_what_was_refused_runs(flags, tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch\n"
        "def pair():\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Linear(24, 24)), torch.zeros(2, 24)\n"
    )
    source = f"{tmp_path / 'net.py'}:pair"
    assert main(["plan", source, "--budget", "params=0.5", *flags]) == 0


def test_settings_of_a_plan_can_be_read_as_the_mapping_they_were():
    settings = PlanSettings(method="uniform")
    with pytest.warns(DeprecationWarning, match=r"plan\.settings\.method now"):
        assert settings["method"] == "uniform"
    with pytest.warns(DeprecationWarning, match="origin"), pytest.raises(KeyError, match="origin"):
        settings["metric"]
    with pytest.warns(DeprecationWarning, match="no_such"), pytest.raises(KeyError):
        settings["no_such_setting"]

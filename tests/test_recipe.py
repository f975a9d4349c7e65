"""Flags and recipe files, one to one."""

from __future__ import annotations

import inspect

import pytest

from tenfold.cli.compress import compress
from tenfold.cli.recipe import KEYS, make_recipe, read_recipe, write_recipe
from tenfold.errors import InputError
from tenfold.settings import PlanSettings

FLAGS = {
    "source": "demo",
    "budget": "params=0.2",
    "epochs": 3,
    "include": ["block*", "head"],
    "formats": "svd,cp",
    "round_to": 8,
    "out": "small",
}


def test_a_recipe_written_and_read_is_the_same(tmp_path):
    recipe = make_recipe(FLAGS)
    (tmp_path / "recipe.yaml").write_text(write_recipe(recipe))
    assert make_recipe({}, tmp_path / "recipe.yaml") == recipe
    assert recipe.planning.formats == ("svd", "cp")
    assert recipe.planning.include == ("block*", "head")


def test_flags_win_over_the_file(tmp_path):
    (tmp_path / "r.yaml").write_text("source: demo\nbudget: {params: 0.2, macs: 0.5}\nseed: 4\n")
    recipe = make_recipe({"seed": 7, "budget": None}, tmp_path / "r.yaml")
    assert (recipe.planning.seed, recipe.budget) == (7, "params=0.2,macs=0.5")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colour: blue", "known keys"),
        ("- a list", "mapping"),
        ("epochs: many\nsource: demo\nbudget: params=1", "epochs must be a whole number"),
        ("epochs: 1.5\nsource: demo\nbudget: params=1", "epochs must be a whole number"),
        ("a: [", "YAML"),
        ("!!python/object/apply:os.system ['true']", "YAML"),
        ("source: demo", "needs a budget"),
    ],
)
def test_a_bad_file_is_told(tmp_path, text, told):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(InputError, match=told):
        make_recipe({}, tmp_path / "r.yaml")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="YAML file"):
        read_recipe(tmp_path / "none.yaml")


def test_every_key_is_a_flag_of_compress():
    flags = set(inspect.signature(compress).parameters)
    streamed = {"stream", "moments", "shard"}  # of files, which no recipe is for
    assert set(KEYS) == flags - {"config", "json"} - streamed


def test_the_settings_of_a_plan_and_of_the_tuning_are_flat_keys(tmp_path):
    text = "source: a\nbudget: params=1\nrate: 1.0e-3\nclass_mode: none\ntuning: {ema: 0.9}\n"
    (tmp_path / "r.yaml").write_text(f"{text}metric: frobenius\nformats: [svd]\n")
    recipe = make_recipe({"epochs": 3}, tmp_path / "r.yaml")
    assert recipe.planning == PlanSettings(metric="frobenius", formats=("svd",))
    assert recipe.tuning == {"epochs": 3, "rate": 1e-3, "class_mode": None, "ema": 0.9}
    (tmp_path / "again.yaml").write_text(write_recipe(recipe))
    assert make_recipe({}, tmp_path / "again.yaml") == recipe


def test_a_recipe_says_its_version(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(write_recipe(make_recipe(FLAGS)))
    assert "tenfold_recipe: 1\n" in path.read_text()
    path.write_text("tenfold_recipe: 2\nsource: demo\n")
    with pytest.raises(InputError, match=r"tenfold_recipe: 1 or less, but found 2; install"):
        read_recipe(path)

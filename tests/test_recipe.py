"""Flags and recipe files, one to one."""

from __future__ import annotations

import pytest

from tenfold.cli.recipe import Recipe, make_recipe, read_recipe, write_recipe
from tenfold.errors import InputError

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
    assert recipe.formats == ("svd", "cp")
    assert recipe.include == ("block*", "head")


def test_flags_win_over_the_file(tmp_path):
    (tmp_path / "r.yaml").write_text("source: demo\nbudget: {params: 0.2, macs: 0.5}\nseed: 4\n")
    recipe = make_recipe({"seed": 7, "budget": None}, tmp_path / "r.yaml")
    assert (recipe.seed, recipe.budget) == (7, "params=0.2,macs=0.5")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("colour: blue", "known keys"),
        ("- a list", "mapping"),
        ("epochs: many\nsource: demo\nbudget: params=1", "epochs must be of type int"),
        ("epochs: 1.5\nsource: demo\nbudget: params=1", "epochs must be of type int"),
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


def test_every_field_is_a_flag_of_compress():
    import inspect
    from dataclasses import fields

    from tenfold.cli.compress import compress

    flags = set(inspect.signature(compress).parameters)
    assert {f.name for f in fields(Recipe)} == flags - {"config", "json"}

"""Recipes: packaged ones load, what is saved reads back equal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch import recipe as recipes
from toolfinch.data.build_recipe import BuildRecipe
from toolfinch.errors import RecipeError, UsageError
from toolfinch.train.base import BaseRecipe
from toolfinch.train.job import TrainRecipe
from toolfinch.train.sft import Lora, Sft

KINDS = {
    "fledgling": BaseRecipe,
    "fledgling_2": BaseRecipe,
    "fledgling_3": BaseRecipe,
    "assistant-data": BuildRecipe,
    "sgd-data": BuildRecipe,
}
VERBS = {BaseRecipe: "pretrain", TrainRecipe: "train", BuildRecipe: "data build"}


@pytest.mark.parametrize("path", sorted(recipes.PACKAGED.glob("*.toml")), ids=lambda p: p.stem)
def test_packaged_recipes_load_and_name_their_command(path: Path) -> None:
    kind = KINDS.get(path.stem, TrainRecipe)
    recipes.load(path, kind)
    assert f"toolfinch {VERBS[kind]} {path.stem} " in path.read_text().splitlines()[0]


@given(
    st.builds(
        TrainRecipe,
        data=st.text(),
        base=st.text(),
        dialect=st.none() | st.text(),
        max_tokens=st.integers(1, 10**6),
        limit=st.none() | st.integers(1, 10**6),
        sft=st.builds(
            Sft,
            epochs=st.floats(0.1, 100),
            learning_rate=st.floats(1e-9, 1),
            gradient_checkpointing=st.booleans(),
            lora=st.none() | st.builds(Lora, targets=st.text() | st.lists(st.text())),
        ),
    )
)
def test_saved_recipe_reads_back(tmp_path_factory: pytest.TempPathFactory, recipe: TrainRecipe) -> None:
    path = tmp_path_factory.mktemp("recipe") / "r.toml"
    recipes.save(recipe, path, "toolfinch train r")
    assert recipes.load(path, TrainRecipe) == recipe


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"base = \xff", "not UTF-8"),
        (b"[sft]\nepochs = '3'\n", "sft.epochs: expected float, got str"),
        (b"data = 'x'\n[sft.lora]\nrange = 3\n", "sft.lora.range: no such key"),
        (b"data = 'x'\nmax_tokens = 1.5\n", "max_tokens: expected int, got float"),
        (b"data = 'x'\n[sft]\nbatch_size = 0\n", "sft.batch_size: expected int >= 1"),
        (b"data = 'x'\n[sft]\nwarmup = 3.0\n", "sft.warmup: expected float <= 1"),
        (b"data = 'x'\n[sft]\nprecision = 'fp8'\n", "sft.precision: invalid enum value 'fp8'"),
    ],
)
def test_wrong_recipes_name_file_and_key(text: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_bytes(text)
    with pytest.raises(RecipeError, match=says) as caught:
        recipes.load(path, TrainRecipe)
    assert str(caught.value).startswith(str(path))


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        recipes.find("no-such")
    assert "fledgling" in caught.value.hint


def test_difference_names_the_key_that_changed() -> None:
    before = {"data": "x", "sft": {"epochs": 3.0, "lora": {"rank": 8}}}
    assert recipes.difference(before, before) == ""
    now = {"data": "x", "sft": {"epochs": 3.0, "lora": {"rank": 16}}}
    assert recipes.difference(before, now) == "sft.lora.rank was 8, is 16"
    assert recipes.difference(before, {"data": "x"}).startswith("sft was ")

"""Train the embedded base model from nothing.

Example: toolfinch pretrain fledgling --out runs/fledgling
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from toolfinch import recipe as recipes
from toolfinch.cli.progress import say
from toolfinch.errors import UsageError

if TYPE_CHECKING:
    from toolfinch.train.base import BaseRecipe


def run(
    recipe: Annotated[str, typer.Argument(help="a TOML file, or the name of a packaged recipe")],
    out: Annotated[Path, typer.Option(help="folder for tokenizer, corpus, checkpoints and model")],
) -> None:
    from toolfinch.models import fledgling_template
    from toolfinch.train.base import BaseRecipe, make_base

    path = recipes.find(recipe)
    resolved = recipes.load(path, BaseRecipe)
    saved = out / "recipe.toml"
    if saved.is_file() and (out / "tokenizer" / "tokenizer.json").is_file():
        refuse_another(recipes.load(saved, BaseRecipe), resolved, out)
    out.mkdir(parents=True, exist_ok=True)
    recipes.save(resolved, saved, f"toolfinch pretrain {saved} --out {out}")
    finished = make_base(resolved, fledgling_template(), out, say)
    print(finished)


def refuse_another(before: BaseRecipe, now: BaseRecipe, out: Path) -> None:
    """UsageError where a folder's stages were made by another recipe; how long it trains may change."""
    plain = []
    for recipe in (before, now):
        table = msgspec.to_builtins(recipe)
        for key in ("tokens", "checkpoint_minutes"):
            del table["optimisation"][key]
        plain.append(table)
    if changed := recipes.difference(*plain):
        raise UsageError(
            f"{out}: holds another run: {changed}", hint="give another --out, or remove that folder"
        )

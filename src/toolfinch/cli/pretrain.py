"""Train the embedded base model from nothing.

Example: toolfinch pretrain fledgling --out runs/fledgling
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolfinch import recipe as recipes
from toolfinch.cli.progress import say


def run(
    recipe: Annotated[str, typer.Argument(help="a TOML file, or the name of a packaged recipe")],
    out: Annotated[Path, typer.Option(help="folder for tokenizer, corpus, checkpoints and model")],
) -> None:
    from toolfinch.models import fledgling_template
    from toolfinch.train.base import BaseRecipe, make_base

    path = recipes.find(recipe)
    resolved = recipes.load(path, BaseRecipe)
    out.mkdir(parents=True, exist_ok=True)
    recipes.save(resolved, out / "recipe.toml", f"toolfinch pretrain {path.name} --out DIR")
    finished = make_base(resolved, fledgling_template(), out, say)
    print(finished)

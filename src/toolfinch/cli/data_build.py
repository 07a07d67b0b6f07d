"""From logs to a dataset that can be trusted, as a recipe says; what was finished is not done again.

Example: toolfinch data build assistant-data examples/assistant/log.jsonl --out runs/assistant/data
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from toolfinch import recipe as recipes

if TYPE_CHECKING:
    from toolfinch.data.build_recipe import BuildRecipe


def run(
    recipe: Annotated[str, typer.Argument(help="a TOML file, or the name of a packaged recipe")],
    out: Annotated[Path, typer.Option(help="folder for the dataset, its funnel and its card")],
    logs: Annotated[list[Path] | None, typer.Argument(help="logs, in place of the recipe's")] = None,
    tools: Annotated[Path | None, typer.Option(help="the tools, in place of the recipe's")] = None,
    ray: Annotated[bool, typer.Option("--ray", help="work on Ray instead of in this process")] = False,
    ray_address: Annotated[str, typer.Option(help="a running cluster; without it Ray starts here")] = "",
) -> None:
    from toolfinch.data.build_recipe import BuildRecipe

    path = recipes.find(recipe)
    resolved = recipes.load(path, BuildRecipe)
    if logs:
        resolved = msgspec.structs.replace(resolved, logs=tuple(map(str, logs)))
    if tools:
        resolved = msgspec.structs.replace(resolved, tools=str(tools))
    build(resolved, out, path.stem, on_ray=ray or bool(ray_address), address=ray_address)
    print(out)


def build(recipe: BuildRecipe, out: Path, name: str, *, on_ray: bool = False, address: str = "") -> None:
    """Run the pipeline, show how it goes, and say what each step kept."""
    from toolfinch.cli.progress import say
    from toolfinch.cli.watch_build import Shown
    from toolfinch.data.build import build as run_build

    try:
        with Shown() as watcher:
            if on_ray:
                from toolfinch.data.on_ray import OnRay

                with OnRay(address) as workers:
                    built = run_build(recipe, out, name=name, run=workers, watcher=watcher)
            else:
                built = run_build(recipe, out, name=name, watcher=watcher)
    except KeyboardInterrupt:
        say("the same command goes on from the last step that is done")
        raise
    for side, path in built.files.items():
        counted = built.card.sides[side]
        say(f"{path}: {counted.conversations:,} conversations, {counted.decisions:,} decisions")

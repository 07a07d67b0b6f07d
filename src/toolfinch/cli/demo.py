"""Run the whole main job on the example assistant: data, train, evaluate, export, serve.

Example: toolfinch demo --out runs/demo
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from toolfinch import recipe as recipes
from toolfinch.cli import data_build
from toolfinch.cli import eval as eval_verb
from toolfinch.cli import train as train_verb
from toolfinch.cli.progress import say
from toolfinch.errors import ToolfinchError

PACKAGE = Path(__file__).parents[1]
SYSTEM = (
    "You are the assistant of Kettenwerk, a bicycle workshop and rental shop. Today is Monday 2025-04-07. Use "
    "the tools; ask for what is missing; say so when no tool fits. The shop's phone is 555-0100."
)
QUESTION = "Hi! Something came up, could you cancel my booking B-40417?"


def assistant_folder() -> Path:
    """The example assistant: inside an installed package, or in the repository that it is built from."""
    for folder in (PACKAGE / "examples" / "assistant", PACKAGE.parents[1] / "examples" / "assistant"):
        if (folder / "tools.json").is_file():
            return folder
    raise ToolfinchError(f"{PACKAGE}: the example assistant is not installed with the package")


def run(
    out: Annotated[Path, typer.Option(help="where everything is left")] = Path("runs/demo"),
) -> None:
    from toolfinch.data.build_recipe import BuildRecipe
    from toolfinch.evaluate import suite as suites
    from toolfinch.evaluate import tables
    from toolfinch.train.job import TrainRecipe

    example = assistant_folder()
    log = next(example.glob("log.jsonl*"))
    recipe = recipes.load(recipes.find("demo"), TrainRecipe)
    recipe = msgspec.structs.replace(recipe, data=str(out / "data"))
    specialist = out / "specialist"

    say("1 of 5, data: from the assistant's log to examples")
    data_build.build(
        BuildRecipe(
            logs=(str(log),),
            tools=str(example / "tools.json"),
            base=recipe.base,
            max_tokens=recipe.max_tokens,
        ),
        out / "data",
        "demo",
    )

    say(f"2 of 5, train: LoRA on {recipe.base}")
    train_verb.train(recipe, specialist, "demo")

    say("3 of 5, evaluate: floors, base and specialist on conversations that were not trained on")
    test = out / "data" / "test.jsonl"
    report = eval_verb.measure(
        [*eval_verb.FLOORS, f"base={recipe.base}", f"specialist={specialist / 'model'}"],
        [suites.open(test)],
        out / "eval",
        eval_verb.How(dialect="hermes"),
    )
    from rich.console import Console

    Console(stderr=True).print(tables.terminal(report))

    say("4 of 5, export: safetensors, GGUF, parity, card")
    card = export(specialist, out, recipe.base)

    say("5 of 5, serve: one request with tools through the official client")
    ask(out / "artifact", example / "tools.json")

    print(
        f"""
report: {out / "eval" / "report.html"}
card:   {card}

with your own log and tools:
  toolfinch data LOG.jsonl --tools TOOLS.json --out runs/mine/data
  toolfinch train demo --data runs/mine/data --out runs/mine/specialist
  toolfinch eval runs/mine/specialist/model --suite runs/mine/data/test.jsonl --out runs/mine/eval"""
    )


def export(specialist: Path, out: Path, base: str) -> Path:
    """The artifact in `out/artifact`, its card holding data, recipe and figures; gives the card's path."""
    from toolfinch import artifact
    from toolfinch.cli.export import export_model
    from toolfinch.evaluate.report import Report
    from toolfinch.export import card

    folder = out / "artifact"
    made = export_model(
        specialist / "model",
        folder,
        ["safetensors", "bf16", "q8_0"],
        str(out / "data" / "test.jsonl"),
        prompts=24,
        name="demo",
    )
    report = msgspec.json.decode((out / "eval" / "report.json").read_bytes(), type=Report)
    column = next(c for c in report.sections[0].columns if c.caller == "specialist")
    about = card.About(
        summary=f"`{base}`, tuned by `toolfinch demo` to the tools of the example assistant.",
        data=(out / "data" / "funnel.md").read_text(encoding="utf-8"),
        recipe=f"```toml\n{(specialist / 'recipe.toml').read_text(encoding='utf-8')}```",
        limits="It knows the example assistant's tools and little else; it is a demonstration.",
        command=report.command,
    )
    measures = [
        card.Measure(name, f.value, f.low, f.high, f.n)
        for name, f in column.overall.figures.items()
        if f.unit == "rate" and f.value is not None and f.low is not None and f.high is not None
    ]
    artifact.verify(folder)
    return card.write(folder, made, about, measures)


def ask(model: Path, tools_file: Path) -> None:
    """Serve `model` on a free port, send one request plain and streamed, print the calls, stop."""
    from openai import OpenAI

    from toolfinch.callers.load import load
    from toolfinch.serve.run import background

    tools = json.loads(tools_file.read_text(encoding="utf-8"))
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": QUESTION},
    ]
    caller = load(str(model))
    with background(caller) as url:
        client = OpenAI(base_url=url, api_key="none")
        request = {"model": caller.name, "messages": messages, "tools": tools, "temperature": 0}
        plain = client.chat.completions.create(**request)
        say(f"{url}: {QUESTION!r}")
        for call in plain.choices[0].message.tool_calls or []:
            say(f"  call: {call.function.name} {call.function.arguments}")
        streamed: dict[int, list[str]] = {}
        for chunk in client.chat.completions.create(**request, stream=True):
            for choice in chunk.choices:
                for part in choice.delta.tool_calls or []:
                    pieces = streamed.setdefault(part.index, ["", ""])
                    pieces[0] += part.function.name or ""
                    pieces[1] += part.function.arguments or ""
        for name, arguments in streamed.values():
            say(f"  streamed: {name} {arguments}")
        if not plain.choices[0].message.tool_calls:
            say(f"  no call: {plain.choices[0].message.content!r}")

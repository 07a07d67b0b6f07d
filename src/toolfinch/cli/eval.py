"""Measure callers side by side, every figure with its 95 % interval.

A caller is a model folder, a GGUF file, an endpoint (http://host:8000/v1#model), or a floor: never, bm25.

Example: toolfinch eval never bm25 fledgling --suite frozen_200 --out runs/eval
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from toolfinch.cli.progress import say
from toolfinch.errors import UsageError

if TYPE_CHECKING:
    from toolfinch.caller import ToolCaller
    from toolfinch.evaluate.report import Report
    from toolfinch.example import Example


def run(
    callers: Annotated[list[str], typer.Argument(help="what to measure; NAME=CALLER names its column")],
    suite: Annotated[
        str,
        typer.Option(help="frozen_200, unseen_tools_100, failed_tools, a public suite, or a dataset file"),
    ] = "frozen_200",
    data: Annotated[
        Path | None, typer.Option(help="the folder of a public suite (docs/suites.md); it is not packaged")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for results and report; a stopped run goes on")] = Path(
        "runs/eval"
    ),
    dialect: Annotated[str, typer.Option(help="of a model that does not say its own")] = "",
    conversations: Annotated[
        int, typer.Option(min=0, help="only N of them, spread over the suite; 0: all")
    ] = 0,
    seen: Annotated[
        Path | None, typer.Option(help="a training set: its tools are reported apart from others")
    ] = None,
    free: Annotated[
        bool, typer.Option("--free", help="do not hold calls to the tools' schemas while decoding")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    from rich.console import Console

    from toolfinch.evaluate import report as reports
    from toolfinch.evaluate.suite import read, spread

    if suite == "failed_tools":
        if data is not None or seen is not None:
            raise UsageError("--data and --seen mean nothing to the suite failed_tools")
        failed_tools(callers, out, dialect=dialect, scenarios=conversations, constrain=not free, json=json)
        return
    found, left_out = read(suite, data)
    if left_out:
        say(f"{suite}: rows left out: {len(left_out)} (toolfinch validate says which and why)")
    examples = spread(found, conversations, lambda example: example.conversation_id)
    if seen is not None:
        examples = tag_by_tools(examples, seen)
    made = measure(callers, examples, suite, out, dialect=dialect, constrain=not free)
    if json:
        print(reports.to_json(made).decode(), end="")
    else:
        Console().print(reports.terminal(made))
    say(f"report: {out / 'report.html'}, failing cases: {out / 'failures.jsonl'}")


def tag_by_tools(examples: Sequence[Example], training: Path) -> list[Example]:
    """Tag each example `seen tools`, or `unseen tools` where one that it offers is not in the training set."""
    from toolfinch.data.dataset import read_dataset

    known = {tool.name for conversation in read_dataset(training) for tool in conversation.tools}

    def tag(example: Example) -> str:
        return "seen tools" if all(tool.name in known for tool in example.tools) else "unseen tools"

    return [msgspec.structs.replace(e, tags=(tag(e),)) for e in examples]


def column(spec: str) -> tuple[str, str]:
    """`NAME=CALLER` as (name, caller); the name is empty where the caller stands alone.

    A path or an address may hold an equals sign of its own: a name has no slash and is no path.
    """
    name, equals, caller = spec.partition("=")
    return (name, caller) if equals and "/" not in name and not Path(spec).exists() else ("", spec)


def measure(
    callers: Sequence[str],
    examples: Sequence[Example],
    suite: str,
    out: Path,
    *,
    dialect: str = "",
    constrain: bool = True,
) -> Report:
    """Run each caller over the examples, write the report to `out`, and give it.

    Without `constrain` the columns are marked `free`; endpoints and floors are never constrained from here.
    """
    from toolfinch.caller import Decoding
    from toolfinch.evaluate import report as reports
    from toolfinch.evaluate.run import run as run_examples

    runs = []
    for shown, caller, digest in loaded(callers, dialect, constrain):
        say(f"{shown}: {len(examples)} examples")
        results = run_examples(
            caller,
            examples,
            out,
            artifact=f"{digest} {dialect}".rstrip(),
            decoding=Decoding(constrain=constrain),
        )
        runs.append(reports.Run(shown, results, digest))
    made = reports.build(suite, runs, shlex.join(["toolfinch", *sys.argv[1:]]))
    reports.write(made, out)
    return made


def loaded(callers: Sequence[str], dialect: str, constrain: bool) -> Iterator[tuple[str, ToolCaller, str]]:
    """Each caller with the name of its column and the hash of its artifact, loaded when its turn comes."""
    from toolfinch import models
    from toolfinch.callers.load import load

    for spec in callers:
        name, what = column(spec)
        if what in models.packaged():
            what = str(models.HERE / what)
        caller = load(what, dialect or None)
        yield (name or caller.name) + ("" if constrain else ", free"), caller, artifact_digest(what)


def failed_tools(
    callers: Sequence[str], out: Path, *, dialect: str, scenarios: int, constrain: bool, json: bool
) -> None:
    """The suite `failed_tools`, which is played and not scored reply by reply; 0 scenarios are all."""
    from rich.console import Console

    from toolfinch.caller import Decoding
    from toolfinch.evaluate import failed_tools as suite
    from toolfinch.evaluate import failed_tools_report as reports
    from toolfinch.evaluate.suite import spread

    cases = spread(suite.load(), scenarios, lambda case: case.scenario)
    runs = []
    for shown, caller, digest in loaded(callers, dialect, constrain):
        say(f"{shown}: {len(cases)} cases")
        artifact = f"{digest} {dialect}".rstrip()
        outcomes = suite.run(caller, cases, out, artifact=artifact, decoding=Decoding(constrain=constrain))
        runs.append(reports.Run(shown, outcomes, digest))
    made = reports.build(runs, shlex.join(["toolfinch", *sys.argv[1:]]))
    reports.write(made, out)
    if json:
        print(reports.to_json(made).decode(), end="")
    else:
        Console().print(reports.terminal(made))
    say(f"report: {out / 'report.md'}, failing cases: {out / 'failures.jsonl'}")


def artifact_digest(spec: str) -> str:
    """The SHA-256 of the model at a path: the manifest's, or the file's own; empty for other callers.

    ToolfinchError for an artifact that is not what its manifest says: the report would name another model.
    """
    from toolfinch import artifact

    path = Path(spec)
    if path.is_file():
        return artifact.sha256(path)
    if (path / artifact.MANIFEST).is_file():
        return artifact.verify(path).digest()
    digests = [artifact.sha256(shard) for shard in sorted(path.glob("*.safetensors"))]
    if len(digests) > 1:
        return hashlib.sha256("".join(digests).encode()).hexdigest()
    return "".join(digests)

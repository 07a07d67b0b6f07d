"""Measure callers side by side, every figure with its 95 % interval; the floors stand beside them.

A caller is a model folder, a GGUF file, an endpoint (http://host:8000/v1#model, or --base-url), or a floor:
never, ask, bm25.

Example: toolfinch eval fledgling --suite scenarios_200 --suite forty --out runs/eval
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import typer

from toolfinch.cli.progress import say
from toolfinch.errors import ToolfinchError, UsageError

if TYPE_CHECKING:
    from toolfinch.caller import ToolCaller
    from toolfinch.evaluate.cost import Prices
    from toolfinch.evaluate.metrics import Result
    from toolfinch.evaluate.played import Outcome
    from toolfinch.evaluate.report import Report
    from toolfinch.evaluate.suite import Suite
    from toolfinch.example import Example

FLOORS = ("never", "ask", "bm25")


class How(msgspec.Struct, frozen=True):
    """How callers are loaded and asked."""

    dialect: str = ""
    """`auto` is for endpoints alone."""
    constrain: bool = True
    concurrency: int = 8
    """Requests at a time to an endpoint; a model on this machine has one."""
    timeout_s: float = 120.0
    """For one reply of an endpoint, its retries included."""
    context: int = 8192
    """Tokens that a GGUF file is given room for."""
    max_tokens: int = 512


def run(
    callers: Annotated[
        list[str] | None, typer.Argument(help="what to measure; NAME=CALLER names its column")
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(help="a packaged or public suite, or a dataset file; may be repeated"),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="FOLDER of public suites (docs/suites.md), or SUITE=FOLDER; may be repeated"),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for results and report; a stopped run goes on")] = Path(
        "runs/eval"
    ),
    base_url: Annotated[str, typer.Option(help="an OpenAI-compatible endpoint to measure")] = "",
    model: Annotated[str, typer.Option(help="the endpoint's model; empty: the only one it serves")] = "",
    dialect: Annotated[
        str,
        typer.Option(
            help="of a model that does not say its own; auto: read calls left in an endpoint's text"
        ),
    ] = "",
    conversations: Annotated[
        int, typer.Option(min=0, help="only N of each suite, spread over it; 0: all")
    ] = 0,
    seen: Annotated[
        Path | None, typer.Option(help="a training set: its tools are reported apart from others")
    ] = None,
    free: Annotated[
        bool, typer.Option("--free", help="do not hold calls to the tools' schemas while decoding")
    ] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="requests at a time, to an endpoint")] = 8,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="seconds for an endpoint's reply, with retries")
    ] = 120,
    context: Annotated[int, typer.Option(min=512, help="tokens of context that a GGUF file gets")] = 8192,
    max_tokens: Annotated[int, typer.Option(min=1, help="tokens of a reply, thoughts included")] = 512,
    prices: Annotated[Path | None, typer.Option(help="a TOML file of prices (docs/cost.md)")] = None,
    floors: Annotated[bool, typer.Option(help="measure never, ask and bm25 beside")] = True,
    json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    from rich.console import Console

    from toolfinch.evaluate import cost, output, tables

    asked = list(callers or ())
    if base_url:
        asked.append(f"{base_url}#{model}" if model else base_url)
    elif model:
        raise UsageError("--model names a model of --base-url, which is not given")
    if not asked:
        raise UsageError("nothing to measure: name a caller, or give --base-url")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror}") from error
    if (out / "report.json").exists():
        say(f"{out}: its report is of an earlier run and will be replaced; replies are kept")
    known = cost.read(prices) if prices else None
    suites = opened(suite or ["scenarios_200"], data or [], conversations, seen)
    how = How(dialect, not free, concurrency, timeout, context, max_tokens)
    beside = [floor for floor in FLOORS if floors or floor in asked]
    models = [caller for caller in asked if caller not in FLOORS]
    made = measure([*beside, *models], suites, out, how, known)
    if json:
        print(output.to_json(made).decode(), end="")
    else:
        Console().print(tables.terminal(made, known))
    say(f"report: {out / 'report.html'}, failing cases: {out / 'failures.jsonl'}")
    columns = [(section.suite, column) for section in made.sections for column in section.columns]
    unpriced = set(known.price) - {column.caller for _, column in columns} if known else ()
    if unpriced:
        say(f"{prices}: no caller is named {', '.join(sorted(unpriced))}")
    for name, one in columns:
        if one.overall.errors == one.overall.examples:
            raise ToolfinchError(f"{one.caller}: {name}: {tables.trouble(one)}")


def opened(names: Sequence[str], data: Sequence[str], groups: int, seen: Path | None) -> list[Suite]:
    """The suites by name, `groups` conversations or scenarios of each; 0 is all.

    Raises UsageError for a folder that no suite takes, or that another one stands against.
    """
    from toolfinch.evaluate import suite as suites

    folders: dict[str, Path] = {}
    for of, path in map(where, data):
        if folders.setdefault(of, path) != path:
            raise UsageError(
                f"--data: {folders[of]} and {path}, both of {of or 'any suite'}",
                hint="SUITE=FOLDER says of which",
            )
    out = []
    for plain in dict.fromkeys(map(suites.plain, names)):
        folder = folders.get(plain) or folders.get("")
        if folder is not None and (folder / plain).is_dir():
            folder = folder / plain
        found = suites.open(plain, folder if plain in suites.TAKES_DATA else None)
        if found.left_out:
            say(f"{plain}: rows left out: {len(found.left_out)} (toolfinch validate says which and why)")
        if seen is not None and found.module is None:
            found = msgspec.structs.replace(found, examples=tag_by_tools(found.examples, seen))
        out.append(suites.part(found, groups))
    unused = set(folders) - {"", *(one.name for one in out)}
    if unused or ("" in folders and not any(one.name in suites.TAKES_DATA for one in out)):
        raise UsageError(f"--data: {', '.join(unused) or 'no suite that was named'} takes no folder here")
    return out


def where(data: str) -> tuple[str, Path]:
    """`SUITE=FOLDER`, or a folder alone, which any suite may use. Raises UsageError for an unknown suite."""
    from toolfinch.evaluate import suite as suites

    name, equals, folder = data.partition("=")
    if equals and suites.plain(name) in suites.TAKES_DATA:
        return suites.plain(name), Path(folder)
    if equals and "/" not in name and not Path(data).exists():
        known = ", ".join(sorted(suites.TAKES_DATA))
        raise UsageError(f"--data {data}: no suite {name!r} takes a folder", hint=f"those do: {known}")
    return "", Path(data)


def tag_by_tools(examples: Sequence[Example], training: Path) -> list[Example]:
    """Tag each example `seen tools`, or `unseen tools` where one that it offers is not in the training set."""
    from toolfinch.data.dataset import read_dataset

    known = {tool.name for conversation in read_dataset(training) for tool in conversation.tools}

    def tag(example: Example) -> str:
        return "seen tools" if all(tool.name in known for tool in example.tools) else "unseen tools"

    return [msgspec.structs.replace(e, tags=(*e.tags, tag(e))) for e in examples]


def column(spec: str) -> tuple[str, str]:
    """`NAME=CALLER` as (name, caller); the name is empty where the caller stands alone.

    A path or an address may hold an equals sign of its own: a name has no slash and is no path.
    """
    name, equals, caller = spec.partition("=")
    return (name, caller) if equals and "/" not in name and not Path(spec).exists() else ("", spec)


def measure(
    callers: Sequence[str],
    suites: Sequence[Suite],
    out: Path,
    how: How = How(),
    prices: Prices | None = None,
) -> Report:
    """Run each caller over the suites, write the report to `out`, and give it.

    Without `constrain` the columns are marked `free`; endpoints and floors are never constrained from here.
    """
    from toolfinch.caller import Decoding
    from toolfinch.callers.openai import OpenAICaller
    from toolfinch.evaluate import output
    from toolfinch.evaluate import report as reports
    from toolfinch.evaluate import run as runs

    decoding = Decoding(max_tokens=how.max_tokens, constrain=how.constrain)
    done = []
    for one in loaded(callers, how):
        for suite in suites:
            say(f"{one.name}: {suite.name}, {len(suite.cases)} cases")
            cases: Sequence[Result] | Sequence[Outcome]
            if suite.module:
                cases = runs.play(
                    suite.module,
                    one.caller,
                    suite.played,
                    out,
                    artifact=one.made_of,
                    decoding=decoding,
                    concurrency=one.concurrency,
                )
            else:
                cases = runs.run(
                    one.caller,
                    suite.examples,
                    out,
                    artifact=one.made_of,
                    decoding=decoding,
                    concurrency=one.concurrency,
                )
            changes = one.caller.changes if isinstance(one.caller, OpenAICaller) else {}
            done.append(reports.Run(suite.name, one.name, cases, one.digest, one.size, changes))
    made = reports.build(
        done, shlex.join(["toolfinch", *sys.argv[1:]]), {suite.name: len(suite.left_out) for suite in suites}
    )
    output.write(made, done, out, prices)
    return made


class Loaded(NamedTuple):
    """A caller, ready to be asked."""

    name: str
    """Of its column."""
    caller: ToolCaller
    digest: str
    """The hash of its artifact; empty where it has none."""
    size: int | None
    """Bytes of its weights, where they are on this machine."""
    concurrency: int
    made_of: str
    """What its replies depend on beside its own name: artifact, dialect and context."""


def loaded(callers: Sequence[str], how: How) -> Iterator[Loaded]:
    """Each caller, loaded when its turn comes. Raises UsageError where two columns have one name."""
    from toolfinch import artifact, dialects, models
    from toolfinch.callers.load import load
    from toolfinch.callers.openai import OpenAICaller

    # What can be known now is said now, before another caller has run for an hour.
    if how.dialect not in ("", "auto"):
        dialects.get(how.dialect)
    given = [name for name, _ in map(column, callers) if name]
    if twice := [name for name in given if given.count(name) > 1]:
        raise _named_twice(twice[0])
    for _, what in map(column, callers):
        if not (what in FLOORS or what in models.packaged() or _is_endpoint(what)):
            artifact.find(Path(what), dialect=how.dialect.removeprefix("auto")) if Path(
                what
            ).exists() else load(what)
    names: set[str] = set()
    for spec in callers:
        name, what = column(spec)
        if what in models.packaged():
            what = str(models.HERE / what)
        endpoint = _is_endpoint(what)
        # A model on this machine is read by its own dialect where an endpoint beside it needs `auto`.
        dialect = "" if how.dialect == "auto" and not endpoint else how.dialect
        caller = load(what, dialect or None, context=how.context, timeout_s=how.timeout_s)
        own = caller.model if isinstance(caller, OpenAICaller) else caller.name
        shown = (name or (caller.name if own in names else own)) + ("" if how.constrain else ", free")
        if shown in names:
            raise _named_twice(shown)
        names.add(shown)
        weights = None if endpoint or what in FLOORS else size(Path(what), dialect)
        digest = artifact_digest(what)
        made_of = f"{digest} {dialect}".rstrip()
        if digest and how.context != How().context:
            made_of += f" {how.context}"  # a prompt may not have fit into less, or a reply may have been cut
        yield Loaded(shown, caller, digest, weights, how.concurrency if endpoint else 1, made_of)


def _named_twice(name: str) -> UsageError:
    return UsageError(f"two callers are named {name!r}", hint="name them: FIRST=CALLER SECOND=CALLER")


def _is_endpoint(spec: str) -> bool:
    return spec.startswith(("http://", "https://"))


def size(model: Path, dialect: str = "") -> int:
    """Bytes of the weights that a model's path is loaded from."""
    from toolfinch import artifact

    path = artifact.find(model, dialect=dialect).path
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.glob("*.safetensors")))


def artifact_digest(spec: str) -> str:
    """`artifact.identity` of the model at a path; empty for other callers.

    ToolfinchError for an artifact that is not what its manifest says: the report would name another model.
    """
    from toolfinch import artifact

    path = Path(spec)
    if (path / artifact.MANIFEST).is_file():
        artifact.verify(path)
    return artifact.identity(path)

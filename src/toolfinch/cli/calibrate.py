"""Learn from held-out examples how far a model's replies can be trusted, and keep it beside the model.

`toolfinch serve MODEL --gate` then lets through only replies that are as likely to be right as was asked for here. The
examples should be like those that the model will meet, and none that it was trained on. A stopped run goes on.

Example: toolfinch calibrate fledgling --suite scenarios_200 --suite forty --suite unseen_tools_100
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolfinch.cli.progress import say
from toolfinch.errors import DataError, UsageError

if TYPE_CHECKING:
    from toolfinch.caller import RiskClass
    from toolfinch.cli.eval import How, Loaded
    from toolfinch.evaluate.calibrate import Fitted, Record
    from toolfinch.evaluate.cost import Prices
    from toolfinch.evaluate.deferral import Deferral
    from toolfinch.evaluate.metrics import Result
    from toolfinch.example import Example


def run(
    model: Annotated[str, typer.Argument(help="a model folder, a GGUF file, or a packaged model's name")],
    suite: Annotated[
        list[str] | None, typer.Option(help="a packaged or public suite of decisions; may be repeated")
    ] = None,
    examples: Annotated[
        list[Path] | None, typer.Option(help="a file of conversations of your own; may be repeated")
    ] = None,
    data: Annotated[list[str] | None, typer.Option(help="FOLDER of public suites, or SUITE=FOLDER")] = None,
    out: Annotated[Path, typer.Option(help="folder for replies, report and picture")] = Path(
        "runs/calibrate"
    ),
    risk: Annotated[
        list[str] | None,
        typer.Option(
            help="CLASS=SHARE: at most this share of accepted replies may be wrong; words, read, write, destructive"
        ),
    ] = None,
    sure: Annotated[
        float,
        typer.Option(min=0.5, max=0.999, help="with this probability each threshold keeps to its share"),
    ] = 0.9,
    escalate_to: Annotated[
        str, typer.Option(help="a bigger model's endpoint: report what deferring to it costs and brings")
    ] = "",
    prices: Annotated[Path | None, typer.Option(help="a TOML file of prices of both (docs/cost.md)")] = None,
    dialect: Annotated[str, typer.Option(help="how it writes calls, if the model does not say")] = "",
    conversations: Annotated[int, typer.Option(min=0, help="only N of each suite; 0: all")] = 0,
    context: Annotated[int, typer.Option(min=512, help="tokens of context that a GGUF file gets")] = 8192,
    max_tokens: Annotated[int, typer.Option(min=1, help="tokens of a reply")] = 512,
    seed: Annotated[int, typer.Option(help="of the folds")] = 0,
    json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    import msgspec
    from rich.console import Console

    from toolfinch import models
    from toolfinch.cli.eval import FLOORS, How, loaded, opened
    from toolfinch.decode import calibration
    from toolfinch.evaluate import calibrate, calibration_report, cost, judged, tables

    if model in FLOORS or model.startswith(("http://", "https://")):
        raise UsageError(f"{model}: has no signals to calibrate", hint="only a model on this machine has")
    if prices is not None and not escalate_to:
        raise UsageError("--prices is for --escalate-to, which is not given")
    targets = {**calibrate.TARGETS, **dict(map(target, risk or ()))}
    known = cost.read(prices) if prices else None
    asked = [*(suite or ()), *map(str, examples or ())] or ["scenarios_200"]
    suites = opened(asked, data or [], conversations, None)
    if played := [one.name for one in suites if one.module]:
        raise UsageError(f"{played[0]}: is played over several replies; it has no single decisions")
    cases = [example for one in suites for example in one.examples]
    calibrate.enough(len(cases))  # before they are all asked
    how = How(dialect, context=context, max_tokens=max_tokens)
    (small,) = loaded([model], how)
    results = ask(small, cases, out, how)
    found = calibrate.records(results)
    path = models.HERE / model if model in models.packaged() else Path(model)
    fitted = calibrate.fit(
        found,
        artifact=small.digest,
        format=calibration.format_of(path),
        suites=[Path(one.name).name for one in suites],
        suites_sha256=hashlib.sha256("".join(map(judged.fingerprint, results)).encode()).hexdigest(),
        targets=targets,
        sure=sure,
        seed=seed,
    )
    beside, unit = None, ""
    if escalate_to:
        (big,) = loaded([escalate_to], how)
        beside, unit = compared(
            results, ask(big, cases, out, how), found, fitted, known, (small.name, big.name)
        )
    made = calibration_report.build(
        found,
        fitted,
        model=small.name,
        command=shlex.join(["toolfinch", *sys.argv[1:]]),
        left_out=len(results) - len(found),
        beside=beside,
        cost_unit=unit,
    )
    calibration_report.write(made, out)
    kept = calibration.save(fitted.calibration, path)
    if json:
        print(msgspec.json.format(msgspec.json.encode(made)).decode())
    else:
        Console().print(*map(tables.drawn, calibration_report.grids(made)))
    say(f"calibration: {kept}, report: {out / 'report.json'}, picture: {out / 'risk-coverage.svg'}")


def target(text: str) -> tuple[RiskClass, float]:
    """`read=0.1`. Raises UsageError."""
    from toolfinch.decode.calibration import CLASSES

    name, _, share = text.partition("=")
    try:
        value = float(share)
    except ValueError:
        value = 0.0
    for risk in CLASSES:
        if risk == name and 0 < value < 1:
            return risk, value
    raise UsageError(f"--risk {text}: expected CLASS=SHARE, a share between 0 and 1 for {', '.join(CLASSES)}")


def ask(one: Loaded, cases: Sequence[Example], out: Path, how: How) -> list[Result]:
    """The replies of one caller, scored; a stopped run goes on."""
    from toolfinch.caller import Decoding
    from toolfinch.evaluate import run as runs

    say(f"{one.name}: {len(cases)} examples")
    return runs.run(
        one.caller,
        cases,
        out,
        artifact=one.made_of,
        decoding=Decoding(max_tokens=how.max_tokens),
        concurrency=one.concurrency,
    )


def compared(
    small: Sequence[Result],
    big: Sequence[Result],
    found: Sequence[Record],
    fitted: Fitted,
    prices: Prices | None,
    names: tuple[str, str],
) -> tuple[Deferral, str]:
    """The gate beside both models, and the unit of cost: money, or without prices requests to the bigger model."""
    from toolfinch.evaluate import deferral

    limits = {limit.risk: limit.threshold for limit in fitted.calibration.limits}
    least = [limits[record.risk] for record in found]
    accepted = [t is not None and p >= t for p, t in zip(fitted.held.tolist(), least, strict=True)]
    answered = [i for i, one in enumerate(small) if one.reply.stop not in ("error", "context")]
    costs: list[Callable[[Result], float]] = [lambda _: 0.0, lambda _: 1.0]
    unit = "requests to the bigger model"
    if prices is not None:
        costs = [priced(prices, name) for name in names]
        unit = prices.currency or "money"
    pairs = deferral.pairs(
        [small[i] for i in answered],
        [big[i] for i in answered],
        fitted.held.tolist(),
        accepted,
        costs[0],
        costs[1],
    )
    return deferral.deferral(pairs), unit


def priced(prices: Prices, name: str) -> Callable[[Result], float]:
    """What a reply of the caller of this name costs. Raises UsageError where the table has no price for it."""
    from toolfinch.evaluate import cost

    if name not in prices.price:
        raise UsageError(f"--prices: no price for {name!r}")
    price = prices.price[name]

    def of(result: Result) -> float:
        reply = result.reply
        used = reply.usage
        try:
            return cost.per_call(
                price, used.prompt_tokens, used.completion_tokens, reply.timings.total_s, used.cached_tokens
            )
        except ValueError as error:
            raise DataError(f"--prices: {name}: {result.example.id}: {error}") from error

    return of

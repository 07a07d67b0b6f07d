"""Show what a model made of one request: the prompt, each token, what was forced, every margin, the raw text.

The request is the JSON body of a chat completion, from a file or from standard input (`-`).

Example: echo '{"messages": [{"role": "user", "content": "hi"}]}' | toolfinch diagnose fledgling -
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.text import Text

    from toolfinch.caller import TokenLogprob
    from toolfinch.serve.diagnosis import Diagnosis

_SURE, _UNSURE = 0.5, 0.1


def run(
    model: Annotated[str, typer.Argument(help="a model folder, a GGUF file, or a packaged model's name")],
    request: Annotated[
        Path, typer.Argument(help="a file with the body of a chat completion; - for standard input")
    ],
    dialect: Annotated[str, typer.Option(help="how it writes calls, if the model does not say")] = "",
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    import msgspec

    from toolfinch.callers.load import load
    from toolfinch.serve.diagnosis import diagnose
    from toolfinch.serve.wire import read_request

    body = sys.stdin.buffer.read() if str(request) == "-" else request.read_bytes()
    asked = read_request(body)
    found = diagnose(load(model, dialect or None), asked.messages, asked.tools, asked.decoding)
    if json:
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    else:
        _show(found)


def _show(found: Diagnosis) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    made = found.made
    console.print(
        f"prompt: {len(found.prompt)} tokens, {made.usage.cached_tokens} of them cached", style="bold"
    )
    console.print(Text("".join(piece.text for piece in found.prompt), style="dim"))
    console.print("ids: " + " ".join(str(piece.id) for piece in found.prompt), style="dim")
    console.print(f"\nreply: {len(found.reply)} tokens, dialect {found.dialect}", style="bold")
    raw = Text()
    for token in found.reply:
        raw.append(token.text, style=_style(token))
    console.print(raw)
    console.print("dim: forced; green: sure; yellow: margin under 0.5; red: under 0.1", style="dim")
    table = Table("id", "token", "part", "p", "margin", "masked", "beside it", box=None)
    for token in found.reply:
        if token.forced:
            table.add_row(str(token.id), _quoted(token), token.part, "forced", style="dim")
            continue
        table.add_row(
            str(token.id),
            _quoted(token),
            token.part,
            f"{_p(token.logprob):.3f}",
            "" if token.margin is None else f"{token.margin:+.3f}",
            f"{token.removed:.3f}" if token.removed > 0.0005 else "",
            Text("  ".join(f"{text!r} {_p(p):.3f}" for text, p in token.top if text != token.text)),
        )
    console.print(table)
    if (signals := made.signals) is not None:
        console.print(f"\n{signals.sampled} tokens chosen, {signals.forced} forced", style="bold")
        console.print(
            f"P(call) {_or_none(signals.trigger)}, name {_or_none(signals.name)}, values: least margin "
            f"{_or_none(signals.value_min)}, mean {_or_none(signals.value_mean)}, masked {_or_none(signals.removed)}, "
            f"copied {_or_none(signals.copied)}"
        )
    for call in made.message.calls:
        console.print(Text(f"call: {call.name}({call.arguments})"))
    if made.message.content:
        console.print(Text(f"content: {made.message.content}"))
    for text in made.unread:
        console.print(Text(f"unread: {text!r}"), style="red")
    if made.p_right is not None:
        console.print(f"right with probability {made.p_right:.3f} (calibrated)")


def _style(token: TokenLogprob) -> str:
    if token.forced or token.margin is None:
        return "dim"
    if token.margin >= _SURE:
        return "green"
    return "yellow" if token.margin >= _UNSURE else "bold red"


def _quoted(token: TokenLogprob) -> Text:
    from rich.text import Text

    return Text(repr(token.text), style=_style(token))


def _p(logprob: float) -> float:
    import math

    return math.exp(logprob)


def _or_none(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"

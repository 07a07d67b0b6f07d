"""Does the exported file do what the model does? Measured, not hoped for, and refused where it does not.

Three things are compared with the transformers model on the same examples:

- the logits after the last prompt token (cosine, after taking the mean off, which softmax does not see);
- the text in front of the model: prompts rendered by our own renderer from the exported template against
  `apply_chat_template`, token ids of those prompts and of strings that tokenizers stumble over, and the
  tokens that end a turn;
- the calls that come out, greedily, of both.

The file is run by llama.cpp. Where that is not installed, it is read back with the `gguf` package into a
transformers model. That proves that the file holds the weights, at its precision, and the tokenizer; it
cannot prove how llama.cpp reads them, and the report says which it was.

Limits are gates against a broken export, not statements of quality, which the evaluation of the artifact
gives. A wrong layout or a lost tensor lands far below them. Unquantised formats are held to the worst prompt;
quantised ones to the mean, since rounding moves a small or barely trained model a lot on single prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import numpy as np

from toolfinch import message as messages
from toolfinch.artifact import write_atomically
from toolfinch.caller import Decoding, Reply
from toolfinch.callers.llama_cpp_engine import LlamaCppEngine
from toolfinch.callers.local import LocalCaller
from toolfinch.callers.transformers_engine import TransformersEngine
from toolfinch.decode.engine import Engine, Logits, logits_after
from toolfinch.dialects import Dialect
from toolfinch.errors import MissingDependency, UsageError
from toolfinch.example import Example
from toolfinch.export.gguf import load_config, restore
from toolfinch.export.layout import FAMILIES, family
from toolfinch.export.vocab import chat_template
from toolfinch.tool import to_openai

LLAMA_CPP, READER = "llama.cpp", "gguf reader + transformers"


class Limit(msgspec.Struct, frozen=True):
    """What a format must reach."""

    cosine: float
    calls: float
    """Fraction of the examples with the same calls; below 1 because two scores can all but tie."""
    worst: bool = False
    """The cosine of the worst prompt must reach the limit, not only the mean's."""


LIMITS = {
    "f32": Limit(0.999, 0.98, worst=True),
    "f16": Limit(0.999, 0.98, worst=True),
    "bf16": Limit(0.999, 0.98, worst=True),
    "q8_0": Limit(0.998, 0.95),
    "q6_k": Limit(0.99, 0.9),
    "q5_k_m": Limit(0.98, 0.85),
    "q4_k_m": Limit(0.95, 0.75),
}

STRINGS = (
    "",
    " ",
    "  \t\n \r\n\r\n  x",
    "1234567890 12 3.14159 1,000,000 007",
    "I'm you'LL WE'VE don’t it's'S",
    "São Tomé, naïve café, Zürich, Łódź, Αθήνα, Київ, İstanbul",
    "東京タワー 서울 สวัสดี नमस्ते שָׁלוֹם عَرَبِيّ",
    "👩‍👩‍👧‍👦🏳️‍🌈 🇫🇷 ① Ⅷ ½ ²³ ٣٤٥ ℃ ﬁ",
    "\u00a0\u2003\u200b\ufeff\u2028zero\u0000width",
    '{"name": "set_alarm", "arguments": {"time": "07:30", "days": [1, 2]}}',
    "<tools>\n</tools>\n<tool_call>\n</tool_call>\n<|im_end|\n<|im_start|",
    "    def f(x):\n\treturn x**2  # ~!@#$%^&*()_+-=[]{}|;:,.<>/?\n\n\n",
    "https://example.org/a?b=c&d=%20#e user@example.org C:\\temp\\new",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
)


class Questions(msgspec.Struct, frozen=True):
    """What both models are asked."""

    examples: tuple[Example, ...]
    prompts: tuple[str, ...]
    """One an example, rendered by transformers."""
    strings: tuple[str, ...]
    """To tokenize: STRINGS, and every added token of the tokenizer inside other text."""
    max_tokens: int
    """Of a reply."""


class Measured(msgspec.Struct, frozen=True):
    """What one engine answers."""

    engine: str
    rendered: tuple[str, ...]
    ids: tuple[list[int], ...]
    """Of the prompts."""
    string_ids: tuple[list[int], ...]
    stop_ids: frozenset[int]
    logits: tuple[Logits, ...]
    replies: tuple[Reply, ...]


class Report(msgspec.Struct, frozen=True):
    """How close an exported file is to its model."""

    format: str
    engine: str
    limit: Limit
    prompts: int
    cosine_mean: float
    cosine_min: float
    top_token: float
    """Fraction of the prompts with the same most likely first token."""
    prompts_same: int
    """Prompts rendered to the same bytes and read as the same tokens."""
    strings: int
    strings_same: int
    calls_same: float
    with_calls: int
    """Examples for which the transformers model makes a call."""
    replies_same: int
    """Replies that are the same to the letter."""
    failures: tuple[str, ...]
    """Why it is not passed; empty where it is."""
    differences: tuple[str, ...] = ()
    """Single prompts, strings and calls that differ, the first few."""

    @property
    def passed(self) -> bool:
        return not self.failures


def questions(folder: Path, examples: Sequence[Example], max_tokens: int) -> Questions:
    """What to ask about the model in `folder`. UsageError without an example or a chat template."""
    from transformers import AutoTokenizer

    if not examples:
        raise UsageError("parity needs at least one example to compare on")
    chat_template(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    special = [f"a{token.content}b {token.content}" for token in tokenizer.added_tokens_decoder.values()]
    prompts = tuple(_rendered_by_transformers(tokenizer, example) for example in examples)
    return Questions(tuple(examples), prompts, (*STRINGS, *special), max_tokens)


def ask_model(folder: Path, asked: Questions, dialect: Dialect) -> Measured:
    """The transformers model's answers: the reference. UsageError for an example that leaves no room."""
    engine = TransformersEngine(folder, device="cpu")
    return _ask(engine, "transformers", asked, dialect, [engine.encode(text) for text in asked.prompts])


def ask_gguf(
    path: Path, folder: Path, asked: Questions, dialect: Dialect, wanted: Measured, scratch: Path
) -> Measured:
    """The answers of a GGUF file made from the model in `folder`, on the token ids of `wanted`.

    `scratch` is where the file is read back to if llama.cpp is not installed.
    """
    if find_spec("llama_cpp"):
        context = max(map(len, wanted.ids)) + asked.max_tokens
        return _ask(LlamaCppEngine(path, context=context), LLAMA_CPP, asked, dialect, wanted.ids)
    if family(load_config(folder)) not in FAMILIES:
        hint = "pip install 'toolfinch[gguf]'"
        raise MissingDependency(f"{path}: only llama.cpp can check this architecture", hint=hint)
    restore(path, folder, scratch)
    return _ask(TransformersEngine(scratch, device="cpu"), READER, asked, dialect, wanted.ids)


def _ask(engine: Engine, name: str, asked: Questions, dialect: Dialect, ids: Sequence[list[int]]) -> Measured:
    for example, prompt in zip(asked.examples, ids, strict=True):
        if len(prompt) + asked.max_tokens > engine.context:
            raise UsageError(
                f"example {example.id}: its {len(prompt)} tokens and a reply of {asked.max_tokens} "
                f"do not fit the model's context of {engine.context}"
            )
    caller = LocalCaller(engine, dialect, engine.chat_template, name)
    # Free, since a grammar would bend a wrong name to the right one, and other servers have none.
    decoding = Decoding(max_tokens=asked.max_tokens, constrain=False)
    return Measured(
        engine=name,
        rendered=tuple(caller.prompt(e.messages, e.tools) for e in asked.examples),
        ids=tuple(engine.encode(text) for text in asked.prompts),
        string_ids=tuple(engine.encode(text) for text in asked.strings),
        stop_ids=engine.stop_ids,
        logits=tuple(logits_after(engine, prompt) for prompt in ids),
        replies=tuple(caller.reply(e.messages, e.tools, decoding) for e in asked.examples),
    )


def _rendered_by_transformers(tokenizer: Any, example: Example) -> str:
    chat = [messages.to_openai(message, arguments="object") for message in example.messages]
    try:
        text: str = tokenizer.apply_chat_template(
            [{key: value for key, value in message.items() if value is not None} for message in chat],
            tools=[to_openai(tool) for tool in example.tools] or None,
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
    except jinja2.TemplateError as error:
        raise UsageError(f"example {example.id}: the chat template refuses it: {error}") from error
    return text


def compare(asked: Questions, wanted: Measured, got: Measured, kind: str) -> Report:
    """The report on a file of the format `kind` (a key of LIMITS): its answers against the model's."""
    limit = LIMITS[kind]
    cosines = [cosine(a, b) for a, b in zip(wanted.logits, got.logits, strict=True)]
    top = [int(a.argmax()) == int(b.argmax()) for a, b in zip(wanted.logits, got.logits, strict=True)]
    rendered = [a == b for a, b in zip(asked.prompts, got.rendered, strict=True)]
    read = [a == b for a, b in zip(wanted.ids, got.ids, strict=True)]
    strings = [a == b for a, b in zip(wanted.string_ids, got.string_ids, strict=True)]
    pairs = list(zip(wanted.replies, got.replies, strict=True))
    calls = [same_calls(a, b) for a, b in pairs]
    worst, mean, same = min(cosines), float(np.mean(cosines)), sum(calls) / len(calls)
    judged, what = (worst, "worst") if limit.worst else (mean, "mean")

    failures = []
    if judged < limit.cosine:
        failures.append(f"{what} cosine of the logits {judged:.5f} is under {limit.cosine}")
    if not all(rendered):
        failures.append(f"{rendered.count(False)} of {len(rendered)} prompts are rendered differently")
    if not all(read):
        failures.append(f"{read.count(False)} of {len(read)} prompts have other token ids")
    if not all(strings):
        failures.append(f"{strings.count(False)} of {len(strings)} strings have other token ids")
    if lost := sorted(wanted.stop_ids - got.stop_ids):
        failures.append(f"tokens {lost} end a turn in the model and not in the file")
    if same < limit.calls:
        failures.append(f"{same:.0%} of the examples have the same calls, under {limit.calls:.0%}")

    ids = [example.id for example in asked.examples]
    differences = [
        f"prompt of {i}: rendered differently" for i, ok in zip(ids, rendered, strict=True) if not ok
    ]
    differences += [f"prompt of {i}: other token ids" for i, ok in zip(ids, read, strict=True) if not ok]
    differences += [f"string {s!r}" for s, ok in zip(asked.strings, strings, strict=True) if not ok]
    differences += [
        f"calls of {i}: {a.raw!r} became {b.raw!r}"
        for i, (a, b), ok in zip(ids, pairs, calls, strict=True)
        if not ok
    ]
    return Report(
        format=kind,
        engine=got.engine,
        limit=limit,
        prompts=len(ids),
        cosine_mean=mean,
        cosine_min=worst,
        top_token=sum(top) / len(top),
        prompts_same=sum(a and b for a, b in zip(rendered, read, strict=True)),
        strings=len(strings),
        strings_same=sum(strings),
        calls_same=same,
        with_calls=sum(bool(reply.message.calls) for reply in wanted.replies),
        replies_same=sum(a.raw == b.raw for a, b in pairs),
        failures=tuple(failures),
        differences=tuple(differences[:20]),
    )


def cosine(a: Logits, b: Logits) -> float:
    """Of two score vectors after taking each one's mean off; 0 where either is flat or not finite.

    One engine may pad the vocabulary further than the other: the common part is compared.
    """
    size = min(len(a), len(b))
    x, y = (v[:size].astype(np.float64) - v[:size].mean(dtype=np.float64) for v in (a, b))
    norm = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / norm if np.isfinite(norm) and norm > 0 else 0.0


def same_calls(a: Reply, b: Reply) -> bool:
    """The same calls in the same order, or none in both."""
    ours, theirs = a.message.calls, b.message.calls
    return len(ours) == len(theirs) and all(x.same(y) for x, y in zip(ours, theirs, strict=True))


def save(report: Report, folder: Path) -> Path:
    """Write `<format>.json` and `<format>.md` in `folder`; the path of the JSON file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.format}.json"
    write_atomically(path, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    write_atomically(path.with_suffix(".md"), markdown(report).encode())
    return path


def markdown(report: Report) -> str:
    """The report for people."""
    limit, n = report.limit, report.prompts
    gate = "worst" if limit.worst else "mean"
    lines = [
        f"# Parity of {report.format}: {'passed' if report.passed else 'FAILED'}",
        "",
        f"Compared with the transformers model on {n} prompts; the file was run by {report.engine}.",
        "",
        "| what | measured | must be |",
        "|---|---|---|",
        f"| cosine of the last logits, mean | {report.cosine_mean:.5f} | |",
        f"| cosine of the last logits, worst | {report.cosine_min:.5f} | |",
        f"| … judged by the {gate} | | ≥ {limit.cosine} |",
        f"| same most likely first token | {report.top_token:.1%} | |",
        f"| prompts with the same bytes and tokens | {report.prompts_same} of {n} | all |",
        f"| strings with the same tokens | {report.strings_same} of {report.strings} | all |",
        f"| examples with the same calls ({report.with_calls} have any) | {report.calls_same:.1%} "
        f"| ≥ {limit.calls:.0%} |",
        f"| replies the same to the letter | {report.replies_same} of {n} | |",
    ]
    if report.engine == READER:
        lines += [
            "",
            "llama.cpp was not installed. This shows that the file holds the model and its tokenizer, not "
            "how llama.cpp runs them.",
        ]
    for title, items in (("Why it failed", report.failures), ("What differs", report.differences)):
        if items:
            lines += ["", f"## {title}", "", *(f"- {item}" for item in items)]
    return "\n".join(lines) + "\n"

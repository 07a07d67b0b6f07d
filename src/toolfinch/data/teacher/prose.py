"""The words of a blueprint: what is asked of a teacher, and what has to hold of the answer.

`question` asks for the turns of a script, `written` makes the conversation of them, or says why not. A teacher only
fills in turns: calls and results are the blueprint's. The checks see values (`toolfinch.grounding`) and a few words;
they do not see a tone, nor a false claim made of true values, and whether a failure is reported they tell in
English alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from toolfinch.data.curate.quality import calls_fit, ends_properly
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.samplers import variants
from toolfinch.data.teacher.blueprint import LONG, Blueprint, Step, pairs_of, replay
from toolfinch.data.teacher.domain import Domain
from toolfinch.data.teacher.question import Question
from toolfinch.data.teacher.script import Part, Slot, script, values_of
from toolfinch.example import QUESTION_MARKS, Conversation, Mark
from toolfinch.grounding import normal, ungrounded
from toolfinch.message import Message, ToolCall, assistant, canonical, system, tool, user
from toolfinch.schema import violations
from toolfinch.tool import Tool

PURPOSE = "synthesize-prose/1"
AT_ONCE = 6
"""Rounds that one request asks for; a longer conversation is written in several."""
LONGEST_TURN = 2000
"""Characters."""
LONG_TEXT = 8
"""Words from which on a value may be said in slightly other words."""
TONES = (
    "polite, in whole sentences",
    "curt: few words, lower case, no greeting",
    "friendly and a little chatty",
    "in a hurry, with one typing mistake that spoils no value",
    "formal, as in a letter",
    "plain and to the point",
    "unsure, feeling the way",
    "as dictated to a phone, hardly any commas",
)
_RULES = """You write the words of one conversation between a user and an assistant that calls functions. Every \
call and every result is fixed and shown to you; you write only the turns that are asked for.
- A user turn says what the user wants and every value that is listed with it, spelled as listed, and no other name, \
number, date or code. The user refers to something from before without its id. The user knows nothing of functions, parameters or JSON.
- An assistant turn states only what the results or the user have said, briefly. It never names a function or a \
parameter, shows no JSON and invents nothing.
- A call that failed or found nothing is reported as just that, one that worked as done.
- An assistant turn ends with a question mark where it is to ask, and only there.
Answer with a JSON object: one text for each turn that is asked for, by its name."""
_BAD = re.compile(
    r"n't\b|\b(?:cannot|not|no|none|nothing|never|neither|unable|fail\w*|errors?|unavailable|unsuccessful\w*"
    r"|sorry|apolog\w*|unfortunately|problems?|issues?|trouble|time-?d?[ -]?out|limit\w*|busy|empty|without|zero)\b"
)
"""Words without which nobody reports that something failed or that nothing was found."""
_FAILED = re.compile(
    r"\b(?:(?:could|can)(?:n't| not)|cannot|unable to|failed|an error|went wrong|timed out)\b"
)
"""Words of a failure, where nothing failed."""
_MARKUP = re.compile(r'```|[{\[]\s*"|"\s*:\s*["{\[\d]|</?[a-z!][^>]*>', re.IGNORECASE)


# --- asking


def chunks(blueprint: Blueprint) -> list[list[Slot]]:
    """The slots that one request asks for after another: all at once but in long conversations."""
    slots = [part for part in script(blueprint) if isinstance(part, Slot)]
    size = AT_ONCE if blueprint.turns >= LONG else len(blueprint.rounds)
    return [[s for s in slots if s.round // size == n] for n in range(-(-len(blueprint.rounds) // size))]


def question(
    blueprint: Blueprint,
    wanted: Sequence[Slot],
    texts: Mapping[str, str],
    *,
    prompt: str = "",
    style: Sequence[str] = (),
) -> Question:
    """Ask for some turns of a script.

    texts: the turns that are written already. prompt: the conversation's system message.
    style: what users have written to this assistant, as examples of how they write.
    """
    rand = Rand(f"{blueprint.seed}/tone")
    keys = [slot.key for slot in wanted]
    last = max(slot.round for slot in wanted)
    lines = ["The assistant's functions:"]
    lines += [f"- {t.name}: {t.description}" for t in blueprint.tools]
    lines += [f"The assistant's instructions: {prompt}"] if prompt else []
    lines.append(f"How this user writes: {rand.pick(TONES)}.")
    if style:
        lines += ["How users write to this assistant:", *(f"- {text}" for text in style)]
    lines.append("The conversation:")
    for part in script(blueprint):
        if isinstance(part, Step):
            for call, result in zip(part.calls, part.results, strict=True):
                lines.append(f"CALL {call.name} {canonical(call.arguments).decode()}")
                lines.append(f"{'FAILED' if result.is_error else 'RESULT'} {result.content}")
        elif part.round > last:
            break
        elif part.key in keys:
            says = f" Says these: {'; '.join(part.values)}." if part.values else ""
            lines.append(f"{part.key} {part.role.upper()}: (to write: {part.task}.{says})")
        else:
            lines.append(f"{part.role.upper()}: {texts[part.key]}")
    lines.append(f"Write {', '.join(keys)}.")
    text = {"type": "string", "minLength": 1, "maxLength": LONGEST_TURN}
    return Question(
        purpose=PURPOSE,
        messages=(system(_RULES), user("\n".join(lines))),
        schema={
            "type": "object",
            "properties": dict.fromkeys(keys, text),
            "required": keys,
            "additionalProperties": False,
        },
        temperature=0.7,
        max_tokens=256 + 128 * len(keys),
    )


def read(value: Any, wanted: Sequence[Slot]) -> dict[str, str] | str:
    """The turns of an answer, or why there are none."""
    if not isinstance(value, dict) or set(value) != {slot.key for slot in wanted}:
        return "prose: the answer is not the turns that were asked for"
    for text in value.values():
        if not isinstance(text, str) or not text.strip():
            return "prose: a turn is empty"
        if len(text) > LONGEST_TURN:
            return "prose: a turn is too long"
    return {key: text.strip() for key, text in value.items()}


# --- checking


def fault(blueprint: Blueprint, texts: Mapping[str, str], prompt: str = "", *, first: int = 0) -> str:
    """Why the turns that are written so far cannot stand, from round `first` on; "" where they can.

    Reasons name tools and parameters, never values.
    """
    messages: list[Message] = [system(prompt)] if prompt else []
    number = 0
    for part in script(blueprint):
        if isinstance(part, Slot):
            if part.key not in texts:
                break
            number, wrong = part.round, ""
            if number >= first:
                wrong = _wrong(part, texts[part.key], messages, blueprint)
            messages.append(Message(part.role, texts[part.key]))
        else:
            wrong = _unsaid(part, messages, blueprint) if number >= first else ""
            messages += _called(part)
        if wrong:
            return wrong
    return ""


def written(
    blueprint: Blueprint, texts: Mapping[str, str], domain: Domain, *, source: str, prompt: str = ""
) -> Conversation | str:
    """The conversation of turns in which there is no `fault`; or why it is dropped, once its calls are replayed."""
    messages: list[Message] = [system(prompt)] if prompt else []
    marks: dict[int, Mark] = {}
    number = 0
    for part in (parts := script(blueprint)):
        if isinstance(part, Step):
            marks[len(messages)] = _mark(part, blueprint, number, domain)
            messages += _called(part)
            continue
        number = part.round
        if part.role == "assistant":
            later = (_next_call(parts, part),) if part.withheld else ()
            marks[len(messages)] = Mark(part.kind, scenario=_scenario(blueprint, number), later=later)
        messages.append(Message(part.role, texts[part.key]))
    conversation = Conversation(
        blueprint.id,
        blueprint.tools,
        tuple(messages),
        blueprint.scenario,
        source,
        ("long",) if blueprint.turns >= LONG else (),
        marks,
    )
    wrong = replay(blueprint, pairs_of(messages), domain)
    return wrong or ends_properly(conversation) or calls_fit(conversation) or conversation


def _called(step: Step) -> list[Message]:
    results = [tool(r.content, r.call_id, r.name, is_error=r.is_error) for r in step.results]
    return [assistant("", *step.calls), *results]


def _wrong(slot: Slot, text: str, before: Sequence[Message], blueprint: Blueprint) -> str:
    """Why one turn's words cannot stand."""
    one = blueprint.rounds[slot.round]
    calls = [call for step in one.steps for call in step.calls]
    if _shows_machinery(text, calls, blueprint.tools):
        return f"prose: the {slot.role} names a function or shows JSON"
    seen = _seen(before)
    if slot.role == "user":
        more = [one.intent, *slot.values, *(canonical(call.arguments).decode() for call in calls)]
        if one.kind == "act" and ungrounded(text, (*seen, *more)):
            return "prose: the user says a value that no call takes"
        return ""
    if text.endswith(QUESTION_MARKS) != (slot.kind == "ask"):
        return f"prose: {'no question' if slot.kind == 'ask' else 'a question'} where the assistant is to {slot.kind}"
    if slot.withheld:
        call = calls[0]
        properties = _tool(blueprint, call).parameters["properties"]
        for name in one.ask:
            if visible(call.arguments[name], properties[name], seen):
                return f"prose: asks for {name!r} of {call.name!r}, which was said"
    offered = [t.description for t in blueprint.tools] if slot.kind != "say" or one.kind == "chat" else []
    if ungrounded(text, (*seen, *offered)):
        return "prose: the assistant states what nothing before holds"
    plain = normal(text).casefold()
    if slot.bad and not _BAD.search(plain):
        return "prose: does not report that something failed or was not found"
    if slot.good and _FAILED.search(plain) and not _FAILED.search("\n".join(seen).casefold()):
        return "prose: reports a failure where there was none"
    return ""


def _unsaid(step: Step, before: Sequence[Message], blueprint: Blueprint) -> str:
    """Which argument of a step's calls nobody can know."""
    seen = _seen(before)
    worked_out = any(r.scenario == "reasoning_heavy" and step in r.steps for r in blueprint.rounds)
    for place, call in enumerate(step.calls):
        properties = _tool(blueprint, call).parameters["properties"]
        said = step.said[place] if place < len(step.said) else {}
        for name, value in call.arguments.items():
            told = name in said and normal(said[name]).casefold() in _plain(seen)
            if not told and (
                (worked_out and name in said) or not visible(value, properties.get(name, {}), seen)
            ):
                return f"prose: nobody says {name!r} of {call.name!r}"
    return ""


def visible(value: Any, schema: Any, texts: tuple[str, ...]) -> bool:
    """Whether a value can be known from texts: it is said in some spelling, or is what is taken by default.

    Of an option that a schema lists one word is enough, of a long text four in five; yes and no are not looked for.
    """
    schema = schema if isinstance(schema, Mapping) else {}
    if value is None or isinstance(value, bool) or ("default" in schema and schema["default"] == value):
        return True
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return all(visible(member, properties.get(name), texts) for name, member in value.items())
    if isinstance(value, list):
        return all(visible(item, schema.get("items"), texts) for item in value)
    if isinstance(value, (int, float)):
        return not ungrounded(str(value), texts)
    plain = normal(value).casefold().strip()
    if plain in _plain(texts):
        return True
    words, heard = _words(plain), _heard(texts)
    if "enum" in schema or "const" in schema:
        return any(len(word) > 2 and word[:4] in heard for word in words)
    if len(words) > LONG_TEXT:
        return sum(word[:4] in heard for word in words) >= 0.8 * len(words)
    if ungrounded(value, ()):  # it holds something that can be spelled in several ways, such as a date
        return not ungrounded(value, texts)
    return bool(words) and " ".join(words) in " ".join(_words(_plain(texts)))


def _shows_machinery(text: str, calls: Sequence[ToolCall], tools: Sequence[Tool]) -> bool:
    """Whether a turn names a function or a parameter, or shows JSON or markup; what a call takes may be anything."""
    for value in sorted((v for call in calls for v in values_of(call.arguments)), key=len, reverse=True):
        text = text.replace(value, " ") if len(value) > 2 else text
    if _MARKUP.search(text):
        return True
    names = {name for t in tools for name in (t.name, *t.parameters.get("properties", {}))}
    words = set(re.findall(r"[\w.:/-]*\w", text))
    technical = {name for name in names if re.search(r"[_.:/]|[a-z][A-Z]|\w-\w", name)}
    quoted = set(re.findall(r"[`\"']([\w.:/-]+)[`\"']", text))
    return bool(technical & words or {t.name for t in tools} & quoted)


def _seen(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(message.content for message in messages if message.content)


@lru_cache(maxsize=8)
def _plain(texts: tuple[str, ...]) -> str:
    return normal("\n".join(texts)).casefold()


@lru_cache(maxsize=8)
def _heard(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word[:4] for word in _words(_plain(texts)))


def _words(plain: str) -> list[str]:
    return re.findall(r"[^\W_]+", plain)


# --- marking


def _mark(step: Step, blueprint: Blueprint, number: int, domain: Domain) -> Mark:
    one = blueprint.rounds[number]
    after = one.steps[one.steps.index(step) + 1 :]
    now = {call.name for call in step.calls}
    waiting = (c.name for s in after for c, copied in zip(s.calls, s.copied, strict=False) if copied)
    accept = tuple(_accept(call, blueprint, domain) for call in step.calls)
    optional = tuple(tuple(_defaults(call, blueprint)) for call in step.calls)
    return Mark(
        "call",
        accept if any(accept) else (),
        optional if any(optional) else (),
        scenario=_scenario(blueprint, number),
        later=tuple(dict.fromkeys(name for name in waiting if name not in now)),
    )


def _accept(call: ToolCall, blueprint: Blueprint, domain: Domain) -> dict[str, tuple[Any, ...]]:
    """Other ways to write the arguments that mean the same."""
    found: dict[str, tuple[Any, ...]] = {}
    offered = _tool(blueprint, call)
    for name, value in call.arguments.items():
        kind = domain.skills[call.name].kinds.get(name)
        if isinstance(value, str) and value and isinstance(kind, str):
            other = variants(kind, value)
            fits = tuple(v for v in other if not violations(offered, {**call.arguments, name: v}))
            found.update({name: fits} if fits else {})
    return found


def _defaults(call: ToolCall, blueprint: Blueprint) -> Iterator[str]:
    properties = _tool(blueprint, call).parameters["properties"]
    for name, value in call.arguments.items():
        schema = properties.get(name)
        if isinstance(schema, Mapping) and "default" in schema and schema["default"] == value:
            yield name


def _scenario(blueprint: Blueprint, number: int) -> str:
    scenario = blueprint.rounds[number].scenario
    return "" if scenario == blueprint.scenario else scenario


def _next_call(parts: Sequence[Part], slot: Slot) -> str:
    after = parts[parts.index(slot) :]
    return next(part.calls[0].name for part in after if isinstance(part, Step))


def _tool(blueprint: Blueprint, call: ToolCall) -> Tool:
    return next(t for t in blueprint.tools if t.name == call.name)

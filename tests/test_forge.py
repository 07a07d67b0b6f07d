"""The forge: a gold call that its schema refuses, or a value from nowhere, would poison a model."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
from random import Random

import jsonschema_rs
import msgspec
import pytest

from toolfinch.data.forge import census, conversation, forge
from toolfinch.data.forge.domains import DOMAINS, OBJECTS, read
from toolfinch.data.forge.invent import compound, invent, style
from toolfinch.data.forge.realise import FENCE
from toolfinch.data.forge.values import KINDS, Today, number_words, sample, schema
from toolfinch.data.forge.verbs import VERBS
from toolfinch.data.forge.verbs import read as read_verbs
from toolfinch.errors import DataError
from toolfinch.example import SCENARIOS, Conversation, examples, gold_message

TODAY = Today(datetime.date(2024, 3, 5), told=True, weekday=True)


@pytest.fixture(scope="module")
def batch() -> list[Conversation]:
    return list(forge(1000, seed=11))


def test_gold_calls_are_valid_and_in_schema_order(batch: list[Conversation]) -> None:
    """A call outside its schema, or of a tool not offered, would teach what the grammar forbids."""
    for one in batch:
        tools = {tool.name: tool for tool in one.tools}
        assert len(tools) == len(one.tools), one.id
        checks = {name: jsonschema_rs.validator_for(tool.parameters) for name, tool in tools.items()}
        for message in one.messages:
            for call in message.calls:
                checks[call.name].validate(call.arguments)
                properties = tools[call.name].parameters["properties"]
                assert set(call.arguments) <= set(properties), (one.id, call)
                assert list(call.arguments) == [k for k in properties if k in call.arguments], one.id


def test_turns_alternate_and_every_call_is_answered(batch: list[Conversation]) -> None:
    """A dangling call or two turns in a row would break every chat template."""
    for one in batch:
        body = [m for m in one.messages if m.role != "system"]
        assert all(m.role != "system" for m in one.messages[1:])
        assert body[0].role == "user" and body[-1].role == "assistant" and not body[-1].calls
        waiting: list[str] = []
        seen: list[str] = []
        for before, message in zip([None, *body], body, strict=False):
            if message.role == "tool":
                assert message.result is not None and message.result.call_id == waiting.pop(0)
                value = json.loads(message.content)
                assert message.content == json.dumps(value, separators=(",", ":"), ensure_ascii=False)
                continue
            assert not waiting, one.id
            assert before is None or before.role != message.role, one.id
            assert message.content or message.calls, one.id
            assert FENCE not in message.content
            assert not re.search(r"\{[a-zA-Z]*\}", message.content.split("[{")[0]), message.content
            waiting = [c.id for c in message.calls]
            seen += waiting
        assert seen == [f"call_{i + 1}" for i in range(len(seen))]


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for v in value.values() for leaf in leaves(v)]
    if isinstance(value, list):
        return [leaf for v in value for leaf in leaves(v)]
    return [value]


def test_free_text_arguments_are_copied_from_the_conversation(batch: list[Conversation]) -> None:
    """An argument that stands nowhere before its call teaches a model to invent."""
    checked = 0
    normalised = re.compile(r"[\d.:/-]+|[A-Z]{3}")
    for one in batch:
        offered = " ".join(json.dumps(tool.parameters) for tool in one.tools)
        for example in examples(one):
            before = "\n".join(m.content for m in example.messages).lower()
            for wanted in example.expected.calls:
                for leaf in leaves(wanted.call.arguments):
                    # Options, dates, times, numbers in text and currencies are said in words.
                    if not isinstance(leaf, str) or leaf in offered or normalised.fullmatch(leaf):
                        continue
                    checked += 1
                    plain = json.dumps(leaf, ensure_ascii=False)[1:-1].lower()
                    assert leaf.lower() in before or plain in before, (one.id, leaf)
    assert checked > 1000


def test_decisions_are_marked_with_known_scenarios(batch: list[Conversation]) -> None:
    """A wrong mark would be measured as a wrong model."""
    kinds = set()
    for one in batch:
        assert one.scenario in SCENARIOS
        for example in examples(one):
            kinds.add(example.expected.kind)
            assert example.scenario in SCENARIOS
            assert bool(gold_message(example).calls) == (example.expected.kind == "call")
    assert kinds == {"call", "say", "ask", "decline"}


def test_same_seed_same_conversations_and_other_seed_others() -> None:
    """Training must be repeatable, on any machine and whatever the batch size."""
    first = msgspec.json.encode(list(forge(20, seed=3)))
    assert first == msgspec.json.encode([conversation(3, i) for i in range(20)])
    assert first != msgspec.json.encode(list(forge(20, seed=4)))
    code = (
        "import msgspec, sys; from toolfinch.data.forge import forge;"
        "sys.stdout.buffer.write(msgspec.json.encode(list(forge(20, seed=3))))"
    )
    for salt in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": salt}
        assert (
            subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True).stdout == first
        )


def test_variety_and_balance(batch: list[Conversation]) -> None:
    """Few tools, or calls nearly always or nearly never, would be learned by heart."""
    facts = census(batch)
    print({k: round(v, 3) for k, v in facts.items()})
    assert facts["distinct_tools"] > 3 * len(batch)
    assert 0.6 < facts["share_call"] < 0.78
    assert facts["share_decline"] > 0.05 and facts["share_ask"] > 0.05 and facts["share_say"] > 0.05
    assert facts["message_characters_each"] < 120 * facts["decisions_each"]
    assert facts["tool_characters_each"] < 300 * facts["tools_each"]


def test_no_two_offered_tools_serve_the_same_request() -> None:
    """With twins on offer the gold call would be a coin toss."""
    from toolfinch.data.forge.forge import toolset

    rng = Random(5)
    for _ in range(300):
        specs = toolset(rng, 6)
        assert len({s.purpose for s in specs}) == len(specs)


def test_every_object_and_verb_makes_a_valid_tool() -> None:
    """A domain line that cannot become a tool fails only when it is drawn, which may be late."""
    rng = Random(1)
    assert len(DOMAINS) >= 40
    for obj in [*OBJECTS, *(compound(rng) for _ in range(200))]:
        for action in obj.actions:
            spec = invent(rng, obj, action, style(rng))
            jsonschema_rs.meta.validate(spec.tool.parameters)
            assert re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", spec.tool.name), spec.tool.name
            assert spec.params, spec.tool.name


def test_every_kind_matches_its_schema() -> None:
    """A sampler that disagrees with its schema spoils every tool that uses the kind."""
    rng = Random(2)
    used = {(f.kind, f.args) for obj in OBJECTS for f in obj.fields}
    assert {kind for kind, _ in used} <= KINDS
    for kind, args in sorted(used):
        check = jsonschema_rs.validator_for(schema(kind, args))
        for _ in range(20):
            value = sample(rng, kind, args, TODAY)
            check.validate(value.arg)
            assert value.say


def test_spoken_dates_and_times_mean_what_the_call_says() -> None:
    """Tomorrow is one day on, Friday the next Friday, half past seven in the evening 19:30."""
    rng = Random(3)
    weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    for _ in range(3000):
        day = sample(rng, "date", (), TODAY)
        date = datetime.date.fromisoformat(day.arg)
        if day.say == "tomorrow":
            assert (date - TODAY.date).days == 1
        elif day.say.split()[-1] in weekdays:
            assert weekdays[date.weekday()] == day.say.split()[-1] and 0 < (date - TODAY.date).days < 7
        elif found := re.fullmatch(r"the (\d+)\w\w", day.say):
            assert date.day == int(found[1]) and 0 < (date - TODAY.date).days < 28
        time = sample(rng, "time", (), TODAY)
        hour, minute = map(int, time.arg.split(":"))
        if found := re.fullmatch(r"half past (\S+) in the (\w+)", time.say):
            said = (
                int(found[1]) if found[1].isdigit() else [number_words(i) for i in range(13)].index(found[1])
            )
            assert minute == 30 and said == (hour % 12 or 12) and (found[2] == "morning") == (hour < 12)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("== a\n* dog | dogs | juggle", "juggle"),
        ("== a\n* dog | dogs | search\nb name | sound", "sound"),
        ("== a\n* dog | dogs | search\nb name | city | in", "without"),
        ("* dog | dogs | search", "inside a domain"),
        ("== a\nb name | city", "outside"),
        ("== a\n* dog | dogs | search\nq name | city", "expected"),
        ("== a\n* dog | dogs | search\n~ feed | hungry", "verb"),
        ("== a\n* dog | dogs | search\nb good | bool yes", "both sides"),
    ],
)
def test_a_bad_domain_line_is_named(text: str, problem: str) -> None:
    """A typing slip in a thousand lines must be found by its number."""
    with pytest.raises(DataError, match=r"domains\.txt:\d+: .*" + problem):
        read(text)


def test_a_bad_verb_line_is_named() -> None:
    """A verb of an unknown shape would fail far from its line."""
    with pytest.raises(DataError, match=r"verbs\.txt:1"):
        read_verbs("jump | leap | jump | w | jumped | jump | jump")
    assert all(verb.say and verb.names and verb.about and verb.say_own for verb in VERBS.values())

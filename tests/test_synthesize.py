"""The synthesizer: what it writes is valid, grounded, deterministic, and its worlds do not meet."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toolfinch.data.synthesize as package
from toolfinch.data.dataset import to_row
from toolfinch.data.synthesize import WEIGHTS, from_schemas, synthesize
from toolfinch.data.synthesize.flow import GIVES, flow
from toolfinch.data.synthesize.frozen import scenarios_200, unseen_tools_100
from toolfinch.data.synthesize.grammar import Choice, Set, Slot, Template, World, blur, parse, phrases, write
from toolfinch.data.synthesize.grammar import Text as Written
from toolfinch.data.synthesize.mocks import evaluate
from toolfinch.data.synthesize.pattern import text_like
from toolfinch.data.synthesize.puzzles import PUZZLES
from toolfinch.data.synthesize.rand import Rand
from toolfinch.data.synthesize.request import Asking
from toolfinch.data.synthesize.samplers import YEARS, code, rare, words
from toolfinch.data.synthesize.skill import builtin_skills, unseen_skills
from toolfinch.errors import DataError, UsageError
from toolfinch.example import SCENARIOS, Conversation, Mark, examples
from toolfinch.schema import normalise
from toolfinch.tool import Tool

WORLDS: tuple[World, ...] = ("train", "heldout")
SHA256 = {
    "scenarios_200": "d36872629c60b56e2bcf059427862490b2ef76a441d0f7de7f0244db15bd03eb",
    "unseen_tools_100": "ad64ef14479a8449c3c8d275b4e86ef5d91035d4d6954215228a3d92e1d9e56d",
}


def check(conversation: Conversation) -> None:
    """Everything that must hold of any conversation."""
    tools = {tool.name: tool for tool in conversation.tools}
    assert 1 <= len(tools) == len(conversation.tools)
    messages = conversation.messages
    assert messages[-1].role == "assistant" and messages[-1].content and not messages[-1].calls
    for i, message in enumerate(messages):
        if message.role != "assistant":
            assert i not in conversation.marks
            continue
        mark = conversation.marks[i]
        assert mark.kind is not None and (mark.kind == "call") == bool(message.calls)
        assert (mark.scenario or conversation.scenario) in SCENARIOS
        if not message.calls:
            assert message.content.endswith("?") == (mark.kind == "ask"), message.content
        results = messages[i + 1 : i + 1 + len(message.calls)]
        assert [r.result and r.result.call_id for r in results] == [call.id for call in message.calls]
        for call in message.calls:
            schema = tools[call.name].parameters
            assert jsonschema_rs.is_valid(schema, call.arguments), (call, schema)
            assert list(call.arguments) == [p for p in schema["properties"] if p in call.arguments]
        for call, accepted in zip(message.calls, mark.accept, strict=False):
            for name, values in accepted.items():
                assert name in call.arguments and call.arguments[name] not in values
                for value in values:
                    assert jsonschema_rs.is_valid(
                        tools[call.name].parameters, {**call.arguments, name: value}
                    )
        for call, optional in zip(message.calls, mark.optional, strict=False):
            assert set(optional) <= set(call.arguments)


@pytest.mark.parametrize("world", WORLDS)
def test_conversations_hold_together(world: World) -> None:
    """An invalid gold call, a call without result or an open end would train a broken model."""
    for conversation in synthesize(500, seed=11, world=world, requests=(1, 6), vary_schema=0.6):
        check(conversation)
        assert len(conversation.tools) <= 15


@pytest.mark.slow
def test_many_conversations_hold_together() -> None:
    """What is rare comes up in a corpus of a million."""
    for conversation in synthesize(4000, seed=12, requests=(1, 8), vary_schema=0.6):
        check(conversation)


def test_every_tool_and_scenario_occurs_in_both_worlds() -> None:
    """A tool whose phrasings never come up, or a dead scenario, would go unnoticed."""
    for world in WORLDS:
        called: Counter[str] = Counter()
        scenarios: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        for conversation in synthesize(600, seed=3, world=world, vary_schema=0):
            for example in examples(conversation):
                scenarios[example.scenario] += 1
                kinds[example.expected.kind] += 1
                called.update(call.call.name for call in example.expected.calls)
        assert set(called) == set(builtin_skills(world)) and min(called.values()) > 15
        assert set(scenarios) == set(SCENARIOS)
        assert kinds["decline"] > 40 and kinds["ask"] > 40


def test_values_are_grounded() -> None:
    """A copied value that the model could not have read would teach it to invent."""
    copied = {"location", "query", "url", "path", "to", "body", "content", "text", "title", "command", "code"}
    for world in WORLDS:
        for conversation in synthesize(500, seed=5, world=world, vary_schema=0):
            read = ""
            for message in conversation.messages:
                for call in message.calls:
                    for name in copied & call.arguments.keys():
                        value = str(call.arguments[name])
                        whole = value in read
                        joined = all(part in read for part in value.rsplit("/", 1))  # folder and file name
                        assert whole or joined, (value, read[-300:])
                read += "\n" + message.content
                if message.role == "tool":
                    read += "\n" + " ".join(leaves(message.content))


def leaves(text: str) -> Iterator[str]:
    """The strings in a JSON text, decoded."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, (dict, list)):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from walk(inner)
        else:
            yield str(value)

    try:
        yield from walk(msgspec.json.decode(text))
    except msgspec.DecodeError:
        yield text


def test_answers_copy_what_the_tools_said() -> None:
    """An answer with a number that no tool gave would be an invented result."""
    for conversation in synthesize(400, seed=8, vary_schema=0):
        read = ""
        for message in conversation.messages:
            if message.role == "assistant" and not message.calls:
                for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", message.content):
                    listed = f"{number} file" in message.content  # counted, not copied
                    assert number in read or listed, (number, message.content)
            read += message.content + str([call.arguments for call in message.calls])


@pytest.mark.parametrize("world", WORLDS)
def test_a_declined_tool_is_not_offered(world: World) -> None:
    """Declining what an offered tool does would teach refusal of the right tool."""
    weights = {"no_tool_needed": 1.0}
    found = 0
    for conversation in synthesize(
        600, seed=2, world=world, scenarios=weights, requests=(1, 1), vary_schema=0
    ):
        called = {call.name for message in conversation.messages for call in message.calls}
        for i, mark in conversation.marks.items():
            if mark.kind == "decline":
                found += 1
                assert not called
                said = conversation.messages[i - 1].content
                assert not ("weather" in said and any(t.name == "get_weather" for t in conversation.tools))
    assert found > 100


def test_who_asks_for_an_argument_has_the_tool_for_it() -> None:
    """Asking which file, with no tool that reads one, would teach to promise what cannot be done."""
    asked = 0
    for world in WORLDS:
        for conversation in synthesize(1500, seed=17, world=world, vary_schema=0.0):
            offered = {t.name for t in conversation.tools}
            for i, message in enumerate(conversation.messages):
                if conversation.marks.get(i, Mark()).kind == "ask" and "SQL" in message.content:
                    asked += 1
                    assert "database_query" in offered
    assert asked > 10


def test_the_same_seed_gives_the_same_bytes() -> None:
    """A corpus that differs between machines cannot be reproduced; this pins it."""

    def digest(seed: int) -> str:
        rows = [to_row(c) for c in synthesize(50, seed=seed, world="heldout")]
        return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()

    random.seed(1)
    first = digest(4)
    random.seed(2)
    assert digest(4) == first != digest(5)


def test_a_prefix_is_the_same_whatever_the_length() -> None:
    """Parts of a corpus are made with different n; the conversations must not depend on it."""
    assert list(synthesize(5, seed=1)) == list(synthesize(9, seed=1))[:5]


def test_varied_schemas_are_schemas() -> None:
    """A variation that is no longer normal would be refused by every reader of the data."""
    for conversation in synthesize(300, seed=6, vary_schema=1.0):
        for tool in conversation.tools:
            assert normalise(tool.parameters, tool.name) == (tool.parameters, ())


def test_options_are_honoured() -> None:
    """`tools` and `scenarios` narrow what comes out, and a wrong name is said so."""
    only = list(synthesize(40, seed=1, tools=["calculate", "translate"], vary_schema=0))
    assert {t.name for c in only for t in c.tools} == {"calculate", "translate"}
    single = synthesize(20, seed=1, scenarios={"single_tool": 1}, requests=(2, 2))
    assert all(sum(m.role == "user" for m in c.messages) == 2 for c in single)
    with pytest.raises(UsageError, match="'nope' is not a built-in tool"):
        list(synthesize(1, seed=1, tools=["nope"]))
    with pytest.raises(UsageError, match="'nope' is not one of"):
        list(synthesize(1, seed=1, scenarios={"nope": 1}))
    assert set(WEIGHTS) == set(SCENARIOS)


# --- worlds -----------------------------------------------------------------------------------------------


def skeletons(template: Template) -> set[str]:
    """Every wording of a template, slots as placeholders, case and end punctuation aside."""
    parts: list[set[str]] = []
    for part in template:
        if isinstance(part, str):
            parts.append({part})
        elif isinstance(part, Slot):
            parts.append({"#"})
        elif isinstance(part, Set):
            continue
        elif isinstance(part, Choice):
            parts.append(set().union(*(raw(option) for option in part.options)))
    return {"".join(chosen) for chosen in itertools.product(*parts)}


raw = skeletons


def wordings(world: World, file: str, sections: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    for name, section in phrases(world, file).items():
        if name.split()[0] in sections:
            for template in section:
                found |= {re.sub(r"[^\w#]+", " ", text).strip().lower() for text in skeletons(template)}
    return {text for text in found if re.search(r"[a-z]", text)}


@pytest.mark.parametrize("tool", sorted(builtin_skills("train")))
def test_no_held_out_request_is_a_training_request(tool: str) -> None:
    """A phrasing seen in training makes the held-out score a memory test."""
    sections = ("request", "clause", "multi", "missing")
    train = wordings("train", tool, sections)
    heldout = wordings("heldout", tool, sections)
    both = train & heldout
    assert heldout and both == set()  # by itself, so that a failure prints no other held-out wording
    assert len(phrases("train", tool)["request"]) + len(phrases("train", tool)["clause"]) >= 60
    assert len(phrases("heldout", tool)["request"]) >= 12


@pytest.mark.parametrize("file", ["chains", "puzzles", "chat", "common"])
def test_shared_phrasings_are_disjoint(file: str) -> None:
    """The same for chains, puzzles, small talk and what is wrapped around requests."""
    if file == "chains":
        train, heldout = (
            {text for s in phrases(w, file).values() for t in s for text in skeletons(t)} for w in WORLDS
        )
    else:
        sections = tuple({name.split()[0] for name in phrases("train", file)})
        train, heldout = (wordings(w, file, sections) for w in WORLDS)
    both = train & heldout
    assert heldout and both == set()  # by itself, so that a failure prints no other held-out wording


def test_value_pools_are_disjoint() -> None:
    """Held-out names, cities, paths and codes must not occur in training."""
    train = {word.lower() for name, pool in words("train").items() for word in pool if name != "weekday"}
    heldout = {word.lower() for name, pool in words("heldout").items() for word in pool if name != "weekday"}
    assert not train & heldout
    assert not set(YEARS["train"]) & set(YEARS["heldout"])
    rand = Rand("pools")
    for make in (rare, code):
        assert not {make(rand, "train") for _ in range(3000)} & {make(rand, "heldout") for _ in range(3000)}


def test_every_puzzle_and_section_is_written_in_both_worlds() -> None:
    """A section that one world lacks is a KeyError in a long run."""
    for world in WORLDS:
        assert set(PUZZLES) <= {name.removesuffix(" told") for name in phrases(world, "puzzles")}
        for name, skill in builtin_skills(world).items():
            required = skill.tool.parameters["required"]
            assert {"clause", "request", "answer"} <= set(skill.sections), (world, name)
            asked = {s.partition(" ")[2] for s in skill.sections if s.startswith("missing ")}
            assert asked <= set(required)
            for argument in asked:
                assert f"ask {argument}" in skill.sections and f"reply {argument}" in skill.sections
            assert bool(skill.empty) == ("empty" in skill.sections)


def test_unseen_tools_are_unseen() -> None:
    """The held-out tools share no name with the built-in ones, nor with any varied schema of theirs."""
    names = set(unseen_skills())
    assert len(names) >= 8
    trained = {t.name for c in synthesize(500, seed=1, vary_schema=1.0) for t in c.tools}
    assert not names & trained


# --- grammar ----------------------------------------------------------------------------------------------


def test_a_template_renders_words_values_and_settings() -> None:
    """The whole of gold rests on this walk."""
    template = parse("wind in <place>[ now<when=now>] on <~day>")
    text = write(template, Rand(0), lambda slot: (slot.upper(), f"*{slot}*"), Written())
    assert str(text) == "wind in *place* now on *day*"
    assert text.values == {"place": "PLACE", "when": "now"}


def test_broken_templates_are_named() -> None:
    """A typo in a phrase file must not become words that a user says."""
    with pytest.raises(DataError, match="not closed"):
        parse("[a|b")
    with pytest.raises(DataError, match="no rule @nope"):
        parse("@nope")


@given(st.integers(), st.lists(st.integers(), min_size=1, max_size=20))
def test_rand_stays_in_range(seed: int, items: list[int]) -> None:
    """An index one too far would stop a corpus at its millionth row."""
    rand = Rand(seed)
    shuffled = list(items)
    rand.shuffle(shuffled)
    assert sorted(shuffled) == sorted(items)
    assert rand.pick(items) in items
    assert 3 <= rand.between(3, 5) <= 5
    assert rand.weighted(((1, 1.0), (2, 0.0))) == 1


@pytest.mark.parametrize(
    ("expression", "value"), [("2 + 3 * 4", "14"), ("(1 + 2) / 2", "1.5"), ("2^10", "1024"), ("sqrt(9)", "3")]
)
def test_arithmetic_is_right(expression: str, value: str) -> None:
    """The one mock that computes."""
    assert evaluate(expression) == value


# --- any tools --------------------------------------------------------------------------------------------

HOTEL = Tool(
    "book_room",
    "Books a room in a hotel.",
    {
        "type": "object",
        "properties": {
            "hotelCode": {"type": "string", "pattern": "^H-[0-9]{3}(a|b)?$"},
            "nights": {"type": "integer", "minimum": 1, "maximum": 9},
            "board": {"enum": ["room_only", "half_board"]},
            "late": {"type": "boolean"},
            "guest": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "email": {"type": "string", "format": "email"}},
                "required": ["name", "email"],
            },
            "extras": {"type": "array", "items": {"enum": ["towels", "parking"]}, "maxItems": 2},
            "rate": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1},
            "start": {"type": "string", "format": "date-time"},
        },
        "required": ["hotelCode", "nights", "guest"],
        "additionalProperties": False,
    },
)
PING = Tool("ping", "", {"type": "object", "properties": {}})


@pytest.mark.parametrize("tools", [[HOTEL], [PING], [HOTEL, PING]])
def test_any_tools_can_be_asked_for(tools: list[Tool]) -> None:
    """A user's own tools: no description, no parameters, objects, lists, patterns."""
    made = list(from_schemas(tools, 150, seed=3))
    for conversation in made:
        check(conversation)
    used = {name for c in made for m in c.messages for call in m.calls for name in call.arguments}
    if HOTEL in tools:
        assert used == set(HOTEL.parameters["properties"])


def test_a_value_that_cannot_be_made_is_named() -> None:
    """Skipping the tool in silence would leave it out of the training data."""
    tool = Tool("odd", "", {"type": "object", "properties": {"x": {"pattern": "(?=a)b"}}, "required": ["x"]})
    with pytest.raises(UsageError, match=r"odd\.x"):
        list(from_schemas([tool], 1, seed=0))
    with pytest.raises(UsageError, match="there are none"):
        list(from_schemas([], 1, seed=0))


@pytest.mark.parametrize(
    "pattern", [r"^KW-[0-9]{3}$", r"[A-Z]{2,4}\d+", r"(foo|ba[rz])?-x*", r"^[^\s@]+@\w{3}\.com$"]
)
def test_made_text_matches_its_pattern(pattern: str) -> None:
    """The inverse of a pattern, for the simple ones."""
    make = text_like(pattern)
    rand = Rand(pattern)
    assert all(re.search(pattern, make(rand)) for _ in range(200))


# --- frozen suites ----------------------------------------------------------------------------------------


def test_the_frozen_suites_are_frozen() -> None:
    """Scores on a suite that changed are not comparable with those before."""
    folder = Path(package.__file__).parents[2] / "evaluate" / "suites"
    for name, sha256 in SHA256.items():
        assert hashlib.sha256((folder / f"{name}.jsonl").read_bytes()).hexdigest() == sha256, name


def test_the_frozen_suites_measure_what_they_say() -> None:
    """One decision a conversation, near-equal scenarios, gold that is valid."""
    builtin = [list(examples(c)) for c in scenarios_200()]
    assert len(builtin) == 200 and all(len(found) == 1 for found in builtin)
    per_scenario = Counter(found[0].scenario for found in builtin)
    assert set(per_scenario) == set(SCENARIOS) and set(per_scenario.values()) == {28, 29}
    unseen = [list(examples(c)) for c in unseen_tools_100()]
    assert len(unseen) == 100 and all(len(found) == 1 for found in unseen)
    for (example,) in builtin + unseen:
        tools = {tool.name: tool for tool in example.tools}
        for call in example.expected.calls:
            assert jsonschema_rs.is_valid(tools[call.call.name].parameters, call.call.arguments)
    assert {t.name for c in unseen_tools_100() for t in c.tools} <= set(unseen_skills())


def test_composed_chains_join_every_giver_to_every_taker() -> None:
    """A fact that no mock gives, or a taker without phrasings, would silently leave a kind of chain out."""
    skills = builtin_skills("train")
    wanted = {(g.tool, taker) for g in GIVES for taker, _ in g.takers}
    found: set[tuple[str, str]] = set()
    for i in range(600):
        request = flow(Asking(Rand(f"flow {i}"), "train", skills, skills), 2 + i % 2)
        assert request is not None
        calls = request.calls()
        for call in calls[1:]:
            facts = {str(fact) for other in calls for fact in other.result.facts.values()}
            assert any(str(value) in facts for value in call.args.values()), call
        found |= {(a.tool, b.tool) for a in calls for b in calls}
    assert wanted <= found


def test_strange_words_never_touch_a_value() -> None:
    """A value that was made strange would be a gold argument that nobody said."""
    text = Written()
    text.add("please open the little file ")
    text.add("notes and letters.txt", fixed=True)
    text.add(" quickly for me")
    for seed in range(50):
        copy = Written()
        copy.extend(text)
        blur(copy, Rand(seed))
        assert copy.pieces[1] == "notes and letters.txt"
        copy.exact = True
        before = list(copy.pieces)
        blur(copy, Rand(seed))
        assert copy.pieces == before

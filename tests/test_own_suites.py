"""`forty` and `dependencies`: frozen, one right decision a case, gold that is right, and no case of training."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolfinch.caller import Reply
from toolfinch.data.dataset import read_dataset, write_dataset
from toolfinch.data.readers import log
from toolfinch.data.synthesize import synthesize
from toolfinch.data.synthesize.grammar import Choice, Slot, Template, phrases
from toolfinch.errors import DataError
from toolfinch.evaluate.metrics import Result, by_group, metrics
from toolfinch.evaluate.suite import BUILT_IN, load
from toolfinch.evaluate.suites.dependencies import CASES, dependencies
from toolfinch.evaluate.suites.forty import CATEGORIES, forty
from toolfinch.example import Conversation, Example, Mark, examples, gold_message
from toolfinch.message import ToolCall, assistant
from toolfinch.schema import violations
from toolfinch.score import score

FOLDER = files("toolfinch.evaluate").joinpath("suites")
SHA256 = {
    "forty": "eae9ee9637262b4aabc5a53992e15349763f3ac797ad448412d7b4d9f15858f7",
    "dependencies": "22328eb3eb827cfa5af71b5523495b44da1f555819ee8b4af9fab51350af5e90",
}
SOURCES = {"forty": forty, "dependencies": dependencies}


def committed(name: str) -> list[Conversation]:
    return list(read_dataset(Path(str(FOLDER.joinpath(f"{name}.jsonl")))))


def every_example() -> list[Example]:
    return [example for name in SHA256 for c in committed(name) for example in examples(c)]


@pytest.mark.parametrize("name", SHA256)
def test_the_suite_is_frozen(name: str) -> None:
    """Scores on a suite that changed are not comparable with those before."""
    assert name in BUILT_IN
    assert hashlib.sha256(FOLDER.joinpath(f"{name}.jsonl").read_bytes()).hexdigest() == SHA256[name]


@pytest.mark.parametrize("name", SHA256)
def test_the_source_says_what_the_file_says(name: str) -> None:
    """Someone who reads the source would otherwise read other cases than those that are measured."""
    assert SOURCES[name]() == committed(name)


@pytest.mark.parametrize("name", SHA256)
def test_one_decision_a_case_and_ids_of_their_own(name: str) -> None:
    """Intervals take a conversation for the unit, and results are kept by id."""
    loaded = load(name)
    assert loaded == [example for c in committed(name) for example in examples(c)]
    assert len(loaded) == len({example.id for example in loaded}) == len(committed(name))
    requests = [(e.messages, e.expected.kind) for e in loaded]
    assert len({msgspec.json.encode(request) for request in requests}) == len(requests)


def test_gold_is_right_in_every_way_it_may_be_given() -> None:
    """A wrong gold answer, or an accepted value that does not fit the schema, makes every number wrong."""
    for example in every_example():
        tools = {tool.name: tool for tool in example.tools}
        got = score(example, Reply(gold_message(example)))
        assert got.exact and got.kind_right, example.id
        made = [call for message in example.messages for call in message.calls]
        for call in (*made, *(wanted.call for wanted in example.expected.calls)):
            assert not violations(tools[call.name], call.arguments), example.id
        for i, wanted in enumerate(example.expected.calls):
            for key, value in ((k, v) for k, values in wanted.accept.items() for v in values):
                other = msgspec.structs.replace(wanted.call, arguments={**wanted.call.arguments, key: value})
                assert not violations(tools[other.name], other.arguments), example.id
                calls = [each.call for each in example.expected.calls]
                calls[i] = other
                assert score(example, Reply(assistant("", *calls))).exact, example.id


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (*strings(key), *strings(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


DERIVED = {"from_date", "to_date", "start", "at", "source", "target", "near", "location"}
"""Arguments of `forty` that the request gives in other words: tomorrow, Swiss francs, the Orion building."""


def test_free_text_and_ids_are_said_word_for_word() -> None:
    """A value that the conversation does not give could be written in a hundred right ways."""
    for example in every_example():
        said = "\n".join(message.content for message in example.messages)
        tools = {tool.name: tool.parameters["properties"] for tool in example.tools}
        for call in (wanted.call for wanted in example.expected.calls):
            for key, value in call.arguments.items():
                listed = tools[call.name][key].get("enum") or tools[call.name][key].get("items", {}).get(
                    "enum"
                )
                if not listed and not (example.source == "forty" and key in DERIVED):
                    assert all(each in said for each in strings(value)), (example.id, key)


def test_forty_is_eight_tools_and_five_times_eight() -> None:
    """What its name and its page promise."""
    suite = committed("forty")
    assert len(suite) == 40
    assert Counter(c.scenario for c in suite) == dict.fromkeys(CATEGORIES, 8)
    offers = {tuple(tool.name for tool in c.tools) for c in suite}
    assert len(offers) == 1 and len(offers.pop()) == 8
    gold = [call.name for c in suite for call in c.messages[-1].calls]
    assert set(gold) == {tool.name for tool in suite[0].tools}
    selected = [c.messages[-1].calls[0].name for c in suite if c.scenario == "tool_selection"]
    assert len(set(selected)) == 8


def by_role() -> dict[str, dict[str, Example]]:
    """The examples of `dependencies` by what is right, then by case."""
    found: dict[str, dict[str, Example]] = {}
    for example in load("dependencies"):
        field, number, role = example.conversation_id.removeprefix("dependencies-").split("-")
        name = f"{field}-{number}"
        found.setdefault(role, {})[name] = example
    return found


def test_dependencies_has_the_size_and_the_twins_that_it_says() -> None:
    """With few twins, a caller that always waits would look as if it understood."""
    roles = by_role()
    assert len(CASES) >= 12 and len(roles["wait"]) >= 80 and len(roles["twin"]) >= 40
    assert set(roles["twin"]) <= set(roles["wait"])
    scenarios = Counter(example.scenario for example in load("dependencies"))
    assert scenarios["call_due"] >= 15 and scenarios["words_due"] >= 15
    kinds = Counter(case.kind for group in CASES.values() for case in group)
    assert set(kinds) == {"condition", "order", "value", "choice"} and min(kinds.values()) >= 10
    for name, twin in roles["twin"].items():
        wait = roles["wait"][name]
        assert (
            wait.tools == twin.tools
            and wait.expected.calls == twin.expected.calls[: len(wait.expected.calls)]
        )
        later = {each.call.name for each in twin.expected.calls[len(wait.expected.calls) :]}
        assert later == set(wait.expected.later) and not twin.expected.later
        assert f"pair:{name}" in wait.tags and f"pair:{name}" in twin.tags
        ours, theirs = (set(re.findall(r"\w+", e.messages[0].content.lower())) for e in (wait, twin))
        assert len(ours & theirs) >= 0.5 * min(len(ours), len(theirs)), name


def test_waiting_never_and_waiting_always_get_half_of_the_twins() -> None:
    """Neither habit may pass for telling dependent calls from independent ones."""
    roles = by_role()
    pairs = [(roles["wait"][name], twin) for name, twin in roles["twin"].items()]
    for wait, twin in pairs:
        at_once = Reply(gold_message(twin))
        hasty = score(wait, at_once)
        assert hasty.failure is not None and hasty.failure.kind == "premature_call", wait.id
        assert score(twin, at_once).exact
        one_by_one = Reply(gold_message(wait))
        slow = score(twin, one_by_one)
        assert slow.failure is not None and slow.failure.kind == "missed_call", twin.id
        assert score(wait, one_by_one).exact


def test_the_dependent_call_alone_is_too_early() -> None:
    """Skipping the look-up is the worst form of the failure, and must not be filed as another tool."""
    for example in by_role()["wait"].values():
        due = {wanted.call.name for wanted in example.expected.calls}
        assert example.expected.later
        for name in set(example.expected.later) - due:
            got = score(example, Reply(assistant("", ToolCall(name, {}))))
            assert got.failure is not None and got.failure.kind == "premature_call", example.id


def test_pairs_are_no_groups_of_a_report() -> None:
    """Eighty groups of three examples would bury the table."""
    results = [
        Result(e, Reply(gold_message(e)), score(e, Reply(gold_message(e)))) for e in load("dependencies")
    ]
    assert not [name for name in by_group(results, metrics) if "pair:" in name]
    assert "tag: condition" in by_group(results, metrics)


def test_later_is_written_and_read(tmp_path: Path) -> None:
    """Lost on the way to disk, the failure could never be found."""
    wait = next(c for c in committed("dependencies") if c.id.endswith("-wait"))
    assert wait.marks[1].later
    write_dataset(tmp_path / "a.jsonl", [wait])
    assert list(read_dataset(tmp_path / "a.jsonl")) == [wait]
    assert log.read(tmp_path / "a.jsonl", strict=True)[0] == [wait]
    assert b"later" not in write(tmp_path, msgspec.structs.replace(wait, marks={1: Mark("call")}))


def test_a_tool_to_wait_with_must_be_offered(tmp_path: Path) -> None:
    """A misspelt name would never be called, and the example would measure something else in silence."""
    wait = next(c for c in committed("dependencies") if c.id.endswith("-wait"))
    write(tmp_path, msgspec.structs.replace(wait, marks={1: Mark("call", later=("book_trian",))}))
    with pytest.raises(DataError, match=r"one\.jsonl:1: marks\.1\.later: names what is not among"):
        list(read_dataset(tmp_path / "one.jsonl"))


def write(folder: Path, conversation: Conversation) -> bytes:
    write_dataset(folder / "one.jsonl", [conversation])
    return (folder / "one.jsonl").read_bytes()


def asked() -> dict[str, str]:
    """What users say in the two suites, with the case."""
    return {m.content.strip(" .?!"): e.id for e in every_example() for m in e.messages if m.role == "user"}


def pattern(template: Template) -> str:
    """What a template can write, a value being one to six words."""
    out = []
    for part in template:
        if isinstance(part, str):
            out.append(re.escape(part))
        elif isinstance(part, Slot):
            out.append(r"\S+(?:\s\S+){0,5}?")
        elif isinstance(part, Choice):
            out.append("(?:" + "|".join(map(pattern, part.options)) + ")")
    return "".join(out)


def words(template: Template) -> int:
    """How many words of its own a template writes at least."""
    own = (len(re.findall(r"\w+", part)) for part in template if isinstance(part, str))
    chosen = (min(map(words, part.options)) for part in template if isinstance(part, Choice))
    return sum(own) + sum(chosen)


def test_no_request_is_one_that_the_synthesizer_drew() -> None:
    """A request seen in training makes the score a memory test."""
    drawn = (m for c in synthesize(100, seed=5) for m in c.messages if m.role == "user")
    assert not asked().keys() & {message.content.strip(" .?!") for message in drawn}


@pytest.mark.slow
def test_no_request_is_a_training_wording() -> None:
    """The same for all that it could draw: no template of whole requests gives one of ours.

    Templates that are little more than a value ("<query>") match anything, and are no wording.
    """
    ours = asked()
    folder = files("toolfinch.data.synthesize").joinpath("phrases", "train")
    names = {path.name.removesuffix(".txt") for path in folder.iterdir() if path.name.endswith(".txt")}
    whole = [
        template
        for name in sorted(names - {"words", "values", "links"})
        for section, templates in phrases("train", name).items()
        if section.split()[0] not in ("after", "reply")  # parts of a request
        for template in templates
        if words(template) >= 3
    ]
    assert len(whole) > 5000
    for template in whole:
        read = re.compile(pattern(template), re.IGNORECASE | re.DOTALL)
        found = [ours[text] for text in ours if read.fullmatch(text)]
        assert not found, (found, read.pattern)

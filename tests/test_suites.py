"""Public suites: what one decision is, what is left out, and that the gold scores full marks.

The rows here are invented. The suites themselves are measured where TOOLFINCH_SUITES names the folder that
holds one folder a suite.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolfinch.caller import Reply
from toolfinch.cli.main import main
from toolfinch.cli.validate import check, text
from toolfinch.data.funnel import Dropped
from toolfinch.errors import DataError, ToolfinchError, UsageError
from toolfinch.evaluate import suite
from toolfinch.evaluate.suites import rows
from toolfinch.example import Example, Expected, ExpectedCall
from toolfinch.message import ToolCall, assistant, user
from toolfinch.score import score
from toolfinch.tool import Tool, read


def parts(name: str, data: Path) -> tuple[list[Example], list[Dropped]]:
    opened = suite.open(name, data)
    return list(opened.examples), list(opened.left_out)


def tool(name: str, **properties: str) -> Tool:
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return read({"name": name, "parameters": schema})


def write(path: Path, *content: Any) -> None:
    """JSON lines; a `.json` file holds its one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, content)), encoding="utf-8")


# What the readers share


@pytest.mark.parametrize(
    ("value", "kind", "is_read_as"),
    [
        ("40.7", "number", 40.7),
        ("12", "integer", 12),
        ("12.5", "integer", "12.5"),
        ("True", "boolean", True),
        ("true", "boolean", "true"),
        ("1", "boolean", "1"),
        ("['a', 'b']", "array", ["a", "b"]),
        ("many", "number", "many"),
        ("12", "string", "12"),
        (12, "string", "12"),
        (True, "string", True),
        ([1], "number", [1]),
    ],
)
def test_a_value_is_read_in_the_schemas_type(value: Any, kind: str, is_read_as: Any) -> None:
    """A caller that is held to the schema writes 40.7; a gold `"40.7"` alone would be out of its reach."""
    found = rows.typed(value, {"type": kind})
    assert found == is_read_as
    assert type(found) is type(is_read_as)


def test_both_spellings_of_a_value_are_right() -> None:
    area = tool("area", width="number", unit="string")
    expected = rows.expected_call("area", {"width": "3.5", "unit": "m"}, area)
    example = Example("a/1", (area,), (user("?"),), Expected("call", (expected,)))
    for width in (3.5, "3.5"):
        assert score(example, Reply(assistant("", ToolCall("area", {"width": width, "unit": "m"})))).exact
    assert expected.accept == {"width": ("3.5",)}


POOL = {f"t{i}": tool(f"t{i}") for i in range(30)}
CATALOGUE = rows.Catalogue(POOL)


@given(st.text(), st.lists(st.sampled_from(sorted(POOL)), min_size=1, max_size=6), st.integers(0, 40))
def test_the_gold_is_always_offered_once(seed: str, gold: list[str], others: int) -> None:
    """Anything else would make a case that nobody can solve, or one that the order gives away."""
    names = [tool.name for tool in CATALOGUE.offered(seed, gold, others)]
    assert set(gold) <= set(names)
    assert len(names) == len(set(names)) == min(len(set(gold)) + others, len(POOL))
    assert [tool.name for tool in CATALOGUE.offered(seed, gold[::-1], others)] == names


def test_what_is_offered_is_the_same_on_every_machine() -> None:
    """A change here makes every published number incomparable with the next."""
    assert [tool.name for tool in CATALOGUE.offered("seed", ["t3"], 4)] == ["t3", "t10", "t20", "t11", "t4"]
    places = {[t.name for t in CATALOGUE.offered(str(i), ["t3"], 4)].index("t3") for i in range(99)}
    assert places == {0, 1, 2, 3, 4}


def test_no_other_tool_would_do_as_well() -> None:
    """Two tools of one purpose have two right answers, and the suite names one."""
    names = ("get_translation", "translateText", "translate.words", *(f"get_thing{i}" for i in range(21)))
    catalogue = rows.Catalogue({name: tool(name) for name in names})
    found = {tool.name for tool in catalogue.offered("seed", ["get_translation"], 99)}
    assert found == set(names) - {"translateText", "translate.words"}
    both = {tool.name for tool in catalogue.offered("seed", ["get_translation", "translateText"], 0)}
    assert both == {"get_translation", "translateText"}


# Seal-Tools


def seal_tools(folder: Path) -> Path:
    def api(name: str, **parameters: str) -> dict[str, Any]:
        described = {key: {"type": kind, "description": key, "unit": "?"} for key, kind in parameters.items()}
        return {
            "api_name": name,
            "api_description": name,
            "field": "x",
            "parameters": described,
            "required": list(parameters),
            "responses": {},
        }

    write(
        folder / "tool.jsonl",
        api("weighMoss", grams="float"),
        api("bad name", a="str"),
        api("shipMoss", parcel="int"),
        *(api(f"other{i}") for i in range(20)),
    )

    def call(name: str, **parameters: Any) -> dict[str, Any]:
        return {"api": name, "parameters": parameters, "responses": ["API_call_0"]}

    weigh = call("weighMoss", grams="4.5")
    write(
        folder / "dev.jsonl",
        {"id": "dev-easy-0", "query": "Weigh 4.5 g of moss.", "calling": [weigh]},
        {
            "id": "dev-difficult-0",
            "query": "Weigh and ship.",
            "calling": [weigh, call("shipMoss", parcel="API_call_0")],
        },
        {"id": "dev-easy-1", "query": "?", "calling": [call("weighMoss", grams=[1, 2])]},
        {"id": "dev-easy-2", "query": "?", "calling": [call("bad name", a="x")]},
        {"id": "dev-easy-3", "query": "?", "calling": [call("shipMoss", parcel="API_call_0")]},
    )
    for name in ("test_in_domain", "test_out_domain"):
        write(folder / f"{name}.jsonl", {"id": f"{name}-easy-0", "query": "Weigh.", "calling": [weigh]})
    return folder


def test_seal_tools_expects_what_can_be_called_now(tmp_path: Path) -> None:
    """A call on a result that is not there would have to be made up."""
    found, dropped = parts("seal_tools", seal_tools(tmp_path))
    assert [e.id for e in found[:2]] == ["dev-easy-0/1", "dev-difficult-0/1"]
    nested = found[1]
    assert [e.call for e in nested.expected.calls] == [ToolCall("weighMoss", {"grams": 4.5})]
    assert nested.expected.later == ("shipMoss",)
    assert nested.tags == ("nested",)
    assert nested.scenario == "dev-difficult"
    assert len(nested.tools) == 12
    assert {d.id: d.reason.partition(":")[0] for d in dropped} == {
        "tool.jsonl:2": "a tool whose name has spaces",
        "dev-easy-1/1": "the gold call does not fit weighMoss's schema",
        "dev-easy-2/1": "calls a tool whose name has spaces",
        "dev-easy-3/1": "every call needs another call's result",
    }


def test_seal_tools_with_a_call_of_no_tool(tmp_path: Path) -> None:
    folder = seal_tools(tmp_path)
    row = {"id": "dev-easy-0", "query": "?", "calling": [{"api": "gone", "parameters": {}}]}
    write(folder / "test_in_domain.jsonl", row)
    with pytest.raises(DataError, match=r"test_in_domain\.jsonl:1: 'gone' is not in tool\.jsonl"):
        suite.load("seal_tools", folder)


# NESTFUL


def nestful(folder: Path) -> Path:
    specs = {
        "executable/executable": [
            {
                "name": "Find",
                "description": "",
                "method": "GET",
                "query_parameters": {
                    "place": {"type": "String", "description": "where", "required": True},
                    "sort": {"type": "Enum", "allowed_values": ["near", "far"], "default": "near"},
                    "page": {"type": "Number", "default": "1", "allowed_values": "1-100"},
                },
            },
            {
                "name": "Stay",
                "description": "",
                "path_parameters": {"id": {"type": "string", "required": True}},
            },
        ],
        "non-executable/non-executable-glaive": [
            {
                "name": "add",
                "description": "",
                "parameters": {"a": {"type": "number", "required": True, "description": ""}},
            },
        ],
        "non-executable/non-executable-sgd": [
            {
                "name": "Bus.Find",
                "description": "",
                "arguments": {"to": {"description": "", "required": True, "allowed_values": []}},
            },
        ],
    }
    result = {"name": "var_result", "arguments": {"r": "$var1$"}}
    find = {"name": "Find", "arguments": {"place": "Ulm", "page": 1}, "label": "var1"}
    data = {
        "executable/executable": [
            {
                "input": "Stay in Ulm.",
                "output": [
                    find,
                    {"name": "Stay", "arguments": {"id": "$var1.id$"}, "label": "var2"},
                    result,
                ],
            },
            {"input": "?", "output": [{"name": "Stay", "arguments": {"id": "at var1.id$"}}]},
            {"input": "?", "output": [{"name": "Find", "arguments": {"where": "Ulm"}}]},
        ],
        "non-executable/non-executable-glaive": [
            {
                "input": "Add.",
                "output": [{"name": "add", "arguments": {"a": 1}}, {"name": "add", "arguments": {"a": "2"}}],
            },
            {"input": "?", "output": [{"name": "gone", "arguments": {}}]},
        ],
        "non-executable/non-executable-sgd": [
            {"input": "Bus.", "output": [{"name": "Bus.Find", "arguments": {"to": "$100 island"}}]}
        ],
    }
    for stem in specs:
        write(folder / f"data/{stem}-spec.json", specs[stem])
        write(folder / f"data/{stem}-data.json", data[stem])
    return folder


def test_nestful_expects_the_first_turn(tmp_path: Path) -> None:
    """The plan names results before they exist; the first turn is what a caller of tools can do."""
    found, dropped = parts("nestful", nestful(tmp_path))
    first, twice, money = found
    assert [e.call for e in first.expected.calls] == [ToolCall("Find", {"place": "Ulm", "page": 1})]
    assert first.expected.later == ("Stay",)
    assert first.tags == ("one_call",)
    assert twice.tags == ("several_calls",)
    assert twice.expected.calls[1] == ExpectedCall(ToolCall("add", {"a": 2}), {"a": ("2",)})
    assert money.expected.calls[0].call.arguments == {"to": "$100 island"}
    assert {d.id: d.reason for d in dropped} == {
        "executable-2/1": "every call needs another call's result",
        "executable-3/1": "the gold call does not fit Find's schema: place: missing",
        "glaive-2/1": "gone has no specification",
    }
    too_early = Reply(assistant("", ToolCall("Stay", {"id": "7"})))
    failure = score(first, too_early).failure
    assert failure is not None
    assert failure.kind == "premature_call"


def test_nestful_specifications_become_json_schema(tmp_path: Path) -> None:
    """A default as text, or a range where a list is meant, would be wrong arguments in silence."""
    tools = {t.name: t.parameters for e in suite.load("nestful", nestful(tmp_path)) for t in e.tools}
    assert tools["Find"]["properties"]["sort"] == {
        "type": "string",
        "enum": ["near", "far"],
        "default": "near",
    }
    assert tools["Find"]["properties"]["page"] == {"type": "number", "default": 1}
    assert tools["Find"]["required"] == ["place"]
    assert tools["Stay"]["required"] == ["id"]
    assert tools["Bus.Find"]["properties"]["to"] == {"description": "", "type": "string"}


# API-Bank


def api_bank(folder: Path) -> Path:
    def function(name: str, **kinds: str) -> dict[str, Any]:
        properties = {key: {"type": kind} for key, kind in kinds.items()}
        parameters = {"type": "object", "properties": properties, "required": list(kinds)}
        return {"type": "function", "function": {"name": name, "parameters": parameters}}

    write(
        folder / "apis_openai.json",
        {
            "Book": function("Book", rooms="integer", note="string"),
            "Cancel": function("Cancel", booking="string"),
            "ToolSearcher": function("ToolSearcher", keywords="string"),
        },
    )

    def point(upto: int, name: str, level: int = 1, **arguments: str) -> dict[str, Any]:
        return {
            "id": f"L{level}/d/{upto}",
            "level": level,
            "dialogue": "d.jsonl",
            "upto": upto,
            "tools": ["Book", "Cancel"],
            "gold": {"name": name, "arguments": arguments},
            "gold_exception": None,
        }

    write(
        folder / "test_points.jsonl",
        point(2, "Book", rooms="2"),
        point(4, "Book", rooms="3", note="x"),
        point(5, "Cancel", device="9"),
        point(2, "ToolSearcher", level=2, keywords="book room"),
    )

    def booked(rooms: str, exception: str | None = None, **more: str) -> dict[str, Any]:
        result = {"api_name": "Book", "input": {}, "output": {"id": 7}, "exception": exception}
        return {"role": "API", "api_name": "Book", "param_dict": {"rooms": rooms, **more}, "result": result}

    write(
        folder / "samples" / "level-1" / "d.jsonl",
        {"role": "User", "text": "Two rooms."},
        {"role": "AI", "text": "One moment."},
        booked("2"),
        {"role": "User", "text": "Three."},
        booked("3", note="x", exception="full"),
        {"role": "API", "api_name": "Cancel", "param_dict": {"device": "9"}, "result": {"output": True}},
    )
    return folder


def test_api_bank_gives_the_dialogue_so_far(tmp_path: Path) -> None:
    """The gold turn must not be in its own prompt, and a call and its result must stay together."""
    found, dropped = parts("api_bank", api_bank(tmp_path))
    first, second = found
    assert [m.role for m in first.messages] == ["system", "user", "assistant"]
    assert [m.role for m in second.messages] == ["system", "user", "assistant", "tool", "user"]
    made = second.messages[2]
    assert made.content == "One moment."
    assert made.calls == (ToolCall("Book", {"rooms": 2}, "call_2"),)
    assert second.messages[3].content == '{"id":7}'
    assert second.messages[3].result is not None
    assert second.messages[3].result.call_id == "call_2"
    assert first.conversation_id == second.conversation_id
    assert {d.id: d.reason.partition(":")[0] for d in dropped} == {
        "L1/d/5": "the gold call does not fit Cancel's schema",
        "L2/d/2": "the keywords of a search for tools are free text",
    }


def test_api_bank_takes_what_a_gold_call_leaves_out_as_optional(tmp_path: Path) -> None:
    """Its list says that all are required: no caller that keeps to it could be right."""
    (first, _), _ = parts("api_bank", api_bank(tmp_path))
    assert first.expected.calls[0] == ExpectedCall(ToolCall("Book", {"rooms": 2}), {"rooms": ("2",)})
    assert first.tools[0].parameters["required"] == ["rooms"]


def test_api_bank_without_its_dialogues(tmp_path: Path) -> None:
    """A test point without its history cannot be asked, and asking it anyway would measure nothing."""
    folder = api_bank(tmp_path)
    dialogue = folder / "samples" / "level-1" / "d.jsonl"
    write(dialogue, {"role": "User", "text": "Another version."})
    with pytest.raises(DataError, match="turn 2 is no call of Book"):
        suite.load("api_bank", folder)
    dialogue.unlink()
    with pytest.raises(DataError, match=r"test_points\.jsonl:1: no dialogue d\.jsonl below") as caught:
        suite.load("api_bank", folder)
    assert "lv1-lv2-samples" in caught.value.hint


# When2Call


def when2call(folder: Path) -> Path:
    light = {
        "name": "light",
        "description": "",
        "parameters": {
            "type": "dict",
            "required": ["room"],
            "properties": {"room": {"type": "string"}, "level": {"type": "float", "default": 1.0}},
        },
    }

    def row(n: int, answer: str, tools: list[Any], call: Any = None) -> dict[str, Any]:
        return {
            "uuid": f"u{n}",
            "source_id": "live_1",
            "question": "Light?",
            "correct_answer": answer,
            "answers": {
                "direct": "",
                "tool_call": json.dumps(call or {"name": "light", "arguments": {"room": "attic"}}),
                "request_for_info": "Which room? I know three.",
                "cannot_answer": "I cannot.",
            },
            "tools": [json.dumps(one) for one in tools],
        }

    write(
        folder / "when2call_test_llm_judge.jsonl",
        row(1, "tool_call", [light]),
        row(2, "request_for_info", [light]),
        row(3, "cannot_answer", []),
        row(4, "tool_call", [light], {"name": "light", "arguments": {}}),
    )
    return folder


def test_when2call_classes_are_kinds(tmp_path: Path) -> None:
    found, dropped = parts("when2call", when2call(tmp_path))
    assert [(e.scenario, e.expected.kind) for e in found] == [
        ("tool_call", "call"),
        ("request_for_info", "ask"),
        ("cannot_answer", "decline"),
    ]
    assert {e.conversation_id for e in found} == {"live_1"}  # made of one request: not independent
    assert dropped == [Dropped("live_1/u4", "the gold call does not fit light's schema: room: missing")]
    with_default = assistant("", ToolCall("light", {"room": "attic", "level": 1}))
    assert score(found[0], Reply(with_default)).exact
    assert check("w", found).misread == ("live_1/u2",)  # its reference does not end with the question


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"correct_answer": "maybe"}, "maybe"),
        ({"tools": ["{"]}, "jsonl:1: Input data was truncated"),
        ({"tools": []}, "jsonl:1: 'light' is not among the row's tools"),
        ({"question": None}, r"jsonl:1: Expected `str`, got `null` - at `\$.question`"),
    ],
)
def test_when2call_names_file_and_row(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    path = when2call(tmp_path) / "when2call_test_llm_judge.jsonl"
    row = json.loads(path.read_text().splitlines()[0])
    write(path, {**row, **change})
    with pytest.raises(DataError, match=says):
        suite.load("when2call", tmp_path)


# ToolCall-15 and Local Agent Bench: the answers are in the readers, the requests in the data


def toolcall15(folder: Path, *scenarios: tuple[str, str, str]) -> Path:
    def function(name: str, **kinds: str) -> dict[str, Any]:
        properties = {key: {"type": kind} for key, kind in kinds.items()}
        return {"type": "function", "function": {"name": name, "parameters": {"properties": properties}}}

    words = dict.fromkeys(("text", "source_language", "target_language"), "string")
    document = {
        "system": "Be brief.",
        "context_message": "It is Friday.",
        "categories": {"A": "Picking", "D": "Restraint"},
        "tools": [
            function("translate_text", **words),
            function("get_contacts", query="string"),
            function("send_email", to="string"),
        ],
        "scenarios": [{"id": id, "category": category, "user": said} for id, category, said in scenarios],
    }
    write(folder / "toolcall15.json", document)
    return folder


def test_toolcall15_measures_first_turns(tmp_path: Path) -> None:
    """A first step must not look like a scenario that was passed."""
    folder = toolcall15(
        tmp_path,
        ("TC-03", "A", "Tell Sarah."),
        ("TC-05", "A", "Plan it."),
        ("TC-06", "A", "Say 'Good moss!' in both."),
        ("TC-12", "D", "Delete it."),
    )
    found, dropped = parts("toolcall15", folder)
    assert [(e.id, e.scenario, e.tags, e.expected.kind) for e in found] == [
        ("TC-03/1", "Picking", ("first_step",), "call"),
        ("TC-06/1", "Picking", ("whole",), "call"),
        ("TC-12/1", "Restraint", ("whole",), "decline"),
    ]
    assert found[0].messages[0].content == "Be brief.\n\nIt is Friday."
    assert found[0].expected.later == ("send_email",)
    assert {e.call.arguments["text"] for e in found[1].expected.calls} == {"Good moss!"}
    assert [d.id for d in dropped] == ["TC-05/1"]


def test_toolcall15_of_another_version_is_refused(tmp_path: Path) -> None:
    """The answers are of known scenarios; a new one has none, and must not be left out in silence."""
    with pytest.raises(DataError, match=r"toolcall15\.json: TC-16"):
        suite.load("toolcall15", toolcall15(tmp_path, ("TC-16", "A", "New.")))
    with pytest.raises(DataError, match="TC-01: 'get_weather' is not among the tools"):
        suite.load("toolcall15", toolcall15(tmp_path, ("TC-01", "A", "Rain?")))


def local_agent_bench(folder: Path, *prompts: dict[str, Any]) -> Path:
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": city}}]
    write(folder / "local_agent_bench.json", {"tools": tools, "prompts": list(prompts)})
    return folder


def test_local_agent_bench(tmp_path: Path) -> None:
    folder = local_agent_bench(
        tmp_path,
        {"id": "P1", "prompt": "Rain?", "expect": "tool"},
        {"id": "P5", "prompt": "Who are you?", "expect": "no_tool"},
        {"id": "P6", "prompt": "Rain there?", "expect": "tool"},
        {"id": "P10", "prompt": "Cycle?", "expect": "tool", "expected_tool": "get_weather"},
    )
    found, dropped = parts("local_agent_bench", folder)
    assert [(e.scenario, e.expected.kind) for e in found] == [
        ("action", "call"),
        ("restraint", "say"),
        ("hard", "call"),
    ]
    assert [d.id for d in dropped] == ["P6/1"]
    local_agent_bench(tmp_path, {"id": "P1", "prompt": "Hello.", "expect": "no_tool"})
    with pytest.raises(DataError, match=r"local_agent_bench\.json: P1"):
        suite.load("local_agent_bench", tmp_path)


# Loading and validating


@pytest.mark.parametrize("name", [name for name in suite.PUBLIC if name != "bfcl"])
def test_a_public_suite_says_what_it_needs(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{name}: .* needs --data"):
        suite.load(name)
    with pytest.raises(DataError, match=f"^{name}: {tmp_path}/.*: no such file"):
        suite.load(name, tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        suite.load(name, tmp_path / "nowhere")


def test_a_suite_that_has_its_data_takes_no_folder(tmp_path: Path) -> None:
    """The folder would be passed over, and the report would be of something else."""
    with pytest.raises(UsageError, match="scenarios_200: takes no data folder"):
        suite.load("scenarios_200", tmp_path)


def case(id: str, expected: Expected, *tools: Tool) -> Example:
    return Example(id, tools or (tool("dig", depth="integer"),), (user("Dig."),), expected)


def test_validate_finds_a_gold_that_is_not_right() -> None:
    """A case whose own answer fails is lost by every caller."""
    right = case("a/1", Expected("call", (ExpectedCall(ToolCall("dig", {"depth": 2})),)))
    wrong = Example("b/1", (), (user("Dig."),), Expected("call"))  # any call will do, and none can be made
    found = check("s", [right, wrong])
    assert not found.holds
    assert list(found.wrong) == ["b/1"]
    assert "b/1: missed_call" in text(found)
    assert check("s", [right]).holds


def test_validate_counts_loose_schemas_and_goes_on() -> None:
    loose = case("a/1", Expected("call", (ExpectedCall(ToolCall("dig", {"depth": "two"})),)))
    found = check("s", [loose], [Dropped("z/1", "no reason")])
    assert found.holds
    assert list(found.unfit) == ["a/1: call 1"]
    assert "no reason: z/1" in text(found)


def test_validate_floors() -> None:
    bare = case("a/1", Expected("call", (ExpectedCall(ToolCall("dig", {})),)))
    deep = case("b/1", Expected("call", (ExpectedCall(ToolCall("dig", {"depth": 1})),)))
    silent = case("c/1", Expected("say"))
    no_tools = Example("d/1", (), (user("?"),), Expected("decline"))
    found = check("s", [bare, deep, silent, no_tools])
    assert [(f.exact, f.least, f.most) for f in found.floors] == [(2, 2, 2), (1, 1, 2), (0, 0, 0)]
    assert not msgspec.structs.replace(
        found, floors=tuple(msgspec.structs.replace(f, exact=4) for f in found.floors)
    ).holds


def test_two_examples_of_one_id_are_refused() -> None:
    """One of them would be lost in every table that goes by id."""
    with pytest.raises(ToolfinchError, match="two examples have the id 'a/1'"):
        check("s", [case("a/1", Expected("say")), case("a/1", Expected("say"))])


def ran(*argv: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(list(argv))
    assert stopped.value.code == 0


@pytest.mark.parametrize("name", suite.BUILT_IN)
def test_the_packaged_suites_are_valid(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran("validate", name, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["wrong"] == found["unfit"] == {}
    assert found["misread"] == []


def test_a_public_suite_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(when2call(tmp_path / "data"))
    ran("validate", "when2call", "--data", folder)
    assert "rows left out: 1" in capsys.readouterr().out
    out = str(tmp_path / "out")
    ran("eval", "never", "--suite", "when2call", "--data", folder, "--out", out, "--json")
    said = capsys.readouterr()
    report = json.loads(said.out)
    (section,) = report["sections"]
    assert (section["suite"], section["columns"][0]["overall"]["examples"]) == ("when2call", 3)
    assert section["left_out"] == 1
    assert "rows left out: 1" in said.err


# The suites themselves


MEASURED = {
    "seal_tools": (2040, 15),
    "nestful": (248, 52),
    "api_bank": (455, 53),
    "when2call": (298, 2),
    "toolcall15": (14, 1),
    "local_agent_bench": (9, 3),
    "sgd": (16134, 0),
    "bfcl": (3487, 4),
}
"""Examples and rows left out (of Seal-Tools one more: a tool)."""


@pytest.mark.parametrize("name", suite.PUBLIC)
def test_the_gold_of_a_public_suite_scores_full_marks(name: str) -> None:
    """A gold answer that fails, or a row that goes missing, would be laid to the models."""
    where = os.environ.get("TOOLFINCH_SUITES")
    if not where:
        pytest.skip("TOOLFINCH_SUITES does not name the folder of the public suites")
    folder = next((path for path in sorted(Path(where).glob(f"{name}*")) if path.is_dir()), None)
    if folder is None:
        pytest.skip(f"{where}: no folder {name}*")
    if name == "api_bank" and len(list(folder.rglob("*.jsonl"))) == 1:
        pytest.skip(f"{folder}: has no dialogues")
    found, dropped = parts(name, folder)
    assert (len(found), len(dropped)) == MEASURED[name]
    assert check(name, found, dropped).holds

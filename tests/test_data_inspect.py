"""Would break: a log that is judged by wrong counts, and a first look that shows what someone said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from growth import TIMES, assert_grows_with_it
from toolfinch.cli.main import main
from toolfinch.data import inspect as inspecting
from toolfinch.data.inspect import Personal, Results, inspect
from toolfinch.data.outcome import outcome
from toolfinch.data.personal import likely
from toolfinch.message import tool


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["data", *argv])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


GOLDEN = Path(__file__).parent / "golden" / "readers"

SECRETS = {
    "ada.lovelace@example.com": "e-mail",
    "+44 20 7946 0958": "phone",
    "4111 1111 1111 1111": "card number",
    "DE89 3704 0044 0532 0130 00": "IBAN",
    "203.0.113.77": "IP address",
    "ghp_" + "a1B2" * 9: "secret",
}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *SECRETS.items(),
        ("ann.o'neil+x@mail.example.co.uk", "e-mail"),
        ("(555) 010-0123", "phone"),
        ("555-0126", "phone"),
        ("0171 2345678", "phone"),
        ('{"phone": "+15550100123"}', "phone"),
        ("378282246310005", "card number"),
        ("GB82WEST12345698765432", "IBAN"),
        ("2001:db8::7", "IP address"),
        ("AKIAIOSFODNN7EXAMPLE", "secret"),
        ("key=sk-proj-" + "a1" * 20, "secret"),
        ("-----BEGIN RSA PRIVATE KEY-----", "secret"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "it is {}, she said", '{{"value": "{}"}}', "({})", "{}."])
def test_what_is_likely_personal_is_counted_once_and_as_one_kind(text: str, kind: str, around: str) -> None:
    assert likely(around.format(text)) == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2025-04-25",
            "25.04.2025",
            "2025-04-25 10:30:00",
            "2025-04-25 2025-05-01",
            "10:30:00",
            "1700000000",
        ),
        *(
            "1.2.3",
            "127.0.0.1",
            "999.999.999.999",
            "48.8566, 2.3522",
            "1,299.00",
            "3 - 4",
            "0000 0000 0000 0000",
        ),
        *("4111 1111 1111 1112", "DE89 3704 0044 0532 0130 01"),
        *("call_82f651407", "@me", "a@b", "std::vector", "skill-based"),
    ],
)
def test_what_only_looks_a_little_like_it_is_not(text: str) -> None:
    assert not likely(f"it is {text} today")


def test_a_long_text_is_searched_in_time_that_grows_with_it() -> None:
    """A pattern that tries again from every character would take hours."""
    for text in (
        "1 " * 200_000,
        "a" * 400_000,
        "a." * 200_000,
        "1.2" * 100_000,
        "AA00 " * 80_000,
        ":1" * 200_000,
    ):
        likely(text)
        likely(text + "@")


@pytest.mark.parametrize(
    ("result", "is_a"),
    [
        (tool("22 C"), ""),
        (tool('{"count": 0}'), ""),
        (tool('{"deleted": 0, "ok": true}'), ""),
        (tool('{"error": null, "rows": [1]}'), ""),
        (tool("Errors are rare here, and none was found in what you sent", is_error=False), "failed"),
        (tool("no such room", is_error=True), "failed marked"),
        (tool('{"error": "no such room"}'), "failed"),
        (tool('{"success": false}'), "failed"),
        (tool("Error: no such room"), "failed"),
        (tool(""), "empty"),
        (tool(" [] "), "empty"),
        (tool("{}"), "empty"),
        (tool("null"), "empty"),
        (tool('{"status": "ok", "count": 0, "items": []}'), "empty"),
        (tool('{"items": [0]}'), ""),
        (tool("[" * 5000), ""),
    ],
)  # fmt: skip
def test_a_result_is_failed_empty_or_neither(result: Any, is_a: str) -> None:
    found = {"marked"} if result.result.is_error else set()
    found |= {outcome(result.result)} - {"ok"}
    assert found == set(is_a.split())


def call(name: str, **arguments: Any) -> dict[str, Any]:
    body = {"name": name, "arguments": json.dumps(arguments)}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": body}]}


def result(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "c", "content": text, **more}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def say(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


TOOLS = [{"name": "find"}, {"name": "book"}]
WHOLE = [user("a room"), call("find", floor=2), result("[]"), say("none")]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    made: list[Any] = [
        {"id": "1", "messages": WHOLE, "tools": TOOLS},
        {"id": "1", "messages": WHOLE[:1], "tools": TOOLS},
        {"id": "1", "messages": WHOLE, "tools": TOOLS},
        {"id": "2", "messages": WHOLE, "tools": TOOLS},
        {
            "id": "3",
            "messages": [user(" ".join(SECRETS)), call("drop", all=True), result("no", is_error=True), result("?")],
            "tools": TOOLS,
        },
        {"id": "4", "messages": [user("mail " + next(iter(SECRETS)))], "tools": TOOLS},
        {"id": "5", "messages": [{"role": "bot"}]},
        {"id": "6", "messages": []},
    ]  # fmt: skip
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


def test_everything_is_counted(log: Path) -> None:
    found = inspect(log)
    assert (found.format, found.rows, found.sessions) == ("openai_chat", 8, 4)
    assert found.roles == {"user": 4, "assistant": 5, "tool": 4}
    assert (found.turns, found.calls) == (5, 3)
    assert (found.offered, found.used) == ({"find": 4, "book": 4}, {"find": 2, "drop": 1})
    assert (found.never_used, found.without_schema) == (("book",), {"drop": 1})
    assert (found.results, found.orphan_results) == (Results(4, failed=1, marked=1, empty=2), 1)
    assert (found.copies, found.prefixes, found.same_words) == (1, 1, 1)
    assert sorted(found.skipped.values()) == [1, 1]
    assert found.personal["e-mail"] == Personal(mentions=2, sessions=2)
    assert set(found.personal) == set(SECRETS.values())
    assert found.tokens.counted == 4
    assert 0 < found.tokens.p50 <= found.tokens.p95 <= found.tokens.max


def test_nothing_that_someone_said_is_shown(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags in ((), ("--json",)):
        code, out, err = shown(capsys, "inspect", str(log), *flags)
        assert code == 0
        assert "e-mail" in out
        for secret in SECRETS:
            assert secret not in out + err


def test_the_longest_is_found_though_it_is_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "SAMPLE", 10)
    path = tmp_path / "a.jsonl"
    rows = [{"messages": [user(f"{i}"), say("word " * (3000 if i == 77 else i % 7))]} for i in range(200)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first = inspect(path)
    assert first.tokens.counted == 10
    assert first.tokens.p95 < 100 < 3000 < first.tokens.max
    assert inspect(path) == first, "the same log, the same figures"


def test_json_holds_every_file_and_formats_may_be_mixed(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = shown(capsys, "inspect", str(log), str(GOLDEN / "claude_code.jsonl"), "--json")
    found = json.loads(out)
    assert [one["format"] for one in found] == ["openai_chat", "claude_code"]
    assert found[0]["without_schema"] == {"drop": 1}


def test_the_terminal_says_the_format_and_the_reasons(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = shown(capsys, "inspect", str(log))
    assert out.startswith(f"{log}: openai_chat\n")
    for words in ("8, 4 sessions", "book", "1 calls: drop 1", "messages: empty", "fledgling; all"):
        assert words in out


def test_a_log_in_no_known_format_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jsonl").write_text('{"q": "x"}\n')
    code, _, err = shown(capsys, "inspect", str(tmp_path / "a.jsonl"))
    assert code == 2
    assert "a log in no known format" in err
    assert "Traceback" not in err


def test_help_of_both_words_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = shown(capsys, "inspect", "--help")
    assert (code, "toolfinch data inspect" in out.split("Example:")[1]) == (0, True)
    assert "toolfinch data inspect" in shown(capsys, "--help")[1]


def test_data_reads_logs_of_several_formats_and_prints_which(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers", reason="tokens are counted with it")
    glaive, out = GOLDEN / "glaive.jsonl", str(tmp_path / "out")
    code, _, err = shown(capsys, str(log), str(glaive), "--out", out, "--test", "0", "--validation", "0")
    assert code == 0
    assert f"{log}: openai_chat, 8 rows, 4 conversations read" in err
    assert f"{glaive}: glaive, " in err
    code, _, err = shown(capsys, str(glaive), "--format", "openai_chat", "--out", out)
    assert code == 2
    assert "no row of the file could be read" in err


def test_many_beginnings_of_a_token_do_not_take_forever() -> None:
    """Each was looked at to the end of the text: minutes for one result of a megabyte."""
    many = "eyJ" * 6_250
    assert not likely(many)
    assert_grows_with_it(lambda: likely(many), lambda: likely(many * TIMES))
    assert likely("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc")["secret"] == 1

"""Codex's session files (`rollout-*.jsonl`): one line an item of the model's history, or an event.

    {"timestamp", "type": "session_meta" | "turn_context" | "response_item" | "event_msg" | "compacted", "payload"}

`response_item` is what the model wrote and read, in the items of the Responses API: it is the session. `event_msg`
is what the user interface showed of the same, and is left out, but for `thread_rolled_back`, which takes the last
turns of the user, and all that followed them, out of the history. Files from before September 2025 have the items
without an envelope, behind a first line with `id` and `instructions`; they are read as well.

A file is a session, or several one after the other, of which one is held at a time: each begins with
`session_meta`. That of a fork is followed by its parents', which are passed over. A `compacted` line ends a context and starts the next, with the history that it gives
(`replacement_history`) or, in older files, with its summary alone. Both are sessions with the session's id, the
later tagged `compacted`; what the model said in a history that was given is no decision of it and is marked to be
skipped, and a context in which the model says nothing new is left out.

The instructions, what the developer said and what Codex put before the user's first words (`AGENTS.md`, the
environment) are the system message. `custom_tool_call` and `local_shell_call` are calls as in `openai_responses`.
Tools are known only where the file has `dynamic_tools`. A result is an error where the log says `success: false`;
an exit code other than 0 is not one.

Left out: `reasoning`, `ghost_snapshot`, `turn_context`, encrypted summaries (with a tag), and, with a tag, the
tools that run at the provider (`web_search_call`). Images stand as `[input_image]`, with a tag.

The types are in https://github.com/openai/codex (`codex-rs/protocol`); how a history is rebuilt from such a file was
taken from code that does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from toolfinch.data.readers import times
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.openai_responses import ITEMS, item
from toolfinch.data.readers.turns import Turns, listed, mapped, named, readable
from toolfinch.errors import DataError

NAME = "codex"
KEYS: tuple[str, ...] = ()
LINES = ("session_meta", "turn_context", "response_item", "event_msg", "compacted")
CONTEXT = (
    "<environment_context>",
    "<user_instructions>",
    "# AGENTS.md instructions",
    "<permissions instructions>",
    "<collaboration_mode>",
    "<skill>",
)
"""How the parts of a user's message begin that Codex wrote."""


def looks_like(row: Mapping[str, Any]) -> bool:
    """By the envelope; without one, by an item, or by the first line of an old file."""
    kind = row.get("type")
    if isinstance(row.get("payload"), dict):
        return kind in LINES and "jsonrpc" not in row
    if any(key in row for key in ("messages", "uuid", "input", "output") if kind not in ITEMS):
        return False
    if kind == "message":
        return isinstance(row.get("content"), list) and "role" in row
    first = kind is None and {"id", "timestamp", "instructions"} <= row.keys()
    return kind in ITEMS or first or row.get("record_type") == "state"


def key(row: Mapping[str, Any]) -> str:
    """One for all: a line does not name its session."""
    return NAME


class _File:
    """What is known of a session up to a line."""

    def __init__(self, meta: Mapping[str, Any] | None = None) -> None:
        self.meta = meta or {}
        self.history: list[tuple[Mapping[str, Any], str]] = []
        self.time = ""
        self.compacted = False
        self.answered = False
        """Whether the model said anything since the context began."""
        self.wrong: DataError | None = None

    def take(self, kind: Any, payload: Mapping[str, Any]) -> None:
        if kind == "response_item":
            self.history.append((payload, "response_item"))
            if not self.answered:
                called = str(payload.get("type")).endswith("_call")
                self.answered = called or payload.get("role") == "assistant"
        elif kind == "event_msg" and payload.get("type") == "thread_rolled_back":
            self._roll_back(payload.get("num_turns"))
        elif kind == "compacted":
            given = payload.get("replacement_history")
            if given is None:
                given = [{"role": "user", "content": payload.get("message")}]
            items = listed(given, "compacted.replacement_history")
            self.history = [(mapped(one, "compacted.replacement_history[]"), "compacted") for one in items]
            self.compacted, self.answered = True, False

    def _roll_back(self, turns: Any) -> None:
        if type(turns) is not int or turns < 0:
            raise DataError("thread_rolled_back.num_turns: expected a number")
        asked = [i for i, (one, _) in enumerate(self.history) if _is_prompt(one)]
        if turns and asked:
            del self.history[asked[max(0, len(asked) - turns)] :]

    def told(self) -> Session:
        """The context as it stands."""
        if self.wrong is not None:
            raise self.wrong
        turns = Turns(whole=True)
        if self.compacted:
            turns.tags["compacted"] = None
        base = self.meta.get("base_instructions")
        given = self.meta.get("instructions") or (base.get("text") if isinstance(base, dict) else base)
        system = [turns.text(given, "instructions")]
        for i, (raw, where) in enumerate(self.history):
            turns.replayed = where == "compacted"
            if raw.get("type", "message") != "message" or raw.get("role") == "assistant":
                if system:
                    turns.say("system", _joined(system))
                item(turns, raw, f"{where} {i}")
                continue
            for part in _parts(raw):
                if not _is_context(part):
                    if system:
                        turns.say("system", _joined(system))
                    item(turns, part, f"{where} {i}")
                elif system:
                    system.append(turns.text(part.get("content"), f"{where} {i}.content"))
                else:
                    item(turns, {**part, "role": "developer"}, f"{where} {i}")
        turns.say("system", _joined(system))
        tools = self.meta.get("dynamic_tools")
        known = None if tools is None else listed(tools, "session_meta.dynamic_tools")
        return turns.session(named(self.meta, "id"), known, self.time)


def sessions(rows: Iterable[Mapping[str, Any]]) -> Iterator[Session]:
    """Every context of every session. What is wrong with one is raised after those that can be read."""
    return readable((one.told for one in _contexts(rows)), "the model says nothing in it")


def _contexts(rows: Iterable[Mapping[str, Any]]) -> Iterator[_File]:
    """The session at the end of each context in which the model said something, or in which something is wrong."""
    now = _File()
    for row in rows:
        kind, payload = _line(row)
        if kind == "session_meta":
            same = named(payload, "id") == named(now.meta, "id")
            if now.meta and (same or not (now.history or now.wrong)):
                continue  # a parent's, or the same session resumed
            if now.answered or now.wrong:
                yield now
            now = _File(payload)
            now.time = times.of_row(row) or times.of_row(payload)
            continue
        if kind == "compacted" and (now.answered or now.wrong):
            yield now
            now.wrong, now.time = None, ""
        if not now.time:
            now.time = times.of_row(row)
        try:
            now.take(kind, payload)
        except DataError as error:
            now.wrong = now.wrong or error
    if now.answered or now.wrong:
        yield now


def _line(row: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """What a line is, in the words of today's files."""
    payload = row.get("payload")
    if isinstance(payload, dict):
        return row.get("type"), payload
    if "payload" in row:
        raise DataError("payload: expected an object")
    if "record_type" in row:
        return "state", row
    return ("session_meta" if "type" not in row and "role" not in row else "response_item"), row


def _parts(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A message, in pieces where Codex's words and the user's stand in one."""
    content = message.get("content")
    if message.get("role") != "user" or not isinstance(content, list):
        return [message]
    if len(content) == 1 or not any(_is_context({**message, "content": [part]}) for part in content):
        return [message]
    return [{**message, "content": [part]} for part in content]


def _is_context(message: Mapping[str, Any]) -> bool:
    """Whether Codex or the developer wrote it."""
    role = message.get("role")
    if role != "user":
        return role in ("developer", "system")
    content = message.get("content")
    if isinstance(content, list) and content and isinstance(content[0], dict):
        content = content[0].get("text")
    return isinstance(content, str) and content.lstrip().startswith(CONTEXT)


def _is_prompt(one: Mapping[str, Any]) -> bool:
    """Whether the user asked something in it."""
    return one.get("role") == "user" and not all(map(_is_context, _parts(one)))


def _joined(system: list[str]) -> str:
    """The system message so far, which is then told."""
    text = "\n\n".join(part for part in system if part)
    system.clear()
    return text

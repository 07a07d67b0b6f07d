"""Claude Code's session files: one line a block of a message, an event or a note.

    {"type": "user" | "assistant" | "system" | "attachment" | …, "uuid", "parentUuid", "sessionId", "isSidechain",
     "message": {an Anthropic message}}

The file is appended to and never rewritten, so it holds more than was said:

- One response is written in several lines of the same `message.id`, a block or a growing copy of all blocks in
  each. They are one turn with every block once: of a `tool_use` the last version, of a text the longest.
- `/compact` and resuming write older lines again, under their own `uuid`. Each counts once, with the parent it
  had first.
- Lines are a tree by `parentUuid`. Where a user went back and asked differently, the branch that was written last
  is the session and the others are left out. A parent that is not in the log makes a line the first of its own.
- A `compact_boundary` starts a new context: the lines before it and those behind it are two sessions, both with
  the session's id, the later tagged `compacted`; it begins with the summary that the model was given, and with the
  messages that the boundary says were kept (`preservedSegment`), whose decisions are those of the session before
  and marked to be skipped; where they are not in the log, `without:kept` says so. `summary` lines are titles, and
  left out.
- Sidechains (sub-agents) are sessions of their own: `<sessionId>/<agentId>`, or the first line's `uuid`.

Results join their calls by `tool_use_id`, so parallel ones, which stand on branches of their own, are all there. A
prompt that was queued during a turn (`queued_command`) is a user's message; of a slash command the name and
arguments are, unless it ran in the client alone.

Left out: `thinking`, meta lines (`isMeta`), all other attachments, errors of the API that the client wrote in the
assistant's name, snapshots, progress, queue operations, `toolUseResult` (the client's view of the same result), and
the system prompt and the tools, which such a log does not have. Images stand as `[image]`, with a tag.

The format is not documented; this was made from what its readers and its issue tracker say
(https://github.com/anthropics/claude-code/issues/92089, /66947, /48936).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from toolfinch.data.readers.anthropic import REASONING, blocks
from toolfinch.data.readers.format import Session
from toolfinch.data.readers.times import iso
from toolfinch.data.readers.turns import Turns, mapped, named, readable
from toolfinch.errors import DataError

NAME = "claude_code"
KEYS = ("sessionId",)
SPOKEN = ("user", "assistant", "attachment")
_COMMAND = re.compile(r"<command-name>(.*?)</command-name>", re.DOTALL)
_ARGUMENTS = re.compile(r"<command-args>(.*?)</command-args>", re.DOTALL)
_LOCAL = ("<local-command-stdout>", "<local-command-stderr>")
_NOTES = (*_LOCAL, "<local-command-caveat>")


def looks_like(row: Mapping[str, Any]) -> bool:
    """By `sessionId` beside `uuid`, and by the notes that have less."""
    kind = row.get("type")
    if not isinstance(kind, str) or "payload" in row or "messages" in row:
        return False
    if "sessionId" in row and (
        "parentUuid" in row or kind in ("queue-operation", "last-prompt", "permission-mode")
    ):
        return True
    return (
        (kind == "summary" and "leafUuid" in row)
        or (kind == "file-history-snapshot" and "messageId" in row)
        or (kind in ("custom-title", "ai-title", "agent-name", "mode") and "sessionId" in row)
    )


def key(row: Mapping[str, Any]) -> str:
    """The session; empty for titles and snapshots, which do not name theirs."""
    return named(row, "sessionId")


class _Line(msgspec.Struct, gc=False):
    """One line of the tree. Not frozen: a later copy brings a later version of its row."""

    row: Mapping[str, Any]
    parent: str
    place: int
    aside: bool
    """Whether it is a sub-agent's."""
    kind: Any = None
    content: Any = None
    """Of its message."""
    response: str = ""
    """What the lines of one response have in common; empty where the model did not write it."""


class _Log:
    """The lines of a session, each once, and what of them is found by another id than their own."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self.lines: dict[str, _Line] = {}
        for place, row in enumerate(rows):
            uuid, parent = row.get("uuid"), row.get("parentUuid")
            if not isinstance(parent, str):
                parent = ""
            if not isinstance(uuid, str) or not uuid:
                if row.get("type") in ("user", "assistant"):
                    raise DataError("uuid: a message without one")
                continue
            known = self.lines.get(uuid)
            if known is None:
                self.lines[uuid] = _Line(row, parent, place, row.get("isSidechain") is True)
            else:
                known.row, known.parent = row, known.parent or parent
                known.aside = row.get("isSidechain") is True
        self.written: dict[str, list[Mapping[str, Any]]] = {}
        """Blocks of each response, by `message.id`."""
        self.results: dict[str, Mapping[str, Any]] = {}
        """Blocks of results, by `tool_use_id`."""
        for uuid, line in self.lines.items():
            self._follow(uuid, line)

    def _follow(self, uuid: str, line: _Line) -> None:
        """What a line has to do with others."""
        row = line.row
        if line.parent:
            above = self.lines.get(line.parent)
            if above is None or above.aside != line.aside or row.get("subtype") == "compact_boundary":
                line.parent = ""
        line.kind = kind = row.get("type")
        message = row.get("message")
        if not isinstance(message, dict):
            if kind == "assistant":
                self._write(uuid, None)
            return
        line.content = content = message.get("content")
        if kind == "assistant":
            response = named(message, "id") or uuid
            self._write(response, content)
            if row.get("isApiErrorMessage") is not True and message.get("model") != "<synthetic>":
                line.response = response
        elif kind == "user" and isinstance(content, list):
            for part in content:
                if isinstance(part, dict) and part.get("type") == "tool_result":
                    id = part.get("tool_use_id")
                    if isinstance(id, str):
                        self.results[id] = part

    def _write(self, response: str, content: Any) -> None:
        said = content if isinstance(content, list) else [{"type": "text", "text": content}]
        parts = [part for part in said if isinstance(part, dict)]
        _merge(self.written.setdefault(response, []), parts)

    def leaves(self) -> dict[str, str]:
        """The last message of each context, by the first line of the context, in the order of these."""
        roots: dict[str, str] = {}
        found: dict[str, str] = {}
        for uuid, line in self.lines.items():
            if line.parent in roots:  # most stand behind the line that they answer
                roots[uuid] = root = roots[line.parent]
                if line.kind in SPOKEN:
                    found[root] = uuid
                continue
            path = [uuid]
            while path[-1] not in roots and (above := self.lines[path[-1]].parent):
                path.append(above)
                if len(path) > len(self.lines):
                    raise DataError("parentUuid: lines that are their own parents")
            root = roots.get(path[-1], path[-1])
            for one in path:
                roots[one] = root
            if line.kind in SPOKEN:
                found[root] = uuid
        if len(found) == 1:
            return found
        return dict(sorted(found.items(), key=lambda item: self.lines[item[0]].place))

    def upwards(self, uuid: str, until: str = "") -> list[str]:
        """A line and all above it, or those up to one of them."""
        chain = [uuid]
        while chain[-1] != until and (above := self.lines[chain[-1]].parent):
            chain.append(above)
        return chain


def sessions(rows: Iterable[Mapping[str, Any]]) -> Iterator[Session]:
    """Every context of every chain. What is wrong with one is raised after those that can be read."""
    log = _Log(rows)
    if not log.written:
        raise DataError("notes of the client alone: a title, a snapshot, or a session without an answer")
    parts = (partial(_session, log, root, leaf) for root, leaf in log.leaves().items())
    yield from readable(parts, "the assistant says nothing in it")


def _session(log: _Log, root: str, leaf: str) -> Session | None:
    """One context; None where the assistant says nothing in it."""
    first = log.lines[root].row
    chain = log.upwards(leaf)[::-1]
    if not any(log.lines[uuid].response for uuid in chain):
        return None
    turns = Turns(whole=True)
    if any(log.lines[uuid].row.get("isCompactSummary") is True for uuid in chain):
        turns.tags["compacted"] = None
    kept = _kept(log, chain, turns)
    lines = [log.lines[uuid] for uuid in chain]
    told: set[str] = set()
    for i, line in enumerate(lines):
        if kept:
            turns.replayed = chain[i] in kept
        row, kind = line.row, line.kind
        if kind == "assistant":
            mapped(row.get("message"), "message")
            if line.response and line.response not in told:
                told.add(line.response)
                _answer(log, turns, line.response)
        elif kind == "user":
            mapped(row.get("message"), "message")
            if row.get("isMeta") is not True:
                _prompt(turns, line.content, lines[i + 1].content if i + 1 < len(lines) else None)
        elif kind == "attachment":
            queued = mapped(row.get("attachment") or {}, "attachment")
            if queued.get("type") == "queued_command" and queued.get("commandMode", "prompt") == "prompt":
                blocks(turns, "user", queued.get("prompt"), "attachment.prompt")
    id = named(first, "sessionId")
    if first.get("isSidechain") is True:
        id = f"{id}/{named(first, 'agentId') or root}"
    time = next(filter(None, (iso(line.row.get("timestamp")) for line in lines)), "")
    return turns.session(id, time=time)


def _kept(log: _Log, chain: list[str], turns: Turns) -> set[str]:
    """What a boundary kept of the context before, from head to tail, which is put into the chain behind its anchor."""
    facts = log.lines[chain[0]].row.get("compactMetadata")
    kept = facts.get("preservedSegment") if isinstance(facts, dict) else None
    if not isinstance(kept, dict):
        return set()
    head, anchor, tail = (named(kept, f"{place}Uuid") for place in ("head", "anchor", "tail"))
    segment = log.upwards(tail, head)[::-1] if tail in log.lines else []
    if anchor not in chain or not segment or segment[0] != head or set(segment) & set(chain):
        turns.tags["without:kept"] = None
        return set()
    behind = chain.index(anchor) + 1
    chain[behind:behind] = segment
    return set(segment)


def _answer(log: _Log, turns: Turns, response: str) -> None:
    """A whole response, and the results of its calls, on whichever branch they stand."""
    said = log.written[response]
    blocks(turns, "assistant", said, "message.content")
    results = [log.results[id] for block in said if (id := named(block, "id")) in log.results]
    if results:
        blocks(turns, "user", results, "message.content")


def _prompt(turns: Turns, content: Any, following: Any) -> None:
    """What the user said, or a tool returned, without what the client wrote beside it."""
    text = _opening(content)
    if text.startswith("<"):
        if text.startswith(_NOTES):
            return
        if command := _COMMAND.search(text) if text.startswith("<command-") else None:
            if not _opening(following).startswith(_LOCAL):
                arguments = _ARGUMENTS.search(text)
                turns.say("user", f"{command[1]} {arguments[1] if arguments else ''}".strip())
            return
    blocks(turns, "user", content, "message.content")


def _merge(known: list[Mapping[str, Any]], said: Sequence[Mapping[str, Any]]) -> None:
    """Add a line's blocks to those of its response."""
    if not known and len(said) == 1:  # most
        known += [block for block in said if block.get("type") not in REASONING]
        return
    for block in said:
        kind = block.get("type")
        if kind in REASONING:
            continue
        for i, earlier in enumerate(known):
            if earlier.get("type") != kind:
                continue
            old, new = (one.get("text") for one in (earlier, block))
            if kind == "text" and isinstance(old, str) and isinstance(new, str):
                if new.startswith(old):
                    known[i] = block
                if new.startswith(old) or old.startswith(new):
                    break
            elif kind == "tool_use" and earlier.get("id") == block.get("id"):
                known[i] = block
                break
        else:
            known.append(block)


def _opening(content: Any) -> str:
    """A message's first words."""
    if isinstance(content, list) and content and isinstance(content[0], dict):
        content = content[0].get("text")
    return content.lstrip() if isinstance(content, str) else ""

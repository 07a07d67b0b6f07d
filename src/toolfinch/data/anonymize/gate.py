"""The gate: nothing real is in what is about to be released, or it is not released.

Every string, key and number of every row is read in all its encodings (`decoded`) and searched for every known token
in all its spellings (`spellings`), then for secrets by form (`detect.secrets`), decoded and as it is in the file.
Cards, recipes and the names of files pass the same way. Rows are searched many at a time; one in which something is
found is looked at again, string by string, to say where. `release.released` writes only what has passed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from toolfinch.data.anonymize.decoded import (
    BREAK,
    DEEPEST,
    Text,
    collect,
    decoded_bytes,
    deeper,
    rewritten,
    strings,
)
from toolfinch.data.anonymize.detect import secrets
from toolfinch.data.anonymize.exempt import EXAMPLE, is_ours, opened, schema_words, stands_in_schema
from toolfinch.data.anonymize.files import Line, batches
from toolfinch.data.anonymize.fold import bare
from toolfinch.data.anonymize.known import Known, marked
from toolfinch.data.anonymize.leaks import UNREADABLE, Report, Survivor
from toolfinch.data.anonymize.release import released as released
from toolfinch.data.anonymize.spellings import Found, Spellings
from toolfinch.data.anonymize.spellings import read_allowed as read_allowed

KEPT = 1000
"""Lists of tools and system messages that are remembered as clean."""
SECRET = "secret"
LEAST_PARTIAL = 6
"""Letters and digits of an alias that says something among bytes that are not text."""
KEYS = frozenset(
    "id tools messages scenario source tags marks time role content tool_calls tool_call_id function name arguments "
    "type description parameters properties required enum items anyOf default risk idempotent is_error kind accept "
    "optional skip later label step reason steps reasons rows_in rows_out dropped did".split()
)
"""Of our own formats: a path in a report shows no other."""


class Gate:
    """What is looked for. The key is that of the report's HMACs."""

    def __init__(self, known: Iterable[Known], key: bytes, allow: frozenset[str] = frozenset()) -> None:
        known = [one for one in known if not is_ours(one)]
        self.key, self.allow = key, allow
        self.spellings = Spellings(known, allow, key)
        self.known = dict(sorted(Counter(one.kind for one in set(known)).items()))
        self._clean_tools: set[bytes] = set()
        self._clean_texts: set[str] = set()
        self._let_through: Counter[str] = Counter()

    def check(self, value: Any) -> list[Survivor]:
        """What of it is real: any decoded JSON value, a row for example. Its HMACs and paths; never the token."""
        parts: list[str] = []
        collect(value, parts)
        if not self._suspicious([Entry(0, Text(BREAK.join(parts)))]):
            return []
        return [one for one in self._survivors(value, schema_words(value)) if not one.in_schema]

    def files(self, paths: Sequence[Path], names: Iterable[str] = ()) -> Report:
        """Read files as they are on disk: JSON lines and JSON decoded, everything else as text; gzip undone.

        `names` are further texts that will be seen from outside; the files' own names are looked at in any case.
        Raises DataError for a file that cannot be read.
        """
        found: list[Survivor] = []
        rows = size = 0
        self._clean_tools.clear()
        self._let_through.clear()
        for place, path in enumerate(paths, 1):
            in_name = self.check(path.name)
            shown = f"file {place}" if in_name else path.name
            found += [_placed(one, shown, 0, "(its name)") for one in in_name]
            size += path.stat().st_size
            for batch in batches(path):
                rows += len(batch)
                found += [_placed(one, shown, one.row, one.path) for one in self._batch(batch)]
        for place, name in enumerate(names, 1):
            found += [_placed(one, f"name {place}", 0, "") for one in self.check(name)]
        let_through = self._let_through + Counter(one.kind for one in found if one.in_schema)
        return Report(
            files=len(paths),
            rows=rows,
            size=size,
            known=self.known,
            spellings=self.spellings.size,
            blind=dict(sorted(Counter(one.kind for one in self.spellings.blind).items())),
            allowed=dict(sorted(Counter(one.kind for one in self.spellings.allowed).items())),
            survivors=tuple(one for one in found if not one.in_schema),
            let_through=dict(sorted(let_through.items())),
        )

    # --- many rows at once: is there anything?

    def _batch(self, lines: Sequence[Line]) -> Iterator[Survivor]:
        texts: list[Entry] = []
        for place, line in enumerate(lines):
            parts: list[str] = []
            self._unseen(line, parts)
            if line.repeats:
                parts.append(line.raw)
            texts.append(Entry(place, Text(BREAK.join(parts))))
        raw = [Entry(place, Text(self._unseen_raw(line))) for place, line in enumerate(lines)]
        suspicious = self._suspicious(texts) | self._with_secrets(raw)
        for place in sorted(suspicious):
            line = lines[place]
            value, words = line.value, schema_words(line.value)
            if line.tools in self._clean_tools:
                value = {key: inner for key, inner in value.items() if key != "tools"}
            written = [("as it is written", "", line.raw)] if line.repeats else []
            for one in self._survivors(value, words, written, self._unseen_raw(line)):
                yield msgspec.structs.replace(one, row=line.number)

    def _unseen(self, line: Line, into: list[str]) -> None:
        """The strings of a row, without the tools and the system messages that were clean before."""
        value = line.value
        if not isinstance(value, dict) or not line.tools:
            collect(value, into)
            return
        for key, inner in value.items():
            into.append(key)
            if key == "tools" and self._is_clean(line.tools, inner):
                continue
            if key == "messages" and isinstance(inner, list):
                for message in inner:
                    said = message.get("content") if isinstance(message, dict) else None
                    if (
                        isinstance(said, str)
                        and message.get("role") == "system"
                        and self._is_clean_text(said)
                    ):
                        continue
                    collect(message, into)
            else:
                collect(inner, into)

    def _unseen_raw(self, line: Line) -> str:
        if line.tools in self._clean_tools:
            return line.raw.replace(line.tools.decode(), "")
        return line.raw

    def _is_clean(self, raw: bytes, tools: Any) -> bool:
        if raw not in self._clean_tools:
            found = self._survivors({"tools": tools}, schema_words({"tools": tools}))
            if not all(one.in_schema for one in found):
                return False
            self._let_through.update(one.kind for one in found)
            if len(self._clean_tools) >= KEPT:
                self._clean_tools.clear()
            self._clean_tools.add(raw)
        return True

    def _is_clean_text(self, text: str) -> bool:
        if text not in self._clean_texts:
            if self.check(text):
                return False
            if len(self._clean_texts) >= KEPT:
                self._clean_texts.clear()
            self._clean_texts.add(text)
        return True

    def _suspicious(self, texts: list[Entry]) -> set[int]:
        """Rows of texts in which something is found, in whatever encoding."""
        found: set[int] = set()
        seen = {(one.row, one.text.text) for one in texts}
        for _ in range(DEEPEST + 1):
            undone = [Entry(one.row, text) for one in texts for text in rewritten(one.text)]
            for plain, partial in ((True, False), (False, False), (True, True), (False, True)):
                some = [t for t in texts if t.text.text.isascii() is plain and t.text.partial is partial]
                if some:
                    joined = _Joined(some)
                    found |= {
                        joined.row(one.begin)
                        for one in self.spellings.find(joined.text.text)
                        if _says(one, joined.text)
                    }
                    undone += (Entry(joined.row(begin), text) for begin, text in decoded_bytes(joined.text))
            found |= self._with_secrets(texts)
            texts = []
            for one in undone:
                if (one.row, one.text.text) not in seen:
                    seen.add((one.row, one.text.text))
                    texts.append(one)
        return found | {one.row for one in texts}

    def _with_secrets(self, texts: list[Entry]) -> set[int]:
        leaked = self._secrets("\n".join(one.text.text for one in texts))
        return {one.row for one in texts for secret in leaked if secret in one.text.text}

    def _secrets(self, text: str) -> list[str]:
        found = secrets(text.replace(BREAK, "\n"))
        return [one for one in found if not (EXAMPLE in one.lower() or self.spellings.allows(bare(one)))]

    # --- one value: what is it, and where?

    def _survivors(
        self,
        value: Any,
        words: frozenset[str],
        written: Sequence[tuple[str, str, str]] = (),
        raw: str = "",
    ) -> list[Survivor]:
        """`words` are its schemas', `written` further texts with their paths, `raw` is its text in the file."""
        found: dict[Survivor, None] = {}
        at: dict[str, str] = {}
        done: dict[tuple[str, str], list[Survivor]] = {}
        every = [(path.lstrip("."), key, text) for path, key, text in (*strings(value, known=KEYS), *written)]
        for path, _, text in every:
            at.setdefault(text, path)
        for path, key, text in (inner for one in every for inner in opened(*one, words)):
            if (text, key) not in done:
                done[text, key] = list(self._in_text(text, key))
            for one in done[text, key]:
                in_schema = text in words and stands_in_schema(path) and one.kind != SECRET
                found[msgspec.structs.replace(one, path=path, in_schema=in_schema)] = None
        for secret in {*self._secrets(BREAK.join(at)), *self._secrets(raw)}:  # some need a key beside them
            path = next((path for text, path in at.items() if secret in text), "")
            found[self._secret(secret, path)] = None
        return sorted(found)

    def _in_text(self, text: str, key: str) -> Iterator[Survivor]:
        seen = {text}
        texts = [Text(text)]
        for _ in range(DEEPEST + 1):
            for one in texts:
                how = ", ".join(one.how)
                for secret in self._secrets(one.text):
                    yield self._secret(secret, how=how)
                for found in self.spellings.find(one.text, key):
                    if _says(found, one):
                        yield Survivor(
                            kind=found.known.kind,
                            form=found.alias.form,
                            how=how,
                            mark=marked(self.key, found.alias.key),
                        )
            texts = [undone for one in texts for undone in deeper(one, seen)]
        if texts:
            yield Survivor(kind=UNREADABLE, form="encoded too deeply")

    def _secret(self, secret: str, path: str = "", how: str = "") -> Survivor:
        return Survivor(
            path=path, kind=SECRET, form="by its form", how=how, mark=marked(self.key, bare(secret))
        )


class Entry(NamedTuple):
    """A text and the row that it is of."""

    row: int
    text: Text


class _Joined:
    """Texts that are all partial, or all not, as one."""

    def __init__(self, texts: list[Entry]) -> None:
        self.rows = [one.row for one in texts]
        self.starts = list(accumulate((len(one.text.text) + 1 for one in texts), initial=0))
        self.text = Text(BREAK.join(one.text.text for one in texts), partial=texts[0].text.partial)

    def row(self, place: int) -> int:
        return self.rows[bisect_right(self.starts, place) - 1]


def _says(found: Found, text: Text) -> bool:
    return not text.partial or len(found.alias.key) >= LEAST_PARTIAL


def _placed(one: Survivor, file: str, row: int, path: str) -> Survivor:
    return msgspec.structs.replace(one, file=file, row=row, path=path)

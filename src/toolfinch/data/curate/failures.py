"""Failed and empty results are a track of their own: tagged, kept, balanced, and the turns after them checked.

What an assistant says when a tool fails is the hardest thing to learn from a log, and the first to be lost in
it. `tag` marks the conversations, so that every card says how many there are; `balance` thins out only the turns
behind a failure, one flood at a time, and drops no conversation that has another decision; `honest` skips turns
that make up what the tool did not bring. Left out: whether a retry made sense, and claims in other languages than
English.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec

from toolfinch.data.curate.decisions import decisions, draw, without
from toolfinch.data.outcome import outcome
from toolfinch.data.stage import Change, Changed, Facts, Stage, each, together
from toolfinch.example import Conversation
from toolfinch.grounding import normal, sentences, ungrounded

FAILED, EMPTY = "failed_result", "empty_result"
"""Tags."""
TAGS = {"failed": FAILED, "empty": EMPTY}

FABRICATED = "states what nothing holds"
CLAIMED = "says that it was done"

FEW = 10
"""Turns after one failure that are never too many."""

_NO_ID = re.compile(r"\d+|\"[^\"]{0,80}\"|'[^']{0,80}'|\W+")
_READ = 20_000
"""Characters of a turn that are read."""
_LONGEST = 200_000
"""Characters of a prompt beyond which no value is known to be made up: reading them takes too long."""


def tag() -> Stage:
    """Tags conversations by what their results came to, once."""

    def change(one: Conversation) -> Conversation | Changed:
        found = {outcome(message.result) for message in one.messages if message.result is not None}
        tags = [TAGS[came] for came in TAGS if came in found]
        missing = [name for name in tags if name not in one.tags]
        if not tags:
            return one
        after = msgspec.structs.replace(one, tags=(*one.tags, *missing)) if missing else one
        return Changed(after, {f"has a {name}": 1 for name in tags})

    return each("failed results tagged", change)


def balance(share: float = 0.25, same: float = 0.02, *, key: str = "") -> Stage:
    """At most `same` of all decisions come after the same failure, and at most `share` after any.

    The same failure is one tool's with the same text, whatever numbers and quotations stand in it. Which turns stay
    a keyed hash decides; where there are too many, the most frequent failures are cut first, and of each failure
    `FEW` turns always stay.
    """

    def look(one: Conversation) -> tuple[int, tuple[bytes, ...]]:
        turns, after = decisions(one), _after(one)
        return len(turns), tuple(after[turn] for turn in turns if turn in after)

    def decide(facts: Facts) -> Change:
        waiting: defaultdict[bytes, list[tuple[bytes, str, int]]] = defaultdict(list)
        for id, (_, failures) in facts.items():
            for place, failure in enumerate(failures):
                waiting[failure].append((draw(id, place, key=key), id, place))
        ranked = [(rank, *drawn) for drawns in waiting.values() for rank, drawn in enumerate(sorted(drawns))]
        everything = sum(count for count, _ in facts.values())
        room, most = int(share * everything), max(FEW, int(same * everything))
        flood = f"more than {same:.0%} of the decisions are after the same failure"
        many = f"more than {share:.0%} of the decisions are after a failure"
        gone: defaultdict[str, dict[int, str]] = defaultdict(dict)
        for taken, (rank, _, id, place) in enumerate(sorted(ranked)):
            if rank >= most:
                gone[id][place] = flood
            elif rank >= FEW and taken >= room:
                gone[id][place] = many

        def change(one: Conversation) -> Conversation | Changed | str:
            if one.id not in gone:
                return one
            after = _after(one)
            turns = [turn for turn in decisions(one) if turn in after]
            return without(one, {turns[place]: why for place, why in gone[one.id].items()})

        return change

    return together("failures balanced", look, decide)


def _after(one: Conversation) -> dict[int, bytes]:
    """Turns right after a failed or empty result, each with a digest of what failed first."""
    found: dict[int, bytes] = {}
    for turn, results in _answered(one):
        for index in results:
            result = one.messages[index].result
            if result is not None and (came := outcome(result)) != "ok":
                said = _NO_ID.sub(" ", result.content[:300].casefold())
                found[turn] = draw(came, _called(one, index), said)[:8]
                break
    return found


def _answered(one: Conversation) -> Iterator[tuple[int, list[int]]]:
    """Assistant turns that follow results, with the indices of these."""
    results: list[int] = []
    for index, message in enumerate(one.messages):
        if message.result is not None:
            results.append(index)
        else:
            if message.role == "assistant" and results:
                yield index, results
            results = []


def _called(one: Conversation, index: int) -> str:
    """The tool that a result is of, as far as that can be told."""
    result = one.messages[index].result
    assert result is not None
    if result.name:
        return result.name
    for before in range(index - 1, -1, -1):
        calls = one.messages[before].calls
        if calls:
            place = index - before - 1
            by_id = [call.name for call in calls if call.id and call.id == result.call_id]
            return by_id[0] if by_id else calls[min(place, len(calls) - 1)].name
    return ""


def honest() -> Stage:
    """Skips turns in words after a failed or empty result that state a value from nowhere, or, where nothing else
    came back, say that it was done."""

    def change(one: Conversation) -> Conversation | Changed | str:
        bad: dict[int, str] = {}
        learned = set(decisions(one))
        for turn, results in _answered(one):
            message = one.messages[turn]
            if message.calls or turn not in learned:
                continue
            came = Counter(outcome(r) for i in results if (r := one.messages[i].result) is not None)
            if came["ok"] == len(results):
                continue
            kind = "a failed" if came["failed"] else "an empty"
            if _made_up(one, turn):
                bad[turn] = f"after {kind} result, {FABRICATED}"
            elif came["failed"] == len(results) and claims(message.content):
                bad[turn] = f"after {kind} result, {CLAIMED}"
        return without(one, bad)

    return each("honest after failures", change)


def _made_up(one: Conversation, turn: int) -> bool:
    sources = [
        f"{tool.name}: {tool.description} {msgspec.json.encode(tool.parameters).decode()}"
        for tool in one.tools
    ]
    calls = 0
    for message in one.messages[:turn]:
        sources.append(message.content)
        for call in message.calls:
            sources.append(msgspec.json.encode(call.arguments).decode())
            calls += 1
    sources += [str(number) for number in range(1, calls + 1)]  # "I tried three times"
    if sum(map(len, sources)) > _LONGEST:
        return False
    return bool(ungrounded(one.messages[turn].content[:_READ], sources))


_DONE = re.compile(
    r"\bsuccess(?:ful(?:ly)?)?\b|\ball set\b|\b(?:all )?done\b|\bcompleted?\b"
    r"|\b(?:has|have|had|was|were|is|are|'s|'ve)(?: been| now| all| just| already)* "
    r"(?:booked|reserved|sent|created|made|added|scheduled|confirmed|saved|updated|deleted|removed|cancell?ed"
    r"|transferred|set up|placed|ordered|purchased|bought|paid|processed|submitted|written|moved|renamed|uploaded"
    r"|posted|played|started|finished|set|ready|taken care of|rented|refunded|registered|published|deployed)\b"
    r"|\bi (?:booked|reserved|sent|created|made|added|scheduled|saved|updated|deleted|removed|cancell?ed|placed"
    r"|ordered|bought|paid|submitted|wrote|moved|renamed|uploaded|posted|transferred)\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"n't\b|\bcannot\b|\bnot\b|\bno\b|\bnone\b|\bnothing\b|\bnever\b|\bunable\b|\bfail|\berrors?\b|\bunsuccess"
    r"|\bsorry\b|\bapolog|\bunfortunate|\bproblems?\b|\bissues?\b|\btrouble\b|\bdeni|\brefus|\breject|\binvalid\b"
    r"|\bwithout\b|\bunavailable\b|\btimed? ?out\b|\bdown\b|\bwrong\b",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(?:if|once|until|whether|before|should|could|would|shall|can|try|trying|to be|when|already)\b|\?$",
    re.IGNORECASE,
)
_IDIOM = re.compile(r"\bno (?:problem|worries|doubt)\b|\bnot a problem\b|\bnot only\b", re.IGNORECASE)


def claims(text: str) -> bool:
    """Whether an English sentence in it says that something was done, and none that anything went wrong."""
    plain = _IDIOM.sub("", normal(text))
    if _NOT.search(plain):
        return False
    return any(_DONE.search(said) and not _OPEN.search(said) for said in sentences(plain))

"""Schema drift: tools that were renamed or changed while the log was written, repaired from the log's own history.

A log of some months holds the same tool under several definitions, and a model that learns from all of them learns
names that no longer exist. Definitions that are one tool (`aliases`) make a family; its target is the one in the
user's tools; where none are given, the latest, or without times the most frequent. A conversation is rewritten, its tools, calls, results' names
and marks, where every call that is there to learn then fits; else it stays as it is. Nothing is guessed: names that
were ever offered side by side, or that could be two tools, are left alone, and so are tools whose definition changes
from session to session. Left out: names in the text of messages, and arguments that the target does not have, unless
they say what would be so without them.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from toolfinch.data.curate import toolset
from toolfinch.data.curate.aliases import candidates, key, overlapping, same_description, same_name
from toolfinch.data.curate.rewrite import Repair, Route
from toolfinch.data.stage import Change, Facts, Stage, together
from toolfinch.example import Conversation
from toolfinch.tool import Tool

VARIED = 8
"""Definitions of one name from which on it is asked whether they are versions at all."""
SESSIONS = 4
"""Conversations that a version has at least, on average; else a definition is made for each session."""
_KEPT = 10_000


class Fact(NamedTuple):
    """What has to be known of a conversation."""

    tools: tuple[Tool, ...]
    """One object for all conversations with the same, so that it is pickled once a part."""
    time: str


_shared: dict[bytes, tuple[Tool, ...]] = {}


def look(one: Conversation) -> Fact:
    """The tools that it offers, and when it began."""
    digest = toolset.digest(one.tools)
    if len(_shared) >= _KEPT:
        _shared.clear()
    return Fact(_shared.setdefault(digest, one.tools), one.time)


def stage(current: Sequence[Tool] = ()) -> Stage:
    """Rewrites conversations to the tools of `current`; where none are given, to the last definitions in the log."""
    given = tuple(current)

    def decide(facts: Facts) -> Change:
        return Repair(routes(_history(facts.values(), given), given))

    return together("schema drift repaired", look, decide)


class _Version(NamedTuple):
    """One definition of a tool, as often as it was offered."""

    tool: Tool
    digest: bytes
    sets: frozenset[bytes]
    """The lists of tools that it stands in."""
    times: int
    last: str
    """When it was last offered; "" where that is not known of every conversation."""


def _history(facts: Iterable[Fact], current: Sequence[Tool]) -> list[_Version]:
    """Every definition, in an order that does not depend on the rows'."""
    offered: Counter[bytes] = Counter()
    last: dict[bytes, str] = {}
    undated: set[bytes] = set()
    lists: dict[bytes, tuple[Tool, ...]] = {b"": tuple(current)} if current else {}
    for fact in facts:
        digest = toolset.digest(fact.tools)
        lists.setdefault(digest, fact.tools)
        offered[digest] += 1
        last[digest] = max(last.get(digest, ""), fact.time)
        if not fact.time:
            undated.add(digest)
    where: defaultdict[bytes, set[bytes]] = defaultdict(set)
    tools: dict[bytes, Tool] = {}
    for digest, listed in sorted(lists.items()):
        for tool in listed:
            one = toolset.of_tool(tool)
            where[one].add(digest)
            known = tools.setdefault(one, tool)
            if b"" not in where[one]:  # what it may do is no part of a digest
                tools[one] = min(known, tool, key=lambda tool: (tool.risk, tool.idempotent))
    versions = [
        _Version(
            tools[one],
            one,
            frozenset(sets),
            sum(offered[digest] for digest in sets),
            "" if sets & undated else max(last.get(digest, "") for digest in sets),
        )
        for one, sets in where.items()
    ]
    return sorted(versions, key=lambda version: (version.tool.name, version.digest))


def routes(versions: Sequence[_Version], current: Sequence[Tool]) -> dict[bytes, tuple[Route, ...]]:
    """By a definition's digest the ways to its target, the shortest first; each ends with the target."""
    wanted = {toolset.of_tool(tool) for tool in current}
    links = _Links(versions)
    made = links.same_names(wanted)
    made = [*made, *links.renamed(made)]
    found: dict[bytes, tuple[Route, ...]] = {}
    for family in links.families(made):
        if current and not any(versions[place].digest in wanted for place in family):
            continue  # none of the tools of today
        target = _target([versions[place] for place in family], wanted)
        steps = _ways(next(place for place in family if versions[place] is target), family, made)
        for place in family:
            if versions[place] is target:
                continue
            direct: Route = (versions[place].tool, target.tool)
            gradual: Route = tuple(versions[step].tool for step in steps[place])
            found[versions[place].digest] = (direct,) if len(gradual) < 3 else (direct, gradual)
    return found


def _target(family: Sequence[_Version], wanted: set[bytes]) -> _Version:
    if now := [version for version in family if version.digest in wanted]:
        return now[0]
    dated = all(version.last for version in family)
    return max(family, key=lambda version: (version.last if dated else "", version.times, version.digest))


Link = tuple[int, int]


class _Links:
    """Which versions are one tool."""

    def __init__(self, versions: Sequence[_Version]) -> None:
        self.versions = versions
        self.sets: defaultdict[str, set[bytes]] = defaultdict(set)
        for version in versions:
            self.sets[version.tool.name] |= version.sets

    def beside(self, a: int, b: int) -> bool:
        """Whether two names were ever offered side by side."""
        names = self.versions[a].tool.name, self.versions[b].tool.name
        return names[0] != names[1] and not self.sets[names[0]].isdisjoint(self.sets[names[1]])

    def same_names(self, wanted: set[bytes]) -> list[Link]:
        """Between versions of one name, or of spellings of it: each with the target, and with the one before it."""
        by_key: defaultdict[str, list[int]] = defaultdict(list)
        for place, version in enumerate(self.versions):
            by_key[key(version.tool.name)].append(place)
        described = self._described()
        made: list[Link] = []
        for places in by_key.values():
            members = [self.versions[place] for place in places]
            known = any(version.digest in wanted for version in members)
            if not known and len(members) > max(VARIED, sum(one.times for one in members) // SESSIONS):
                continue
            target = places[members.index(_target(members, wanted))]
            ordered = sorted(places, key=lambda at: (self.versions[at].last, self.versions[at].digest))
            pairs = {(at, target) for at in places} | set(pairwise(ordered))
            made += [
                pair for pair in sorted({(min(p), max(p)) for p in pairs}) if self._is_one(*pair, described)
            ]
        return made

    def _is_one(self, a: int, b: int, described: Mapping[str, list[int]]) -> bool:
        """Not where the name went to another tool, while the description is at another name beside it."""
        one, other = self.versions[a].tool, self.versions[b].tool
        if a == b or self.beside(a, b) or not same_name(one, other):
            return False
        return one.description == other.description or not any(
            self.beside(place, at)
            for at in (a, b)
            for place in described.get(self.versions[at].tool.description, ())
        )

    def _described(self) -> Mapping[str, list[int]]:
        places: defaultdict[str, list[int]] = defaultdict(list)
        for place, version in enumerate(self.versions):
            if version.tool.description:
                places[version.tool.description].append(place)
        return places

    def renamed(self, same: Sequence[Link]) -> list[Link]:
        """Between different names; of two that could be meant and are not one tool themselves, none."""
        tools = [version.tool for version in self.versions]
        strong: list[Link] = []
        weak: list[Link] = []
        for a, b in candidates(tools):
            if key(tools[a].name) == key(tools[b].name) or self.beside(a, b):
                continue
            if same_description(tools[a], tools[b]):
                strong.append((a, b))
            elif overlapping(tools[a], tools[b]):
                weak.append((a, b))
        clear = self._clear(strong)
        near: defaultdict[int, set[int]] = defaultdict(set)
        for a, b in clear:
            near[a].add(b)
            near[b].add(a)
        # Much the same words say nothing where another tool beside it has the same words.
        return clear + self._clear(
            [
                (a, b)
                for a, b in weak
                if not any(self.beside(other, b) for other in near[a])
                and not any(self.beside(other, a) for other in near[b])
            ]
        )

    def _clear(self, links: Sequence[Link]) -> list[Link]:
        """Without the links of a version that has two to names that were offered side by side."""
        near: defaultdict[int, set[int]] = defaultdict(set)
        for a, b in links:
            near[a].add(b)
            near[b].add(a)
        torn = {
            place
            for place, others in near.items()
            if len({self.versions[other].tool.name for other in others}) > 1
            and any(self.beside(a, b) for a in others for b in others if a < b)
        }
        return [link for link in links if not torn & set(link)]

    def families(self, links: Sequence[Link]) -> list[list[int]]:
        """Groups of versions that are linked; in a group that was offered side by side, names are not joined."""
        found: list[list[int]] = []
        for family in _joined(len(self.versions), links):
            if self._torn(family):
                inside = set(family)
                kept = [(a, b) for a, b in links if a in inside and self._spelled_the_same(a, b)]
                found += [part for part in _joined(len(self.versions), kept) if not self._torn(part)]
            else:
                found.append(family)
        return found

    def _spelled_the_same(self, a: int, b: int) -> bool:
        return key(self.versions[a].tool.name) == key(self.versions[b].tool.name)

    def _torn(self, family: Sequence[int]) -> bool:
        names = sorted({self.versions[place].tool.name for place in family})
        taken: set[bytes] = set()
        for name in names:
            if not taken.isdisjoint(self.sets[name]):
                return True
            taken |= self.sets[name]
        return False


def _joined(count: int, links: Iterable[Link]) -> list[list[int]]:
    """Connected places, two at least in each group."""
    group = list(range(count))

    def root(place: int) -> int:
        while group[place] != place:
            group[place] = place = group[group[place]]
        return place

    for a, b in links:
        group[root(b)] = root(a)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for place in range(count):
        members[root(place)].append(place)
    return [sorted(places) for places in members.values() if len(places) > 1]


def _ways(target: int, family: Sequence[int], links: Sequence[Link]) -> dict[int, tuple[int, ...]]:
    """From each version of a family along the links to its target, over as few versions as can be."""
    near: defaultdict[int, list[int]] = defaultdict(list)
    for a, b in sorted(links):
        near[a].append(b)
        near[b].append(a)
    ways: dict[int, tuple[int, ...]] = {target: (target,)}
    waiting = deque([target])
    inside = set(family)
    while waiting:
        at = waiting.popleft()
        for other in near[at]:
            if other in inside and other not in ways:
                ways[other] = (other, *ways[at])
                waiting.append(other)
    return ways

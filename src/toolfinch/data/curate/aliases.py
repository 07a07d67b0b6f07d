"""Which definitions are the same tool under another name, and which of their parameters are the same.

Everything rests on what is written in the definitions: equal or overlapping descriptions, names, enums and types.
Two candidates where one is wanted, a unit that changed, `from` beside `to`, `create` beside `update`: no alias, since
a wrong one teaches a wrong call and a missing one costs a row. Left out: what values were logged, synonyms, and
descriptions in scripts without spaces.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from math import ceil
from typing import Any, NamedTuple

from toolfinch.tool import Tool

OVERLAP = 0.5
"""Words that two descriptions must share, of all that they have, for tools of different names to be compared."""

COMMON = 400
"""Descriptions with a word, from which on it says too little to look others up by."""

_SPLIT = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_EMPTY = frozenset(
    "a an the of in on at for to from with and or is are be it its this that by as if no any one new".split()
)
_UNITS = frozenset(
    "second millisecond ms minute hour day week month year meter metre km kilometer kilometre mile foot feet inch cm mm"
    " celsius fahrenheit kelvin kg gram pound lb ounce cent dollar euro byte kb mb gb percent".split()
)
_OPPOSED = frozenset(
    "from to start end begin stop min max minimum maximum least most first last old new in out before after source"
    " target origin destination departure arrival sender recipient cc bcc width height lat lon latitude longitude left"
    " right up down low high lower upper check_in check_out since until read write buy sell parent child user owner".split()
)
_VERBS = {
    verb: kind
    for kind, verbs in {
        "read": "get fetch read retrieve show view lookup find search list describe",
        "create": "create add new make insert book reserve schedule register",
        "update": "update edit modify change patch",
        "delete": "delete remove cancel drop clear",
        "send": "send post forward publish",
        "start": "run execute start enable activate",
        "stop": "stop pause disable deactivate",
    }.items()
    for verb in verbs.split()
}
"""Verbs that never mean the same as one of another kind. `set`, `put`, `write` and `save` may be several."""


def words(text: str) -> tuple[str, ...]:
    """Lower case, plural as singular; `maxResults` and `max_results` are the same two."""
    parted = _WORD.findall(_SPLIT.sub(" ", text))
    return tuple(
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in map(str.lower, parted)
    )


def key(name: str) -> str:
    """Equal for spellings of one name: `getWeather`, `get_weather`, `get-weather`."""
    return "".join(_WORD.findall(name)).lower()


class _Said(NamedTuple):
    """What a name and its description say."""

    key: str
    name: frozenset[str]
    description: tuple[str, ...]
    """In order and without articles: equal only where the same is written."""
    content: frozenset[str]
    """Of the description, without words that say nothing."""

    @property
    def identity(self) -> frozenset[str]:
        """Words of the name that the description has, too: what the thing is."""
        return self.name & self.content


@lru_cache(maxsize=50_000)
def _said(name: str, description: str) -> _Said:
    told = tuple(word for word in words(description) if word not in ("a", "an", "the"))
    return _Said(key(name), frozenset(words(name)), told, frozenset(told) - _EMPTY)


def _of(tool: Tool) -> _Said:
    return _said(tool.name, tool.description)


def _shared(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


def same_name(a: Tool, b: Tool) -> bool:
    """Whether two definitions with one name are one tool: a name may have been given to another one."""
    said, other = _of(a), _of(b)
    matched = _matched(a, b)
    if said.description and said.description == other.description:
        return matched >= 0.3 or _optional(a, b)
    if not (said.content and other.content):
        return matched >= 0.5
    return _shared(said.content, other.content) + matched >= 0.75


def same_description(a: Tool, b: Tool) -> bool:
    """Whether two names are one tool, since it is described in the same words."""
    said, other = _of(a), _of(b)
    return (
        said.description == other.description
        and len(said.content) >= 2
        and not _acts_differ(a, b)
        and not _siblings(a, b)
        and (_matched(a, b) >= 0.3 or _optional(a, b))
    )


def overlapping(a: Tool, b: Tool) -> bool:
    """Whether two names are one tool, since most words of its description and most parameters are the same."""
    said, other = _of(a), _of(b)
    mine, its = said.content - other.content, other.content - said.content
    return (
        min(len(said.content), len(other.content)) >= 3
        and _shared(said.content, other.content) >= OVERLAP
        and not said.identity & mine
        and not other.identity & its
        and not _verbs_differ(mine, its)
        and not _opposed(mine, its)
        and not _acts_differ(a, b)
        and not _siblings(a, b)
        and _matched(a, b) >= 0.75  # last: it takes longest
    )


def _acts_differ(a: Tool, b: Tool) -> bool:
    """Whether the verbs that names begin or end with, `create_user` and `user_delete`, speak of two acts."""
    acts = []
    for tool in (a, b):
        told = words(tool.name)
        acts.append(next(([word] for word in (told[0], told[-1]) if word in _VERBS), []) if told else [])
    return _verbs_differ(*acts)


def _siblings(a: Tool, b: Tool) -> bool:
    """`Banks_1_Pay` and `Banks_2_Pay` are two services; `pay_v1` and `pay_v2` may be one."""
    names = [re.sub(r"(?i)(?<![a-z])v(?:ersion)?_?\d+", "", tool.name) for tool in (a, b)]
    numbers = [re.findall(r"\d+", name) for name in names]
    return bool(numbers[0] and numbers[1]) and numbers[0] != numbers[1]


def _verbs_differ(a: Collection[str], b: Collection[str]) -> bool:
    kinds, others = ({_VERBS[word] for word in one if word in _VERBS} for one in (a, b))
    return bool(kinds and others and not kinds & others)


def _opposed(a: Collection[str], b: Collection[str]) -> bool:
    """Whether what only one of two descriptions says and what only the other says are opposites, or units."""
    return any(not known.isdisjoint(a) and not known.isdisjoint(b) for known in (_OPPOSED, _UNITS))


def _matched(a: Tool, b: Tool) -> float:
    """The share of the parameters that have a counterpart; those that may be left out count half."""
    pairs = align(a.parameters, b.parameters)
    (weight, mine), (other, its) = (_weights(a, pairs), _weights(b, pairs.values()))
    return (mine + its) / (weight + other) if weight + other else 1.0


def _weights(tool: Tool, matched: Collection[str]) -> tuple[float, float]:
    required = tool.parameters.get("required", ())
    weights = {name: 1.0 if name in required else 0.5 for name in tool.parameters.get("properties", {})}
    return sum(weights.values()), sum(weight for name, weight in weights.items() if name in matched)


def _optional(a: Tool, b: Tool) -> bool:
    return not a.parameters.get("required") and not b.parameters.get("required")


class _Parameter(NamedTuple):
    name: str
    said: _Said
    kinds: frozenset[str]
    """Types that its values may have; none: any."""
    values: frozenset[str]
    """Of its enum, in lower case."""
    required: bool


_SCALARS = frozenset(("string", "number", "integer", "boolean"))


def align(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """The names of an object schema's properties in another version of it, where that is certain.

    The stronger evidence first: the same name and no other of its description, the same description, much the same
    description, the same enum; at last the only required one on both sides that is left.
    """
    ours, theirs = _parameters(old), _parameters(new)
    pairs: dict[str, str] = {}
    by_key = _unique((one.said.key, one) for one in theirs)
    keys = Counter(one.said.key for one in ours)
    for one in ours:
        named = by_key.get(one.said.key)
        if named is None or keys[one.said.key] > 1:
            continue
        if _moved(one, named, theirs) or _moved(named, one, ours) or not _can_be(one, named):
            ours = [other for other in ours if other is not one]
            theirs = [other for other in theirs if other is not named]
        else:
            pairs[one.name] = named.name
    for evidence in (_described_the_same, _described_alike, _same_enum):
        left = [one for one in ours if one.name not in pairs]
        free = [one for one in theirs if one.name not in pairs.values()]
        fits = [(a, b) for a in left for b in free if _can_be(a, b) and evidence(a, b)]
        once, again = Counter(a.name for a, _ in fits), Counter(b.name for _, b in fits)
        clear = {a.name: b.name for a, b in fits if once[a.name] == again[b.name] == 1}
        if len(clear) < len(fits):  # of two that may be meant, neither is given away later on
            ours = [one for one in ours if not once[one.name] or one.name in clear]
            theirs = [one for one in theirs if not again[one.name] or one.name in clear.values()]
        pairs |= clear
    return pairs | _last(old, new, pairs, ours, theirs)


def _last(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    pairs: Mapping[str, str],
    ours: Sequence[_Parameter],
    theirs: Sequence[_Parameter],
) -> dict[str, str]:
    """The only one left on both sides, if a call cannot do without it and nothing speaks against it."""
    left = [one for one in _parameters(old) if one.name not in pairs]
    free = [one for one in _parameters(new) if one.name not in pairs.values()]
    if len(left) != 1 or len(free) != 1 or left[0] not in ours or free[0] not in theirs:
        return {}
    a, b = left[0], free[0]
    silent = not (a.said.content and b.said.content) or bool(a.said.content & b.said.content)
    alike = a.kinds == b.kinds and a.required and b.required and silent and _can_be(a, b)
    opposed = (a.said.name ^ b.said.name) & (_OPPOSED | _UNITS | {"date", "time", "id"})
    return {a.name: b.name} if alike and not opposed and not (a.values or b.values) else {}


def _parameters(schema: Mapping[str, Any]) -> list[_Parameter]:
    required = schema.get("required", ())
    found = []
    for name, part in schema.get("properties", {}).items():
        part = part if isinstance(part, Mapping) else {}
        kinds = part.get("type", ())
        kinds = frozenset([kinds] if isinstance(kinds, str) else kinds) - {"null"}
        enum = part.get("enum") or ()
        described = str(part.get("description", ""))
        values = frozenset(str(value).lower() for value in enum)
        found.append(_Parameter(name, _said(name, described), kinds, values, name in required))
    return found


def _unique(pairs: Iterator[tuple[str, _Parameter]]) -> dict[str, _Parameter]:
    found: defaultdict[str, list[_Parameter]] = defaultdict(list)
    for name, one in pairs:
        found[name].append(one)
    return {name: ones[0] for name, ones in found.items() if len(ones) == 1}


def _moved(one: _Parameter, named: _Parameter, among: Sequence[_Parameter]) -> bool:
    """Whether the description of `one` now stands at another parameter than the one that has its name."""
    told = one.said.description
    return (
        bool(told)
        and named.said.description != told
        and any(other.said.description == told for other in among)
    )


def _can_be(a: _Parameter, b: _Parameter) -> bool:
    """Whether values of one can be values of the other: by type, and in the same unit."""
    units, others = ((one.said.name | one.said.content) & _UNITS for one in (a, b))
    if units and others and units != others:
        return False
    return not a.kinds or not b.kinds or bool(a.kinds & b.kinds or (a.kinds | b.kinds) <= _SCALARS)


def _described_the_same(a: _Parameter, b: _Parameter) -> bool:
    return bool(a.said.content) and a.said.description == b.said.description


def _described_alike(a: _Parameter, b: _Parameter) -> bool:
    shared = _shared(a.said.content, b.said.content)
    said, other = a.said, b.said
    mine, its = frozenset(said.description) | said.name, frozenset(other.description) | other.name
    return (
        (shared >= 0.6 or (shared >= 0.4 and bool(said.name & other.name - _EMPTY)))
        and (said.identity <= other.content and other.identity <= said.content)
        and not (mine ^ its) & (_OPPOSED | _UNITS) - {"in", "to", "from"}
    )


def _same_enum(a: _Parameter, b: _Parameter) -> bool:
    plain = {"true", "false", "yes", "no", "dontcare", "none", "any"}
    return len((a.values & b.values) - plain) >= 2 and _shared(a.values, b.values) >= 0.6


def candidates(tools: Sequence[Tool]) -> Iterator[tuple[int, int]]:
    """Pairs of places of tools whose descriptions share at least `OVERLAP` of their words, each once, in order.

    Each is looked up by its rarest words alone: two sets that share so much share one of those (prefix filtering:
    Chaudhuri, Ganti and Kaushik, ICDE 2006). By words that more than `COMMON` descriptions have, only those with the
    same words are found.
    """
    places: defaultdict[frozenset[str], list[int]] = defaultdict(list)
    for place, tool in enumerate(tools):
        if content := _of(tool).content:
            places[content].append(place)
    often = Counter(word for content in places for word in content)
    at: defaultdict[str, list[frozenset[str]]] = defaultdict(list)
    for content, here in places.items():
        rare = sorted(content, key=lambda word: (often[word], word))
        rare = [word for word in rare[: len(rare) - ceil(OVERLAP * len(rare)) + 1] if often[word] <= COMMON]
        found = [(a, b) for a, b in combinations(here, 2)] if len(here) <= COMMON else []
        for other in {other for word in rare for other in at[word]}:
            if (
                len(content & other) >= OVERLAP * len(content | other)
                and len(here) * len(places[other]) <= COMMON
            ):
                found += [(min(a, b), max(a, b)) for a in here for b in places[other]]
        yield from sorted(found)
        for word in rare:
            at[word].append(content)

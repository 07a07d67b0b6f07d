"""Nothing that resembles an evaluation suite is trained on: a conversation whose user says what a suite's users say.

What counts is 13 words in a row, over the ends of turns too; or a turn that is all that the suite's user says, or how
it begins, and has at least 8 words. 13 is the length of GPT-3's check (Brown et al. 2020, appendix C,
https://arxiv.org/abs/2005.14165); the 8 are for suites with shorter requests. Words are as `words` has them.

Some of this is courtesy, or a template of the log. As in that check, what more than 10 conversations of the log share
is passed over; but here only those count that differ in what their users say, since a suite that was run a hundred
times against the logged assistant is no courtesy. What shares nothing else with a suite stays, and is counted.

Of the 12,174 train conversations of SGD, 232 go for its test suite (1.9 %), most for an opening such as "Can you find
me a movie to watch?", and 54 stay as common; comparing later turns as a whole too, 555 would go, most for their
thanks. None goes for a packaged suite. Of copies of a suite's conversations all of SGD's and of `long_context` are
found, and of the others all but the ones shorter than 8 words: 9 of 200 in `scenarios_200`, 18 of 100 in
`unseen_tools_100`, 1 of 40 in `forty`, 1 of 168 in `dependencies`, 38 of 110 in `failed_tools`.

Left out: what assistants say and tools return, requests of fewer than 8 words, paraphrases, and a suite's prompt in
more than 10 conversations with other words around it each time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toolfinch.data.curate.words import words
from toolfinch.data.stage import Change, Changed, Facts, Stage, together
from toolfinch.example import Conversation
from toolfinch.message import Message

if TYPE_CHECKING:
    from toolfinch.evaluate.suite import Suite

RUN = 13
"""Words in a row."""
WHOLE = 8
"""The fewest words of what is compared as a whole."""
COMMON = 10
"""What more conversations of the log share, each with other words around it, is no sign of a suite."""

_STEP = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no place in a run weighs less than another
Hashes = NDArray[np.uint64]


class Shared(NamedTuple):
    """What a conversation has in common with the suites."""

    says: bytes
    """A digest of all the words of its user."""
    hashes: tuple[int, ...]
    """Of the runs and turns that a suite has, too."""


def texts_of(suite: Suite) -> tuple[str, ...]:
    """What the users of a suite say: a text for each conversation, in it a line for each turn; each text once."""
    longest: dict[str, tuple[Message, ...]] = {}
    for id, messages in _spoken(suite):
        if len(messages) > len(longest.get(id, ())):  # an example holds what was said up to it
            longest[id] = messages
    texts = (
        "\n".join(" ".join(one.content.split()) for one in messages if one.role == "user")
        for messages in longest.values()
    )
    return tuple(dict.fromkeys(text for text in texts if text))


def _spoken(suite: Suite) -> Iterator[tuple[str, tuple[Message, ...]]]:
    for example in suite.examples:
        yield example.conversation_id, example.messages
    for case in suite.played:  # BFCL's have turns, each with its messages
        parts = getattr(case, "turns", (case,))
        yield case.id, tuple(message for part in parts for message in part.messages)


def stage(suites: Mapping[str, Sequence[str]]) -> Stage:
    """`suites` are texts by the name of the suite: a text is what one user says, a line a turn (`texts_of`)."""
    owner: dict[int, str] = {}  # of what two suites share the first one's name is told
    for name in sorted(suites):
        for text in suites[name]:
            turns = [words(line) for line in text.split("\n")]
            for one in _hashes(turns, turns[:1]).tolist():  # later turns are often only thanks
                owner.setdefault(one, name)
    known = np.array(sorted(owner), np.uint64)

    def look(one: Conversation) -> Shared | None:
        turns = [words(message.content) for message in one.messages if message.role == "user"]
        found = _hashes(turns, turns)
        if not len(known) or not len(found):
            return None
        places = np.minimum(np.searchsorted(known, found), len(known) - 1)
        shared = tuple(np.unique(found[known[places] == found]).tolist())
        return Shared(_digest(chain.from_iterable(turns)), shared) if shared else None

    def decide(facts: Facts) -> Change:
        around: defaultdict[int, set[bytes]] = defaultdict(set)
        for fact in facts.values():
            for one in fact.hashes if fact else ():
                around[one].add(fact.says)
        dropped: dict[str, str] = {}
        stays: dict[str, str] = {}
        for id, fact in facts.items():
            if fact:
                telling = sorted(owner[one] for one in fact.hashes if len(around[one]) <= COMMON)
                if telling:
                    dropped[id] = telling[0]
                else:
                    stays[id] = min(owner[one] for one in fact.hashes)

        def change(one: Conversation) -> Conversation | Changed | str:
            if one.id in dropped:
                return f"resembles the evaluation suite {dropped[one.id]}"
            if one.id in stays:
                return Changed(
                    one, {f"shares only common phrases with the evaluation suite {stays[one.id]}": 1}
                )
            return one

        return change

    return together("resembles no evaluation suite", look, decide)


def _hashes(turns: Sequence[Sequence[str]], wholes: Iterable[Sequence[str]]) -> Hashes:
    """8 bytes of every run of `RUN` words in the turns, and of each of `wholes`, and all turns, of `WHOLE` or more."""
    said = list(chain.from_iterable(turns))
    digests = b"".join(_digest(one) for one in (*wholes, said) if len(one) >= WHOLE)
    whole = np.frombuffer(digests, "<u8").astype(np.uint64)
    if len(said) < RUN:
        return whole
    each = np.frombuffer(b"".join(map(_of_word, said)), "<u8").astype(np.uint64)
    runs = np.zeros(len(said) - RUN + 1, np.uint64)
    for place in range(RUN):  # it wraps around at 8 bytes
        runs = runs * _STEP + each[place : place + len(runs)]
    return np.concatenate((whole, runs))


def _digest(said: Iterable[str]) -> bytes:
    return blake2b(" ".join(said).encode("utf-8", "surrogatepass"), digest_size=8).digest()


@lru_cache(maxsize=1 << 17)
def _of_word(word: str) -> bytes:
    return _digest((word,))

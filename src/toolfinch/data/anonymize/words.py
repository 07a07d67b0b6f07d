"""`Words`: the fake of every word that names and addresses are made of.

A name is replaced word by word, and each real word has one fake: every Anna becomes the same, brothers keep sharing
a family name, and an address made of someone's names is made of the fake ones. Fakes come from frozen pools by
HMAC-SHA-256(key, role, word, probe); what is taken, or real, is probed further in the order of the sorted words, so
a new entity may change the fake of another where both wanted the same.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from toolfinch.data.anonymize import forms
from toolfinch.data.anonymize.entity import Entity
from toolfinch.data.anonymize.fold import bare, spelled_out, unspaced

Parts = tuple[tuple[int, str], ...]
"""What letters and digits become: so many of the real ones, and the fake that stands for them."""

GIVEN, FAMILY, COINED = "given", "family", "coined"
_ROLES = (GIVEN, FAMILY, COINED)
_IN_NAMES = forms.PARTICLES | forms.LEGAL | forms.TITLES | {"and", "of", "for"}
"""Words in names that name nobody."""
_IN_ADDRESSES = _IN_NAMES | forms.GENERIC | {"www"}
"""The same in addresses."""
_PROBES = 8
"""Of single words of a pool; then come two as one."""


@functools.cache
def pool(role: str) -> tuple[str, ...]:
    """The fakes of a role, frozen: another order or another word would change every data set made before."""
    return tuple((Path(__file__).parent / "pools" / f"{role}.txt").read_text(encoding="utf-8").split())


def keyed(key: bytes, kind: str, value: str, probe: int = 0) -> int:
    """A number of 128 bits that only the key can tell from chance."""
    said = f"{kind}\0{value}\0{probe}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hmac.digest(key, said, hashlib.sha256)[:16], "big")


def name_words(name: str, kind: str = "person") -> list[str]:
    """The words of a name that name somebody, given names first."""
    if kind != "person":
        return name.split()
    return [word for word in forms.ordered_name(name) if bare(word) and bare(word) not in forms.TITLES]


class Words:
    """Made once for all entities of a log."""

    def __init__(self, key: bytes, entities: Iterable[Entity], real: Iterable[str]) -> None:
        """`real`: what no fake may be, letters and digits alone."""
        self._key = key
        roles: dict[str, int] = {}
        variants: dict[str, str] = {}
        entities = sorted(entities)
        for entity in entities:
            for word, role in (*_of_names(entity, variants), *_of_addresses(entity)):
                roles[word] = min(role, roles.get(word, role))
        self._fakes: dict[str, str] = {}
        taken = {*real, *roles, *variants}
        for word in sorted(roles):
            self._fakes[word] = fake = self._drawn(word, _ROLES[roles[word]], taken)
            taken.add(fake)
        for other, word in sorted(variants.items()):
            self._fakes.setdefault(other, self._fakes.get(word, word))
        self._joined: dict[str, str] = {}
        for entity in entities:
            for name in entity.names if entity.kind == "person" else ():
                for joined, parts in self.joinings(name):
                    self._joined.setdefault(joined, "".join(fake for _, fake in parts))

    def _drawn(self, word: str, role: str, taken: set[str]) -> str:
        names, probe = pool(role), 0
        while True:
            number = keyed(self._key, role, word, probe)
            fake = names[number % len(names)]
            if probe >= _PROBES:
                fake += names[number // len(names) % len(names)]
            if fake not in taken:
                return fake
            probe += 1

    def fake(self, word: str) -> str:
        """Of a folded word; the same where it names nobody."""
        return self._fakes.get(word) or self._joined.get(word) or word

    def known(self, word: str) -> bool:
        """Whether it names somebody."""
        return word in self._fakes or word in self._joined

    def other(self, text: str) -> str:
        """A fake for what is in no pool's role."""
        names = pool(COINED)
        return names[keyed(self._key, "other", text) % len(names)]

    def joinings(self, name: str) -> Iterator[tuple[str, Parts]]:
        """The ways to write a person's name together, as addresses have them: `annakovacs`, `akovacs`."""
        for text in dict.fromkeys((name, spelled_out(name))):
            words = [part for word in name_words(text) for part in forms.alnum_runs(word)]
            if len(words) < 2 or unspaced(words[0][0]):
                continue
            given = ((len(words[0]), self._name(words[0])),)
            rest = words[1:] if len(words) > 2 and words[1] in forms.PARTICLES else words[-1:]
            family = tuple((len(word), self._name(word)) for word in rest)
            whole, a, k = "".join(rest), words[0][0], rest[0][0]
            first, last = ((1, given[0][1][:1]),), ((1, family[0][1][:1]),)
            yield words[0] + whole, given + family
            yield whole + words[0], family + given
            yield a + whole, first + family
            yield whole + a, family + first
            yield words[0] + k, given + last

    def _name(self, word: str) -> str:
        return self._fakes.get(word, word)


def _of_names(entity: Entity, variants: dict[str, str]) -> Iterator[tuple[str, int]]:
    """(word, role) of its names; how a word is spelled out is added to `variants`."""
    for name in entity.names:
        words = name_words(name, entity.kind)
        last = len(words) - 1
        none_says = all(bare(word) in _IN_NAMES for word in words)
        for place, word in enumerate(words):
            role = min(place, 1) if entity.kind == "person" else 2
            named = none_says or (
                entity.kind == "person" and place in (0, last)
            )  # Van, Das and Sas are names, too
            kept = frozenset() if named else _IN_NAMES
            for part, other in zip(forms.alnum_runs(word), forms.alnum_runs(spelled_out(word)), strict=False):
                if _is_word(part, kept):
                    yield part, role
                if part != other:
                    variants[other] = part


def _of_addresses(entity: Entity) -> Iterator[tuple[str, int]]:
    """(word, role) of its e-mails, handles, domains, and ids that are words."""
    locals_ = [email.rpartition("@")[0].partition("+")[0] for email in entity.emails]
    for text in (*locals_, *(handle.lstrip("@") for handle in entity.handles)):
        runs = forms.alnum_runs(text)
        kept = _IN_ADDRESSES
        if bare(text) not in forms.GENERIC and all(
            run in kept or len(run) < 2 for run in runs
        ):  # `van.der_x`
            kept = frozenset()
        for place, run in enumerate(runs):
            for word in re.findall(r"[^\W\d_]+", run):
                if _is_word(word, kept):
                    yield word, min(place, 1) if len(runs) > 1 else 2
    hosts = (*entity.domains, *(email.rpartition("@")[2] for email in entity.emails))
    ids = [id for id in entity.ids if is_words(id)]
    for text in (*hosts, *ids):
        yield from ((word, 2) for word in forms.alnum_runs(text) if _is_word(word, _IN_ADDRESSES))


def is_words(id: str) -> bool:
    """Whether an id is made of words, as `blue-falcon` is."""
    return all(part.isalpha() for part in forms.alnum_runs(id))


def _is_word(part: str, kept: frozenset[str]) -> bool:
    return len(part) > 1 and not part.isdigit() and part not in kept

"""`Pseudonyms`: what real tokens become. Everything follows from a key and from the set of tokens, nothing from order.

Names, e-mails, handles and domains are made of the same fake words (`words`), so a persona fits together and a name
that stands alone is what it is in full. Ids, phones and the like are in `numbers`. No fake is real, or another's.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from toolfinch.data.anonymize import forms, numbers
from toolfinch.data.anonymize.entity import Entity, same_phone
from toolfinch.data.anonymize.fold import bare, spelled_out
from toolfinch.data.anonymize.forms import Alias
from toolfinch.data.anonymize.known import Known
from toolfinch.data.anonymize.words import Parts, Words, is_words, keyed, name_words

_SUFFIXES = frozenset("co com org net ac gov edu".split())
"""Before a country's code, they are part of what anybody can have a name under."""
_RESERVED = ("test", "example", "invalid")
"""RFC 2606: no domain will ever end so."""
_PROBES = 10_000
"""After so many there is no other fake of that form, and two tokens share one."""


class Pseudonyms:
    """The fakes of all tokens of a log."""

    def __init__(self, key: bytes, entities: Iterable[Entity], known: Iterable[Known]) -> None:
        """`entities` are merged, `known` every token that comes from them or stands alone."""
        self._key = key
        self.known = sorted(set(known))
        entities = sorted(entities)
        self._real = {bare(one.text) for one in self.known}
        self.words = Words(key, entities, self._real)
        self._taken: set[str] = set()
        self._domains: dict[str, str] = {}
        self._phones: dict[str, str] = {}
        self._whole: dict[Known, str] = {}
        self._fill_domains()
        self._fill_phones()
        self._fill({text: entity for entity in entities for text in (*entity.emails, *entity.handles)})
        self.parts = functools.lru_cache(1 << 16)(self._parts)

    def secret(self, text: str) -> str:
        """What stands for a secret, however it was found."""
        return numbers.secret(bare(text), 0, self._keyed("secret"))

    def _keyed(self, kind: str) -> numbers.Keyed:
        return functools.partial(keyed, self._key, kind)

    # --- fakes that are whole

    def _fill_domains(self) -> None:
        domains = {one.text for one in self.known if one.kind == "URL"}
        domains |= {one.text.rpartition("@")[2] for one in self.known if one.kind == "e-mail"}
        for domain in sorted({domain.lower() for domain in domains}):
            self._domains[domain] = self._unique(domain, self._domain)

    def _fill_phones(self) -> None:
        lines: dict[str, int] = {}
        real: set[str] = set()
        for one in self.known:
            if one.kind == "phone":
                keys = [way.key for way in forms.aliases(one)]
                shortest, line = min(map(len, keys), default=0), same_phone(one.text)
                lines[line] = min(shortest, lines.get(line, shortest))
                real.update(keys)
        for line, size in sorted(lines.items(), key=lambda one: (not numbers.is_for_stories(one[0]), one)):
            self._phones[line] = numbers.phone(line, size, real, self._keyed("phone"))
            real.add(self._phones[line])

    def _fill(self, owner: dict[str, Entity]) -> None:
        makers: dict[str, Callable[[str, int], str]] = {
            kind: functools.partial(make, number=self._keyed(kind)) for kind, make in numbers.MADE.items()
        }
        for one in self.known:
            names = owner[one.text].names if one.text in owner else ()
            if one.kind == "e-mail":
                self._whole[one] = self._unique(one.text, functools.partial(self._email, names))
            elif one.kind == "handle":
                self._whole[one] = self._unique(one.text, functools.partial(self._local, names))
            elif one.kind == "URL":
                self._whole[one] = self._domains[one.text.lower()]
            elif one.kind in makers and not (one.kind == "id" and is_words(one.text)):
                self._whole[one] = self._unique(one.text, functools.partial(self._id, makers[one.kind]))

    def _unique(self, text: str, make: Callable[[str, int], str]) -> str:
        """The first of its fakes that is neither real nor another's."""
        fakes = (make(text, probe) for probe in range(_PROBES))
        fake = next(
            (one for one in fakes if bare(one) not in self._real and bare(one) not in self._taken), None
        )
        fake = make(text, 0) if fake is None else fake
        self._taken.add(bare(fake))
        return fake

    def _id(self, make: Callable[[str, int], str], text: str, probe: int) -> str:
        """Of an id and the like, a prefix stays, but not if it is a name (`anna-1042`)."""
        return re.sub(
            r"[^\W\d_]+",
            lambda m: self.words.fake(bare(m[0])) if self.words.known(bare(m[0])) else m[0],
            make(text, probe),
        )

    def _domain(self, text: str, probe: int) -> str:
        """As many labels, so that what has them between other separators can have the fake ones there."""
        labels = text.split(".")
        ends = 2 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SUFFIXES else 1
        fakes = [re.sub(r"[^\W_]+", lambda m: self.words.fake(bare(m[0])), label) for label in labels[:-ends]]
        reserved = [one for one in _RESERVED if not self.words.known(one)]  # somebody may be named Test
        if probe >= len(reserved) and fakes:
            fakes[-1] += self._more(text, probe)
        return ".".join([*fakes, *labels[-ends:-1], reserved[probe % len(reserved)]])

    def _email(self, names: tuple[str, ...], text: str, probe: int) -> str:
        local, _, domain = text.rpartition("@")
        plain, plus, tag = local.partition("+")
        behind = "+" + re.sub(r"[^\W_]+", lambda m: self._run(names, text, m[0]), tag) if plus else ""
        return f"{self._local(names, plain, probe)}{behind}@{self._domains[domain.lower()]}"

    def _local(self, names: tuple[str, ...], text: str, probe: int) -> str:
        """A handle, or what stands before an @, with its words and digits replaced."""
        plain = unicodedata.normalize("NFC", text).lstrip("@").lower()
        made = re.sub(r"[^\W_]+", lambda m: self._run(names, plain, m[0]), plain)
        return made + self._more(plain, probe) if probe else made

    def _more(self, text: str, probe: int) -> str:
        return str(keyed(self._key, "more", text, probe) % 90 + 10)

    def _run(self, names: tuple[str, ...], text: str, run: str) -> str:
        return "".join(
            self._digits(text, piece) if piece[0].isdigit() else self._letters(names, bare(piece))
            for piece in re.findall(r"[^\W\d_]+|\d+", run)
        )

    def _letters(self, names: tuple[str, ...], word: str) -> str:
        """Of someone with these names."""
        for name in names:
            if len(word) == 1:
                return self._initial(name, word)
            for joined, parts in self.words.joinings(name):
                if joined == word:
                    return "".join(fake for _, fake in parts)
        return self.words.fake(word)

    def _initial(self, name: str, letter: str) -> str:
        parts = [part for word in name_words(name) for part in forms.alnum_runs(word)]
        longer = next((part for part in parts if len(part) > 1 and part.startswith(letter)), letter)
        return self.words.fake(longer)[:1]

    def _digits(self, text: str, digits: str) -> str:
        number = keyed(self._key, "digits", f"{text}\0{digits}")
        return "".join(str(number // 10**place % 10) for place in range(len(digits)))

    # --- what an alias becomes

    def _parts(self, known: Known, alias: Alias) -> Parts:
        """What the letters and digits of an alias of a token become; in any case something else."""
        parts = self._of_alias(known, alias)
        if "".join(fake for _, fake in parts) == alias.key:
            return ((len(alias.key), self.words.other(alias.key)),)
        return parts

    def _of_alias(self, known: Known, alias: Alias) -> Parts:
        size = len(alias.key)
        if known.kind == "phone":
            fake = self._phones[same_phone(known.text)]
            return ((size, alias.key[: max(0, size - len(fake))] + fake[-size:]),)
        if known.kind == "secret":
            return ((size, self.secret(known.text)),)
        whole = self._whole.get(known)
        if whole is None:
            return self._of_name(known, alias)
        for real, fake in _ways(known, whole):
            for text in (real, spelled_out(real)):
                runs, fakes = forms.alnum_runs(text), forms.alnum_runs(fake)
                if "".join(runs) == alias.key and len(runs) == len(fakes):
                    return tuple(zip(map(len, runs), fakes, strict=True))
        if alias.key == bare(known.text):  # written in groups, as cards are
            return ((size, bare(whole)),)
        return ((size, self.words.other(alias.key)),)

    def _of_name(self, known: Known, alias: Alias) -> Parts:
        """Word by word; a single letter is the first of a word."""
        if known.kind == "person" and not alias.cuts:
            for joined, parts in self.words.joinings(known.text):
                if joined == alias.key:
                    return parts
        out = []
        for begin, end in itertools.pairwise((0, *alias.cuts, len(alias.key))):
            word = alias.key[begin:end]
            out.append(
                (end - begin, self.words.fake(word) if len(word) > 1 else self._initial(known.text, word))
            )
        return tuple(out)


def _ways(known: Known, fake: str) -> Iterator[tuple[str, str]]:
    """Ways to write a token, and its fake in the same way."""
    yield known.text, fake
    if known.kind == "e-mail":
        (local, _, domain), (made, _, host) = known.text.rpartition("@"), fake.rpartition("@")
        for a, b in ((local, made), (local.partition("+")[0], made.partition("+")[0])):
            yield f"{a}@{domain}", f"{b}@{host}"
            yield f"{a} at {domain}", f"{b} at {host}"
            yield f"{a} at {domain.replace('.', ' dot ')}", f"{b} at {host.replace('.', ' dot ')}"
            yield a, b
    elif known.kind == "URL":
        yield known.text.removeprefix("www."), fake.removeprefix("www.")
    elif known.kind == "IP address":
        yield from zip(numbers.ip_forms(known.text), numbers.ip_forms(fake), strict=False)

"""A log of conversations with planted canaries, and a checker that looks for them by brute force.

The checker knows nothing of the package: it undoes every encoding that it can, at every place, keeps letters and
digits alone, and looks for what each canary is then written as. The canaries are so odd that nothing else is.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import quopri
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Person:
    name: str
    email: str
    phone: str
    handle: str
    id: str


ROSTER = (
    Person(
        "Zsófia Quarrendóczy",
        "zsofia.quarrendoczy@vexilbrook.io",
        "+36 30 771 9342",
        "@zsoquarr",
        "CUST-771934",
    ),
    Person("Ngozi Ubbaxworth", "ngozi.u@vexilbrook.io", "+44 7700 918273", "@ngozix", "CUST-918273"),
    Person("Thaddeus Krzyvolt", "tkrzyvolt@vexilbrook.io", "+1 503 267 8841", "@thaddk", "CUST-267884"),
    Person("Ottilie van der Plomsk", "ottilie@plomsk.net", "+49 1512 6654321", "@plomsky", "CUST-665432"),
)
"""Known from the roster."""
LOGGED = (
    Person(
        "Bartolomea Finkwurst", "b.finkwurst@quibblenet.org", "+33 6 48 21 97 35", "@bfink_dev", "ACC-4482197"
    ),
    Person("Yevgenij Tschalp", "yevtschalp@quibblenet.org", "+36 70 555 7719", "@yevtsch", "ACC-5557719"),
)
"""Known only from fields of tool results; an id names someone only where the roster says so."""
COMPANY, PROJECT = "Vexilbrook Gmaffel GmbH", "Crimson Wuffelt"
CARD, IBAN, ADDRESS = "4539 1488 0343 6467", "HU42 1177 3016 1111 1018 0000 0000", "84.17.203.91"
TOKEN = "ghp_" + "iK2ZWeqhFWCEPyYngFb51yBMWXaSCrUZoL8g"  # made up, in the form that GitHub's have
ACCESS_KEY = "AKIA" + "4GKZX7B6CTZKKOAM"


def bare(text: str) -> str:
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in plain if c.isalnum() and not unicodedata.combining(c))


def canaries() -> dict[str, str]:
    """What is looked for in letters and digits alone, and of what it is a part."""
    found: dict[str, str] = {}
    for place, person in enumerate((*ROSTER, *LOGGED)):
        who = f"person {place}"
        words = person.name.split()
        found[bare(words[0])] = f"{who}: given name"
        found[bare(words[-1])] = f"{who}: family name"
        found[bare(person.name)] = f"{who}: name"
        found[bare(person.email)] = f"{who}: e-mail"
        found[bare(person.email.split("@")[0])] = f"{who}: local part"
        found[bare(person.phone)] = f"{who}: phone"
        found[bare(person.phone)[2:] if person.phone[1] != "1" else bare(person.phone)[1:]] = (
            f"{who}: national phone"
        )
        found[bare(person.handle)] = f"{who}: handle"
        if person in ROSTER:
            found[bare(person.id)] = f"{who}: id"
    found |= {bare("Vexilbrook Gmaffel"): "company", bare(PROJECT): "project", bare(TOKEN): "token"}
    return found | {
        bare(CARD): "card",
        bare(IBAN): "IBAN",
        bare(ADDRESS): "IP address",
        bare(ACCESS_KEY): "access key",
    }


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper": str.upper,
    "lower": str.lower,
    "NFD": lambda t: unicodedata.normalize("NFD", t),
    "fullwidth": lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in t),
    "soft hyphens": lambda t: "\u00ad".join(t),
    "without accents": lambda t: "".join(
        c for c in unicodedata.normalize("NFKD", t) if not unicodedata.combining(c)
    ),
    "slug": lambda t: re.sub(r"\W+", "-", t).strip("-").lower(),
    "snake": lambda t: re.sub(r"\W+", "_", t).strip("_").lower(),
    "joined": lambda t: re.sub(r"\W+", "", t).lower(),
    "percent": urllib.parse.quote,
    "percent twice": lambda t: urllib.parse.quote(urllib.parse.quote(t)),
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "base64 in a blob": lambda t: base64.urlsafe_b64encode(f'{{"v":"{t}"}}'.encode()).decode().rstrip("="),
    "hex": lambda t: t.encode().hex(),
    "HTML": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "JSON": lambda t: json.dumps({"v": t}),
    "JSON in JSON": lambda t: json.dumps({"v": json.dumps([t])}),
    "\\u": lambda t: json.dumps("".join(f"\\u{ord(c):04x}" for c in t))[1:-1],
    "quoted-printable": lambda t: quopri.encodestring(t.encode()).decode(),
    "possessive": lambda t: f"{t}'s",
    "in brackets": lambda t: f"<{t}>",
}


def log() -> list[dict[str, Any]]:
    """Rows in OpenAI's shape: every canary as it is in some place, and every form of every name and e-mail."""
    rows: list[dict[str, Any]] = []
    for place, person in enumerate((*ROSTER, *LOGGED)):
        rows.append(_visit(place, person))
        for number, (name, form) in enumerate(FORMS.items()):
            rows.append(_formed(f"{place}-{number}", name, person, form))
    rows.append(_secrets())
    return rows


def _row(id: str, *messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": id, "tools": [_tool()], "messages": list(messages), **more}


def _tool(description: str = "Finds a customer.") -> dict[str, Any]:
    text = {"type": "string"}
    properties = {
        "query": {**text, "description": f"A name, as {ROSTER[0].name}"},
        "by": {**text, "enum": ["id", "name"]},
    }
    parameters = {"type": "object", "properties": {**properties, "extra": {"type": "object"}}}
    function = {"name": "find_customer", "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


def _call(id: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": "find_customer", "arguments": json.dumps(arguments)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": id, "type": "function", "function": function}],
    }


def _visit(place: int, person: Person) -> dict[str, Any]:
    """A whole conversation about one person."""
    given, family = person.name.split()[0], person.name.split()[-1]
    digits = int(re.sub(r"\D", "", person.phone))
    record = {
        "customer": {
            "full_name": person.name,
            "email": person.email,
            "phone": person.phone,
            "username": person.handle,
        },
        "customer_id": person.id,
        "dial": digits,
        "by_email": {person.email: {"seen": True}},
        "raw": json.dumps({"owner": person.name, "note": json.dumps({"to": person.email})}),
        "avatar": f"https://cdn.vexilbrook.io/u/{person.handle.lstrip('@')}/{urllib.parse.quote(person.name)}.png",
    }
    call_id = f"call_{bare(person.name)}_1"
    return _row(
        f"session-{person.handle.lstrip('@')}-{place}",
        {"role": "system", "content": f"You help the customers of {COMPANY}. The user is {person.name}."},
        {
            "role": "user",
            "content": f"Hi, I'm {given} ({person.email}), my number is {person.phone}. Find {person.id}.",
        },
        _call(call_id, {"query": person.name, "by": "name", "extra": {person.email: [person.phone, digits]}}),
        {"role": "tool", "tool_call_id": call_id, "content": json.dumps(record)},
        {
            "role": "assistant",
            "content": f"{given} {family}'s account {person.id} is open; {PROJECT} knows {family}.",
        },
        tools=[_tool(f"Finds a customer of {COMPANY}; ask {ROSTER[1].name} for access.")],
        source=f"/logs/{person.handle.lstrip('@')}/{bare(given)}.jsonl:{place}",
        tags=[f"user:{person.email}", person.name],
    )


def _formed(id: str, name: str, person: Person, form: Callable[[str], str]) -> dict[str, Any]:
    record = {"customer": {"full_name": person.name, "email": person.email, "username": person.handle}}
    return _row(
        id,
        {"role": "user", "content": f"({name}) look at {form(person.name)} and {form(person.email)} please."},
        _call("c1", {"query": form(person.name), "extra": {form(person.email): form(person.phone)}}),
        {"role": "tool", "tool_call_id": "c1", "content": json.dumps({**record, "as": form(person.name)})},
        {"role": "assistant", "content": f"It is {form(person.phone)}."},
        tags=[form(person.name)],
    )


def _secrets() -> dict[str, Any]:
    return _row(
        "secrets",
        {"role": "user", "content": f"My card is {CARD}, pay from {IBAN}; I am at {ADDRESS}. Token: {TOKEN}"},
        _call(
            "c1",
            {
                "query": "x",
                "extra": {"card": CARD.replace(" ", ""), "iban": IBAN.replace(" ", ""), "t": TOKEN},
            },
        ),
        {
            "role": "tool",
            "tool_call_id": "c1",
            "content": json.dumps({"ip": ADDRESS, "env": f"KEY={ACCESS_KEY}\n"}),
        },
        {"role": "assistant", "content": f"Paid with {CARD[:4]}…; {ACCESS_KEY} was used from {ADDRESS}."},
    )


# --- the checker


def survivors(raw: bytes, wanted: dict[str, str] | None = None) -> dict[str, str]:
    """Which canaries can be read in some bytes, and a form in which they can."""
    wanted = canaries() if wanted is None else wanted
    found: dict[str, str] = {}
    for text in _readings(raw.decode("utf-8", "replace")):
        plain = bare(text)
        for needle, what in wanted.items():
            if needle in plain:
                found.setdefault(what, text[:200])
    return found


def _readings(text: str, depth: int = 4) -> Iterator[str]:
    level, seen = [text], {text}
    for _ in range(depth):
        yield from level
        level = [t for one in level for t in _undone(one) if len(t) > 5 and not (t in seen or seen.add(t))]
    yield from level


def _undone(text: str) -> Iterable[str]:
    for line in text.splitlines():
        try:
            yield "\n".join(_leaves(json.loads(line)))
        except ValueError:
            continue
    if "\\" in text:
        yield re.sub(r"\\+u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
        yield re.sub(r'\\+(["/])', r"\1", text).replace("\\n", "\n")
    if "%" in text:
        yield urllib.parse.unquote(text)
    if "&" in text:
        yield html.unescape(text)
    if "=" in text:
        yield quopri.decodestring(text.encode()).decode("utf-8", "replace")
    for run in re.findall(r"[A-Za-z0-9+/_-]{8,}", text):
        for begin in range(4) if len(run) < 400 else ():
            piece = run[begin:].replace("-", "+").replace("_", "/")
            piece = piece[: len(piece) - (len(piece) % 4 == 1)]
            yield binascii.a2b_base64(piece + "=" * (-len(piece) % 4)).decode("utf-8", "ignore")
    for run in re.findall(r"(?:[0-9a-fA-F]{2}){6,}", text):
        yield bytes.fromhex(run).decode("utf-8", "ignore")


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield str(value)

"""Who a conversation names in fields that say so: `email`, `assignee`, `name` beside `email`, in results and calls.

High precision: a field counts by its key alone. A `name` by itself may be a restaurant's or a file's; it is a person's
where its object has an e-mail, a phone or a handle. JSON in strings is read, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from toolfinch.data.anonymize.decoded import number
from toolfinch.data.anonymize.entity import Entity
from toolfinch.example import Conversation

DEEPEST = 6
"""Objects in strings in objects."""
LONGEST = 80
"""Characters of a name; what is longer is a sentence."""

_EMAIL = re.compile(r"[^\s@<>,;\"']+@[^\s@<>,;\"']+\.[^\s@<>,;\"'.]{2,}")
_EMAILS = frozenset("email emails emailaddress mail useremail contactemail".split())
_PHONES = frozenset(
    "phone phones phonenumber phonenumbers mobile mobilephone cell cellphone telephone tel fax contactphone "
    "homephone workphone contactnumber".split()
)
_HANDLES = frozenset("username handle login screenname nickname useralias slackhandle githubusername".split())
_PEOPLE = frozenset(
    "assignee assignedto owner author reporter reviewer approver manager customername clientname contactname "
    "contactperson fullname displayname firstandlastname recipientname sendername employeename patientname "
    "guestname membername passengername attendee attendees participant participants createdby updatedby requester "
    "requestedby organizer organiser accountholder cardholder beneficiary realname assignees owners authors "
    "reviewers".split()
)
_ORGANISATIONS = frozenset(
    "company companyname organization organisation organizationname organisationname employer".split()
)
_GIVEN = frozenset("firstname givenname forename".split())
_FAMILY = frozenset("lastname surname familyname".split())
_OWN = frozenset("fullname displayname realname".split())
"""Keys of a person's name that an object has of whom it describes."""
_FIELDS = {
    "email": _EMAILS,
    "address": frozenset("from to cc bcc replyto".split()),
    "phone": _PHONES,
    "handle": _HANDLES,
    "person": _PEOPLE,
    "name": frozenset(["name"]),
    "given": _GIVEN,
    "family": _FAMILY,
    "organisation": _ORGANISATIONS,
}
_NOBODY = frozenset(
    "me you user admin system root none null unknown anonymous n/a na tbd unassigned nobody everyone all bot agent "
    "assistant support owner team self guest customer default test true false".split()
)
_PERSON_NAME = re.compile(r"[^\W\d_][\w.'’-]*(?:,? [^\W\d_][\w.'’-]*){0,4}")


def entities(one: Conversation) -> list[Entity]:
    """Those of every call and every result."""
    found: list[Entity] = []
    for message in one.messages:
        for call in message.calls:
            in_value(call.arguments, found)
        if message.result is not None:
            in_value(message.result.content, found)
    return found


def in_value(value: Any, into: list[Entity], depth: int = DEEPEST) -> None:
    """Those of a decoded value; texts that are JSON are decoded."""
    if isinstance(value, str):
        inner = _decoded(value)
        if inner is not None and depth:
            in_value(inner, into, depth - 1)
    elif isinstance(value, dict):
        told = [(key, field) for key in value if (field := _field(key))]
        if told:
            _in_object(value, told, into)
        for inner in value.values():
            if isinstance(inner, dict | list) or (isinstance(inner, str) and inner[:1] in _MAY_BEGIN):
                in_value(inner, into, depth)
    elif isinstance(value, list | tuple):
        for inner in value:
            if isinstance(inner, dict | list) or (isinstance(inner, str) and inner[:1] in _MAY_BEGIN):
                in_value(inner, into, depth)


def _decoded(text: str) -> Any:
    """The object or list that a text is; None for any other."""
    if (text[:1] not in _BEGINS and text.lstrip()[:1] not in _BEGINS) or len(text) < 3:
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict | list | str) else None


_BEGINS = ("{", "[", '"')
_MAY_BEGIN = frozenset((*_BEGINS, " ", "\t", "\n", "\r"))
"""The same, and what JSON takes for white space."""


@lru_cache(1 << 16)
def _field(key: str) -> str:
    """What a key says that its value is; empty where it says nothing."""
    plain = _plain(key) if len(key) <= 40 else ""
    return next((kind for kind, keys in _FIELDS.items() if plain in keys), "")


def _in_object(value: dict[str, Any], told: list[tuple[str, str]], into: list[Entity]) -> None:
    """The person whom an object describes, a name and how to reach them; those whom a key names by itself; the same
    in lists."""
    names: list[str] = []
    emails: list[str] = []
    phones: list[str] = []
    handles: list[str] = []
    given = family = ""
    for key, field in told:
        inner = value[key]
        single = not isinstance(inner, list)
        for text in _scalars(inner):
            if field in ("email", "address"):
                found = [text] if _EMAIL.fullmatch(text) else _EMAIL.findall(text)[:50]
                if field == "email" and single and len(found) == 1:
                    emails += found
                into += (Entity("person", emails=(email,)) for email in found)
            elif field == "phone" and _is_number(text):
                phones += [text] if single else []
                into.append(Entity("person", phones=(text,)))
            elif field == "handle" and _is_handle(text):
                handles += [text] if single else []
                into.append(Entity("person", handles=(text,)))
            elif field == "person":
                into += _someone(text)
                if single and _plain(key) in _OWN and _is_name(text):
                    names.append(text)
            elif field == "name" and single and _is_name(text):
                names.append(text)
            elif field == "given" and _is_name(text):
                given = text
            elif field == "family" and _is_name(text):
                family = text
            elif field == "organisation" and 2 < len(text) <= LONGEST and text.lower() not in _NOBODY:
                into.append(Entity("organisation", names=(text,)))
    if given or family:
        names.append(f"{given} {family}".strip())
    if names and (emails or phones or handles or (given and family)):
        fields = {"names": names, "emails": emails, "phones": phones, "handles": handles}
        into.append(Entity("person", **{field: tuple(sorted(set(texts))) for field, texts in fields.items()}))


def _someone(text: str) -> Iterator[Entity]:
    """What stands where a person is named: an address, a name, a handle."""
    if _EMAIL.fullmatch(text):
        yield Entity("person", emails=(text,))
    elif _is_name(text) and (" " in text or not text.islower()):
        yield Entity("person", names=(text,))
    elif _is_handle(text):
        yield Entity("person", handles=(text,))


def _plain(key: str) -> str:
    return "".join(char for char in key.lower() if char.isalnum())


def _scalars(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else (value,):
        if isinstance(one, str):
            if one.strip():
                yield one.strip()
        elif isinstance(one, int | float) and not isinstance(one, bool):
            yield number(one)


def _is_name(text: str) -> bool:
    return len(text) <= LONGEST and text.lower() not in _NOBODY and _PERSON_NAME.fullmatch(text) is not None


def _is_handle(text: str) -> bool:
    return (
        text.lower().lstrip("@") not in _NOBODY
        and re.fullmatch(r"@?[\w.-]{2,40}", text) is not None
        and not text.isdigit()
    )


def _is_number(text: str) -> bool:
    return (
        7 <= sum(char.isdigit() for char in text) <= 15
        and re.fullmatch(r"[\d\s()./+xext-]+", text) is not None
    )

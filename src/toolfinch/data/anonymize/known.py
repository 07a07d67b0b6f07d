"""`Known`: a real token that may not survive, and what kind of thing it is.

What the anonymizer knows (from a roster, from fields of results, from detectors) and the gate looks for again. How it
may be written is `forms`'.
"""

from __future__ import annotations

import hashlib
import hmac

import msgspec

KINDS = (
    "person",
    "e-mail",
    "phone",
    "handle",
    "organisation",
    "project",
    "id",
    "URL",
    "IP address",
    "card number",
    "IBAN",
    "secret",
    "date",
)
"""Those that `forms` has rules for; any other is looked for as it is written, whatever separates its words."""


class Known(msgspec.Struct, frozen=True, order=True, gc=False):
    """One real token."""

    text: str
    """As the roster or the log writes it: `Anna Kovács`, `+36 30 123 4567`, `PRJ-1042`; a date as ISO 8601."""
    kind: str


def marked(key: bytes, text: str) -> str:
    """What a report shows in place of a text: 16 hexadecimal digits of its HMAC-SHA-256 under the key."""
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:16]

"""Ways in which a text gets into a log that is no longer that text."""

from __future__ import annotations

import base64
import gzip
import html
import json
import quopri
import urllib.parse
from collections.abc import Callable

ENCODINGS: dict[str, Callable[[str], str]] = {
    "JSON": json.dumps,
    "JSON in a list in an object": lambda t: json.dumps({"a": [1, {t: t}]}),
    "JSON without escapes": lambda t: json.dumps({"x": t}, ensure_ascii=False),
    "every character as \\u": lambda t: "".join(
        f"\\u{unit:04x}" for unit in memoryview(t.encode("utf-16-le")).cast("H").tolist()
    ),
    "every byte as \\x of Latin-1": lambda t: "".join(f"\\x{ord(c):02x}" if ord(c) < 256 else c for c in t),
    "percent": urllib.parse.quote,
    "percent, all": lambda t: "".join(f"%{byte:02X}" for byte in t.encode()),
    "percent with +": urllib.parse.quote_plus,
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "base64 without padding": lambda t: base64.b64encode(t.encode()).decode().rstrip("="),
    "base64 of UTF-16": lambda t: base64.b64encode(t.encode("utf-16")).decode(),
    "base64, URL-safe": lambda t: base64.urlsafe_b64encode(t.encode()).decode(),
    "base64 in a longer one": lambda t: base64.b64encode(
        b"\xff\x00id=1;" + t.encode() + b";\x80\xfe"
    ).decode(),
    "base64, one further": lambda t: base64.b64encode(b"x;" + t.encode()).decode(),
    "base64, two further": lambda t: base64.b64encode(b"x " + t.encode() + b" y").decode(),
    "base64 in lines": lambda t: base64.encodebytes(b"x " * 25 + t.encode() + b" x" * 9).decode(),
    "base64 of gzip": lambda t: base64.b64encode(gzip.compress(t.encode(), mtime=0)).decode(),
    "hex": lambda t: t.encode().hex(),
    "HEX": lambda t: t.encode().hex().upper(),
    "hex with colons": lambda t: t.encode().hex(":"),
    "HTML": lambda t: html.escape(t),
    "HTML, all": lambda t: "".join(f"&#{ord(c)};" for c in t),
    "HTML, hexadecimal": lambda t: "".join(f"&#x{ord(c):x};" for c in t),
    "quoted-printable": lambda t: quopri.encodestring(t.encode()).decode(),
    "in a sentence": lambda t: f"it was: {t}, I think",
    "in a URL": lambda t: f"https://example.com/a?x={urllib.parse.quote(t)}&y=1",
    "in tags": lambda t: f"<b>{t}</b>",
}

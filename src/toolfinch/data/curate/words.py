"""The words of a text as conversations are compared by: without case and marks; a Chinese or Japanese character is one.

Left out: other scripts without spaces, where a run of letters is one word.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_NO_LETTERS = {code: " " for code in range(128) if not chr(code).isalnum()}


def words(text: str) -> list[str]:
    plain = text.casefold()
    if plain.isascii():  # the same words, three times as fast
        return plain.translate(_NO_LETTERS).split()
    return _WORD.findall(plain)

"""`Names`: people and organisations that a model finds in texts. It may only add to what is known otherwise.

A folder with a transformers model for token classification, on disk; its labels are those of CoNLL (PER, ORG, with or
without B- and I-). Left out: places and dates, which are not replaced, and everything that the model is not sure of.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from toolfinch.data.anonymize.entity import Entity, Kind
from toolfinch.errors import DataError, MissingDependency

SURE = 0.9
"""The least mean probability of a name's tokens."""
LONGEST = 2000
"""Characters that the model reads at once; longer texts are cut where lines end."""
_LABELS: dict[str, Kind] = {
    "PER": "person",
    "PERSON": "person",
    "ORG": "organisation",
    "ORGANIZATION": "organisation",
    "ORGANISATION": "organisation",
}


class Names:
    """Can be pickled: a folder, opened where it is used."""

    def __init__(self, folder: Path) -> None:
        """Raises DataError where there is no model."""
        self.folder = folder
        if not (folder / "config.json").is_file():
            raise DataError(f"{folder}: no model: there is no config.json")

    def entities(self, texts: Sequence[str]) -> set[Entity]:
        """What the model finds, in texts of any length."""
        pieces = [piece for text in texts for piece in _pieces(text)]
        found: set[Entity] = set()
        for spans in _model(self.folder)(pieces, batch_size=8) if pieces else ():
            for span in spans:
                kind = _LABELS.get(span["entity_group"].upper())
                name = span["word"].strip()
                if kind and span["score"] >= SURE and _is_name(name):
                    found.add(Entity(kind, names=(name,)))
        return found


def _is_name(text: str) -> bool:
    """Models take parts of words and numbers for names, too."""
    return len(text) > 2 and text[0].isupper() and any(char.islower() for char in text) and "#" not in text


def _pieces(text: str) -> list[str]:
    out: list[str] = []
    for line in text.splitlines():
        out += [line[begin : begin + LONGEST] for begin in range(0, len(line), LONGEST) if line.strip()]
    return out


@cache
def _model(folder: Path) -> Any:
    try:
        from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline
    except ImportError as error:
        raise MissingDependency(
            "transformers is not installed", hint="pip install 'toolfinch[train]'"
        ) from error
    try:
        model = AutoModelForTokenClassification.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{folder}: not a model for token classification that can be opened: {reason}"
        ) from error
    return pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="average")

"""The models that ship with the package: so far one, `fledgling`, the embedded base."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def packaged() -> tuple[str, ...]:
    """Names of the models whose weights are inside this package."""
    return tuple(sorted(p.parent.name for p in HERE.glob("*/config.json")))


def fledgling_template() -> str:
    """The chat template of the embedded base."""
    return (HERE / "fledgling" / "chat_template.jinja").read_text(encoding="utf-8")

"""Invented tools and requests, without end: see `forge.py`."""

from toolfinch.data.forge.forge import census, conversation, forge

__all__ = ["census", "conversation", "forge"]

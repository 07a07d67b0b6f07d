"""Toolfinch makes small language models that call tools, and runs them."""

__version__ = "0.1.0"

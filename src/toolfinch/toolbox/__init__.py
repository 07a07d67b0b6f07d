"""Tools that Toolfinch ships: the schemas of the fifteen built-in ones."""

from toolfinch.toolbox.builtin import builtin_tools

__all__ = ["builtin_tools"]

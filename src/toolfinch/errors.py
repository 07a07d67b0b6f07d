"""The errors that Toolfinch raises on purpose.

Each carries one line that names the file, row, key or tool, and may carry a hint: what to do about it.
The command line prints both and exits with `exit_code`; a traceback appears only with `--debug`.
"""

from __future__ import annotations


class ToolfinchError(Exception):
    """Something failed: exit code 1."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(ToolfinchError):
    """The user's input is wrong (a key, a file, a schema, a row): exit code 2."""

    exit_code = 2


class SchemaError(UsageError):
    """A tool's schema cannot be read; the message names the tool and the JSON path."""


class PromptError(UsageError):
    """A model cannot be given these messages: its chat template refuses them. Others may do."""


class DataError(UsageError):
    """A data file cannot be read; the message names the file and the row."""


class RecipeError(UsageError):
    """A recipe has a wrong key, type or value; the message names the file and the key."""


class MissingDependency(UsageError):
    """An optional library is not installed; the hint says which extra brings it."""


class EndpointGone(ToolfinchError):
    """An endpoint answers nothing any more: every further request would fail as the last ones did."""


class ParityError(ToolfinchError):
    """An exported model does not do what the model that it came from does; nothing was shipped."""


class GateError(ToolfinchError):
    """Something real was found in what was to be released; nothing was. The message says how many, and where first."""

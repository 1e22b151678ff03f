"""Values for a command's parameters, and the words they become on a command line."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

    from mlcycle_app.commands import Command

__all__ = ["Filled", "missing", "parameters", "words_of"]

Filled = Mapping[str, Sequence[str]]
"""Parameter to its values as text; a flag that is set has the value `yes`, an option that is emptied the value ``."""
SHARED = ("workspace_", "now_", "json_", "csv_")
"""Parameters that every command has and the UI decides itself."""
YES = "yes"


def parameters(command: Command) -> list[click.Parameter]:
    """Return what a command can be told, arguments first."""
    import click  # not for the first frame

    module = importlib.import_module(f"mlcycle_app.cli.{command.module}")
    made: click.Command = getattr(module, command.function)
    return sorted(
        (one for one in made.params if one.name not in SHARED),
        key=lambda one: (not isinstance(one, click.Argument), not one.required),
    )


def missing(command: Command, filled: Filled) -> list[str]:
    """Return the parameters without which the command refuses to run."""
    return [one.name or "" for one in parameters(command) if one.required and not filled.get(one.name or "")]


def words_of(command: Command, filled: Filled) -> list[str]:
    """Return the words after `mlcycle`: options first; `--` before arguments that look like one.

    An empty value of an option is passed as such (`--owner=`); an empty argument is none.
    """
    import click

    options: list[str] = []
    arguments: list[str] = []
    for one in parameters(command):
        values = filled.get(one.name or "", ())
        if isinstance(one, click.Argument):
            arguments += [value for value in values if value]
        elif isinstance(one, click.Option) and values:
            name = max(one.opts, key=len)
            if one.is_flag:
                options += [name] if values[0] == YES else list(one.secondary_opts[:1])
            else:
                for value in values:
                    alone = value and not value.startswith("-")
                    options += [name, value] if alone else [f"{name}={value}"]
    if any(value.startswith("-") for value in arguments):
        arguments = ["--", *arguments]
    return [*command.words.split(), *options, *arguments]

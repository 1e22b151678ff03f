"""Text as a YAML scalar that every YAML reader, ours included, reads back as that text."""

from __future__ import annotations

import re

import yaml

__all__ = ["scalar"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*([ /][A-Za-z0-9_]+)*")
_OTHER_MEANING = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def scalar(value: str | float | bool | None) -> str:
    """Return a value as it stands in a declaration: plain where that is safe, else quoted."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if _PLAIN.fullmatch(value) and value.casefold() not in _OTHER_MEANING:
        return value
    if value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return yaml.dump(value, default_style='"', allow_unicode=True, width=1 << 30).rstrip("\n")

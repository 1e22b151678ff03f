"""Settings of one user: `config.toml` in the platform's folder, `MLCYCLE_*` variables, flags, in rising order.

A product's own facts are declarations in its workspace; here is only what differs from person to person.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlcycle.errors import DeclarationError, UsageError

__all__ = ["KEYS", "Settings", "Ui", "config_file", "load"]

PREFIX = "MLCYCLE_"
DEFAULT = "default"


@dataclass(frozen=True)
class Ui:
    """How the terminal UI looks."""

    theme: str = "auto"
    """A theme's name; `auto` takes the UI's own."""
    teach: bool = False
    """Whether the teaching panel is open at the start."""
    ascii: bool = False
    """Whether to draw without box and block characters."""


@dataclass(frozen=True)
class Settings:
    """All settings with where each comes from."""

    ui: Ui = Ui()
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Setting to its source, where it is not the default."""

    def explain(self) -> list[tuple[str, object, str]]:
        """Return name, value and source of every setting."""
        values = {
            "ui.theme": self.ui.theme,
            "ui.teach": self.ui.teach,
            "ui.ascii": self.ui.ascii,
        }
        return [(name, value, self.sources.get(name, DEFAULT)) for name, value in values.items()]


@dataclass(frozen=True)
class _Kind:
    """What a setting may be."""

    words: str
    type: type


KEYS: Mapping[str, _Kind] = {
    "ui.theme": _Kind("a theme's name", str),
    "ui.teach": _Kind("true or false", bool),
    "ui.ascii": _Kind("true or false", bool),
}
"""Every setting by its dotted name."""


def config_file() -> Path:
    """Return where the user's `config.toml` lies, whether it exists or not."""
    from platformdirs import user_config_dir

    return Path(user_config_dir("mlcycle", appauthor=False)) / "config.toml"


def variable(name: str) -> str:
    """Return the environment variable of a setting: `ui.theme` is `MLCYCLE_UI_THEME`."""
    return PREFIX + name.replace(".", "_").upper()


def load(path: Path | None = None, *, flags: Mapping[str, object] | None = None) -> Settings:
    """Read the settings.

    Parameters
    ----------
    path
        The file; the user's own unless given. It need not exist.
    flags
        Dotted name to value, from the command line; None values are not said.

    Raises
    ------
    DeclarationError
        If the file is no TOML or has an unknown key or a wrong value; names file, line and the nearest key.
    UsageError
        If a variable or a flag has a wrong value.
    """
    file = path or config_file()
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for name, value in _from_file(file).items():
        values[name], sources[name] = value, str(file)
    for name in KEYS:
        said = os.environ.get(variable(name))
        if said:
            values[name], sources[name] = _from_text(name, said, variable(name)), variable(name)
    for name, value in (flags or {}).items():
        if value is not None:
            if name not in KEYS:
                raise UsageError(f"there is no setting `{name}`{_near(name)}")
            why = _misfit(name, value)
            if why:
                raise UsageError(f"the flag for {name}: {why}")
            values[name], sources[name] = value, "flag"
    return _settings(values, sources)


def _settings(values: Mapping[str, object], sources: Mapping[str, str]) -> Settings:
    grouped: dict[str, dict[str, Any]] = {"ui": {}}
    for name, value in values.items():
        group, _, key = name.rpartition(".")
        grouped[group][key] = value
    return Settings(ui=Ui(**grouped["ui"]), sources=sources)


def _from_file(file: Path) -> dict[str, object]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise DeclarationError("is not UTF-8 text", file=file, hint="save the file as UTF-8") from error
    except OSError as error:
        raise DeclarationError(f"cannot be read: {error.strerror}", file=file) from error
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", str(error))
        line, column = (int(at[2]), int(at[3])) if at else (None, None)
        raise DeclarationError(at[1] if at else str(error), file=file, line=line, column=column) from error
    values = dict(_flat(found))
    for name, value in values.items():
        line = _line_of(name, text)
        if name not in KEYS:
            raise DeclarationError(f"unknown key `{name}`{_near(name)}", file=file, line=line)
        why = _misfit(name, value)
        if why:
            raise DeclarationError(f"`{name}` {why}", file=file, line=line)
    return values


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        name = prefix + key
        if isinstance(value, dict) and _is_group(name):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _is_group(name: str) -> bool:
    return any(key.startswith(f"{name}.") for key in KEYS)


def _line_of(name: str, text: str) -> int | None:
    """Return the line that sets a key; tomllib keeps no places."""
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.replace('"', "").replace("'", "")
        header, key = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", plain), re.match(r"\s*([^=#]+?)\s*=", plain)
        if header:
            table = f"{header[1]}."
            if name == header[1]:
                return number
        elif key and f"{name}.".startswith(f"{table}{key[1]}."):
            return number
    return None


def _from_text(name: str, text: str, source: str) -> object:
    value: object = text
    if KEYS[name].type is bool:
        words = {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
        }
        value = words.get(text.strip().lower(), text)
    why = _misfit(name, value)
    if why:
        raise UsageError(f"{source} {why}", hint=f"unset {source}, or give it another value")
    return value


def _misfit(name: str, value: object) -> str:
    """Return what is wrong with a value, or nothing."""
    kind = KEYS[name]
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    if type(value) is not kind.type:
        return f"must be {kind.words}, found {shown}"
    if kind.type is str and not shown.strip():
        return f"must be {kind.words}, found nothing"
    return ""


def _near(name: str) -> str:
    # The last part alone is compared too: `theme` outside of [ui] is meant as `ui.theme`.
    found = difflib.get_close_matches(name, KEYS, n=1) or [key for key in KEYS if key.endswith(f".{name}")]
    return f"; did you mean `{found[0]}`?" if found else f"; valid keys: {', '.join(KEYS)}"

"""Settings of one user: `config.toml` in the platform's folder, `MLCYCLE_*` variables, flags, in rising order.

A product's own facts are declarations in its workspace; here is only what differs from person to person. The table
`[keys]` is passed on as it is written: which actions there are, and which keys, only the UI knows.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlcycle.errors import DeclarationError, UsageError

__all__ = ["KEYS", "KeyLine", "Settings", "Ui", "config_file", "load"]

PREFIX = "MLCYCLE_"
DEFAULT = "default"
UTC = "UTC"
REMAPPED = "keys"
"""The table that gives actions other keys."""


@dataclass(frozen=True)
class Ui:
    """How the terminal UI looks."""

    theme: str = "auto"
    """A theme's name; `auto` takes the UI's own."""
    teach: bool = False
    """Whether the teaching panel is open at the start."""
    ascii: bool = False
    """Whether to draw without box and block characters."""
    time_zone: str = UTC
    """The IANA zone that moments are shown in; ages are the same in all of them."""


@dataclass(frozen=True)
class KeyLine:
    """One line of `[keys]`: an action and the keys that it is to have. Neither is looked at here."""

    id: str
    keys: tuple[str, ...]
    """At least one, each with something in it."""
    file: Path
    line: int | None

    def wrong(self, why: str, *, hint: str = "") -> DeclarationError:
        """Return the error that names this line."""
        return DeclarationError(why, file=self.file, line=self.line, hint=hint)


@dataclass(frozen=True)
class Settings:
    """All settings with where each comes from."""

    ui: Ui = Ui()
    keys: tuple[KeyLine, ...] = ()
    """Actions with other keys than their own, in the file's order."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Setting to its source, where it is not the default."""
    lines: Mapping[str, int | None] = field(default_factory=dict, compare=False)
    """Setting to its line, where the file says it."""

    def explain(self) -> list[tuple[str, object, str]]:
        """Return name, value and source of every setting."""
        values = {name: getattr(self.ui, name.removeprefix("ui.")) for name in KEYS}
        named = [(name, value, self.sources.get(name, DEFAULT)) for name, value in values.items()]
        return named + [(f"{REMAPPED}.{key.id}", ", ".join(key.keys), str(key.file)) for key in self.keys]

    def wrong(self, name: str, why: str, *, hint: str = "") -> UsageError:
        """Return the error for a value that only its user can judge, such as a theme; it names where the value stands.

        Parameters
        ----------
        name
            The setting, such as `ui.theme`.
        why
            What is wrong with it, to be read after the name.
        """
        source = self.sources.get(name, DEFAULT)
        if name in self.lines:
            return DeclarationError(f"`{name}` {why}", file=Path(source), line=self.lines[name], hint=hint)
        return UsageError(f"{name if source in (DEFAULT, FLAG) else source} {why}", hint=hint)


@dataclass(frozen=True)
class _Kind:
    """What a setting may be."""

    words: str
    type: type
    misfit: Callable[[str], str] = lambda _: ""
    """Says what is wrong with a text, or nothing."""


def _no_zone(name: str) -> str:
    if name == UTC:
        return ""  # known even where no zones are installed
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = {zone.casefold(): zone for zone in zoneinfo.available_timezones()}
        known |= {
            zone.rpartition("/")[2]: whole for zone, whole in sorted(known.items(), reverse=True)
        } | known
        found = difflib.get_close_matches(name.replace(" ", "_").casefold(), known, n=1)
        near = f"; did you mean `{known[found[0]]}`?" if found else "; such as Europe/Prague or UTC"
        return f"must be an IANA time zone, found {name}{near}"
    return ""


FLAG = "flag"
KEYS: Mapping[str, _Kind] = {
    "ui.theme": _Kind("a theme's name", str),
    "ui.teach": _Kind("true or false", bool),
    "ui.ascii": _Kind("true or false", bool),
    "ui.time_zone": _Kind("an IANA time zone", str, _no_zone),
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
    found, lines, keys = _from_file(file)
    for name, value in found.items():
        values[name], sources[name] = value, str(file)
    for name in KEYS:
        said = os.environ.get(variable(name))
        if said:
            values[name], sources[name] = _from_text(name, said, variable(name)), variable(name)
            lines.pop(name, None)
    for name, value in (flags or {}).items():
        if value is not None:
            if name not in KEYS:
                raise UsageError(f"there is no setting `{name}`{_near(name)}")
            why = _misfit(name, value)
            if why:
                raise UsageError(f"the flag for {name}: {why}")
            values[name], sources[name] = value, FLAG
            lines.pop(name, None)
    ui: dict[str, Any] = {name.removeprefix("ui."): value for name, value in values.items()}
    return Settings(ui=Ui(**ui), keys=keys, sources=sources, lines=lines)


_Found = tuple[dict[str, object], dict[str, int | None], tuple[KeyLine, ...]]
"""Settings, their lines, and other keys."""


def _from_file(file: Path) -> _Found:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}, {}, ()
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
    keys = tuple(_remapped(found.pop(REMAPPED, {}), file, text))
    values = dict(_flat(found))
    lines = {name: _line_of(name, text) for name in values}
    for name, value in values.items():
        line = lines[name]
        if name not in KEYS:
            raise DeclarationError(f"unknown key `{name}`{_near(name)}", file=file, line=line)
        why = _misfit(name, value)
        if why:
            raise DeclarationError(f"`{name}` {why}", file=file, line=line)
    return values, lines, keys


def _remapped(table: object, file: Path, text: str) -> Iterator[KeyLine]:
    """Yield the lines of `[keys]`; `go.home = "h"` is for TOML a table in a table, and means the same as quoted."""
    if not isinstance(table, dict):
        line = _line_of(REMAPPED, text)
        raise DeclarationError(
            f'`{REMAPPED}` must be a table, such as [keys] and below it quit = "x"', file=file, line=line
        )
    for name, value in _every(table):
        line = _line_of(f"{REMAPPED}.{name}", text)
        listed = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(listed, list) or not listed or not all(isinstance(k, str) and k for k in listed):
            shown = str(value).lower() if isinstance(value, bool) else value or "nothing"
            why = f"must be a key, or several as a list or between commas, found {shown}"
            raise DeclarationError(f"`{REMAPPED}.{name}` {why}", file=file, line=line)
        yield KeyLine(name, tuple(listed), file, line)


def _every(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _every(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


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
    return kind.misfit(shown)


def _near(name: str) -> str:
    # The last part alone is compared too: `theme` outside of [ui] is meant as `ui.theme`.
    found = difflib.get_close_matches(name, KEYS, n=1) or [key for key in KEYS if key.endswith(f".{name}")]
    valid = ", ".join([*KEYS, f"[{REMAPPED}]"])
    return f"; did you mean `{found[0]}`?" if found else f"; valid keys: {valid}"

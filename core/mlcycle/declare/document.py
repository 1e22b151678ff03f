"""One YAML file as plain values, each with its place. Reads a strict, small YAML: no tags, no anchors.

Scalars follow YAML 1.2's core rules, so that `no`, `2024-01-31` and `007` stay text; keys are always text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mlcycle.errors import DeclarationError

__all__ = ["Document", "Place", "Where", "parse", "read"]

Where = tuple[str | int, ...]
"""The way from a document's root to a value: keys and list positions."""

DEEPEST = 40
"""Nesting allowed; libyaml's own composer overflows the C stack on hostile depth."""
LARGEST = 4 << 20
"""Bytes allowed in one declaration."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_WORDS = {
    "mapping values are not allowed in this context": "a `:` where no key can be; quote the text or indent",
    "found unexpected end of stream": "a quote that is never closed",
    "could not find expected ':'": "a key without `:`",
    "did not find expected key": "the indentation does not fit the lines above",
    "did not find expected '-' indicator": "the indentation does not fit the list above",
    "did not find expected alphabetic or numeric character": "text that begins with `*` or `&` needs quotes",
    "did not find expected ',' or ']'": "a `[` that is never closed, or a comma is missing",
    "did not find expected ',' or '}'": "a `{` that is never closed, or a comma is missing",
    "found unknown escape character": "an unknown escape in double quotes; use single quotes",
}

try:
    _LOADER: Any = yaml.CSafeLoader
except AttributeError:  # PyYAML built without libyaml: slower, same events
    _LOADER = yaml.SafeLoader


class Place(NamedTuple):
    """Where something is written; line and column count from 1."""

    file: Path
    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """A parsed file."""

    file: Path
    """As it is named in messages: relative to the workspace."""
    value: Any
    """Mapping at the root; None if the file holds nothing but comments."""
    values: Mapping[Where, tuple[int, int]]
    """Line and column of every value."""
    keys: Mapping[Where, tuple[int, int]]
    """Line and column of every key."""

    def place(self, where: Sequence[str | int] = ()) -> Place:
        """Return where a value is written, or the nearest thing around it that is written."""
        path = tuple(where)
        while path and path not in self.values:
            path = path[:-1]
        value, key = self.values.get(path, (1, 1)), self.keys.get(path)
        # A block's value begins on the line after its key: the key is what one looks for.
        line, column = key if key is not None and key[0] != value[0] else value
        return Place(self.file, line, column)

    def error(
        self, where: Sequence[str | int], message: str, *, hint: str = "", key: bool = False
    ) -> DeclarationError:
        """Return the error to raise about a value, or about its key, with its place."""
        at_key = self.keys.get(tuple(where)) if key else None
        file, line, column = Place(self.file, *at_key) if at_key else self.place(where)
        return DeclarationError(message, file=file, line=line, column=column, hint=hint)


def read(path: Path, file: Path) -> str:
    """Return a file's text.

    Parameters
    ----------
    path
        The file.
    file
        Its name in messages.

    Raises
    ------
    DeclarationError
        If it cannot be read, is not UTF-8 or is larger than any declaration.
    """
    root = path.parents[len(file.parts) - 1].resolve()
    if not path.resolve().is_relative_to(root):
        raise DeclarationError(
            "is a link that leads out of the workspace", file=file, hint=f"put the file itself there: {file}"
        )
    if path.exists() and not path.is_file():
        raise DeclarationError("is no file", file=file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DeclarationError(f"cannot be read: {error.strerror}", file=file) from error
    if len(content) > LARGEST:
        raise DeclarationError(
            f"is {len(content):,} bytes long; a declaration is text of at most 4 MB", file=file
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        line, column = _mark(before)
        raise DeclarationError(
            f"byte 0x{content[error.start]:02x} is not UTF-8",
            file=file,
            line=line,
            column=column,
            hint="save the file as UTF-8",
        ) from error


def parse(text: str, file: Path) -> Document:
    """Parse a declaration.

    Raises
    ------
    DeclarationError
        If the text is no YAML, holds more than one document, repeats a key, uses tags or anchors,
        nests too deeply, or its root is no mapping.
    """
    values: dict[Where, tuple[int, int]] = {}
    keys: dict[Where, tuple[int, int]] = {}
    try:
        value = _Composer(text, file, values, keys).document()
    except yaml.YAMLError as error:
        raise _syntax(error, text, file) from error
    document = Document(file, value, values, keys)
    if value is not None and not isinstance(value, dict):
        found = "a list" if isinstance(value, list) else "a single value"
        raise document.error((), f"the file must be a mapping (`key: value` lines), found {found}")
    return document


class _Composer:
    """Builds values from libyaml's events; the recursion is bounded by DEEPEST."""

    def __init__(
        self, text: str, file: Path, values: dict[Where, tuple[int, int]], keys: dict[Where, tuple[int, int]]
    ) -> None:
        self.file, self.values, self.keys = file, values, keys
        self.events: Iterator[Any] = yaml.parse(text, _LOADER)

    def document(self) -> Any:
        value = None
        seen = False
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    raise self.error(event, "a second document (`---`); a declaration is one")
                seen = True
                value = self.node(next(self.events), ())
        return value

    def node(self, event: Any, where: Where) -> Any:
        self.plain(event)
        if len(where) > DEEPEST:
            raise self.error(event, f"nested deeper than {DEEPEST} levels")
        self.values[where] = _line_column(event)
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return list(self.items(where))
        return self.mapping(where)

    def plain(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self.error(
                event,
                "anchors and aliases (`&name`, `*name`) are not read here",
                hint="write the value out, or quote text that begins with * or &",
            )
        if event.tag is not None:
            raise self.error(event, "tags (`!name`) are not read here", hint="quote text that begins with !")

    def items(self, where: Where) -> Iterator[Any]:
        position = 0
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            yield self.node(event, (*where, position))
            position += 1

    def mapping(self, where: Where) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            self.plain(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise self.error(event, "a key must be plain text", hint="quote text that begins with [ or {")
            key = event.value
            if key in found:
                line = self.keys[(*where, key)][0]
                raise self.error(event, f"key `{key}` is given twice; the first is on line {line}")
            self.keys[(*where, key)] = _line_column(event)
            found[key] = self.node(next(self.events), (*where, key))
        return found

    def scalar(self, event: Any) -> str | int | float | bool | None:
        text: str = event.value
        if not event.implicit[0]:  # quoted or a block: text as it stands
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INTEGER.fullmatch(text):
            if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
                raise self.error(event, "the number does not fit 64 bits", hint="quote it if it is text")
            return int(text)
        if _NOT_FINITE.fullmatch(text):
            raise self.error(event, f"numbers must be finite, found {text}", hint="null leaves a side open")
        if _NUMBER.fullmatch(text):
            number = float(text)
            if not math.isfinite(number):
                raise self.error(event, f"numbers must be finite, found {text}")
            return number
        return text

    def error(self, event: Any, message: str, *, hint: str = "") -> DeclarationError:
        line, column = _line_column(event)
        return DeclarationError(message, file=self.file, line=line, column=column, hint=hint)


def _line_column(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _mark(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _syntax(error: yaml.YAMLError, text: str, file: Path) -> DeclarationError:
    if isinstance(error, yaml.reader.ReaderError):
        # libyaml counts its position in bytes of its own encoding: look for the character instead
        bad = _CONTROL.search(text)
        line, column = _mark(text[: bad.start()] if bad else "")
        return DeclarationError(
            "a control character that YAML does not allow",
            file=file,
            line=line,
            column=column,
            hint="delete it, or write it as an escape in double quotes",
        )
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    if mark is None:
        return DeclarationError(problem, file=file)
    lines = text.splitlines() or [""]
    line = lines[min(mark.line, len(lines) - 1)]
    if "\t" in line[: mark.column + 1] and not line[: mark.column].strip():
        words = "a tab; YAML is indented by spaces"
    else:
        words = _WORDS.get(problem, problem)
    return DeclarationError(words, file=file, line=mark.line + 1, column=mark.column + 1)

"""Plain values to typed declarations; what does not fit is said in plain words, with its place."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from mlcycle.declare.document import Document, Where
from mlcycle.declare.names import suggestion
from mlcycle.errors import DeclarationError

__all__ = ["typed"]

T = TypeVar("T", bound=Struct)

_PLAIN: dict[Any, tuple[str, str]] = {
    str: ("text", "texts"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("true or false", "true or false values"),
    type(None): ("nothing", "nothing"),
}


def typed(document: Document, kind: type[T]) -> T:
    """Convert a document to its struct.

    Raises
    ------
    DeclarationError
        On the first thing that does not fit: an unknown or missing key, a wrong type or value.
    """
    value = {} if document.value is None else document.value
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        # msgspec's path hides mapping keys: find the place ourselves. A key without a value counts as absent.
        pruned = _Explainer(document).walk(value, kind, ())
        try:
            return msgspec.convert(pruned, kind)
        except msgspec.ValidationError:
            raise document.error((), str(error)) from error


class _Explainer:
    """Walks value and type side by side to the first misfit; returns the value without empty keys."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def walk(self, value: Any, kind: Any, where: Where) -> Any:
        origin = get_origin(kind)
        if origin is Annotated:
            return self.limited(value, kind, where)
        if origin in (Union, types.UnionType):
            return self.union(value, kind, where)
        if origin is Literal:
            return self.choice(value, get_args(kind), where)
        if origin is list and isinstance(value, list):
            item = get_args(kind)[0]
            return [self.walk(one, item, (*where, position)) for position, one in enumerate(value)]
        if origin is dict and isinstance(value, dict):
            item = get_args(kind)[1]
            return {key: self.walk(one, item, (*where, key)) for key, one in value.items()}
        if isinstance(kind, type) and issubclass(kind, Struct) and isinstance(value, dict):
            return self.struct(value, kind, where)
        if origin is None and _fits(value, kind):
            return value
        raise self.misfit(value, kind, where)

    def struct(self, value: dict[str, Any], kind: type[Struct], where: Where) -> dict[str, Any]:
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for key in value:
            if key not in fields:
                text = f"unknown key `{key}`{suggestion(key, fields, what='valid keys')}"
                raise self.document.error((*where, key), text, key=True)
        kept = {key: one for key, one in value.items() if one is not None}
        for name, field in fields.items():
            if field.required and name not in kept:
                what = _named(where)
                raise self.document.error(
                    (*where, name) if name in value else where, f"{what} lacks `{name}`"
                )
        return {key: self.walk(one, fields[key].type, (*where, key)) for key, one in kept.items()}

    def union(self, value: Any, kind: Any, where: Where) -> Any:
        options = get_args(kind)
        for option in options:
            base = get_args(option)[0] if get_origin(option) is Annotated else option
            container = get_origin(base) or base
            if isinstance(value, dict | list) and isinstance(container, type):
                if issubclass(container, Struct if isinstance(value, dict) else list) or container is type(
                    value
                ):
                    return self.walk(value, option, where)
            elif _fits(value, base) or (get_origin(base) is Literal and isinstance(value, str)):
                return self.walk(value, option, where)
        raise self.misfit(value, kind, where)

    def choice(self, value: Any, options: tuple[Any, ...], where: Where) -> Any:
        if isinstance(value, str) and value in options:
            return value
        if isinstance(value, str):
            raise self.document.error(
                where, f"unknown value `{value}`{suggestion(value, options, what='valid')}"
            )
        raise self.misfit(value, Literal[options], where)

    def limited(self, value: Any, kind: Any, where: Where) -> Any:
        value = self.walk(value, get_args(kind)[0], where)
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise self.misfit(value, kind, where) from error
        return value

    def misfit(self, value: Any, kind: Any, where: Where) -> DeclarationError:
        hint = ""
        if isinstance(value, int | float | bool) and "text" in _words(kind):
            hint = f'put it in quotes if it is text: "{_written(value)}"'
        elif isinstance(value, str) and kind in (int, float) and value.replace(".", "", 1).isdigit():
            hint = "take the quotes away"
        named = f"`{where[-1]}`" if where and isinstance(where[-1], str) else _named(where)
        return self.document.error(where, f"{named} must be {_words(kind)}, found {_found(value)}", hint=hint)


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return kind in _PLAIN and isinstance(value, kind)


def _named(where: Where) -> str:
    """Name a value by the last key on its way and the position after it, counted from 1."""
    if not where:
        return "the file"
    last = where[-1]
    if isinstance(last, str):
        return f"`{last}`"
    owner = next((f" of `{step}`" for step in reversed(where) if isinstance(step, str)), "")
    return f"item {last + 1}{owner}"


def _words(kind: Any, *, many: bool = False) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _limits(arguments)
    if origin in (Union, types.UnionType):
        options = [_words(option, many=many) for option in arguments if option is not type(None)]
        return " or ".join(dict.fromkeys(options))
    if origin is Literal:
        return ("one of " if len(arguments) > 1 else "") + ", ".join(f"`{one}`" for one in arguments)
    if origin is list:
        return f"a list of {_words(arguments[0], many=True)}"
    if origin is dict:
        return f"a mapping of names to {_words(arguments[1], many=True)}"
    if kind in _PLAIN:
        return _PLAIN[kind][1 if many else 0]
    return "mappings (`key: value` lines)" if many else "a mapping (`key: value` lines)"


def _limits(arguments: tuple[Any, ...]) -> str:
    meta = next(one for one in arguments[1:] if isinstance(one, Meta))
    if meta.description:
        return f"{_words(arguments[0])} {meta.description}"
    limits = {"at least": meta.ge, "above": meta.gt, "at most": meta.le, "below": meta.lt}
    said = " and ".join(f"{word} {limit}" for word, limit in limits.items() if limit is not None)
    return f"{_words(arguments[0])} {said}".rstrip()


def _found(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        shown = value if len(value) <= 40 else value[:39] + "…"
        return f"the text `{shown}`"
    return f"{_written(value)}" if isinstance(value, bool) else f"the number {value}"


def _written(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""A declaration's text, changed in one place: every other character stays as its writer left it.

Values are replaced between their marks in the YAML; comments, order, quotes and blank lines are never written anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from mlcycle import disk
from mlcycle.declare import scalar
from mlcycle.declare.document import Where, read
from mlcycle.declare.model import Scalar
from mlcycle.errors import Busy, DeclarationError, WorkspaceError
from mlcycle.ids import new_id
from mlcycle.journal import FileLock
from mlcycle.store.place import check_links
from mlcycle.workspace import Workspace

__all__ = ["File", "add_key", "alone", "append", "mapping", "put", "put_list"]

LOCK = "declarations.lock"
WAIT_S = 10.0
"""How long a change waits for the one before it."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@contextmanager
def alone(workspace: Workspace) -> Iterator[None]:
    """Keep other processes of ours from changing declarations: from before a `File` is read until it is written.

    Where nothing can be written there is no lock, and `File.write` says so. The lock file is never copied: backups
    and exports take named folders of `.mlcycle` and nothing else.

    Raises
    ------
    Busy
        If another process has it for longer than `WAIT_S`.
    WorkspaceError
        If the lock cannot be made, or a link stands in its place.
    """
    check_links(workspace)
    lock = FileLock(
        workspace.home / LOCK, shared=False, timeout_s=WAIT_S, optional=True, what="the declarations"
    )
    try:
        if os.access(workspace.root, os.W_OK):
            workspace.home.mkdir(mode=0o700, exist_ok=True)
        lock.__enter__()
    except OSError as error:
        raise WorkspaceError(
            f"{workspace.home} cannot be written: {error.strerror}",
            hint="make room there, or make it writable; then do it again",
        ) from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


@dataclass(frozen=True)
class File:
    """A declaration as it lies on the disk."""

    path: Path
    name: Path
    """As it is named in messages: relative to the workspace."""
    content: bytes
    """As it was read; empty if there is no file."""
    text: str

    @classmethod
    def of(cls, root: Path, name: str) -> File:
        """Read one of a workspace's declarations; a file that does not exist has an empty text.

        Raises
        ------
        DeclarationError
            If it cannot be read, or leads out of the workspace.
        """
        path = root / name
        if not path.is_file():
            return cls(path, Path(name), b"", "")
        text = read(path, Path(name))
        return cls(path, Path(name), path.read_bytes(), text)

    def write(self, text: str) -> None:
        """Put a new text in the file's place, at once and whole; its mode and a byte order mark stay.

        Between processes of ours `alone` keeps the order; an editor knows no lock, so what it saved is looked for
        once more directly before.

        Raises
        ------
        Busy
            If somebody else changed the file since it was read.
        WorkspaceError
            If it cannot be written.
        """
        path = self.path.resolve()
        copy = path.with_name(f".{path.name}.{new_id()[-8:]}")
        mark = b"\xef\xbb\xbf" if self.content.startswith(b"\xef\xbb\xbf") else b""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._compare(path)
            copy.write_bytes(mark + text.encode())
            if path.exists():
                copy.chmod(path.stat().st_mode)
            disk.sync(copy)
            self._compare(path)
            copy.replace(path)
            disk.sync(path.parent)
        except OSError as error:
            raise WorkspaceError(f"{path} cannot be written: {error.strerror}") from error
        finally:
            copy.unlink(missing_ok=True)

    def _compare(self, path: Path) -> None:
        if (path.read_bytes() if path.exists() else b"") != self.content:
            raise Busy(f"{self.name} was changed by somebody else meanwhile", hint="do it again")


@dataclass(frozen=True)
class _Span:
    """Where a value stands: from character `start` up to `end`; a block of lines ends before its last line break."""

    start: int
    end: int
    column: int
    kind: str
    """`scalar`, `text` (a block scalar), `flow` or `block`."""
    style: str = ""
    """Quote of a scalar."""


Spans = Mapping[Where, _Span]


def put(text: str, file: Path, where: Where, value: Scalar, *, after: Sequence[str] = ()) -> str:
    """Return the text with a scalar set: in place of what stands there, or as a further key of its mapping.

    Parameters
    ----------
    file
        Name in messages.
    where
        The way to the value; its mapping must exist.
    after
        Keys of the mapping behind which a new key belongs, the best first.

    Raises
    ------
    DeclarationError
        If a list or a mapping stands there.
    """
    span = _spans(text).get(where)
    if span is None:
        return add_key(text, where, scalar(value), after=after)
    if span.kind in ("flow", "block"):
        raise _error(text, file, span, f"`{where[-1]}` is more than one value here")
    return text[: span.start] + _replacement(text[span.start : span.end], span, value) + text[span.end :]


def put_list(text: str, file: Path, where: Where, values: Sequence[str], *, after: Sequence[str] = ()) -> str:
    """Return the text with a list of words set; of a list that has a line a word, only lines that differ change.

    The comment beside a word that is taken away stays, on a line of its own.

    Raises
    ------
    DeclarationError
        If the list stands in brackets and comments between its words.
    """
    spans = _spans(text)
    span = spans.get(where)
    flow = f"[{', '.join(scalar(value) for value in values)}]"
    if span is None:
        return add_key(text, where, flow, after=after)
    if span.kind == "block":
        return _put_lines(text, spans, where, values)
    if span.kind == "flow" and _has_comment(text, spans, where):
        raise _error(text, file, span, "there are comments inside the brackets; change it in an editor")
    return text[: span.start] + (" " if span.start == span.end else "") + flow + text[span.end :]


def add_key(text: str, where: Where, written: str, *, after: Sequence[str] = ()) -> str:
    """Return the text with one more key in a mapping that exists, or in place of its null."""
    spans = _spans(text)
    if (null := spans.get(where)) is not None:
        space = " " if null.start == null.end else ""
        return text[: null.start] + space + written + text[null.end :]
    block, end = spans[where[:-1]], _line_end(text)
    keys = [str(one[-1]) for one in spans if len(one) == len(where) and one[:-1] == where[:-1]]
    line = f"{scalar(str(where[-1]))}: {written}"
    if block.kind == "flow":
        last = max((spans[*where[:-1], key].end for key in keys), default=None)
        at = block.start + 1 if last is None else last
        return text[:at] + (line if last is None else f", {line}") + text[at:]
    single = [key for key in keys if spans[*where[:-1], key].kind in ("scalar", "flow")]
    anchor = next((key for key in after if key in single), (single or keys)[0])
    at = spans[*where[:-1], anchor].end
    at = at if text[at - 1 : at] == "\n" else text.find("\n", at) + 1
    indent = " " * block.column
    if at == 0:
        return f"{text}{end}{indent}{line}{end}"
    return f"{text[:at]}{indent}{line}{end}{text[at:]}"


def append(text: str, key: str, item: Mapping[str, str], *, apart: bool = False, remark: str = "") -> str:
    """Return the text with one more mapping at the end of a list at the root; makes the list if there is none.

    Parameters
    ----------
    item
        Keys and values as they are to stand, in their order.
    apart
        Put a blank line before it.
    remark
        A comment above it, where it stands on lines of its own.
    """
    end = _line_end(text)
    spans = _spans(text)
    lines = [f"{name}: {value}" for name, value in item.items()]
    block = [f"# {remark}"] if remark else []
    block += [f"{'- ' if number == 0 else '  '}{line}" for number, line in enumerate(lines)]
    flow = f"{{{', '.join(lines)}}}"
    root, found = spans.get(()), spans.get((key,))
    if found is None and root is not None and root.kind == "flow":
        return add_key(text, (key,), f"[{flow}]")
    if found is None:
        before = text if not text or text.endswith("\n") else text + end
        gap = end if before.strip() else ""
        return before + gap + _joined([f"{key}:", *(f"  {line}" for line in block)], end)
    last = max((place for place in spans if place[:1] == (key,) and len(place) == 2), default=None)
    if found.kind == "flow" and last is not None:
        at = spans[last].end
        return f"{text[:at]}, {flow}{text[at:]}"
    if last is not None:
        at, indent = _end_of_list(text, spans, key), " " * found.column
        gap = end if apart else ""
        start = "" if text[at - 1 : at] in ("\n", "") else end
        return text[:at] + start + gap + _joined([indent + line for line in block], end) + text[at:]
    if root is not None and root.kind == "flow":
        return f"{text[: found.start]}[{flow}]{text[found.end :]}"
    if found.start != found.end:  # an empty `[]`, or a null
        text = text[: found.start].rstrip(" ") + text[found.end :]
        found = _Span(len(text[: found.start].rstrip(" ")), 0, 0, "scalar")
    at = text.find("\n", found.start) + 1
    if at == 0:
        text, at = text + end, len(text) + len(end)
    return text[:at] + _joined([f"  {line}" for line in block], end) + text[at:]


def mapping(values: Mapping[str, Scalar]) -> str:
    """Return names and values as a mapping in one line."""
    return "{" + ", ".join(f"{scalar(name)}: {scalar(value)}" for name, value in values.items()) + "}"


def _spans(text: str) -> dict[Where, _Span]:
    """Return where every value stands. The text has been parsed before: it holds no anchors and is not deep."""
    spans: dict[Where, _Span] = {}
    root = yaml.compose(text, _LOADER)
    if root is not None:
        _walk(root, (), spans)
    return spans


def _walk(node: yaml.Node, where: Where, spans: dict[Where, _Span]) -> None:
    start, end, column = node.start_mark.index, node.end_mark.index, node.start_mark.column
    if not isinstance(node, yaml.CollectionNode):
        style = getattr(node, "style", None) or ""
        spans[where] = _Span(start, end, column, "text" if style in ("|", ">") else "scalar", style)
        return
    spans[where] = _Span(start, end, column, "flow" if node.flow_style else "block")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _walk(value, (*where, str(key.value)), spans)
    else:
        for position, value in enumerate(node.value):
            _walk(value, (*where, position), spans)


def _replacement(old: str, span: _Span, value: Scalar) -> str:
    if (
        span.kind == "text"
    ):  # a block of text: its head may have a comment, and what follows it is not its own
        head, _, rest = old.partition("\n")
        said = head.find("#")
        comment = "" if said < 0 else f" {head[said:].rstrip()}"
        return scalar(value) + comment + ("\n" + rest)[len(("\n" + rest).rstrip("\r\n ")) :]
    if span.start == span.end:
        return f" {scalar(value)}"
    if isinstance(value, str) and value.isprintable():
        if span.style == "'":
            return "'" + value.replace("'", "''") + "'"
        if span.style == '"':
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return scalar(value)


def _put_lines(text: str, spans: Spans, where: Where, values: Sequence[str]) -> str:
    items = [place for place in spans if len(place) == len(where) + 1 and place[:-1] == where]
    said = {place: str(_value(text, spans[place])) for place in items}
    end, indent = _line_end(text), " " * spans[where].column
    last = text.find("\n", spans[items[-1]].end) + 1
    text, last = (text, last) if last else (text + end, len(text) + len(end))
    more = [f"{indent}- {scalar(value)}" for value in values if value not in said.values()]
    text = text[:last] + (_joined(more, end) if more else "") + text[last:]
    for place in reversed(items):
        if said[place] in values:
            continue
        start = text.rfind("\n", 0, spans[place].start) + 1
        stop = text.find("\n", spans[place].end) + 1
        comment = text[spans[place].end : stop].strip()
        text = text[:start] + (f"{indent}{comment}{end}" if comment else "") + text[stop:]
    return text


def _value(text: str, span: _Span) -> object:
    return yaml.load(text[span.start : span.end], yaml.BaseLoader)  # noqa: S506 - builds text and nothing else


def _has_comment(text: str, spans: Spans, where: Where) -> bool:
    span = spans[where]
    rest, at = "", span.start
    for place, one in spans.items():
        if len(place) > len(where) and place[: len(where)] == where and one.kind == "scalar":
            rest, at = rest + text[at : one.start], one.end
    return "#" in rest + text[at : span.end]


def _end_of_list(text: str, spans: Spans, key: str) -> int:
    """Return where the line after the last item begins, before what belongs to the next key."""
    start = spans[key,].start
    following = [where for where, one in spans.items() if len(where) == 1 and one.start > start]
    if not following:
        return len(text.rstrip("\r\n \t")) + len(_rest_of_line(text))
    lines = text[: _key_start(text, min(following, key=lambda where: spans[where].start))].splitlines(True)
    while lines and (not lines[-1].strip() or lines[-1].startswith("#")):
        lines.pop()
    return sum(map(len, lines))


def _rest_of_line(text: str) -> str:
    """Return the first line break behind the last character that is no blank."""
    rest = text[len(text.rstrip("\r\n \t")) :]
    return rest[: rest.find("\n") + 1] if "\n" in rest else rest


def _key_start(text: str, where: Where) -> int:
    root = yaml.compose(text, _LOADER)
    for key, _ in root.value if isinstance(root, yaml.MappingNode) else []:
        if key.value == where[0]:
            return int(key.start_mark.index)
    return len(text)


def _error(text: str, file: Path, span: _Span, message: str) -> DeclarationError:
    before = text[: span.start]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return DeclarationError(message, file=file, line=line, column=column)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _joined(lines: Sequence[str], end: str) -> str:
    return end.join(lines) + end

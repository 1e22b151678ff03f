"""Other keys for actions, from `[keys]` in the settings: which there are, whether the keys mean something, no clash.

Only what the file says is looked at, and only then are the modules of all views and dialogs read: whoever has no such
table pays nothing.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from textual.binding import Binding
from textual.keys import Keys

from mlcycle_app.commands import COMMANDS, PHASES
from mlcycle_app.tui.keys import KEYS, give

if TYPE_CHECKING:
    from textual.app import App

    from mlcycle.settings import KeyLine

__all__ = ["Action", "actions", "keymap", "use", "written"]

EVERYWHERE, SCREEN, LIST, DIALOG = "everywhere", "screen", "list", "dialog"
PACKAGES = ("views", "widgets", "dialogs", "starting")
MODIFIERS = ("alt", "ctrl", "hyper", "meta", "shift", "super")
ALIASES = {
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "ins": "insert",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "page_up": "pageup",
    "page_down": "pagedown",
    "control": "ctrl",
    "option": "alt",
}
SAME = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+h": "backspace", "ctrl+left_square_bracket": "escape"}
"""Keys that a terminal cannot tell from others."""
NEVER = ("ctrl+at", "ctrl+space")
FIXED = {
    "tab": "goes to the next pane",
    "shift+tab": "goes to the pane before",
    "ctrl+c": "copies marked text",
    **dict.fromkeys(("up", "down", "left", "right"), "moves in lists and pages"),
    **dict.fromkeys(("pageup", "pagedown", "home", "end"), "moves in lists and pages"),
}
"""Keys that lists, pages and every screen have themselves: an action of the frame or a screen would never get them."""


@dataclass(frozen=True)
class Action:
    """Something that a key does."""

    id: str
    keys: tuple[str, ...]
    """As Textual spells them."""
    kind: str
    """Where the keys act: everywhere, on one screen, in lists, in one dialog."""
    place: str
    """Which screen, list or dialog."""

    @property
    def where(self) -> str:
        """The same in words."""
        return {
            EVERYWHERE: "everywhere",
            SCREEN: f"on {self.place}",
            LIST: "in lists",
            DIALOG: "in that dialog",
        }[self.kind]

    def meets(self, other: Action) -> bool:
        """Whether a key could mean both."""
        if DIALOG in (self.kind, other.kind):
            return (self.kind, self.place) == (other.kind, other.place)
        if self.kind == other.kind != EVERYWHERE:
            return self.place == other.place
        return True


def actions() -> dict[str, Action]:
    """Return everything that may be given another key, by its id in settings."""
    found = {key.id: _action(key.id, key.keys, EVERYWHERE, "") for key in KEYS if not key.rows}
    for command in COMMANDS:
        if command.key:
            found[command.id] = _action(command.id, command.key, SCREEN, PHASES[command.screen])
    for package in PACKAGES:
        for cls in _classes(package):
            kind, place = _place(package, cls)
            for binding in _bindings(cls):
                if binding.id and binding.id not in found:
                    found[binding.id] = _action(binding.id, binding.key, kind, place)
    return found


def keymap(lines: Sequence[KeyLine]) -> dict[str, str]:
    """Return what `App.set_keymap` takes.

    Parameters
    ----------
    lines
        Of `[keys]` in the user's settings.

    Raises
    ------
    DeclarationError
        If an action or a key is not known, or a key would mean two actions; names the line, and what is near.
    """
    if not lines:
        return {}
    known = actions()
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        if line.id not in known:
            near = difflib.get_close_matches(line.id, known, n=1) or [
                name for name in known if name.rpartition(".")[2] == line.id
            ]
            meant = f"; did you mean `{near[0]}`?" if near else ""
            raise line.wrong(
                f"no action is called `{line.id}`{meant}",
                hint="the ids are listed in docs/howto/settings-and-keys.md",
            )
        found[line.id] = tuple(dict.fromkeys(_key(line, key) for key in line.keys))
    changed = {name: Action(name, keys, known[name].kind, known[name].place) for name, keys in found.items()}
    for line in lines:
        _refuse_fixed(line, changed[line.id])
    _refuse_clashes(lines, known, changed)
    return {name: ",".join(keys) for name, keys in found.items()}


def use(app: App[Any], keys: Mapping[str, str]) -> None:
    """Give an application's actions these keys, and the others their own; footer and help write them so."""
    app.set_keymap(dict(keys))
    shown = {name: " ".join(map(written, given.split(","))) for name, given in keys.items()}
    head, members = "", dict[str, list[str]]()
    for key in KEYS:
        # A row that is written `j k` speaks for the rows after it that are not written.
        head = key.id if key.shown else head
        members.setdefault(head, []).append(key.id)
    own = {key.id: written(key.keys.split(",")[0]) for key in KEYS}
    for name, group in members.items():
        if len(group) > 1 and any(member in shown for member in group):
            shown[name] = " ".join(shown.get(member, own[member]) for member in group)
    if "rows.open" in shown:
        shown["open"] = shown["rows.open"]
    give(shown)


def written(key: str) -> str:
    """Return a key as footer and help write it: `?`, `F5`, `esc`, `ctrl+x`."""
    *modifiers, name = key.split("+")
    if not modifiers and name in _marks():
        return _marks()[name]
    short = {"escape": "esc", "pagedown": "pgdn", "pageup": "pgup", "delete": "del"}.get(name, name)
    if name[:1] == "f" and name[1:].isdigit():
        short = name.upper()
    return "+".join([*modifiers, short])


def _action(name: str, keys: str, kind: str, place: str) -> Action:
    return Action(name, tuple(_spelt(key) for key in keys.split(",")), kind, place)


def _classes(package: str) -> Iterator[type]:
    found = importlib.import_module(f"mlcycle_app.tui.{package}")
    names = [
        f"{found.__name__}.{module.name}" for module in pkgutil.iter_modules(getattr(found, "__path__", []))
    ]
    for name in names or [found.__name__]:
        loaded = importlib.import_module(name)
        for thing in vars(loaded).values():
            if isinstance(thing, type) and thing.__module__ == loaded.__name__ and "BINDINGS" in vars(thing):
                yield thing


def _bindings(cls: type) -> Iterator[Binding]:
    yield from (binding for binding in vars(cls)["BINDINGS"] if isinstance(binding, Binding))


def _place(package: str, cls: type) -> tuple[str, str]:
    if package == "views":
        return SCREEN, PHASES[getattr(cls, "number", 0)]
    return (LIST if package == "widgets" else DIALOG), cls.__name__


def _spelt(key: str) -> str:
    """Return a key as Textual spells it: `?` is `question_mark` there."""
    return next(iter(Binding.make_bindings([Binding(key.strip(), "x", "x")]))).key


@cache
def _marks() -> Mapping[str, str]:
    """Return the names of signs, and the signs."""
    return {"comma": ","} | {_spelt(mark): mark for mark in string.punctuation if mark != ","}


def _names() -> set[str]:
    plain = {key.value for key in Keys if "+" not in key.value and not key.value.startswith("<")}
    return {*_marks(), *plain, *(f"f{number}" for number in range(1, 25))}


def _key(line: KeyLine, text: str) -> str:
    """Return a key as Textual spells it, or refuse it with the line it stands in."""
    if len(text) == 1:
        return "comma" if text == "," else "space" if text == " " else _spelt(text)
    *modifiers, name = (
        [part.strip() for part in text.split("+")]
        if not text.endswith("++")
        else (
            *text[:-2].split("+"),
            "+",
        )
    )
    modifiers = sorted(ALIASES.get(word.lower(), word.lower()) for word in modifiers)
    strange = [word for word in modifiers if word not in MODIFIERS]
    if strange:
        near = difflib.get_close_matches(strange[0], MODIFIERS, n=1) or ["ctrl"]
        raise line.wrong(f"`{line.id}`: there is no key `{text}`; did you mean `{near[0]}+{name}`?")
    if len(name) == 1 and name.isalpha():
        if name.isupper() and modifiers:
            modifiers = sorted({*modifiers, "shift"})
        if modifiers == ["shift"]:
            return name.upper()
        name = name.lower() if modifiers else name
    elif len(name) == 1:
        name = _spelt(name)
    else:
        name = ALIASES.get(name.lower(), name.lower())
        known = _names()
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
            meant = f"; did you mean `{'+'.join([*modifiers, near[0]])}`?" if near else ""
            raise line.wrong(f"`{line.id}`: there is no key `{text}`{meant}")
    key = "+".join([*modifiers, name])
    if key in SAME:
        raise line.wrong(f"`{line.id}`: a terminal cannot tell {text} from {SAME[key]}; write `{SAME[key]}`")
    if key in NEVER:
        raise line.wrong(f"`{line.id}`: {text} does not reach programs in every terminal; take another key")
    return key


def _refuse_fixed(line: KeyLine, action: Action) -> None:
    if action.kind in (LIST, DIALOG):
        return
    for key in action.keys:
        if key in FIXED and not (key == "tab" and action.id == "pane.next"):
            raise line.wrong(f"`{action.id}` cannot have {written(key)}: it {FIXED[key]}")


def _refuse_clashes(
    lines: Sequence[KeyLine], known: Mapping[str, Action], changed: Mapping[str, Action]
) -> None:
    now = {**known, **changed}
    for place, line in enumerate(lines):
        one = now[line.id]
        later = {after.id for after in lines[place + 1 :]}
        for name, other in now.items():
            if name == line.id or name in later or not one.meets(other):
                continue
            by_nature = set(known[line.id].keys) & set(known[name].keys)
            for key in one.keys:
                if key in other.keys and key not in by_nature:
                    narrow = other if other.kind != EVERYWHERE else one
                    raise line.wrong(
                        f"`{line.id}` and `{name}` are both on {written(key)} {narrow.where}",
                        hint=f'give one of them another key, such as "{name}" = "ctrl+{_free(now)}"',
                    )


def _free(now: Mapping[str, Action]) -> str:
    taken = {key for action in now.values() for key in action.keys} | set(SAME)
    return next((letter for letter in "gnbotxuleyaw" if f"ctrl+{letter}" not in taken), "n")

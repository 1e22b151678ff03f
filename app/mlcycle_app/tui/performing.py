"""How the UI acts: a key or the palette names a command, the selection fills it, a form asks the rest, a job runs it.

Nothing is done here that the shell could not do: the job is `mlcycle -w DIR <command>`, letter for letter.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from textual import work

from mlcycle_app.ahead import Ahead, ahead_of, looks_ahead
from mlcycle_app.commands import Command, named
from mlcycle_app.gateway import MlcycleError
from mlcycle_app.tui.filled import Filled, missing, words_of
from mlcycle_app.tui.frame import Frame
from mlcycle_app.tui.reading import elsewhere
from mlcycle_app.tui.selection import Selection
from mlcycle_app.tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from mlcycle_app.gateway import Gateway
    from mlcycle_app.tui.job import Job
    from mlcycle_app.tui.jobs import Jobs

__all__ = ["Performs"]

Given = Mapping[str, Sequence[str]]


class Performs(Frame[None]):
    """The part of the application that turns commands into jobs."""

    gateway: Gateway
    jobs: Jobs

    def selection(self) -> Selection:
        """Return what commands act on."""
        raise NotImplementedError

    def perform(
        self,
        words: str,
        given: Given | None = None,
        *,
        ask: bool | None = None,
        then: Callable[[Job], None] | None = None,
        sure: str = "",
    ) -> None:
        """Run a command on what is selected; ask for what is missing, and for a yes where it is called for.

        Parameters
        ----------
        words
            As typed after `mlcycle`, such as `models promote`.
        given
            Values of parameters by click's names, beside those that the selection gives.
        ask
            Whether a form opens; the command's own way unless said. It opens anyway where a value is missing.
        then
            Called with the job once it has begun.
        sure
            Asked before it runs, where no form opens and the command has no question of its own.
        """
        command = named(words)
        filled = self._fill(command, given or {})
        if ask if ask is not None else not command.now:
            self._open_form(command, filled, then)
        elif lacking := missing(command, filled):
            if command.now and set(lacking) <= set(command.takes):
                what = " and ".join(command.takes[name].rstrip("*") for name in lacking)
                self._say(f"no {what} is selected here")
            else:
                self._open_form(command, filled, then)
        else:
            self._ask_and_run(command, filled, then, sure)

    def typed(self, words: str, given: Given | None = None) -> str:
        """Return the command line that `perform` would run, as typed after `mlcycle`."""
        command = named(words)
        return shlex.join(words_of(command, self._fill(command, given or {})))

    def action_command(self, words: str) -> None:
        """Do what a command's key is for."""
        self.perform(words)

    def _fill(self, command: Command, given: Given) -> Filled:
        selection = self.selection()
        filled = {name: selection.names(kind) for name, kind in command.takes.items()}
        return {**{name: values for name, values in filled.items() if values}, **dict(given)}

    def _open_form(self, command: Command, filled: Filled, then: Callable[[Job], None] | None) -> None:
        from mlcycle_app.tui.dialogs.form import FormScreen  # brings the commands' modules

        form = FormScreen(command, filled)
        if not form.asks:
            self._ask_and_run(command, filled, then)
            return

        def answered(values: Filled | None) -> None:
            if values is not None:
                self._ask_and_run(command, values, then)

        self.push_screen(form, answered)

    def _ask_and_run(
        self, command: Command, filled: Filled, then: Callable[[Job], None] | None, sure: str = ""
    ) -> None:
        if looks_ahead(command.words):
            self._look_ahead(command, filled, then, sure)
        else:
            self._ask(command, filled, then, sure)

    @work(group="perform.ahead", exclusive=True)
    async def _look_ahead(
        self, command: Command, filled: Filled, then: Callable[[Job], None] | None, sure: str
    ) -> None:
        gateway, screen = self.gateway, self.screen
        values = {name: " ".join(value) for name, value in filled.items()}
        try:
            ahead = await elsewhere(lambda: ahead_of(gateway, command.words, values), "look ahead")
        except MlcycleError:
            ahead = Ahead()  # the job will say what is wrong, and what to type
        if gateway is not self.gateway or screen is not self.screen:
            return  # the user has gone elsewhere meanwhile
        if ahead.why_not:
            self._say(ahead.why_not)
        else:
            self._ask(command, filled, then, sure or ahead.question, ahead.says)

    def _ask(
        self,
        command: Command,
        filled: Filled,
        then: Callable[[Job], None] | None,
        sure: str,
        more: str = "",
    ) -> None:
        def go(yes: bool | None = True) -> None:
            if yes:
                job = self.jobs.start(words_of(command, filled))
                if then is not None:
                    then(job)

        if not command.sure and not sure:
            go()
            return
        from mlcycle_app.tui.dialogs.confirm import (
            ConfirmScreen,
        )  # brings widgets that the first frame needs not

        values = _Values({name: " ".join(value) for name, value in filled.items()})
        question = command.sure.format_map(values) if command.sure else sure
        typed = values[command.typed] if command.typed and command.typed in filled else ""
        verb = f"{command.words.split()[-1].capitalize()} {typed}".strip()
        self.push_screen(ConfirmScreen(question, verb=verb, typed=typed, more=more), go)

    def _say(self, words: str) -> None:
        self.query_one(StatusLine).say(words)


class _Values(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return f"the {key}"

"""`mlcycle train`, `sweep`, `run` and `runs ...`."""

from __future__ import annotations

import contextlib
import sys

import click

from mlcycle_app.cli.options import command, consent, every, listing, trusting
from mlcycle_app.cli.output import Answer, say
from mlcycle_app.gateway import Gateway

__all__ = ["run", "runs_best", "runs_compare", "runs_list", "runs_show", "runs_stop", "sweep", "train"]

INTERRUPTED = 130
SHORT = 8
"""Digits of a hash that people are shown."""


@command
@click.argument("models", nargs=-1)
def train(gateway: Gateway, models: tuple[str, ...]) -> Answer:
    """Fit the declared models, or those named, one run each, on the newest training set."""
    return Answer(
        gateway.do("experiments.train", models=list(models) or None), ("model", "name", "metrics", "run_id")
    )


@command
def sweep(gateway: Gateway) -> Answer:
    """Fit the declared grid and pick the winner by its metric."""
    return Answer(gateway.do("experiments.sweep"))


@command
@trusting
@click.argument("command_line", nargs=-1, required=True, type=click.UNPROCESSED)
def run(gateway: Gateway, command_line: tuple[str, ...], trust: bool) -> Answer:
    """Run any script and keep what it logs: mlcycle run -- python train.py; exit code 1 when the script fails."""
    as_json = click.get_current_context().obj["json"]
    # Stdout is the script's, unless an answer in JSON is asked for there.
    with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
        code = gateway.do("experiments.run_command", list(command_line), trust=trust, answer=consent())
    if code:
        say(f"{command_line[0]} ended with exit code {code}")
    return Answer({"exit_code": code}, quiet=True, code=code if code in (0, INTERRUPTED) else 1)


@command
@every
def runs_list(gateway: Gateway, every: bool) -> Answer:
    """List the runs, newest first."""
    return listing(gateway, "runs", every=every)


@command
@click.argument("run_id")
def runs_show(gateway: Gateway, run_id: str) -> Answer:
    """Show one run: its name, id, or the id's last 8 digits."""
    found = gateway.do("experiments.show", run_id)
    if click.get_current_context().obj["json"]:
        return Answer(found)
    kept = [{**vars(one), "sha256": one.sha256[:SHORT]} for one in found.artifacts]
    return Answer({**vars(found), "artifacts": kept})


@command
@click.argument("run")
def runs_stop(gateway: Gateway, run: str) -> Answer:
    """Ask a running run's process on this machine to stop, as Ctrl-C would; exit code 1 when it goes on."""
    told = gateway.do("experiments.stop", run)
    text = f"run {told.name} is {told.status}"
    if told.status == "running":
        pids = " ".join(str(pid) for pid in told.pids)
        say(f"asked, but it goes on; to end it without a word: kill {pids}")
    return Answer(told, text=text, code=1 if told.status == "running" else 0)


@command
@click.argument("run_ids", nargs=-1, required=True)
def runs_compare(gateway: Gateway, run_ids: tuple[str, ...]) -> Answer:
    """Show where runs differ: parameters, metrics, data."""
    return Answer(gateway.do("experiments.compare", list(run_ids)))


@command
@click.argument("metric", required=False)
def runs_best(gateway: Gateway, metric: str | None) -> Answer:
    """Rank the runs by a metric; the sweep's own unless named."""
    return Answer(gateway.do("experiments.best", metric))

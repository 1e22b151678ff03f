"""`mlcycle models ...`, `images ...`, `deploy ...`, `serve`, `predict`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from mlcycle_app.cli.options import command
from mlcycle_app.cli.output import Answer
from mlcycle_app.gateway import Gateway, UsageError
from mlcycle_app.tables import TABLES

__all__ = [
    "deploy_list",
    "deploy_start",
    "deploy_stop",
    "deploy_swap",
    "images_build",
    "images_list",
    "judged_rows",
    "models_audit",
    "models_gate",
    "models_list",
    "models_promote",
    "models_register",
    "models_rollback",
    "models_show",
    "predict",
    "serve",
]

on_rows = click.option(
    "--on",
    metavar="MOMENT[..MOMENT]",
    help="Judge on the labelled rows of this time, or from one to another; rows it has not learnt from unless said.",
)


@command
def models_list(gateway: Gateway) -> Answer:
    """List the model versions and their aliases."""
    return Answer(gateway.table("models"), empty=TABLES["models"].empty)


@command
@click.argument("model", required=False)
def models_show(gateway: Gateway, model: str | None) -> Answer:
    """Show MODEL, MODEL:VERSION or MODEL@ALIAS: where it came from and what it takes."""
    return Answer(gateway.do("models.show", model))


@command
@click.argument("run", required=False)
def models_register(gateway: Gateway, run: str | None) -> Answer:
    """Make a run's model the next version in the registry; the newest sweep's winner unless named."""
    return Answer(gateway.do("models.register", run))


@command
@click.argument("model", required=False)
@click.option(
    "--what-if",
    multiple=True,
    metavar="auc=0.90",
    help="Ask with another limit; leaves a what-if decision and no requirement.",
)
@on_rows
def models_gate(gateway: Gateway, model: str | None, what_if: tuple[str, ...], on: str | None) -> Answer:
    """Ask whether a version meets the requirements that bind the gate; exit code 1 when it does not."""
    decision = gateway.do("deploy.gate", model, what_if=list(what_if), on=judged_rows(gateway, on))
    return _decided(decision)


@command
@click.argument("model", required=False)
@on_rows
def models_promote(gateway: Gateway, model: str | None, on: str | None) -> Answer:
    """Let MODEL[:VERSION] (the newest unless said) become champion if the gate approves; exit code 1 if not."""
    return _decided(gateway.do("deploy.promote", model, on=judged_rows(gateway, on)))


@command
@click.argument("model", required=False)
def models_rollback(gateway: Gateway, model: str | None) -> Answer:
    """Bring the previous champion back."""
    return _decided(gateway.do("models.rollback", model))


@command
def models_audit(gateway: Gateway) -> Answer:
    """Show every decision with its reasons."""
    return Answer(gateway.table("decisions"), empty=TABLES["decisions"].empty)


@command
@click.argument("model", required=False)
def images_build(gateway: Gateway, model: str | None) -> Answer:
    """Build an image of the champion's server, or say plainly why not (exit code 3)."""
    result = gateway.do("deploy.build_image", model)
    return Answer(result, code=0 if result.built else 3)


@command
def images_list(gateway: Gateway) -> Answer:
    """List the images built."""
    return Answer(gateway.table("images"), empty=TABLES["images"].empty)


@command
@click.argument("model", required=False)
@click.option(
    "--port", type=int, default=None, help="Port on the loopback interface; a free one unless said."
)
def serve(gateway: Gateway, model: str | None, port: int | None) -> Answer:
    """Run the model server in front, until Ctrl-C."""
    gateway.do("deploy.serve", model, port=port)
    return Answer({}, text="stopped")


@command
@click.argument("model", required=False)
@click.option(
    "--port", type=int, default=None, help="Port on the loopback interface; a free one unless said."
)
def deploy_start(gateway: Gateway, model: str | None, port: int | None) -> Answer:
    """Start the model server and leave it running."""
    return Answer(gateway.do("deploy.start", model, port=port))


@command
@click.argument("deployment", required=False)
def deploy_stop(gateway: Gateway, deployment: str | None) -> Answer:
    """Stop the model server."""
    return Answer(gateway.do("deploy.stop", deployment))


@command
@click.argument("deployment", required=False)
def deploy_swap(gateway: Gateway, deployment: str | None) -> Answer:
    """Put the champion behind a running deployment."""
    return Answer(gateway.do("deploy.swap", deployment))


@command
def deploy_list(gateway: Gateway) -> Answer:
    """List the deployments."""
    columns = ("state", "deployment", "model", "version", "kind", "url", "since", "why")
    return Answer(gateway.do("deploy.list_deployments"), columns, empty=TABLES["deployments"].empty)


@command
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--as-of", metavar="TIME", help="Score the spine's rows of this moment instead of a file.")
@click.option("--out", type=click.Path(path_type=Path), help="Write entity, as_of and score as CSV.")
@click.option("--deployment", help="Through which server; the only one unless said.")
def predict(
    gateway: Gateway, file: Path | None, as_of: str | None, out: Path | None, deployment: str | None
) -> Answer:
    """Score a file, or the rows of a moment, through the running server."""
    scored = gateway.do("deploy.score", file, as_of=gateway.moment(as_of), out=out, deployment=deployment)
    return Answer(
        scored,
        ("entity", "as_of", "score", "label") if isinstance(scored, list) else (),
        empty="no row to score",
    )


def judged_rows(gateway: Gateway, text: str | None) -> datetime | tuple[datetime, datetime] | None:
    """Read `MOMENT` or `MOMENT..MOMENT`; None stays None."""
    if text is None:
        return None
    start, dots, end = text.partition("..")
    if not dots:
        return _moment(gateway, start)
    first, last = _moment(gateway, start), _moment(gateway, end)
    if last < first:
        raise UsageError(f"{text!r} ends before it starts", hint="--on 2026-01-01..2026-01-31")
    return first, last


def _moment(gateway: Gateway, text: str) -> datetime:
    found = gateway.moment(text)
    if found is None:
        raise UsageError("--on names no moment", hint="--on 2026-01-31 or --on 2026-01-01..2026-01-31")
    return found


def _decided(decision: Any) -> Answer:
    return Answer(decision, text=decision.describe(), code=0 if decision.outcome == "approved" else 1)

"""`mlcycle models ...`, `images ...`, `deploy ...`, `serve`, `predict`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from mlcycle_app.cli.options import command, every, listing
from mlcycle_app.cli.output import Answer, emit, say
from mlcycle_app.gateway import Gateway, UsageError
from mlcycle_app.tables import TABLES

__all__ = [
    "deploy_list",
    "deploy_logs",
    "deploy_start",
    "deploy_stats",
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
@every
def models_list(gateway: Gateway, every: bool) -> Answer:
    """List the model versions and their aliases."""
    return listing(gateway, "models", every=every)


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
@every
def models_audit(gateway: Gateway, every: bool) -> Answer:
    """Show every decision with its reasons."""
    return listing(gateway, "decisions", every=every)


@command
@click.argument("model", required=False)
def images_build(gateway: Gateway, model: str | None) -> Answer:
    """Build an image of the champion's server, or say plainly why not (exit code 3)."""
    result = gateway.do("deploy.build_image", model, on_line=say)
    if not result.built:
        say(f"mlcycle: {result.why_not}\n  try: {result.hint}")
    return Answer(result, quiet=not result.built, code=0 if result.built else 3)


@command
@every
def images_list(gateway: Gateway, every: bool) -> Answer:
    """List the images built."""
    return listing(gateway, "images", every=every)


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
@click.argument("deployment", required=False)
@click.option("--lines", type=click.IntRange(0), default=200, show_default=True, help="How many of the last.")
@click.option(
    "--follow", is_flag=True, help="Go on with each line as it comes, until Ctrl-C; as plain lines only."
)
def deploy_logs(gateway: Gateway, deployment: str | None, lines: int, follow: bool) -> Answer:
    """Show what a deployment's server said, which is little unless something went wrong."""
    if follow:
        if click.get_current_context().ensure_object(dict).get("json"):
            raise UsageError(
                "--follow goes on as plain lines and never ends an answer: --json and --csv do not go with it",
                hint="mlcycle deploy logs --lines 200 --json",
            )
        for line in gateway.do("deploy.follow", deployment, lines):
            emit(Answer({}, text=line), as_json=False)
            sys.stdout.flush()  # somebody waits for it behind a pipe
        return Answer({}, quiet=True)
    log = gateway.do("deploy.logs", deployment, lines)
    if not log.lines:
        say(f"{log.deployment} has said nothing in {log.path}")
    return Answer(log, text="\n".join(log.lines), quiet=not log.lines)


@command
@click.argument("deployment", required=False)
@click.option("--minutes", type=click.IntRange(1), default=15, show_default=True, help="How far back.")
def deploy_stats(gateway: Gateway, deployment: str | None, minutes: int) -> Answer:
    """Show what a deployment served lately: requests, errors, latency, CPU and memory."""
    if deployment is not None:
        gateway.do("deploy.find", deployment)
    traffic = gateway.do("monitor.panel", minutes=minutes, deployment=deployment).traffic
    facts = {
        "deployment": deployment or "all",
        "minutes": minutes,
        "served": traffic.predictions,
        "errors": traffic.errors,
        "p50_ms": traffic.p50,
        "p95_ms": traffic.p95,
        "p99_ms": traffic.p99,
        "approximate": traffic.approximate,
        "cpu_percent_of_a_core": traffic.cpu_pct,
        "memory_mb": traffic.rss_mb,
        "last_at": traffic.last_at,
    }
    return Answer(facts)


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

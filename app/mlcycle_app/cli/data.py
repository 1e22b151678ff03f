"""`mlcycle data ...` and `mlcycle quality ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlcycle_app.cli.options import command, every, listing
from mlcycle_app.cli.output import Answer, say
from mlcycle_app.gateway import Gateway
from mlcycle_app.tables import TABLES

__all__ = [
    "data_ingest",
    "data_list",
    "data_profile",
    "data_versions",
    "quality_check",
    "quality_explain",
    "quality_history",
    "quality_quarantine",
    "quality_suggest",
]

RESULT = ("verdict", "name", "dimension", "severity", "considered", "bad_rows", "surplus", "observed")
BATCH = ("source", "rows", "malformed", "state", "batch_id", "path")


@command
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--source", help="Which source the file is, when its name does not say so.")
def data_ingest(gateway: Gateway, path: Path | None, source: str | None) -> Answer:
    """Take in a batch: a file, a folder with files of the declared names, or the declared paths."""
    return Answer(
        gateway.do("data.ingest", path, source=source), BATCH, empty="no declared source has a file there"
    )


@command
@every
def data_list(gateway: Gateway, every: bool) -> Answer:
    """List the batches that have arrived."""
    return listing(gateway, "batches", every=every)


@command
@every
def data_versions(gateway: Gateway, every: bool) -> Answer:
    """List the versions of the datasets."""
    return listing(gateway, "versions", every=every)


@command
@click.argument("dataset")
def data_profile(gateway: Gateway, dataset: str) -> Answer:
    """Describe a dataset column by column."""
    return Answer(gateway.do("data.profile", dataset))


@command
@click.argument("dataset", required=False)
@click.option("--strict", is_flag=True, help="A warning is a no, too.")
@click.option("--again", is_flag=True, help="Judge refused batches anew, after a rule has changed.")
def quality_check(gateway: Gateway, dataset: str | None, strict: bool, again: bool) -> Answer:
    """Judge the batches that have arrived, mend and set aside as declared, and admit them."""
    reports = gateway.do("quality.check", dataset, again=again)
    bad = {"fail", "error"} | ({"warn"} if strict else set())
    for report in reports:
        score = "not measured" if report.score is None else f"{report.score:.1f}"
        what = f"{report.set_aside:,} rows set aside, {report.mended:,} mended"
        say(f"{report.dataset}: {report.verdict}, score {score}, {what}")
    rows = [
        {"dataset": report.dataset} | {name: getattr(result, name) for name in RESULT}
        for report in reports
        for result in report.results
    ]
    code = 1 if any(report.verdict in bad for report in reports) else 0
    return Answer(rows, empty="nothing has arrived since the last check", code=code)


@command
@click.argument("check", required=False)
@every
def quality_history(gateway: Gateway, check: str | None, every: bool) -> Answer:
    """Show each check's results, newest first; one check's alone, and all of them, when named."""
    if check is None:
        return listing(gateway, "checks", every=every)
    rows = [row for row in gateway.table("checks", most=None) if row["check"] == check]
    return Answer(rows, TABLES["checks"].columns, empty=TABLES["checks"].empty)


@command
@click.argument("dataset", required=False)
def quality_quarantine(gateway: Gateway, dataset: str | None) -> Answer:
    """Show the rows set aside, with the reason."""
    return Answer(
        gateway.do("quality.quarantine", dataset),
        ("dataset", "row_key", "reason", "row_number", "batch_id"),
        empty=TABLES["quarantine"].empty,
    )


@command
@click.argument("dataset", required=False)
@click.option("--accept", multiple=True, metavar="NAME", help="Write this one into the dataset's check file.")
@click.option("--accept-all", is_flag=True, help="Write them all.")
def quality_suggest(
    gateway: Gateway, dataset: str | None, accept: tuple[str, ...], accept_all: bool
) -> Answer:
    """Suggest checks from the newest data, with what was seen; written only where accepted."""
    if accept or accept_all:
        names = None if accept_all else list(accept)
        found = gateway.do("quality.accept", names, dataset=dataset)
        for file in dict.fromkeys(one.file for one in found):
            count = sum(one.file == file for one in found)
            many, they = ("1 check", "it judges") if count == 1 else (f"{count} checks", "they judge")
            say(f"{many} written into {file}; {they} the next batch")
    else:
        found = gateway.do("quality.suggest", dataset)
    rows = [
        {
            "name": one.name,
            "check": one.written,
            "evidence": one.evidence,
            "dimension": one.dimension,
            "file": one.file,
        }
        for one in found
    ]
    return Answer(rows, ("name", "check", "evidence"), empty="nothing to suggest that is not checked already")


@command
@click.argument("check")
@click.option("--batch", help="Id of a batch, or its last characters; the newest one judged unless said.")
def quality_explain(gateway: Gateway, check: str, batch: str | None) -> Answer:
    """Say what a check asks, what it found, and show the rows that broke it."""
    found = gateway.do("quality.explain", check, batch=batch)
    return Answer(found, text=_explained(found))


def _explained(found: Any) -> str:
    facts = {
        "check": f"{found.name} ({found.dimension}, {found.severity})",
        "asks": found.asks,
        "then": found.then,
        "declared": found.declared or "not any more",
    }
    if found.result is not None:
        one = found.result
        facts["result"] = (
            f"{one.verdict}, {one.bad_rows:,} of {one.considered:,} rows bad, {one.ts:%Y-%m-%d %H:%M} UTC"
        )
        facts["observed"] = one.observed or ""
        facts["batch"] = f"{str(one.batch_id)[-8:]} from {found.file}"
    facts["note"] = found.note
    lines = [f"{name:<9} {said}" for name, said in facts.items() if said]
    for row in found.rows:
        values = ", ".join(f"{name}={'-' if value is None else value}" for name, value in row.values.items())
        fate = ", set aside" if row.set_aside else ""
        lines.append(f"row {row.row_number}{fate}: {values}")
    return "\n".join(lines)

"""`mlcycle data ...` and `mlcycle quality ...`."""

from __future__ import annotations

from pathlib import Path

import click

from mlcycle_app.cli.options import command
from mlcycle_app.cli.output import Answer, say
from mlcycle_app.gateway import Gateway
from mlcycle_app.tables import TABLES

__all__ = [
    "data_ingest",
    "data_list",
    "data_profile",
    "data_versions",
    "quality_check",
    "quality_history",
    "quality_quarantine",
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
def data_list(gateway: Gateway) -> Answer:
    """List the batches that have arrived."""
    return Answer(gateway.table("batches"), empty=TABLES["batches"].empty)


@command
def data_versions(gateway: Gateway) -> Answer:
    """List the versions of the datasets."""
    return Answer(gateway.table("versions"), empty=TABLES["versions"].empty)


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
def quality_history(gateway: Gateway, check: str | None) -> Answer:
    """Show each check's results, newest first; one check's alone when named."""
    rows = gateway.table("checks")
    return Answer([row for row in rows if check in (None, row["check"])], empty=TABLES["checks"].empty)


@command
@click.argument("dataset", required=False)
def quality_quarantine(gateway: Gateway, dataset: str | None) -> Answer:
    """Show the rows set aside, with the reason."""
    return Answer(
        gateway.do("quality.quarantine", dataset),
        ("dataset", "row_key", "reason", "row_number", "batch_id"),
        empty=TABLES["quarantine"].empty,
    )

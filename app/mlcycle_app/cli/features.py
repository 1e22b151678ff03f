"""`mlcycle features ...`."""

from __future__ import annotations

from typing import Any

import click

from mlcycle_app.cli.options import command
from mlcycle_app.cli.output import Answer, say
from mlcycle_app.gateway import Gateway

__all__ = ["features_build", "features_explain", "features_get", "features_lint", "features_list"]


@command
def features_list(gateway: Gateway) -> Answer:
    """List the feature views."""
    return Answer(
        gateway.do("features.list_views"), ("name", "kind", "table", "version", "changed", "features")
    )


@command
@click.option("--as-of", metavar="TIME", help="Use what was known at this time; now unless said.")
@click.option("--name", default="default", show_default=True, help="Name of the training set.")
@click.option(
    "--look-ahead",
    metavar="30d",
    help="Leak on purpose: let windows see this far into the future. For lessons; the gate refuses its models.",
)
def features_build(gateway: Gateway, as_of: str | None, name: str, look_ahead: str | None) -> Answer:
    """Build a point-in-time training set."""
    made = gateway.do("features.build", as_of=gateway.moment(as_of), name=name, look_ahead=look_ahead)
    return Answer(
        {
            "training_set_id": made.training_set_id,
            "rows": made.rows,
            "train": made.train_rows,
            "validation": made.validation_rows,
            "as_of": made.as_of,
            "features": [feature.name for feature in made.features],
            "look_ahead": made.look_ahead,
            "fingerprint": made.fingerprint,
        }
    )


@command
@click.argument("key")
@click.option("--as-of", metavar="TIME", help="The moment asked about; now unless said.")
def features_get(gateway: Gateway, key: str, as_of: str | None) -> Answer:
    """Show one entity's features at a moment."""
    return Answer(gateway.do("features.get", key, as_of=gateway.moment(as_of)))


@command
@click.argument("key")
@click.option("--as-of", metavar="TIME", help="The moment asked about; now unless said.")
@click.option(
    "--most", type=click.IntRange(1), default=20, show_default=True, help="Rows to show of each feature."
)
def features_explain(gateway: Gateway, key: str, as_of: str | None, most: int) -> Answer:
    """Show one entity's features at a moment, each with the source rows that gave it and those it cannot see yet."""
    found = gateway.do("features.explain", key, as_of=gateway.moment(as_of), most=most)
    if click.get_current_context().obj["json"]:
        return Answer(found)
    say(f"{found.entity} as of {found.as_of or found.asked}")
    return Answer([_in_a_line(one) for one in found.features])


def _in_a_line(one: Any) -> dict[str, Any]:
    hidden = [f"{left.rows} {left.why}" for left in one.left_out if left.rows]
    return {
        "feature": one.feature,
        "value": one.value,
        "rows": one.rows,
        "given_by": _place(one.given_by[0]) + (f" and {one.given - 1} more" if one.given > 1 else "")
        if one.given_by
        else one.note or "no row",
        "hidden": ", ".join(hidden),
        "how": one.how,
    }


def _place(row: Any) -> str:
    named = f"{row.dataset} {row.key}" if row.key else row.dataset
    return f"{named} ({row.event_time:%Y-%m-%d %H:%M})" if row.event_time else named


@command
def features_lint(gateway: Gateway) -> Answer:
    """Look for features that see the future or the label; exit code 1 when one does."""
    found = gateway.do("features.lint")
    return Answer(found, empty="no leak found", code=1 if found else 0)

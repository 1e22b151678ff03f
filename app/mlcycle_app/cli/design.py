"""`mlcycle design ...`: requirements."""

from __future__ import annotations

import shlex

import click

from mlcycle_app.cli.options import command, every, listing
from mlcycle_app.cli.output import Answer
from mlcycle_app.gateway import Gateway, UsageError

__all__ = ["design_add", "design_check", "design_edit", "design_list"]

NEEDED = {"role": "'data scientist'", "metric": "auc"}
"""Words that a requirement cannot do without, each with an example."""


@command
@every
def design_list(gateway: Gateway, every: bool) -> Answer:
    """List the requirements in force."""
    return listing(gateway, "requirements", every=every)


@command
@click.argument("requirement_id")
@click.option(
    "--role", required=True, help="business, subject expert, data scientist, compliance or operations."
)
@click.option("--metric", required=True, help="A metric's name, such as auc or latency_p95.")
@click.option("--comparison", type=click.Choice([">=", "<=", ">", "<"]), default=">=", show_default=True)
@click.option("--value", type=float, required=True, help="The limit.")
@click.option(
    "--phases", default="gate,monitor,retrain", show_default=True, help="Where it binds, separated by commas."
)
@click.option("--owner", default="", help="Who answers for it.")
@click.option(
    "--param", multiple=True, metavar="NAME=VALUE", help="What the metric needs, such as by=region."
)
@click.option("--budget", type=float, help="What may be spent on it.")
@click.option("--statement", default="", help="The requirement in words.")
def design_add(
    gateway: Gateway,
    requirement_id: str,
    role: str,
    metric: str,
    comparison: str,
    value: float,
    phases: str,
    owner: str,
    param: tuple[str, ...],
    budget: float | None,
    statement: str,
) -> Answer:
    """Write one more requirement into design.yaml."""
    bound = [phase.strip() for phase in phases.split(",") if phase.strip()]
    added = gateway.do(
        "design.add",
        requirement_id,
        role=role,
        metric=metric,
        comparison=comparison,
        value=value,
        phases=bound,
        params=dict(_pair(text) for text in param),
        owner=owner,
        budget=budget,
        statement=statement,
    )
    return Answer(added)


@command
@click.argument("requirement_id")
@click.option("--value", type=float, help="The limit.")
@click.option("--comparison", type=click.Choice([">=", "<=", ">", "<"]), help="Which side of it is good.")
@click.option("--phases", help="Where it binds, separated by commas: data, gate, monitor, retrain.")
@click.option("--owner", help="Who answers for it; --owner= for nobody yet.")
@click.option("--metric", help="A metric's name, such as auc or latency_p95.")
@click.option(
    "--param",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the metric needs, such as by=region; others stay.",
)
@click.option("--role", help="business, subject expert, data scientist, compliance or operations.")
@click.option("--budget", type=float, help="What may be spent on it.")
@click.option("--statement", help="The requirement in words; --statement= takes them out.")
def design_edit(
    gateway: Gateway,
    requirement_id: str,
    phases: str | None,
    param: tuple[str, ...],
    **said: str | float | None,
) -> Answer:
    """Change a requirement in design.yaml; comments and order stay, and it becomes a new version."""
    bound = None if phases is None else [phase.strip() for phase in phases.split(",") if phase.strip()]
    params = dict(_pair(text) for text in param) or None
    # What stands empty is emptied: nobody answers for it any more, or no words are left.
    said = {name: one.strip() if isinstance(one, str) else one for name, one in said.items()}
    for name, example in NEEDED.items():
        if said[name] == "":
            raise UsageError(
                f"a requirement needs a {name}",
                hint=f"mlcycle design edit {shlex.quote(requirement_id)} --{name} {example}",
            )
    return Answer(gateway.do("design.edit", requirement_id, phases=bound, params=params, **said))


@command
def design_check(gateway: Gateway) -> Answer:
    """Read every declaration and say what binds where."""
    return Answer(gateway.do("design.check"))


def _pair(text: str) -> tuple[str, str | float]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--param")
    try:
        number = float(value)
    except ValueError:
        return name, value
    return name, int(number) if number.is_integer() else number

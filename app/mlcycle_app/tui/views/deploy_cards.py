"""Cards of the Deploy view: a model version and why the gate let it through or not, a server, an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlcycle_app.gateway import Gateway
from mlcycle_app.tui.card import Card, Facts, Part, Words
from mlcycle_app.tui.cells import harmless
from mlcycle_app.tui.decided import decision_parts
from mlcycle_app.tui.keys import offered

__all__ = ["MINUTES", "deployment_card", "image_card", "model_card"]

MODEL = """SELECT v.model, v.version, v.format, v.task, v.bytes, v.parity, v.created_at, v.run_id::VARCHAR AS run_id,
  (SELECT string_agg(alias, ', ' ORDER BY alias) FROM aliases a
   WHERE a.model = v.model AND a.version = v.version) AS alias,
  (SELECT name FROM runs r WHERE r.run_id = v.run_id) AS run, t.name AS training_set, t.rows, t.features,
  (SELECT string_agg(deployment, ', ' ORDER BY deployment) FROM deployments d
   WHERE d.model = v.model AND d.version = v.version AND d.state = 'running') AS serves
FROM model_versions v LEFT JOIN training_sets t USING (training_set_id) WHERE v.model || ':' || v.version = ?"""
GATE = """SELECT decision_id, kind, subject, outcome, reasons, evidence, decided_by, ts FROM decisions
WHERE subject = ? AND kind = 'gate' ORDER BY ts DESC, decision_id DESC LIMIT 1"""
MINUTES = 15
LINES = 20
"""Last lines of a server's log that its card shows."""
FEATURES = 40


def model_card(gateway: Gateway, model: str) -> Card:
    """Return the card of a version: what it is, how the gate judged it last, what it takes."""
    with gateway.one_state():
        row = gateway.rows(MODEL, [model])[0]
        gates = gateway.rows(GATE, [model])
    run, learnt = row["run_id"][-8:], "no training set is noted"
    if row["training_set"]:
        learnt = f"{row['training_set']}, {row['rows']:,} rows"
    parity = "not measured"
    if row["parity"] is not None:
        parity = f"{row['parity']:.2g}, the most that package and fit differ by"
    facts: list[tuple[str, object]] = [
        ("alias", row["alias"]),
        ("serves", row["serves"] or "nowhere now"),
        ("run", f"{row['run']} ({run})" if row["run"] else run),
        ("learnt from", learnt),
        ("task", row["task"]),
        ("format", f"{row['format']}, {row['bytes']:,} bytes"),
        ("parity", parity),
        ("created", row["created_at"]),
    ]
    parts: list[Part] = [Facts(facts)]
    if gates:
        parts += decision_parts(gateway, gates[0], "the gate")
        refused = gates[0]["outcome"] == "refused"
        hint = offered(
            ("models.rollback", "rolls back"),
            ("deploy.start", "serves it"),
            ("images.build", "builds its image"),
        )
        if refused:
            hint = offered(("models.gate", "asks again, or with other limits"))
        elif "champion" not in (row["alias"] or ""):
            hint = offered(("models.promote", "lets it become champion"))
    else:
        parts.append(Words("it was not asked about this version yet", "the gate"))
        hint = offered(("models.gate", "asks the gate"), ("models.promote", "asks it and promotes"))
    features = row["features"] or []
    shown = ", ".join(features[:FEATURES])
    more = f" and {len(features) - FEATURES} more" if len(features) > FEATURES else ""
    if features:
        parts.append(Words(shown + more, f"{len(features)} features"))
    return Card(model, parts, hint)


def deployment_card(gateway: Gateway, name: str) -> Card:
    """Return the card of a deployment: as it is now, what it served lately, what it said last."""
    with gateway.one_state():
        found = gateway.do("deploy.find", name)
        traffic = gateway.do("monitor.panel", minutes=MINUTES, deployment=name).traffic
        log = gateway.do("deploy.logs", name, LINES)
    facts: list[tuple[str, object]] = [
        ("state", found.state),
        ("serves", f"{found.model}:{found.version}"),
        ("url", found.url),
        ("process", found.pid),
        ("since", found.since),
    ]
    if found.why:
        facts.append(("why", found.why))
    about = "about " if traffic.approximate else ""
    times = [("p50", traffic.p50), ("p95", traffic.p95), ("p99", traffic.p99)]
    latency = "  ".join(f"{key} {about}{value:.3g} ms" for key, value in times if value is not None)
    served: list[tuple[str, object]] = [
        ("answered", f"{traffic.predictions:,}"),
        ("errors", f"{traffic.errors:,}"),
        ("latency", f"{latency}  (n = {traffic.predictions:,})" if latency else "nothing was asked"),
        ("CPU", "not measured" if traffic.cpu_pct is None else f"{traffic.cpu_pct:.3g} % of a core, mean"),
        ("memory", "not measured" if traffic.rss_mb is None else f"{traffic.rss_mb:,.0f} MB at most"),
    ]
    if traffic.last_at is not None:
        served.append(("last asked", traffic.last_at))
    said = "\n".join(harmless(line) for line in log.lines)
    parts: list[Part] = [Facts(facts), Facts(served, f"the last {MINUTES} min")]
    parts.append(
        Words(said or "nothing: it speaks when something goes wrong", f"what it said last ({log.path.name})")
    )
    hint = offered(("deploy.start", "starts it"))
    if found.state == "running":
        hint = offered(("deploy.stop", "stops it"), ("deploy.swap", "swaps in the champion"))
    return Card(name, parts, hint)


def image_card(row: Mapping[str, Any]) -> Card:
    """Return the card of an image: what it is, and how to run it anywhere."""
    facts: list[tuple[str, object]] = [
        ("serves", row["model"]),
        ("bytes", row["bytes"]),
        ("built", row["built"]),
        ("digest", row["digest"]),
    ]
    how = f"docker run --rm -p 127.0.0.1:8080:8080 {row['tag']}"
    why = (
        "It holds the model, its server and nothing of the workspace; it runs as nobody and asks no network."
    )
    return Card(
        str(row["tag"]),
        [Facts(facts), Words(how, "to run it"), Words(why)],
        offered(("images.build", "builds one")),
    )

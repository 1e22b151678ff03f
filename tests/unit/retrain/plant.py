"""A product whose world changes: machines that fail when hot, and from January on when cold."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from tests.unit.monitor import product

from mlcycle import clock, data, experiments, features, models, quality
from mlcycle.workspace import Workspace

MONTHS = [datetime(2025, month, 1) for month in (8, 9, 10, 11, 12)] + [
    datetime(2026, month, 1) for month in (1, 2, 3)
]
JANUARY, FEBRUARY, MARCH = MONTHS[-3:]
MACHINES = 80
DESIGN = """
requirements:
  - id: ranking
    role: data scientist
    owner: plant lead
    metric: auc
    comparison: ">="
    value: 0.7
    phases: [gate, monitor, retrain]
"""


def heat(machine: int, month: datetime) -> float:
    """Return how hot a machine ran before a moment: a fixed scatter between 0 and 100."""
    return (machine * 37 + month.month * 61 + month.year) % 101


def failed(machine: int, month: datetime) -> int:
    """Return whether it fails in the month after: the hot ones, from January the cold ones; one in twelve is luck."""
    hot = heat(machine, month) > 60
    lucky = (machine + month.month) % 12 == 0
    return int((hot if month < JANUARY else not hot) != lucky)


def write(folder: Path, months: list[datetime]) -> None:
    """Write readings and outcomes of some months, each reading a day before its month begins."""
    folder.mkdir(parents=True, exist_ok=True)
    readings, outcomes = ["reading,machine,at,heat,arrived"], ["machine,day,failed,known"]
    for month in months:
        before = month - timedelta(days=1)
        for machine in range(MACHINES):
            readings.append(f"{month:%Y%m}{machine:03},{machine},{before},{heat(machine, month)},{before}")
            outcomes.append(f"{machine},{month},{failed(machine, month)},{month + timedelta(days=30)}")
    (folder / "readings.csv").write_text("\n".join(readings) + "\n")
    (folder / "outcomes.csv").write_text("\n".join(outcomes) + "\n")


def with_champion(root: Path) -> Workspace:
    """Return a workspace on New Year's Day: history in, a champion promoted."""
    training = product.TRAINING.replace("min_samples_leaf: 5", "min_samples_leaf: 20") + "weight_newest: 20\n"
    workspace = product.make(root, design=DESIGN, training=training)
    clock.set_now(JANUARY)
    write(root / "data", MONTHS[:6])
    data.ingest(workspace)
    quality.check(workspace)
    features.build(workspace)
    (result,) = experiments.train(workspace)
    version = models.register(workspace, result.run_id)
    assert models.promote(workspace, version).approved
    return workspace


def predict(workspace: Workspace, month: datetime) -> list[str]:
    """Serve every machine of a month by the champion, through the journal."""
    champion = models.champion(workspace)
    assert champion is not None
    rows = features.rows_at(workspace, month)
    scores = experiments.evaluate(models.read_version(workspace, champion), rows.features).shown.tolist()
    return product.predict(
        workspace,
        scores,
        as_of=month,
        version=champion.version,
        entities=rows.entities,
        features=[dict(one["features"]) for one in rows.instances()],
    )


def drop(workspace: Workspace, month: datetime) -> Path:
    """Lay a month into the inbox."""
    folder = workspace.inbox / f"{month:%Y-%m}"
    write(folder, [month])
    return folder

"""What a user may write: one struct a file, unknown keys refused. The JSON Schemas are made from these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "CHECK_KINDS",
    "FUNCTIONS",
    "OWN_COLUMNS",
    "ROW_NUMBER",
    "Check",
    "Checks",
    "Data",
    "Deploy",
    "Design",
    "Features",
    "Mend",
    "Metric",
    "Model",
    "Monitor",
    "Product",
    "Requirement",
    "Retention",
    "Source",
    "Spine",
    "Split",
    "Sweep",
    "Training",
    "View",
    "Window",
    "all_columns",
    "generates_key",
    "keys_of",
    "kinds_of",
    "seconds_of",
]

ROW_NUMBER = "row_number"
"""Key of a source whose rows have none: declared as key, not among the columns; `data ingest` fills it in."""
OWN_COLUMNS = ("row_id", "as_of", "target", "known_at", "split")
"""Columns of every training set; no feature may take their names."""
FUNCTIONS = ("count", "sum", "avg", "min", "max", "latest", "days_since")
"""The aggregates of a window."""
CHECK_KINDS = (
    "readable",
    "not_null",
    "unique",
    "in_set",
    "between",
    "matches",
    "exists_in",
    "holds",
    "not_after",
    "fresh",
    "rows",
)
"""The rules a check may state."""

Role = Literal["business", "subject expert", "data scientist", "compliance", "operations"]
Phase = Literal["data", "gate", "monitor", "retrain"]
Comparison = Literal[">=", "<=", ">", "<"]
ColumnType = Literal["integer", "number", "text", "boolean", "date", "timestamp"]
Severity = Literal["critical", "warning", "info"]
RetrainReason = Literal["drift", "requirement", "untrained data"]
KeptFor = Annotated[str, Meta(pattern=r"^(\d+d|forever)$", description="such as 90d, or forever")]
Duration = Annotated[str, Meta(pattern=r"^\d+(s|m|h|d)$", description="such as 30d, 12h, 15m, 45s")]
Scalar = str | int | float | bool | None


class _Declaration(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base: unknown keys are errors, values cannot change."""


class Product(_Declaration, frozen=True):
    """`mlcycle.yaml`: the product itself."""

    name: str
    description: str = ""
    time_zone: str = "UTC"
    """Zone of times that carry none, in sources that do not say otherwise."""
    includes: list[str] = []
    """More check files, as globs below the workspace."""


class Requirement(_Declaration, frozen=True):
    """A target that binds later phases."""

    id: str
    role: Role
    metric: str
    comparison: Comparison
    value: float
    phases: list[Phase]
    statement: str = ""
    params: dict[str, Scalar] = {}
    """What the metric needs besides its name, such as `by: region`."""
    owner: str = ""
    budget: float | None = None


class Design(_Declaration, frozen=True):
    """`design.yaml`."""

    requirements: list[Requirement] = []


class Source(_Declaration, frozen=True):
    """One table that arrives in batches."""

    path: str
    """File or glob, below the workspace or absolute; `${env:NAME}` stands for what is not written down.

    A file of the same name in `inbox/` is a further batch.
    """
    format: Literal["csv", "tsv", "jsonl", "json", "parquet", "arrow", "sqlite"]
    key: str | list[str]
    columns: dict[str, ColumnType]
    table: str | None = None
    """Table inside an SQLite file; the source's own name unless said."""
    time: str | None = None
    """Column that says when a row became true (event time)."""
    known: str | None = None
    """Column that says when we got to know it; rows are invisible before."""
    time_zone: str | None = None
    on_schema_change: Literal["refuse", "add"] = "refuse"


class Data(_Declaration, frozen=True):
    """`data.yaml`."""

    sources: dict[str, Source] = {}


class Mend(_Declaration, frozen=True):
    """What to do with a bad value: a column and the SQL expression that replaces it."""

    column: str
    to: str | None = None
    """SQL over the row's columns; null empties the value."""


class Check(_Declaration, frozen=True):
    """One quality rule: exactly one kind is given."""

    name: str | None = None
    readable: bool | None = None
    """Every line of the file can be parsed as declared."""
    not_null: str | None = None
    unique: str | list[str] | None = None
    in_set: dict[str, list[Scalar]] | None = None
    between: dict[str, list[float | str | None]] | None = None
    """Column to [lowest, highest], both allowed values; null leaves a side open."""
    matches: dict[str, str] | None = None
    exists_in: dict[str, str] | None = None
    """Column to `table.column`."""
    holds: str | None = None
    """SQL that is true of a good row; NULL is not bad. `as_of` is the batch's time."""
    not_after: dict[str, str] | None = None
    """Timestamp or date column to `as_of` or another column."""
    fresh: dict[str, Duration] | None = None
    """Timestamp column to the greatest age of its newest value at the batch's `as_of`."""
    rows: list[int | None] | None = None
    """[least, most] rows of the batch."""
    where: str | None = None
    mostly: Annotated[float, Meta(ge=0, le=1)] = 1.0
    severity: Severity = "critical"
    then: Literal["set_aside"] | Mend | None = None
    """What happens to bad rows; without it they stay and count against the verdict."""


class Checks(_Declaration, frozen=True):
    """`checks/<dataset>.yaml`: rules in the four dimensions."""

    table: str
    consistency: list[Check] = []
    completeness: list[Check] = []
    timeliness: list[Check] = []
    accuracy: list[Check] = []


class Spine(_Declaration, frozen=True):
    """The rows a model is asked about: one an entity and moment, with the label."""

    table: str
    key: str | list[str]
    target: str
    time: str | None = None
    """Column of the moment asked about; without one the rows are timeless."""
    known: str | None = None
    """Column of the moment the target's value became known; hides the value, never the row."""


class Window(_Declaration, frozen=True):
    """One aggregate over (as_of - over, as_of - until]: exactly one of the functions."""

    count: str | None = None
    sum: str | None = None
    avg: str | None = None
    min: str | None = None
    max: str | None = None
    latest: str | None = None
    """The value at the newest event time, without limit unless `over` is given."""
    days_since: str | None = None
    """Whole days from the newest value of that timestamp column to as_of."""
    where: str | None = None
    over: Duration | None = None
    until: Duration | None = None
    fill: float | None = None
    """Value where the entity has no row."""


class View(_Declaration, frozen=True):
    """A feature view: windows over events, expressions over a timeless table, or SQL."""

    table: str | None = None
    key: str | list[str] | None = None
    time: str | None = None
    """Event time; the source's unless said. A view without one is timeless."""
    known: str | None = None
    timeless: bool = False
    features: dict[str, str] = {}
    """Feature to SQL over the table's columns and `as_of` (timeless views)."""
    windows: dict[str, Window] = {}
    sql: str | None = None
    """SELECT of `row_id` and the features, from `spine` (row_id, keys, as_of, cutoff) and clean tables."""
    fills: dict[str, float] = {}
    """Fills for the features of an SQL view."""
    description: str = ""
    owner: str = ""
    tags: list[str] = []


class Features(_Declaration, frozen=True):
    """`features.yaml`."""

    spine: Spine
    views: dict[str, View]


class Split(_Declaration, frozen=True):
    """How rows are set apart for judging: the newest moments, or a share by hash of the key."""

    newest: int | None = None
    """Number of newest distinct spine times that validate."""
    fraction: Annotated[float, Meta(gt=0, lt=1)] | None = None
    """Share of rows that validate, chosen by a hash of the key."""


class Model(_Declaration, frozen=True):
    """One thing to fit. Parameters are scikit-learn's own names."""

    kind: Literal["rule", "constant", "linear", "boosted_trees"]
    score: str | None = None
    """Rule only: SQL over the features, greater means likelier."""
    params: dict[str, Scalar] = {}


class Sweep(_Declaration, frozen=True):
    """A grid over one model."""

    model: str
    grid: dict[str, list[Scalar]]
    choose: str
    """The metric that picks the winner on validation rows."""


class Training(_Declaration, frozen=True):
    """`training.yaml`."""

    model: str
    """Name in the registry."""
    task: Literal["binary", "multiclass", "regression"]
    split: Split
    models: dict[str, Model]
    features: list[str] | None = None
    """All declared features unless said."""
    sweep: Sweep | None = None
    experiment: str = "default"
    seed: int = 0
    weight_newest: float = 1.0
    """Weight of the newest batch of labels when retraining on old and new data."""


class Deploy(_Declaration, frozen=True):
    """`deploy.yaml`."""

    deployment: str = "local"
    host: str = "127.0.0.1"
    port: int = 0
    """0 lets the system choose."""
    base_image: str | None = None
    """Image to build on; the engine's own local one unless said."""


class Metric(_Declaration, frozen=True):
    """A drift subject's own limits."""

    watch: float = 0.1
    alert: float = 0.2


class Retention(_Declaration, frozen=True):
    """How long predictions are kept, in whole days; their histograms and the judged windows stay for ever."""

    predictions: KeptFor = "forever"
    """In the store; older days are moved to the archive, where they are read as before."""
    archive: KeptFor = "forever"
    """In the archive; older days are deleted."""


class Monitor(_Declaration, frozen=True):
    """`monitor.yaml`."""

    window: Literal["batch", "day", "hour"] = "batch"
    """`batch`: one window a scored `as_of`."""
    psi: Metric = Metric()
    subjects: dict[str, Metric] = {}
    too_few: int = 30
    consecutive: int | None = None
    retrain_on: list[RetrainReason] = msgspec.field(default_factory=lambda: ["requirement", "untrained data"])
    """What opens a trigger; drift alone opens a candidate, never a release."""
    retention: Retention = Retention()


def keys_of(key: str | Sequence[str]) -> list[str]:
    """Return a declared key as a list of columns."""
    return [key] if isinstance(key, str) else list(key)


def generates_key(source: Source) -> bool:
    """Tell whether the rows of a source are numbered because they carry no key of their own."""
    return keys_of(source.key) == [ROW_NUMBER] and ROW_NUMBER not in source.columns


def all_columns(source: Source) -> dict[str, ColumnType]:
    """Return the columns of a source's clean table: those declared, and a row number if it is the key."""
    columns: dict[str, ColumnType] = dict(source.columns)
    if generates_key(source):
        columns[ROW_NUMBER] = "integer"
    return columns


def kinds_of(check: Check) -> list[str]:
    """Return the kinds that a check states; a valid check has exactly one."""
    return [kind for kind in CHECK_KINDS if getattr(check, kind) is not None]


def seconds_of(duration: str) -> int:
    """Return the seconds of a duration such as `30d`; a day has 24 hours."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]

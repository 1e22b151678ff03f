"""The folder that an export is: its manifest, how a column lies in Parquet, and the texts that explain it.

Parquet carries most of the store's types as they are. UUIDs, JSON and VARIANT lie there as text: every reader
of Parquet knows text, and Parquet's own VARIANT cannot hold unsigned numbers above 2**63.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from mlcycle.errors import CouldNot, WorkspaceError

__all__ = [
    "CONTENTS",
    "DECLARATIONS",
    "FORMAT",
    "MANIFEST",
    "README",
    "SCRIPT",
    "TABLES",
    "Column",
    "File",
    "Manifest",
    "Missing",
    "Table",
    "load",
    "readme",
    "script",
]

FORMAT = 1
MANIFEST = "export.json"
README = "README.md"
SCRIPT = "views.sql"
TABLES, CONTENTS, DECLARATIONS = "tables", "contents", "declarations"

_NATIVE = re.compile(
    r"(BOOLEAN|U?(TINY|SMALL|BIG)INT|U?INTEGER|FLOAT|DOUBLE|VARCHAR|BLOB|DATE|TIMESTAMP)(\[\])*"
)
_TABLE = re.compile(r"[a-z_][a-z0-9_]*")
_CONTENT = re.compile(r"contents/(?:data|archive|artifacts)(?:/[0-9a-f]{2})?/([0-9a-f]{64})(?:\.parquet)?")
_ARCHIVE = f"{CONTENTS}/archive/"
_ARCHIVED = "SELECT * REPLACE (features::JSON::VARIANT AS features) FROM read_parquet([{}])"


@dataclass(frozen=True)
class Column:
    """One column of a table, in the table's order."""

    name: str
    type: str
    """Type in the store."""
    stored: str
    """Type in the Parquet file."""

    @classmethod
    def of(cls, name: str, kind: str) -> Column:
        """Return how a column of that type is stored."""
        return cls(name, kind, kind if _NATIVE.fullmatch(kind) else "VARCHAR")

    @property
    def written(self) -> str:
        """SQL that makes of the store's value what the file holds."""
        if self.type == self.stored:
            return self.quoted
        via = f"{self.quoted}::JSON" if self.type == "VARIANT" else self.quoted
        return f"{via}::{self.stored} AS {self.quoted}"

    @property
    def read(self) -> str:
        """SQL that makes of the file's value what the store holds."""
        if self.type == self.stored:
            return self.quoted
        via = f"{self.quoted}::JSON" if self.type == "VARIANT" else self.quoted
        return f"{via}::{self.type} AS {self.quoted}"

    @property
    def quoted(self) -> str:
        """The name as SQL takes it."""
        return '"' + self.name.replace('"', '""') + '"'


@dataclass(frozen=True)
class File:
    """One file of the export."""

    path: str
    """Relative to the export, with slashes."""
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Table(File):
    """One table, a Parquet file."""

    name: str
    rows: int
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Missing:
    """A content that a row names and that could not be exported."""

    sha256: str
    what: str


@dataclass(frozen=True)
class Manifest:
    """What `export.json` says."""

    format: int
    mlcycle: str
    """Version of the program that exported."""
    schema: int
    """Number of the last migration of the exported store."""
    created_at: str
    """ISO 8601, UTC."""
    workspace: str
    """Name of the folder that was exported."""
    tables: tuple[Table, ...]
    contents: tuple[File, ...]
    declarations: tuple[File, ...]
    missing: tuple[Missing, ...]

    def text(self) -> str:
        """Return the manifest as JSON."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def load(source: Path) -> Manifest:
    """Read the manifest of an export.

    Raises
    ------
    CouldNot
        If there is none, it cannot be read, or names files outside the export.
    WorkspaceError
        If its format is newer than this program knows.
    """
    import msgspec

    path = source / MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CouldNot(
            f"{source} is no export: {path.name} cannot be read ({error.strerror})",
            hint="mlcycle store export DEST makes one",
        ) from error
    try:
        facts = json.loads(content)
        if isinstance(facts, dict) and isinstance(facts.get("format"), int) and facts["format"] > FORMAT:
            raise _newer(source, facts.get("mlcycle"))
        manifest = msgspec.convert(facts, Manifest)
    except (ValueError, msgspec.ValidationError) as error:
        raise CouldNot(f"{path} is damaged: {error}", hint="export once more") from error
    _verify_paths(manifest, path)
    return manifest


def readme(manifest: Manifest) -> str:
    """Return the words for whoever finds the folder and has no mlcycle."""
    rows = "\n".join(f"| `{table.name}` | {table.rows:,} |" for table in manifest.tables)
    texts = sorted(
        {column.type for table in manifest.tables for column in table.columns if column.type != column.stored}
    )
    lost = ""
    if manifest.missing:
        lines = "\n".join(f"- {one.sha256[:8]}: {one.what}" for one in manifest.missing)
        lost = f"\n## Not in here\n\nRows name these files, and they were missing or damaged:\n\n{lines}\n"
    return _README.format(
        workspace=manifest.workspace,
        version=manifest.mlcycle,
        created=manifest.created_at,
        texts=", ".join(texts),
        rows=rows,
        lost=lost,
    )


def script(manifest: Manifest, views: str, live: tuple[str, ...]) -> str:
    """Return the SQL that lays the store's tables and public views over the files, for plain DuckDB.

    Parameters
    ----------
    manifest
        Of the export.
    views
        The SQL of the public views.
    live
        Tables that the public views read as `live_*`.
    """
    lines = [
        "-- In this folder: duckdb -init views.sql    The tables with their own types, then the public views."
    ]
    for table in manifest.tables:
        columns = ", ".join(column.read for column in table.columns)
        lines.append(f"CREATE VIEW {table.name} AS SELECT {columns} FROM read_parquet('{table.path}');")
    archives = ", ".join(f"'{file.path}'" for file in manifest.contents if file.path.startswith(_ARCHIVE))
    for name in live:
        more = f" UNION ALL BY NAME {_ARCHIVED.format(archives)}" if archives and name == "prediction" else ""
        lines.append(f"CREATE VIEW live_{name} AS FROM {name}{more};")
    return "\n".join(lines) + "\n" + views


def _newer(source: Path, version: object) -> WorkspaceError:
    return WorkspaceError(
        f"{source} was exported by mlcycle {version}, which is newer than this one",
        hint=f'pip install "mlcycle>={version}"',
    )


def _verify_paths(manifest: Manifest, path: Path) -> None:
    for table in manifest.tables:
        if not _TABLE.fullmatch(table.name) or table.path != f"{TABLES}/{table.name}.parquet":
            raise CouldNot(f"{path} names a table file {table.path!r}", hint="export once more")
    for file in manifest.contents:
        match = _CONTENT.fullmatch(file.path)
        if match is None or match[1] != file.sha256:
            raise CouldNot(f"{path} names a content file {file.path!r}", hint="export once more")
    for file in manifest.declarations:
        pieces = file.path.split("/")
        if pieces[0] != DECLARATIONS or any(piece.startswith(".") or "\\" in piece for piece in pieces):
            raise CouldNot(f"{path} names a declaration {file.path!r}", hint="export once more")


_README = """\
# Export of {workspace}

Everything that mlcycle {version} knew of the product in the folder `{workspace}` on {created}, as plain files.

| here | what |
|---|---|
| `tables/<table>.parquet` | every table of the store, all rows |
| `contents/` | datasets, models and other outputs of runs; rows name a file by the SHA-256 of its bytes |
| `declarations/` | the YAML, scripts and other texts that a person wrote |
| `views.sql` | the public views over the tables, for DuckDB |
| `export.json` | per file its SHA-256 and size, per table its rows and columns with their types |

Times are UTC without a zone. These types of the store are text in the files: {texts}. `export.json` gives both types
of each column, `type` in the store and `stored` in the file. JSON and VARIANT are JSON text.

## Read it

With DuckDB, in this folder, after which `FROM runs`, `FROM decisions` and all other public views work:

    duckdb -init views.sql

With pandas, or polars in the same words:

    import pandas
    runs = pandas.read_parquet("tables/run_start.parquet")
    metrics = pandas.read_parquet("tables/metric.parquet")
    metrics.merge(runs[["run_id", "name"]], on="run_id")

With mlcycle, into a workspace, whose own store is kept in `.mlcycle/recovery`:

    mlcycle -w WORKSPACE store restore THIS_FOLDER

Not in here: locks, journal lines that could not be read, snapshots for servers, and what belongs to the machine alone.
{lost}
## Tables

| table | rows |
|---|---|
{rows}
"""

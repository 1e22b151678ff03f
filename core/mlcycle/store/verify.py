"""Reading a store's file through, so that a damaged one is never taken for a copy."""

from __future__ import annotations

from pathlib import Path

from mlcycle.store.changes import last_number, line
from mlcycle.store.connection import close, connect, damaged

__all__ = ["verify"]

TABLES = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'store' ORDER BY table_name"


def verify(path: Path) -> tuple[int, str]:
    """Read every block of a store that nobody has open; returns the number of its last change, and its line.

    A hash over the file says that a copy is like its original; only reading says that both are sound.

    Raises
    ------
    WorkspaceError
        If it cannot be opened, or a block's checksum does not hold.
    """
    import duckdb

    connection = connect(path, read_only=True, alone=True)
    try:
        # Checksums are looked at when a block is read, so every column of every row has to be.
        for (name,) in connection.execute(TABLES).fetchall():
            quoted = name.replace('"', '""')
            connection.execute(f'SELECT bit_xor(hash(t)) FROM store.main."{quoted}" AS t').fetchall()
        return last_number(connection), line(connection)
    except duckdb.Error as error:
        raise damaged(path, str(error)) from error
    finally:
        close(connection)

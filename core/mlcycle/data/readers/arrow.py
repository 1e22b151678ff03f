"""Arrow IPC files (Feather), read with polars and handed on as Parquet: a direct hand-over would need pyarrow."""

from __future__ import annotations

from mlcycle.data.readers.found import Delivery, Found, unreadable
from mlcycle.data.readers.parquet import from_relation
from mlcycle.engines.local import Session, literal

__all__ = ["read"]


def read(session: Session, delivery: Delivery) -> Found:
    """Read an Arrow IPC file.

    Raises
    ------
    DataError
        If it is damaged, has no row, or its columns are not the declared ones.
    """
    import polars as pl  # 200 ms: only Arrow files need it

    with delivery.scratch(".parquet") as copy:
        try:
            pl.read_ipc(delivery.path).write_parquet(copy)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise unreadable(delivery, "Arrow IPC", error) from error
        return from_relation(session, delivery, f"read_parquet({literal(str(copy))})", "Arrow IPC")

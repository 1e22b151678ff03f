"""Where the heavy queries run. `local` is DuckDB in this process; the same Protocol fits an engine elsewhere."""

"""mlcycle: the whole life of a machine-learning product in one folder and one terminal.

Scripts log with `start_run`, `log_metrics` and their kin; the rooms (`mlcycle.data`, `mlcycle.features`, ...) do the
rest. Everything is looked up when it is first used: `import mlcycle` takes less than 1 ms and loads nothing heavy.
"""

from __future__ import annotations

import sys

# The name is what checkers look for; importing `typing` would take longer than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from mlcycle.experiments.tracking import (
        Run,
        active_run,
        end_run,
        get_run,
        log_artifact,
        log_dict,
        log_metric,
        log_metrics,
        log_model,
        log_param,
        log_params,
        log_text,
        set_tag,
        set_tags,
        start_run,
    )
    from mlcycle.workspace import Workspace

__version__ = "0.1.0"
__all__ = [
    "Run",
    "Workspace",
    "__version__",
    "active_run",
    "end_run",
    "get_run",
    "log_artifact",
    "log_dict",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "log_text",
    "set_tag",
    "set_tags",
    "start_run",
]

NAMES = {
    "Workspace": "mlcycle.workspace",
    **dict.fromkeys(
        (
            "Run",
            "active_run",
            "end_run",
            "get_run",
            "log_artifact",
            "log_dict",
            "log_metric",
            "log_metrics",
            "log_model",
            "log_param",
            "log_params",
            "log_text",
            "set_tag",
            "set_tags",
            "start_run",
        ),
        "mlcycle.experiments.tracking",
    ),
}
ROOMS = (
    "clock",
    "data",
    "declare",
    "deploy",
    "design",
    "errors",
    "experiments",
    "features",
    "models",
    "monitor",
    "quality",
    "retrain",
    "store",
)


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in NAMES:
        value = getattr(import_module(NAMES[name]), name)
        globals()[name] = value  # the next look-up does not come here
        return value
    if name in ROOMS:
        return import_module(f"mlcycle.{name}")
    raise AttributeError(f"module 'mlcycle' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *ROOMS})


_asked: list[str | int | None] = []
"""What `sys.exit` was called with the last time; `mlcycle.experiments.exits` reads it when the program ends."""


def _note_exits() -> None:
    """Note what `sys.exit` is called with: the interpreter tells nobody else with which code it ends.

    What it does stays the same. Put in place by the import, since `sys.exit(main())` looks it up before the first
    run begins.
    """
    plain = sys.exit
    if getattr(plain, "__globals__", None) is globals():
        return

    def exit(status: str | int | None = None, /) -> NoReturn:  # noqa: A001 - it takes the place of that name
        threading = sys.modules.get("threading")  # without it there is the main thread alone
        if threading is None or threading.current_thread() is threading.main_thread():
            _asked[:] = [status]  # elsewhere it ends the thread only
        plain(status)

    exit.__doc__ = plain.__doc__
    sys.exit = exit


_note_exits()

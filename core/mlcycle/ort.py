"""The one place that loads ONNX Runtime: since 1.29 it reports usage to its maker unless it is told not to.

It also keeps a device id in the user's cache folder. Nothing leaves the machine here, so the switch is set before
the import and whatever the environment said before.
"""

from __future__ import annotations

import os
from types import ModuleType

__all__ = ["load"]


def load() -> ModuleType:
    """Import ONNX Runtime with its telemetry off."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    module: ModuleType = onnxruntime
    return module

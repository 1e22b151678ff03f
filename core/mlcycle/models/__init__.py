"""Models: the registry, the gate that reads the requirements, promotion and the way back."""

from mlcycle.models.gate import Latency, gate
from mlcycle.models.judge import measure
from mlcycle.models.model import AliasRow, Decision, ModelVersion, ProfileRow
from mlcycle.models.profile import profile
from mlcycle.models.promote import promote, rollback
from mlcycle.models.records import decision
from mlcycle.models.records import decisions as list_decisions
from mlcycle.models.register import champion, list_versions, read_version, register, resolve, set_alias, show

__all__ = [
    "AliasRow",
    "Decision",
    "Latency",
    "ModelVersion",
    "ProfileRow",
    "champion",
    "decision",
    "gate",
    "list_decisions",
    "list_versions",
    "measure",
    "profile",
    "promote",
    "read_version",
    "register",
    "resolve",
    "rollback",
    "set_alias",
    "show",
]

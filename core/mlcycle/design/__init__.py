"""Design: what the product must achieve, kept as data that later phases are judged by."""

from mlcycle.design.add import add
from mlcycle.design.check import check
from mlcycle.design.init import init
from mlcycle.design.model import Change, CheckReport, InitReport, Requirement
from mlcycle.design.sync import active, holds, list_requirements, sync

__all__ = [
    "Change",
    "CheckReport",
    "InitReport",
    "Requirement",
    "active",
    "add",
    "check",
    "holds",
    "init",
    "list_requirements",
    "sync",
]

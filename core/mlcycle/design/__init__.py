"""Design: what the product must achieve, kept as data that later phases are judged by."""

from mlcycle.design.add import add
from mlcycle.design.check import check
from mlcycle.design.columns import FileColumn, columns
from mlcycle.design.edit import edit
from mlcycle.design.init import init
from mlcycle.design.model import Change, CheckReport, InitReport, Requirement
from mlcycle.design.sync import active, holds, list_requirements, sync

__all__ = [
    "Change",
    "CheckReport",
    "FileColumn",
    "InitReport",
    "Requirement",
    "active",
    "add",
    "check",
    "columns",
    "edit",
    "holds",
    "init",
    "list_requirements",
    "sync",
]

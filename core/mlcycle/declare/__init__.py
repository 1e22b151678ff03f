"""Declarations: the YAML a user writes, typed, checked, and with the place of every value."""

from mlcycle.declare.document import Place
from mlcycle.declare.load import FILES, Declarations, load
from mlcycle.declare.scalar import scalar
from mlcycle.declare.schema import schemas, write_schemas
from mlcycle.declare.secrets import resolve

__all__ = ["FILES", "Declarations", "Place", "load", "resolve", "scalar", "schemas", "write_schemas"]

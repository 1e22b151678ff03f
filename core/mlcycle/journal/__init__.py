"""The journal: append-only segments, one a process and stream. Standard library only; leaf of the house."""

from mlcycle.journal.locks import FileLock, Turnstile
from mlcycle.journal.segment import SegmentWriter

__all__ = ["FileLock", "SegmentWriter", "Turnstile"]

"""What the ledger tells: a run, its batches, how far each table has come; and that a run is somebody else's now."""

from __future__ import annotations

import msgspec

from procedures.purge.selection import Rules
from runbook.errors import LockError
from runbook.targets.s3.archives import Manifest
from runbook.text import Text


class Fenced(LockError):
    """Somebody else has taken the run over: this one must not touch it any more."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the ledger knows it."""

    id: str
    epoch: int
    state: str
    rules: Rules


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One batch: a range of blocks of one table, and how far it has come."""

    run: str
    name: str
    number: int
    epoch: int
    first_block: int
    end_block: int
    state: str = "PLANNED"
    manifest_key: str | None = None
    manifest: Manifest | None = None
    position: int = 0
    deleted: int = 0
    changed: int = 0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a table has come in a run."""

    name: str
    kind: str
    state: str
    expected: int
    refused: tuple[Text, ...]
    parent: str | None
    bounds: str | None
    batches: int
    done: int
    archived: int
    archived_bytes: int
    deleted: int
    changed: int
    waiting: Text | None

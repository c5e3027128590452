"""What was intended and what came of it: one JSON line each, chained by hash, on disk before the next thing happens.

An intent is written and synced before its action starts, the result after it. A line that was cut by a crash is the
last one and is kept aside as "unknown"; a chain that is broken anywhere else means that nothing may act.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from runbook.errors import JournalError
from runbook.redact import masked

_START = "0" * 64


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line. ``hash`` covers every other field, ``previous`` is the line before's."""

    number: int
    at: datetime
    run: str
    row: str
    kind: str
    body: dict[str, Any]
    previous: str
    hash: str = ""


class Journal:
    """The journal of one machine: append-only.

    Opening one reads it whole and checks the chain. Raises JournalError when it cannot be read, written or trusted.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        entries = verify(file)
        self._number = entries[-1].number if entries else 0
        self._last = entries[-1].hash if entries else _START

    def write(self, kind: str, *, run: str, row: str, body: dict[str, Any]) -> Entry:
        """Append one entry and wait until it is on disk."""
        entry = _sealed(
            Entry(
                number=self._number + 1,
                at=datetime.now(UTC),
                run=run,
                row=row,
                kind=kind,
                body=masked(body),
                previous=self._last,
            )
        )
        self._append(msgspec.json.encode(entry) + b"\n")
        self._number, self._last = entry.number, entry.hash
        return entry

    def _append(self, line: bytes) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            _drop_cut_line(self._file)
            with self._file.open("ab") as stream:
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise JournalError(f"the journal {self._file} cannot be written: {error.strerror}") from error


def verify(file: Path) -> list[Entry]:
    """Every entry, the chain proven. A cut last line is left out. Raises JournalError naming the line that is wrong."""
    try:
        content = file.read_bytes() if file.exists() else b""
    except OSError as error:
        raise JournalError(f"the journal {file} cannot be read: {error.strerror}") from error
    whole = content[: content.rfind(b"\n") + 1]
    entries: list[Entry] = []
    previous = _START
    for number, line in enumerate(whole.splitlines(), 1):
        entry = _entry(line, number, file)
        if entry.number != number or entry.previous != previous or _sealed(entry).hash != entry.hash:
            raise JournalError(f"{file}:{number}: the chain is broken: this line was changed, added or removed")
        entries.append(entry)
        previous = entry.hash
    return entries


def unfinished(entries: list[Entry]) -> list[Entry]:
    """Intents that have no result: what a killed run may or may not have done."""
    closed = {entry.body.get("intent") for entry in entries if entry.kind == "result"}
    return [entry for entry in entries if entry.kind == "intent" and entry.number not in closed]


def _entry(line: bytes, number: int, file: Path) -> Entry:
    try:
        return msgspec.json.decode(line, type=Entry)
    except msgspec.DecodeError as error:
        raise JournalError(f"{file}:{number}: the line is no journal entry") from error


def _sealed(entry: Entry) -> Entry:
    bare = msgspec.json.encode(msgspec.structs.replace(entry, hash=""), order="sorted")
    return msgspec.structs.replace(entry, hash=hashlib.sha256(bare).hexdigest())


def _drop_cut_line(file: Path) -> None:
    """Cut off what a crash left of a line, so that the next one starts on its own."""
    if not file.exists():
        return
    with file.open("rb+") as stream:
        content = stream.read()
        stream.truncate(content.rfind(b"\n") + 1)

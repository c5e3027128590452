"""What was intended and what came of it: one JSON line each, chained by hash, on disk before the next thing happens.

An intent is written and synced before its action starts, the result after it. A line that was cut by a crash is the
last one and counts for nothing: an intent that is not whole was not begun, a result that is not whole leaves its intent
open. A chain that is broken anywhere else, and a copy that says something else, mean that nothing may act.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from runbook.acting import milestones
from runbook.errors import JournalError
from runbook.redact import masked
from runbook.text import text

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


class Copy(Protocol):
    """A place that this machine can add to and cannot rewrite."""

    def held(self) -> Mapping[int, Collection[str]]:
        """Number → hashes of the entries there, more than one where somebody added another. Raises JournalError."""

    def keep(self, number: int, digest: str, line: bytes) -> None:
        """Add one entry for good. Raises JournalError."""


class Journal:
    """The journal of one machine: append-only, and a ``copy`` of it where the site has one.

    Opening one reads it whole, checks the chain, holds it against the copy and sends what the copy lacks. Raises
    JournalError when it cannot be read, written or trusted.
    """

    def __init__(self, file: Path, copy: Copy | None = None) -> None:
        self._file, self._copy = file, copy
        self.entries = verify(file)
        self._size = _drop_cut_line(file)
        self._late = [] if copy is None else lacking(self.entries, copy.held())
        self._catch_up()

    def write(self, kind: str, *, run: str, row: str, body: dict[str, Any]) -> Entry:
        """Append one entry and wait until it is on disk, and in the copy.

        An intent that does not reach the copy is taken back by a result that says so, and raised: it must not begin.
        A result that does not is sent with the next entry: what was done is on disk.
        """
        entry = self._written(kind, run, row, masked(body))
        if self._copy is not None:
            self._late.append(entry)
            try:
                self._catch_up()
            except JournalError:
                if kind == "result":
                    return entry
                if kind == "intent":
                    taken_back = {"intent": entry.number, "outcome": "not run"}
                    self._late.append(self._written("result", run, row, taken_back))
                raise
        return entry

    def _written(self, kind: str, run: str, row: str, body: dict[str, Any]) -> Entry:
        last = self.entries[-1] if self.entries else None
        bare = Entry(
            number=last.number + 1 if last else 1,
            at=datetime.now(UTC),
            run=run,
            row=row,
            kind=kind,
            body=body,
            previous=last.hash if last else _START,
        )
        entry = _sealed(bare)
        self._append(msgspec.json.encode(entry) + b"\n")
        self.entries.append(entry)
        milestones.reached(f"{kind} written")
        return entry

    def _append(self, line: bytes) -> None:
        try:
            new = not self._file.exists()
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab", buffering=0) as stream:
                if stream.tell() != self._size:
                    raise JournalError(text("{file} was changed by somebody else: nothing acts", file=self._file))
                self._write(stream, line)
            if new:
                _sync_folder(self._file.parent)
        except OSError as error:
            raise JournalError(f"the journal {self._file} cannot be written: {error.strerror}") from error

    def _write(self, stream: Any, line: bytes) -> None:
        """The line whole on disk, or nothing of it: what a full disk took of it is taken back."""
        try:
            left = memoryview(line)
            while left:
                left = left[stream.write(left) :]
            os.fsync(stream.fileno())
        except OSError:
            os.ftruncate(stream.fileno(), self._size)
            raise
        self._size += len(line)

    def _catch_up(self) -> None:
        while self._late and self._copy is not None:
            entry = self._late[0]
            self._copy.keep(entry.number, entry.hash, msgspec.json.encode(entry))
            milestones.reached(f"{entry.kind} copied")
            self._late.pop(0)


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


def lacking(entries: list[Entry], held: Mapping[int, Collection[str]]) -> list[Entry]:
    """The entries that the copy lacks, oldest first. Raises JournalError where the two say different things.

    Another entry under a number of ours means that one of the two was rewritten; one more than we have means that
    lines were cut off here.
    """
    for entry in entries:
        if set(held.get(entry.number, ())) - {entry.hash}:
            raise JournalError(
                text("Entry {number} is not the one that was copied: one was rewritten", number=entry.number)
            )
    if more := [number for number in held if number > len(entries)]:
        raise JournalError(
            text(
                "The copy holds entry {number}, and the journal ends at {last}: lines were cut off, or this machine "
                "began anew under an old name (see journal.name)",
                number=min(more),
                last=len(entries),
            )
        )
    return [entry for entry in entries if entry.number not in held]


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


def _drop_cut_line(file: Path) -> int:
    """Cut off what a crash left of a line, so that the next one starts on its own; the bytes that stay."""
    try:
        if not file.exists():
            return 0
        with file.open("rb+") as stream:
            whole = stream.read().rfind(b"\n") + 1
            stream.truncate(whole)
            os.fsync(stream.fileno())
            return whole
    except OSError as error:
        raise JournalError(f"the journal {file} cannot be written: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """A new file is there after a power cut only when its folder is on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

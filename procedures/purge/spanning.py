"""What the rows of a batch span: by their keys, times and subsystems they are found again in the archive."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from procedures.purge.tables import SUBSYSTEM
from runbook.targets.s3.archives import Manifest


class Span:
    """Which keys, times and subsystems the rows of a batch have: by this they are found again."""

    def __init__(self, manifest: Manifest) -> None:
        line = manifest.line
        self._fields = len(line) - 1
        self._key, self._number = _Field(line.index(manifest.key[0]), len(line)), _is_number(manifest)
        self._time = _Field(line.index(manifest.time_column), len(line)) if manifest.time_column else None
        self._subsystem = _Field(line.index(SUBSYSTEM), len(line)) if SUBSYSTEM in line else None
        self._keys: list[Any] = []
        self._times: list[bytes] = []
        self._subsystems: Counter[bytes] = Counter()

    def look_at(self, chunk: list[bytes]) -> None:
        """Take some more lines. Raises ValueError where they have not the fields they should have."""
        if b"".join(chunk).count(b"\t") != self._fields * len(chunk):
            raise ValueError("it holds lines of another table")
        keys: list[Any] = self._key.of(chunk)
        self._keys = _ends(self._keys, list(map(int, keys)) if self._number else keys)
        if self._time:
            self._times = _ends(self._times, _finite(self._time.of(chunk)))
        if self._subsystem:
            self._subsystems.update(self._subsystem.of(chunk))

    def told_in(self, manifest: Manifest) -> Manifest:
        """The manifest with what was seen. Times compare as text: they are ISO; unknown and infinite ones are left out.

        Only a response has such a one: it goes with its record, whatever its own time.
        """
        first, last = map(_words, self._keys)
        oldest, newest = map(_words, self._times or (None, None))
        subsystems = {("" if name == b"\\N" else name.decode()): rows for name, rows in self._subsystems.items()}
        return msgspec.structs.replace(
            manifest, first_key=first, last_key=last, oldest=oldest, newest=newest, subsystems=subsystems
        )


def _ends(known: list[Any], more: list[Any]) -> list[Any]:
    """The first and the last of all; empty where there are none."""
    ends = [*known, min(more), max(more)] if more else known
    return [min(ends), max(ends)] if ends else []


def _finite(times: list[bytes]) -> list[bytes]:
    """Without unknown and infinite ones. These begin with no digit, and so lie before or behind all others."""
    if all(time[:1].isdigit() for time in (min(times), max(times))):
        return times
    return [time for time in times if time[:1].isdigit()]


def _is_number(manifest: Manifest) -> bool:
    types = {column.name: column.type for column in manifest.columns}
    return types[manifest.key[0]] in ("smallint", "integer", "bigint")


def _words(value: bytes | int | None) -> str | None:
    return value.decode() if isinstance(value, bytes) else None if value is None else str(value)


class _Field:
    """One field of each line, cut out from the nearer end."""

    def __init__(self, place: int, count: int) -> None:
        self._place, self._count = place, count

    def of(self, chunk: list[bytes]) -> list[bytes]:
        place, behind = self._place, self._count - self._place
        if place < behind:
            return [line.split(b"\t", place + 1)[place] for line in chunk]
        return [line.rsplit(b"\t", behind)[1] for line in chunk]

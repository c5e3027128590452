"""The looks of a watch, put together into one run: what is true at its end, and how it came to that."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import NamedTuple

import msgspec

from runbook.model import BREACHED, Event, Measure, Reading, Record, Run, Sample, State, final
from runbook.recording.looks import Changes, Look, judged_at
from runbook.text import Quantity, Text, text
from runbook.timeline import timeline

#: A row's values over a watch, oldest first.
Values = tuple[tuple[datetime, float], ...]


class Seen(NamedTuple):
    """What a look added: itself, as it is put on record, and the rows whose state is not that of the look before."""

    look: Look
    changed: tuple[Record, ...]


class Watched:
    """The looks so far. ``opening`` is how the timeline begins."""

    def __init__(self, opening: Text) -> None:
        self._opening = opening
        self._changes = Changes()
        self._readings: list[Reading] = []
        self._samples: list[Sample] = []
        self._events: list[Event] = []
        self._values: dict[tuple[str, str], list[tuple[datetime, float]]] = defaultdict(list)
        self._since: dict[str, datetime] = {}
        self._states: dict[str, State] = {}
        self._last: Run | None = None

    def __len__(self) -> int:
        """How many looks there were."""
        return len(self._samples)

    def add(self, run: Run, began: datetime) -> Seen:
        """Add one look: a run of the engine that began then."""
        look = self._changes.of(began, judged_at(run), run.readings)
        self._readings += look.readings
        self._samples.append(Sample(at=look.at, ended_at=look.ended_at, gone=look.gone))
        changed = tuple(r for r in run.records if self._states.get(r.row) is not final(r).state)
        self._tell(run, changed)
        for record in run.records:
            self._remember(record)
        self._last = run
        return Seen(look, changed)

    def values(self, record: Record) -> Values:
        """What the row's worst object was at each look; empty where it is no amount."""
        worst = _worst(record)
        return () if worst is None else tuple(self._values[record.row, worst.object])

    def since(self, record: Record) -> datetime | None:
        """When the breach began, as far as anybody knows; None where there is none."""
        known = [at for at in (record.breached_since, self._since.get(record.row)) if at is not None]
        return min(known, default=None)

    def whole(self) -> Run:
        """All looks as one run, which stands at the last of them. There must have been one."""
        if self._last is None:
            raise ValueError("a watch without a look is no run")
        opening, *events = self._events
        if len(self) > 1:
            said = text("Looks until the end: {count}", count=len(self))
            events.append(Event(at=self._last.ended_at, kind="run", what=said))
        return msgspec.structs.replace(
            self._last,
            started_at=self._samples[0].at,
            records=tuple(map(self._with_its_past, self._last.records)),
            readings=tuple(self._readings),
            events=(opening, *sorted(events, key=lambda event: event.at)),
            samples=tuple(self._samples),
        )

    def _tell(self, run: Run, changed: tuple[Record, ...]) -> None:
        """Whatever changed its state since the look before, in the order of time."""
        if not self._events:
            self._events.append(Event(at=self._samples[0].at, kind="run", what=self._opening))
        _began, *found = timeline(run.started_at, changed)
        broken = [event for event in found if event.kind != "breach" or event.at < self._samples[0].at]
        mended = [_mended(record) for record in changed if self._is_mended(record)]
        told = [event.what for event in self._events if event.kind == "trouble"]
        trouble = [event for event in run.events if event.kind == "trouble" and event.what not in told]
        known = {(event.kind, event.row, event.at) for event in self._events}
        new = [event for event in (*trouble, *broken, *mended) if (event.kind, event.row, event.at) not in known]
        self._events += sorted(new, key=lambda event: event.at)

    def _is_mended(self, record: Record) -> bool:
        return self._states.get(record.row) not in (None, State.OK, State.SKIPPED) and final(record).state is State.OK

    def _remember(self, record: Record) -> None:
        verdict = final(record)
        self._states[record.row] = verdict.state
        if verdict.state in BREACHED:
            self._since.setdefault(record.row, verdict.judged_at)
        elif verdict.state is not State.UNKNOWN:  # who cannot see does not know that it is over
            self._since.pop(record.row, None)
        for measure in verdict.measures:
            if isinstance(measure.value, Quantity):
                self._values[record.row, measure.object].append((verdict.judged_at, measure.value.value))

    def _with_its_past(self, record: Record) -> Record:
        values = self.values(record)
        earlier = tuple(one for one in record.trend if values and one[0] < self._samples[0].at)
        since = self.since(record) if final(record).state in BREACHED else None
        return msgspec.structs.replace(record, trend=(*earlier, *values), breached_since=since)


def _worst(record: Record) -> Measure | None:
    """The measure that decided the row, where it is an amount."""
    measures = final(record).measures
    return measures[0] if measures and isinstance(measures[0].value, Quantity) else None


def _mended(record: Record) -> Event:
    verdict = final(record)
    return Event(at=verdict.judged_at, kind=verdict.state.value, what=verdict.summary, row=record.row)

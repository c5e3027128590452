"""Acting runs that were killed, as the journal tells of them: what they did, and what they only began. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from runbook.acting.journal import Entry, unfinished
from runbook.learnt import learnt
from runbook.model import Step
from runbook.text import Text, text

#: How the journal closes a step of a killed run, by what is seen of it.
CLOSED = {"done": "done", "not done": "not run", "halfway": "failed"}


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was begun: its intent is in the journal, and no result. ``step`` is None for a whole procedure."""

    number: int
    row: str
    at: datetime
    what: Text
    step: Step | None = None


class Killed(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has no end, or one that ended without the result of a step.

    ``done`` are the steps whose results are in the journal, ``begun`` those without one, ``proven`` the rows that were
    judged again after their steps.
    """

    run: str
    at: datetime
    done: tuple[Text, ...] = ()
    begun: tuple[Begun, ...] = ()
    proven: tuple[str, ...] = ()
    procedure: bool = False


def killed(entries: Iterable[Entry], environment: str) -> tuple[Killed, ...]:
    """The runs in this environment that have no end, oldest first. One that acts just now is among them."""
    runs: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        runs[entry.run].append(entry)
    found = [_run(id, of_run, environment) for id, of_run in runs.items()]
    found += [_procedure(entry, environment) for entry in _lost_procedures(runs)]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.at))


def settling_until(entries: Iterable[Entry], row: str) -> datetime | None:
    """Until when what a killed run did for a row may still show its effect; None where none did anything."""
    entries = list(entries)
    dead = {entry.run for entry in entries if entry.kind == "end" and entry.body.get("killed")}
    told = {entry.body.get("intent") for entry in entries if entry.kind == "result" and _happened(entry)}
    ends = [
        entry.at + timedelta(seconds=entry.body.get("settles", 0.0))
        for entry in entries
        if entry.kind == "intent" and entry.row == row and entry.run in dead and entry.number in told
    ]
    return max(ends, default=None)


def _happened(result: Entry) -> bool:
    return result.body.get("outcome") in ("done", "failed")


def _run(id: str, entries: list[Entry], environment: str) -> Killed | None:
    begins = [entry for entry in entries if entry.kind == "begin"]
    ended = any(entry.kind == "end" for entry in entries) and not unfinished(entries)
    if not begins or ended or begins[0].body.get("environment") != environment:
        return None
    done = [e.body["intent"] for e in entries if e.kind == "result" and e.body.get("outcome") == "done"]
    return Killed(
        run=id,
        at=begins[0].at,
        done=tuple(_what(entry) for entry in entries if entry.kind == "intent" and entry.number in done),
        begun=tuple(map(_begun, unfinished(entries))),
        proven=tuple(entry.row for entry in entries if entry.kind == "proof"),
    )


def _lost_procedures(runs: dict[str, list[Entry]]) -> list[Entry]:
    """Intents of whole procedures without a result, and none of the same kind that came to its end later."""
    lone = [e for entries in runs.values() if not any(x.kind == "begin" for x in entries) for e in entries]
    later = {e.row: e.number for e in sorted(lone, key=lambda e: e.number) if e.kind == "result" and _happened(e)}
    return [entry for entry in unfinished(lone) if later.get(entry.row, 0) < entry.number]


def _procedure(entry: Entry, environment: str) -> Killed | None:
    if entry.body.get("environment", environment) != environment:
        return None
    return Killed(run=entry.run, at=entry.at, begun=(_begun(entry),), procedure=True)


def _begun(entry: Entry) -> Begun:
    return Begun(number=entry.number, row=entry.row, at=entry.at, what=_what(entry), step=_step(entry))


def _step(entry: Entry) -> Step | None:
    try:
        return msgspec.convert(entry.body, learnt(Step))
    except msgspec.ValidationError:
        return None


def _what(entry: Entry) -> Text:
    step = _step(entry)
    return step.what if step else text("The procedure {name}", name=entry.body.get("operation", entry.row))

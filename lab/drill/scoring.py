"""What came of a drill: the runs' records held against the truth of what was broken. Pure.

A run is what ``muses-runbook check --json`` prints. Times are seconds since everything was broken, by this machine's
clock.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lab.incidents import Breakage

Run = dict[str, Any]
Record = dict[str, Any]

_BREACHED = ("WARNING", "CRITICAL")
#: What the site's policy says where it says nothing.
_MOST_TOUCHED = 8


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """``named``, ``proven``: breakage → seconds until its cause was named, its fix proven; None where it was not.

    ``misnamed``: confirmed causes that are wrong (``"ROW cause"``). ``wrong``: actions that nothing broken allows.
    ``outside``: actions that the site's policy does not allow. ``alarms``: breached rows that no truth speaks of.
    """

    named: dict[str, float | None]
    proven: dict[str, float | None]
    misnamed: tuple[str, ...]
    wrong: tuple[str, ...]
    outside: tuple[str, ...]
    alarms: tuple[str, ...] = ()


def score(broken: Sequence[Breakage], runs: Sequence[Run], began: datetime, policy: dict[str, Any]) -> Score:
    """The score of all runs of one drill, in their order; ``policy`` is the table of the site file."""
    return Score(
        named={each.name: _seconds(named_at(each, runs), began) for each in broken},
        proven={each.name: _seconds(proven_at(each, runs), began) for each in broken if each.truth.fixed},
        misnamed=tuple(sorted(set(_misnamed(broken, runs)))),
        wrong=tuple(_wrong(broken, runs)),
        outside=tuple(_outside(runs, policy)),
        alarms=tuple(sorted(set(_alarms(broken, runs)))),
    )


def can_be_proven(breakage: Breakage, broken: Sequence[Breakage]) -> bool:
    """Whether its row can pass again: not while something that nobody may fix breaches the same row."""
    left = [each for each in broken if not each.truth.fixed]
    return not any(breakage.truth.row in each.truth.rows for each in left)


def named_at(breakage: Breakage, runs: Sequence[Run]) -> datetime | None:
    """When one of its causes was first confirmed at its row."""
    for run in runs:
        record = _record(run, breakage.truth.row)
        if breached(record) and breakage.truth.causes & set(_confirmed(record)):
            return _time(run["started_at"]) + _span(record["took"])
    return None


def proven_at(breakage: Breakage, runs: Sequence[Run]) -> datetime | None:
    """When its row, once breached, passed again: after the remedy, or in a later run."""
    was_breached = False
    for run in runs:
        record = _record(run, breakage.truth.row)
        was_breached = was_breached or breached(record)
        proof = record["verification"]
        if was_breached and proof and proof["proven"] == "fixed":
            return _time(proof["verdict"]["judged_at"])
        if was_breached and not proof and record["verdict"]["state"] == "OK":
            return _time(record["verdict"]["judged_at"])
    return None


def breached(record: Record) -> bool:
    """Whether the row was breached when it was first judged."""
    return record["verdict"]["state"] in _BREACHED


def _misnamed(broken: Sequence[Breakage], runs: Iterable[Run]) -> Iterator[str]:
    for run in runs:
        for record in run["records"]:
            for cause in _confirmed(record):
                if not any(each.truth.right(record["row"], cause) for each in broken):
                    yield f"{record['row']} {cause}"


def _alarms(broken: Sequence[Breakage], runs: Iterable[Run]) -> Iterator[str]:
    expected = frozenset[str]().union(*(each.truth.rows for each in broken))
    return (
        record["row"] for run in runs for record in run["records"] if breached(record) and record["row"] not in expected
    )


def _wrong(broken: Sequence[Breakage], runs: Iterable[Run]) -> Iterator[str]:
    for run in runs:
        for _record, action in _actions(run):
            step = action["step"]
            if not any(each.truth.allows(step["operation"], _described(step)) for each in broken):
                yield f"{step['operation']} {_words(step['what'])}"


def _outside(runs: Sequence[Run], policy: dict[str, Any]) -> Iterator[str]:
    """Judged by the site file itself, not by what the runs say of it."""
    attempts = Counter[str]()
    for run in runs:
        for record in run["records"]:
            done = [action for action in record["actions"] if action["outcome"] != "not run"]
            attempts[record["row"]] += bool(done)
            if done and not (_permitted(record, done, policy) and attempts[record["row"]] <= policy["attempts"]):
                yield f"{record['row']} {', '.join(action['step']['operation'] for action in done)}"


def _permitted(record: Record, done: Sequence[dict[str, Any]], policy: dict[str, Any]) -> bool:
    said = policy.get("rows", {}).get(record["row"], policy[record["plan"]["risk"]])
    touched = sum(action["step"]["touches"] for action in done)
    within = touched <= policy.get("max_touched", _MOST_TOUCHED)
    return bool(said == "act" and record["decision"]["choice"] == "act" and within)


def _actions(run: Run) -> Iterator[tuple[Record, dict[str, Any]]]:
    return (
        (record, action) for record in run["records"] for action in record["actions"] if action["outcome"] != "not run"
    )


def _confirmed(record: Record) -> list[str]:
    return [finding["name"] for finding in record["findings"] if finding["proof"] == "confirmed"]


def _record(run: Run, row: str) -> Record:
    return next(record for record in run["records"] if record["row"] == row)


def _described(step: dict[str, Any]) -> str:
    return json.dumps([step["what"], step["arguments"], step["fingerprint"]], ensure_ascii=False)


def _words(what: dict[str, Any]) -> str:
    return str(what["template"]).format_map(what["values"])


def _seconds(at: datetime | None, began: datetime) -> float | None:
    return None if at is None else round((at - began).total_seconds(), 2)


def _time(said: str) -> datetime:
    return datetime.fromisoformat(said)


def _span(said: str) -> timedelta:
    return msgspec.convert(said, timedelta)

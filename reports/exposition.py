"""The run as metrics in Prometheus' text format: for the node exporter's textfile collector and for a Pushgateway.

Names and help are the same whatever the language: files of several environments lie in one folder, and Prometheus
refuses two helps for one name. States are numbers as the exit codes are, and SKIPPED is 4.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from reports.clean import label
from reports.figures import amount
from reports.language import Language
from reports.words import rank
from runbook.model import Measure, Outcome, Record, Run, State, final, is_waived, worst_of
from runbook.text import Quantity

#: What the format is called where it is sent.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: Objects of a row that have series of their own: the worst. A row may judge thousands.
OBJECTS = 50
#: Characters of a label's value.
NAME = 120
STATES = {State.OK: 0, State.WARNING: 1, State.CRITICAL: 2, State.UNKNOWN: 3, State.SKIPPED: 4}
_IN_ORDER = frozenset({State.OK, State.SKIPPED})
_CODED = "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, 4 SKIPPED"
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

Labels = dict[str, str]


class Family(NamedTuple):
    """One metric: its name, what it says, and its samples."""

    name: str
    help: str
    samples: tuple[tuple[Labels, float], ...]


def render(run: Run, language: Language) -> bytes:
    """The metrics, UTF-8. Every one is a gauge that says what the last run found."""
    environment = {"environment": label(run.environment.name, NAME)}
    records = sorted(run.records, key=rank)
    families = (*_of_run(run), *_of_rows(records), *_of_measures(records))
    return "".join(line for family in families for line in _lines(family, environment)).encode("utf-8", "replace")


def _of_run(run: Run) -> Iterator[Family]:
    states = Counter(final(record).state for record in run.records)
    outcomes = Counter(action.outcome for record in run.records for action in record.actions)
    version = label(run.environment.versions.get("muses-runbook", ""), NAME)
    took = (run.ended_at - run.started_at).total_seconds()
    yield _one(
        "last_run_timestamp_seconds", "When the last whole run ended: a dead-man's switch.", _epoch(run.ended_at)
    )
    yield _one("run_start_timestamp_seconds", "When the last whole run began.", _epoch(run.started_at))
    yield _one("run_duration_seconds", "How long the last whole run took.", took)
    yield _one("run_state", f"The worst row that nobody has waived: {_CODED}.", STATES[worst_of(run)])
    yield _family("rows", "Rows by their state.", (({"state": state.lower()}, states[state]) for state in State))
    outcome = (({"outcome": str(one)}, outcomes[one]) for one in Outcome)
    yield _family("run_actions", "Steps of remedies in the last run, by their outcome.", outcome)
    yield _family("build_info", "The muses-runbook that made the run.", (({"version": version}, 1.0),))


def _of_rows(records: Sequence[Record]) -> Iterator[Family]:
    rows = [(_row(record) | {"section": label(record.section, NAME)}, record) for record in records]
    named = [(_row(record), record) for record in records]
    breached = [(row, one.breached_since) for row, one in named if final(one).state not in _IN_ORDER]
    left_out = [(row, len(final(one).measures) - len(_shown(one))) for row, one in named]
    yield _family("row_state", f"What is true of a row: {_CODED}.", ((row, STATES[final(o).state]) for row, o in rows))
    yield _family("row_waived", "1 where somebody answers for the breach.", ((row, is_waived(o)) for row, o in named))
    since = ((row, _epoch(at)) for row, at in breached if at is not None)
    yield _family("row_breached_since_timestamp_seconds", "When the breach was seen first.", since)
    seconds = ((row, one.took.total_seconds()) for row, one in named)
    yield _family("row_duration_seconds", "How long judging took.", seconds)
    yield _family(
        "row_measures_left_out", "Objects of a row that have no series here.", (one for one in left_out if one[1])
    )


def _of_measures(records: Sequence[Record]) -> Iterator[Family]:
    shown = [(_row(record) | _object(one), one) for record in records for one in _shown(record)]
    limits = [
        (labels | {"severity": severity, "direction": one.direction}, limit)
        for labels, one in shown
        for severity, limit in (("warning", amount(one.warning)), ("critical", amount(one.critical)))
        if limit is not None
    ]
    values = ((labels, amount(one.value) or 0.0) for labels, one in shown)
    yield _family("measure_value", "The value of an object, in its unit (s, B, %, 1/s, 1/min, or a count).", values)
    yield _family("measure_threshold", "The limit that a value is held against: beyond it the row is breached.", limits)


def _shown(record: Record) -> list[Measure]:
    """The worst measures that are numbers, each object once: two series of one name spoil the whole file."""
    numbers = (one for one in final(record).measures if amount(one.value) is not None)
    by_object: dict[tuple[str, ...], Measure] = {}
    for one in numbers:
        by_object.setdefault(tuple(_object(one).values()), one)
    return list(by_object.values())[:OBJECTS]


def _row(record: Record) -> Labels:
    return {"row": label(record.row, NAME)}


def _object(measure: Measure) -> Labels:
    unit = measure.value.unit if isinstance(measure.value, Quantity) else ""
    return {"object": label(measure.object, NAME), "unit": label(unit, NAME)}


def _epoch(at: datetime) -> float:
    return round(at.timestamp(), 3)


def _one(name: str, help: str, value: float) -> Family:
    return _family(name, help, (({}, value),))


def _family(name: str, help: str, samples: Iterable[tuple[Labels, float]]) -> Family:
    return Family(f"muses_runbook_{name}", help, tuple(samples))


def _lines(family: Family, environment: Labels) -> Iterator[str]:
    if not family.samples:
        return
    yield f"# HELP {family.name} {family.help}\n# TYPE {family.name} gauge\n"
    seen = set[str]()
    for labels, value in family.samples:
        named = ",".join(f'{name}="{given.translate(_ESCAPED)}"' for name, given in (environment | labels).items())
        if named not in seen:
            seen.add(named)
            yield f"{family.name}{{{named}}} {_number(value)}\n"


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(int(value)) if float(value).is_integer() else repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"

"""The run as the one line that Nagios and Icinga read from a plugin: its state, what is open, and the judged values.

The words before the ``|`` are for people, what stands behind is performance data. Both are cut at whole entries, the
worst row first, so that the line stays within what a monitoring system reads of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import timedelta

from reports.clean import label, one_line
from reports.figures import amount
from reports.language import Language
from reports.story import headline
from reports.words import is_open, rank, standing
from runbook.model import Measure, Record, Run, State, final, worst_of
from runbook.text import Quantity, Text, Value

#: Bytes of the line: what Nagios reads at least; and characters of the words before the ``|``.
LARGEST, LONGEST = 4_000, 1_000
#: Open rows that are told, and characters of the name of a value.
TOLD, NAME = 5, 80
_STATES = {State.OK: "OK", State.SKIPPED: "OK", State.WARNING: "WARNING", State.CRITICAL: "CRITICAL"}
#: Units that Nagios knows; other numbers have none.
_UNITS = {"s": "s", "%": "%", "B": "B"}
#: A line ends at ``|``; the others mean something to Nagios' macros, to the shells behind them and to its web pages.
_HARMLESS = str.maketrans({"|": "¦", "<": "‹", ">": "›", "`": "ˋ", "$": "＄", "\\": "⧵"})


def render(run: Run, language: Language) -> bytes:
    """The line, UTF-8, with a newline at its end."""
    records = sorted(run.records, key=rank)
    words = label("; ".join(_told(run, records, language)), LONGEST).translate(_HARMLESS)
    line = f"MUSES {_state(run)} - {words} |"
    return _as_many_as_fit(line, _data(run, records)).encode("utf-8", "replace") + b"\n"


def unknown(why: Text, language: Language) -> bytes:
    """The line of a run that could not begin."""
    words = label(language.say(why), LONGEST).translate(_HARMLESS)
    return f"MUSES UNKNOWN - {words}\n".encode("utf-8", "replace")


def _state(run: Run) -> str:
    return "UNKNOWN" if run.interrupted else _STATES.get(worst_of(run), "UNKNOWN")


def _told(run: Run, records: Iterable[Record], language: Language) -> Iterator[str]:
    if run.interrupted:
        yield language.word("The run was stopped before its end: what is missing was not checked")
    yield ", ".join(headline(records, language))
    broken = [record for record in records if is_open(standing(record))]
    for record in broken[:TOLD]:
        yield f"{label(record.row, NAME)} {one_line(language.say(final(record).summary))}"
    if len(broken) > TOLD:
        yield language.word("and {count} more", count=len(broken) - TOLD)


def _data(run: Run, records: Iterable[Record]) -> Iterator[str]:
    """Each value as ``'name'=value[unit];warning;critical``, with the time of the run before them."""
    yield f"time={_number((run.ended_at - run.started_at) / timedelta(seconds=1))}s"
    for record in records:
        for measure in final(record).measures:
            if (value := amount(measure.value)) is not None and math.isfinite(value):
                yield f"'{_name(record, measure)}'={_number(value)}{_unit(measure.value)};{_ranges(measure)}"


def _name(record: Record, measure: Measure) -> str:
    """In quotes, which are doubled inside; an equals sign would end it."""
    name = label(f"{record.row} {measure.object}", NAME).translate(_HARMLESS)
    return name.replace("'", "''").replace("=", ":")


def _unit(value: Value) -> str:
    return _UNITS.get(value.unit, "") if isinstance(value, Quantity) else ""


def _ranges(measure: Measure) -> str:
    return ";".join(_range(amount(limit), measure.direction) for limit in (measure.warning, measure.critical))


def _range(limit: float | None, direction: str) -> str:
    """What is in order, as Nagios writes it: up to the limit, also below zero, or from the limit on."""
    if limit is None or not math.isfinite(limit):
        return ""
    return f"{_number(limit)}:" if direction == "below" else f"~:{_number(limit)}"


def _number(value: float) -> str:
    """Without an exponent, which Nagios does not read."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _as_many_as_fit(line: str, entries: Iterable[str]) -> str:
    """The line with the entries that fit, none twice: of a name that came before only the worst value is told."""
    left, known = LARGEST - len(line.encode("utf-8", "replace")), set[str]()
    for entry in entries:
        name = entry.rpartition("=")[0]
        left -= 0 if name in known else len(entry.encode("utf-8", "replace")) + 1
        if left < 0:
            break
        if name not in known:
            line += f" {entry}"
            known.add(name)
    return line

"""Where the numbers of a guide are not those of the rows and the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

import msgspec

from runbook.coverage.amounts import Amount, amounts, folded, in_dimension
from runbook.coverage.procedures import Procedure
from runbook.limits import Number, Threshold, number
from runbook.slots import Slot
from runbook.text import Quantity, Text, text
from runbook.units import exact_size

_CLOCK = re.compile(r"(?<![\d:])(?:[01]?\d|2[0-3]):[0-5]\d(?![\d:])")
_WEEKLY = ("semanal", "cada semana", "weekly", "every week", "each week")
_DAILY = ("diari", "cada dia", "daily", "every day", "each day")


class Numbers(msgspec.Struct, frozen=True):
    """What a row judges by: its threshold, and its settings, of which ``x_warning`` and ``x_critical`` are another."""

    threshold: Threshold | None
    settings: Mapping[str, Number]


def threshold_drift(written: Mapping[str, str | None], numbers: Numbers) -> tuple[Text, ...]:
    """What of a metric's cells is not what the row judges by; empty where all is, or there are no such columns."""
    told = {name: words for name, words in written.items() if words is not None}
    kinds = list(_thresholds(numbers))
    drifts = [tuple(_drifts(told, threshold)) for threshold in kinds]
    if () in drifts:
        return ()
    if not kinds:
        return tuple(_named(name, words) for name, words in told.items() if amounts(words))
    return drifts[0]


def procedure_drift(words: str, procedure: Procedure) -> tuple[Text, ...]:
    """Spans, times of day and rhythms of the text that no setting of the procedure has."""
    values = {promise.written: promise.value for promise in procedure.promises}
    spans = {name: value for name, value in values.items() if isinstance(value, timedelta)}
    slots = {name: value for name, value in values.items() if not isinstance(value, timedelta)}
    return (*_spans(words, spans), *_slots(words, slots))


def _thresholds(numbers: Numbers) -> Iterator[Threshold]:
    """The row's own threshold first, then each pair of its settings, which are counted in no unit."""
    if numbers.threshold is not None:
        yield numbers.threshold
    for name, value in numbers.settings.items():
        pair = name.removesuffix("_warning")
        critical = numbers.settings.get(f"{pair}_critical")
        if name != pair and not isinstance(value, str) and not isinstance(critical, str | None):
            yield Threshold(value, critical, unit="s" if isinstance(value, timedelta) else "")


def _drifts(told: Mapping[str, str], threshold: Threshold) -> Iterator[Text]:
    for name, words in told.items():
        limit = getattr(threshold, name)
        found = amounts(words)
        if limit is None and not found:
            continue
        if limit is None:
            yield _named(name, words)
        elif len(found) != 1 or not _same(found[0], in_dimension(number(limit), threshold.unit), threshold.direction):
            said, value = words or "—", _exact(number(limit), threshold.unit)
            if name == "warning":
                yield text("warning: the text says {said}, the row {value}", said=said, value=value)
            else:
                yield text("critical: the text says {said}, the row {value}", said=said, value=value)


def _exact(value: float, unit: str) -> Quantity | str:
    return exact_size(round(value)) if unit == "B" else Quantity(value, unit)


def _same(written: Amount, limit: Amount, direction: str) -> bool:
    turned = bool(written.sign) and written.sign != direction
    near = abs(written.value - limit.value) <= 1e-6 * max(1.0, abs(limit.value))
    return near and written.dimension == limit.dimension and not turned


def _named(name: str, words: str) -> Text:
    if name == "warning":
        return text("warning: the text says {said}, the row has none", said=words)
    return text("critical: the text says {said}, the row has none", said=words)


def _spans(words: str, known: Mapping[str, timedelta]) -> Iterator[Text]:
    values = {span.total_seconds() for span in known.values()}
    for found in amounts(words):
        if known and found.dimension == "s" and found.value not in values:
            said = timedelta(seconds=found.value)
            yield text("the text says {said}, the settings {settings}", said=said, settings=", ".join(known))


def _slots(words: str, known: Mapping[str, Slot | None]) -> Iterator[Text]:
    clocks = {slot.clock for slot in known.values() if slot}
    plain = folded(words)
    for clock in _CLOCK.findall(words):
        if clock.zfill(5) not in clocks:
            yield text("the text says {said}, the settings {settings}", said=clock, settings=", ".join(known))
    for rhythm, weekly in ((_WEEKLY, True), (_DAILY, False)):
        said = next((word for word in rhythm if word in plain), None)
        if said and not any(slot and (slot.weekday is not None) == weekly for slot in known.values()):
            yield text("the text says {said}, the settings {settings}", said=said, settings=", ".join(known))

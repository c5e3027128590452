"""Thresholds: a value judged against warning and critical limits gives a state.

The row declares its numbers with their source; the site file overrides them per environment; the report shows
them beside the value.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from runbook import clock
from runbook.decoding import nearest_to
from runbook.errors import SettingsError
from runbook.model import Measure, Severity, State, Verdict, worst
from runbook.text import Quantity, Text, Value, text
from runbook.units import parse_duration, parse_size

Amount = timedelta | float | int


@dataclass(frozen=True)
class Threshold:
    """Warning and critical limits of one unit. A value *beyond* a limit breaches it, a value at it does not.

    ``direction`` is ``"above"`` when larger is worse, ``"below"`` when smaller is worse. ``unit`` is shown;
    it is ``"s"`` for durations. Either limit may be None: it is then never reached.
    """

    warning: Amount | None
    critical: Amount | None
    unit: str = "s"
    direction: str = "above"

    def state(self, value: Amount) -> State:
        """OK, WARNING or CRITICAL."""
        if self._beyond(value, self.critical):
            return State.CRITICAL
        return State.WARNING if self._beyond(value, self.warning) else State.OK

    def _beyond(self, value: Amount, limit: Amount | None) -> bool:
        if limit is None:
            return False
        return number(value) > number(limit) if self.direction == "above" else number(value) < number(limit)


Number = timedelta | float | int | str


def configured(
    threshold: Threshold | None,
    settings: Mapping[str, Number],
    overrides: Mapping[str, str | int | float],
) -> tuple[Threshold | None, dict[str, Number]]:
    """The row's own numbers with the site's on top.

    Raises SettingsError for a name the row does not have and for a value of another kind than the row's.
    """
    limits = {"warning": threshold.warning, "critical": threshold.critical} if threshold else {}
    known: dict[str, Number | None] = {**settings, **limits}
    for name, given in overrides.items():
        if name not in known:
            raise SettingsError(
                f"this row has no number {name!r} (it has: {', '.join(known) or 'none'})",
                nearest=nearest_to(name, known),
            )
        known[name] = _like(known[name], given, threshold if name in limits else None, name)
    if threshold:
        limit = {name: typing.cast(Amount | None, known.pop(name)) for name in limits}
        threshold = replace(threshold, warning=limit["warning"], critical=limit["critical"])
    return threshold, {name: value for name, value in known.items() if value is not None}


def _like(default: Number | None, given: str | int | float, threshold: Threshold | None, name: str) -> Number:
    """A value of the site file as the kind the row declared."""
    is_span = isinstance(default, timedelta) or (default is None and threshold and threshold.unit == "s")
    try:
        if is_span:
            return parse_duration(str(given))
        if isinstance(default, str):
            return str(given)
        return _amount(given, threshold.unit if threshold else None) if isinstance(given, str) else given
    except ValueError as error:
        raise SettingsError(f"{error}", key=name) from None


def _amount(given: str, unit: str | None) -> float:
    """A number that people wrote with its unit; ``unit`` is the row's, None where a size will do. Raises ValueError."""
    written = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*(\S*)\s*", given)
    if written and unit is not None and written[2] in ("", unit, unit.removesuffix("s")):
        return float(written[1])
    if unit in (None, "B"):
        return parse_size(given)
    raise ValueError(f"{given!r} does not fit: this row counts in {unit or 'plain numbers'}")


class Limits:
    """The thresholds and numbers of one row in one environment, and what was judged with them.

    A fresh one is given to the check at each judgement; the engine reads the verdict off it.
    """

    def __init__(
        self,
        threshold: Threshold | None = None,
        settings: Mapping[str, Number] | None = None,
    ) -> None:
        self.threshold = threshold
        self._settings = dict(settings or {})
        self.measures: list[Measure] = []
        self._unknown: list[Text] = []
        self._skipped: Text | None = None

    def span(self, name: str) -> timedelta:
        """A setting of the row that is a duration."""
        value = self._settings[name]
        return value if isinstance(value, timedelta) else timedelta(seconds=float(value))

    def number(self, name: str) -> float:
        """A setting of the row that is a number."""
        return number(self._settings[name])  # type: ignore[arg-type]

    def judge(
        self,
        value: Amount,
        *,
        of: str,
        summary: Text | None = None,
        threshold: Threshold | None = None,
    ) -> State:
        """Hold one object's value against the row's threshold (or another one) and keep the measure."""
        limit = threshold or self.threshold
        if limit is None:
            raise ValueError("this row declares no threshold: call hold() or declare one")
        state = limit.state(value)
        self.measures.append(
            Measure(
                object=of,
                value=_shown(value, limit.unit),
                state=state,
                warning=_shown(limit.warning, limit.unit),
                critical=_shown(limit.critical, limit.unit),
                direction=limit.direction,
                summary=summary,
            )
        )
        return state

    def hold(self, state: State, *, of: str, summary: Text, value: Value = None) -> State:
        """Keep a verdict on one object that no number decides."""
        self.measures.append(Measure(object=of, value=value, state=state, summary=summary))
        return state

    def cannot_see(self, reason: Text) -> None:
        """Say that something could not be read: the row is UNKNOWN unless something worse was seen."""
        self._unknown.append(reason)

    def skip(self, reason: Text) -> None:
        """Say why there is nothing to judge yet: the row is SKIPPED, visibly, unless something was judged."""
        self._skipped = reason

    def verdict(self) -> Verdict:
        """The worst of what was judged. Nothing judged is UNKNOWN: blind is not green."""
        measures = tuple(sorted(self.measures, key=lambda m: (Severity[m.state.name].value, -_badness(m))))
        state = self._state(measures)
        return Verdict(
            state=state,
            summary=self._summary(measures, state),
            measures=measures,
            judged_at=clock.now(),
        )

    def _state(self, measures: tuple[Measure, ...]) -> State:
        if self._skipped is not None and not measures and not self._unknown:
            return State.SKIPPED
        states = [m.state for m in measures] + [State.UNKNOWN] * len(self._unknown)
        return worst(states) if states else State.UNKNOWN

    def _summary(self, measures: tuple[Measure, ...], state: State) -> Text:
        if state is State.UNKNOWN and self._unknown:
            return self._unknown[0]
        if state is State.SKIPPED and self._skipped is not None:
            return self._skipped
        if not measures:
            return text("The check judged nothing: there was no sample to judge")
        first = measures[0]
        if first.summary is not None:
            return first.summary
        return text("{object}: {value}", object=first.object, value=first.value)


def number(amount: Amount) -> float:
    """Seconds of a duration, or the number itself."""
    return amount.total_seconds() if isinstance(amount, timedelta) else float(amount)


def _shown(amount: Amount | None, unit: str) -> Value:
    return None if amount is None else Quantity(number(amount), unit)


def _badness(measure: Measure) -> float:
    value = measure.value
    size = value.value if isinstance(value, Quantity) else 0.0
    return size if measure.direction == "above" else -size

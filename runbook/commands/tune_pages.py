"""What ``muses-runbook tune`` shows: sentences for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec

from runbook.limits import Threshold
from runbook.rows import Row
from runbook.text import Quantity, Text, text
from runbook.tuning.comparing import Fired, Level, pace
from runbook.tuning.stretches import Points
from runbook.tuning.suggesting import Suggestion, Verdict

#: Incidents that are told one by one.
MOST = 12


class Page(NamedTuple):
    """What was found; ``levels`` hold another threshold against the one in force."""

    row: Row
    environment: str
    now: Threshold
    points: Points
    objects: tuple[str, ...]
    left_out: tuple[str, ...]
    levels: tuple[Level, ...]
    best: Suggestion


def with_warning(now: Threshold, warning: float | None) -> Threshold | None:
    """The threshold with another warning limit; None for none."""
    return None if warning is None else replace(now, warning=warning)


def plain(page: Page) -> dict[str, Any]:
    """Everything as JSON: amounts in the row's unit, times in UTC, spans in seconds."""
    return {
        "row": page.row.id,
        "environment": page.environment,
        "unit": page.now.unit,
        "direction": page.now.direction,
        "samples": len(page.points),
        "objects": page.objects,
        "left_out": page.left_out,
        "pace_seconds": pace(page.points).total_seconds(),
        "levels": [_level(level) for level in page.levels],
        "suggestion": msgspec.to_builtins(page.best),
    }


def shown(page: Page, language: Any, *, tried: bool) -> Iterator[str]:
    """What was measured, what the other limits would have done, and what the measures speak for."""
    teller = _Teller(page, language)
    yield from teller.measured()
    if not page.points:
        return
    if tried:
        yield from teller.compared()
    yield ""
    yield from teller.suggested()
    if page.best.verdict is Verdict.BETTER:
        if not tried:
            yield from teller.compared()
        yield ""
        yield from teller.how_to_set()


class _Teller:
    def __init__(self, page: Page, language: Any) -> None:
        self.page, self.language = page, language

    def say(self, template: Text) -> str:
        words: str = self.language.say(template)
        return words

    def measured(self) -> Iterator[str]:
        page, points = self.page, self.page.points
        yield f"{page.row.id}  {self.say(page.row.title)}"
        if points:
            known = {"first": points[0][0], "last": points[-1][0], "pace": pace(points)}
            counted = {"samples": Quantity(len(points), "samples"), "objects": Quantity(len(page.objects), "objects")}
            yield self.say(text("{samples} of {objects}, {first} to {last}, every {pace}", **counted, **known))
        else:
            yield self.say(text("Nothing was measured that could be held against a limit"))
        if page.left_out:
            names = ", ".join(page.left_out[:MOST])
            yield self.say(text("Left out, because it is judged by other limits: {names}", names=names))

    def compared(self) -> Iterator[str]:
        for level in (level for level in self.page.levels if level.now != level.then):
            limits = {"now": self.limit(level.now), "then": self.limit(level.then)}
            yield ""
            yield self.say(_OF_LEVEL[level.name](**limits))
            for fired in level.fired[:MOST]:
                yield f"  {self.say(_fired(fired))}"
            if len(level.fired) > MOST:
                yield f"  {self.language.word('and {count} more', count=len(level.fired) - MOST)}"
            yield from (f"  {self.say(words)}" for words in _alarms(level))

    def suggested(self) -> Iterator[str]:
        best = self.page.best
        calm = {"calm": self.amount(best.calm), "samples": Quantity(best.samples, "samples")}
        match best.verdict:
            case Verdict.BETTER:
                yield self.say(text("Suggestion: warning {limit}", limit=self.limit(best.warning)))
            case Verdict.GOOD:
                yield self.say(text("No suggestion: by these measures the warning limit in force is as good as any"))
            case Verdict.MIXED:
                yield self.say(text("No suggestion: calm times were as bad as what counts as an incident"))
            case Verdict.FEW:
                yield self.say(text("No suggestion: these measures hold no incident, or nothing but incidents"))
        if best.verdict is Verdict.BETTER:
            yield self.say(
                text("In calm times the worst was {calm} ({samples}): the limit lies a tenth beyond", **calm)
            )
        elif best.calm is not None:
            yield self.say(text("In calm times the worst was {calm} ({samples})", **calm))

    def how_to_set(self) -> Iterator[str]:
        yield self.say(text("To set it, write into the site file:"))
        yield f"  [environments.{self.page.environment}.limits.{self.page.row.id}]"
        yield f"  warning = {_as_written(self.page.best.warning, self.page.now.unit)}"

    def limit(self, limit: float | None) -> str:
        """As the other pages have it: ``> 15 min``."""
        sign = ">" if self.page.now.direction == "above" else "<"
        return "—" if limit is None else f"{sign} {self.amount(limit)}"

    def amount(self, value: float | None) -> str:
        words: str = self.language.value(None if value is None else Quantity(value, self.page.now.unit))
        return words


def _of_warning(**limits: str) -> Text:
    return text("Warning {then} instead of {now}", **limits)


def _of_critical(**limits: str) -> Text:
    return text("Critical {then} instead of {now}", **limits)


_OF_LEVEL = {"warning": _of_warning, "critical": _of_critical}


def _fired(fired: Fired) -> Text:
    then, now, earlier = fired.then, fired.now, fired.earlier
    if then is None and now is None:
        return text("Incident of {began}: neither fired", began=fired.incident.began)
    if then is None:
        return text("It would not have fired; the limit in force did, at {now}", now=now)
    if earlier is None:
        return text("It would have fired at {then}; the limit in force did not", then=then)
    if not earlier:
        return text("It would have fired at the same time, {then}", then=then)
    moments = {"then": then, "now": now, "span": abs(earlier)}
    if earlier > timedelta(0):
        return text("It would have fired {span} earlier: {then} instead of {now}", **moments)
    return text("It would have fired {span} later: {then} instead of {now}", **moments)


def _alarms(level: Level) -> Iterator[Text]:
    yield text("Alarms: {then} instead of {now}", then=level.alarms_then, now=level.alarms_now)
    false = {"then": level.false_then, "now": level.false_now}
    yield text("False alarms, which no incident followed: {then} instead of {now}", **false)


def _level(level: Level) -> dict[str, Any]:
    fired = [
        {
            "began": one.incident.began,
            "ended": one.incident.ended,
            "worst": one.incident.worst,
            "fired_now": one.now,
            "fired_then": one.then,
            "earlier_seconds": None if one.earlier is None else one.earlier.total_seconds(),
        }
        for one in level.fired
    ]
    plain = msgspec.structs.asdict(level) | {"fired": fired}
    return msgspec.to_builtins(plain)  # type: ignore[no-any-return]


def _as_written(limit: float | None, unit: str) -> str:
    """As the site file has it."""
    if limit is None:
        return '""'
    return f'"{limit:g} s"' if unit == "s" else f"{limit:.12g}"

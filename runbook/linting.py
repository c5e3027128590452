"""What can be said of thresholds, overrides, waivers and scripts without asking any target.

Some of it refuses a run: a limit that is of another kind than the row's, a warning beyond its critical, a row that
does not exist. The rest is told by ``muses-runbook lint``: a limit that can never fire is odd, and may be meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

import msgspec

from runbook.errors import SettingsError
from runbook.limits import Amount, Threshold, configured, number
from runbook.rows import Row, find
from runbook.scripts import script_rows
from runbook.settings import EnvironmentSettings
from runbook.text import Quantity, Text, text

_WHOLE = 100  # %


class Remark(msgspec.Struct, frozen=True):
    """Something about the setting ``key``; ``refuses`` says that no run begins with it."""

    key: str
    said: Text
    refuses: bool = True
    nearest: str | None = None


def remarks(
    rows: Iterable[Row], environment: EnvironmentSettings, *, today: date, lost: bool = False
) -> Iterator[Remark]:
    """Everything there is to say, in the order of the site file's tables. ``today`` is the site's.

    ``lost`` says that some rows could not be imported: then a row that is not known may be one of those.
    """
    known = tuple(rows)
    yield from _unknown_rows(environment, refuses=not lost)
    for row in known:
        yield from _of_row(row, environment.limits.get(row.id, {}))
    yield from _of_waivers(environment, today)
    yield from _of_scripts(known, environment)


def _unknown_rows(environment: EnvironmentSettings, *, refuses: bool) -> Iterator[Remark]:
    named: tuple[tuple[str, Iterable[str]], ...] = (
        ("limits", environment.limits),
        ("settling", environment.settling),
        ("policy.rows", environment.policy.rows),
        *((f"policy.windows.{part.name}", part.rows) for part in environment.policy.windows),
        *((f"policy.freezes.{part.name}", part.rows) for part in environment.policy.freezes),
        ("waivers", [waiver.row for waiver in environment.waivers]),
    )
    for table, ids in named:
        for id in ids:
            yield from _unknown(f"{table}.{id}", id, refuses=refuses)


def _unknown(key: str, id: str, *, refuses: bool) -> Iterator[Remark]:
    try:
        found = find(id)
    except SettingsError as error:
        yield Remark(key, error.said, refuses=refuses, nearest=error.nearest)
        return
    if found.id != id:
        yield Remark(key, text("the row is written {id}", id=found.id), nearest=found.id)


def _of_row(row: Row, overrides: Mapping[str, str | int | float]) -> Iterator[Remark]:
    key = f"limits.{row.id}"
    try:
        threshold, settings = configured(row.threshold, row.settings, overrides)
    except SettingsError as error:
        yield Remark(f"{key}.{error.key}" if error.key else key, error.said, nearest=error.nearest)
        return
    for name, value in settings.items():
        if isinstance(value, float) and math.isnan(value):
            yield Remark(f"{key}.{name}", text("nan is no number"))
    if threshold is not None:
        yield from _of_threshold(threshold, key, share=_is_share(row.threshold))


def _is_share(declared: Threshold | None) -> bool:
    """Whether nothing is above 100 of it: a row whose own limits are beyond that compares two amounts."""
    if declared is None or declared.unit != "%":
        return False
    return all(number(limit) <= _WHOLE for limit in (declared.warning, declared.critical) if limit is not None)


def _of_threshold(threshold: Threshold, key: str, *, share: bool) -> Iterator[Remark]:
    given = {"warning": threshold.warning, "critical": threshold.critical}
    limits = {name: number(amount) for name, amount in given.items() if amount is not None}
    if not limits:
        yield Remark(key, text("neither warning nor critical: the row is never breached"), refuses=False)
    for name, limit in limits.items():
        if math.isnan(limit):
            yield Remark(f"{key}.{name}", text("nan is no number"))
        elif _never(threshold, limit, share=share):
            words = text("{limit} is never exceeded: the row cannot be breached by it", limit=_shown(threshold, limit))
            yield Remark(f"{key}.{name}", words, refuses=False)
        elif _always(threshold, limit, share=share):
            words = text("every value is beyond {limit}: the row is always breached", limit=_shown(threshold, limit))
            yield Remark(f"{key}.{name}", words, refuses=False)
    if len(limits) > 1 and _beyond(threshold, limits["warning"], limits["critical"]):
        words = text(
            "warning {warning} is beyond critical {critical}",
            warning=_shown(threshold, limits["warning"]),
            critical=_shown(threshold, limits["critical"]),
        )
        yield Remark(f"{key}.warning", words)


def _never(threshold: Threshold, limit: float, *, share: bool) -> bool:
    if threshold.direction == "above":
        return math.isinf(limit) or (share and limit >= _WHOLE)
    return limit <= 0 and threshold.unit != "s"  # what is left of a time can be less than nothing: it is over


def _always(threshold: Threshold, limit: float, *, share: bool) -> bool:
    if threshold.direction == "above":
        return limit < 0
    return math.isinf(limit) or (share and limit > _WHOLE)


def _beyond(threshold: Threshold, warning: float, critical: float) -> bool:
    return warning > critical if threshold.direction == "above" else warning < critical


def _shown(threshold: Threshold, limit: Amount) -> Quantity:
    return Quantity(number(limit), threshold.unit)


def _of_waivers(environment: EnvironmentSettings, today: date) -> Iterator[Remark]:
    for waiver in environment.waivers:
        key = f"waivers.{waiver.row}"
        if waiver.expires < today:
            yield Remark(key, text("The waiver expired on {day}", day=waiver.expires.isoformat()), refuses=False)
        if waiver.start > today:
            yield Remark(key, text("The waiver begins on {day}", day=waiver.start.isoformat()), refuses=False)
        if not waiver.seen:
            words = text(
                "no object was noted: whatever is breached in this row is waived up to {state}", state=waiver.state
            )
            yield Remark(key, words, refuses=False)


def _of_scripts(rows: Iterable[Row], environment: EnvironmentSettings) -> Iterator[Remark]:
    scripts = [script for row in rows if (script := script_rows.script_of(row)) is not None]
    given = environment.sql_rows.values
    for script in scripts:
        for refusal in script.refusals:
            yield Remark(script.id, refusal, refuses=False)
        for name, default in script.parameters.items():
            if default is None and name not in given and name not in ("schema", "esquema"):
                yield Remark(
                    script.id, text("No value for {names}: give --param NAME=VALUE", names=name), refuses=False
                )
        timeout = script.timeout or environment.sql_rows.timeout
        if timeout > environment.deadline:
            words = text(
                "timeout {timeout} is longer than the run's deadline of {deadline}",
                timeout=timeout,
                deadline=environment.deadline,
            )
            yield Remark(script.id, words, refuses=False)
    known = {name for script in scripts for name in script.variables()}
    for name in given.keys() - known:
        yield Remark(f"sql_rows.params.{name}", text("no script has a variable {name}", name=name), refuses=False)

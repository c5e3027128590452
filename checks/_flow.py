"""How records go on, or do not: stuck, refused more than usual, untold to SIGED, or no longer coming at all. Pure."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from runbook.limits import Limits, Threshold, number
from runbook.model import State
from runbook.text import Quantity, percent, text

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.postgres.record_structs import Answers, CatalogueValue, Enrolments, Standing

NOTHING = "–"


class Share(NamedTuple):
    """How many of the records of somebody (``of``: a subsystem, or a table that has none) failed with a motive."""

    of: str
    motive: int
    failed: int
    answered: int

    @property
    def object(self) -> str:
        """The name that its share is remembered under."""
        return f"{self.of}, {self.motive}"

    @property
    def percent(self) -> float:
        """Its share of all that were answered."""
        return 100 * self.failed / self.answered


def judge_stuck(standing: Iterable[Standing], limits: Limits) -> None:
    """The oldest record in each status of each table in which something is still to happen."""
    waiting: dict[tuple[str, str], list[Standing]] = {}
    for group in standing:
        if not group.ended:
            name = group.status or (NOTHING if group.status_id is None else str(group.status_id))
            waiting.setdefault((group.table, name), []).append(group)
    for (table, status), groups in waiting.items():
        _judge_status(table, status, groups, limits)
    if not waiting:
        limits.hold(State.OK, of="tbae*", summary=text("No record waits in the exchange tables"))


def _judge_status(table: str, status: str, groups: list[Standing], limits: Limits) -> None:
    known = {"table": table, "status": status, "records": _n(sum(group.records for group in groups))}
    aged = [(group.oldest, group.subsystem_id) for group in groups if group.oldest is not None]
    if not aged:
        limits.cannot_see(text("{table}: {records} in status {status} have no time, so none has an age", **known))
        return
    age, subsystem = max(aged, key=lambda found: found[0])
    said = text("{table}: {records} in status {status}, the oldest for {age}", **known, age=age)
    if subsystem is not None:
        said = text(
            "{table}: {records} in status {status}, the oldest for {age}, of subsystem {subsystem}",
            **known,
            age=age,
            subsystem=subsystem,
        )
    limits.judge(age, of=f"{table} ({status})", summary=said)


def shares(answers: Iterable[Answers]) -> Iterator[Share]:
    """The share of each motive that is in use, for everybody who had records answered; zero shares too."""
    answered, failed = Counter[str](), Counter[tuple[str, int]]()
    for one in answers:
        name = one.table if one.subsystem_id is None else f"id_subsistema {one.subsystem_id}"
        if one.motive_id is None:
            answered[name] += one.records
        else:
            failed[name, one.motive_id] += one.records
    motives = sorted({motive for _, motive in failed})
    for name, count in answered.items():
        yield from (Share(name, motive, failed[name, motive], count) for motive in motives)


def judge_errors(answers: Sequence[Answers], motives: dict[int, str], history: History, limits: Limits) -> None:
    """Each share against what it usually is: beyond the row's limit it counts, unless it is usual."""
    found = list(shares(answers))
    enough = [share for share in found if share.answered >= limits.number("least_records")]
    for share in enough:
        _judge_share(share, motives.get(share.motive, str(share.motive)), _usual(history, share, limits), limits)
    if not enough:
        answered = sum(one.records for one in answers if one.motive_id is None)
        if found or not answered:
            few = text("Too few records were answered to tell a share: {records}", records=_n(answered))
            limits.skip(few)
        else:
            said = text("Of {records} that were answered none failed", records=_n(answered))
            limits.hold(State.OK, of="tbae*", summary=said)


def _usual(history: History, share: Share, limits: Limits) -> float | None:
    """The median of earlier runs; None where there are too few of them."""
    samples = history.samples("ETL-05", share.object, limits.span("look_back"))
    if len(samples) < limits.number("least_samples"):
        return None
    return statistics.median(value for _, value in samples)


def _judge_share(share: Share, motive: str, usual: float | None, limits: Limits) -> None:
    known = {"of": share.of, "share": percent(share.percent), "records": _n(share.answered), "motive": motive}
    said = text("{of}: {share} of {records} fail with {motive}; what is usual is not known yet", **known)
    if usual is not None:
        said = text("{of}: {share} of {records} fail with {motive}; {usual} is usual", **known, usual=percent(usual))
    limits.judge(share.percent, of=share.object, summary=said, threshold=_unusual(usual or 0.0, limits))


def _unusual(usual: float, limits: Limits) -> Threshold | None:
    """The row's limits, or so many times what is usual where that is more; never what could not be reached."""
    given = limits.threshold
    if given is None or given.warning is None or given.critical is None:
        return given
    warning = max(number(given.warning), min(usual * limits.number("times_warning"), (100 + usual) / 2))
    critical = max(number(given.critical), min(usual * limits.number("times_critical"), (100 + warning) / 2))
    return Threshold(warning, critical, given.unit)


def judge_untold(enrolments: Iterable[Enrolments], limits: Limits) -> None:
    """The oldest enrolment of each subsystem that SIGED has not been told of."""
    untold, oldest = Counter[str](), dict[str, timedelta]()
    for group in enrolments:
        if group.untold and group.oldest_untold is not None:
            name = NOTHING if group.subsystem_id is None else str(group.subsystem_id)
            untold[name] += group.untold
            oldest[name] = max(oldest.get(name, timedelta(0)), group.oldest_untold)
    for subsystem, age in oldest.items():
        said = text(
            "Subsystem {subsystem}: SIGED has not been told of {count}, the oldest for {age}",
            subsystem=subsystem,
            count=_n(untold[subsystem]),
            age=age,
        )
        limits.judge(age, of=f"id_subsistema {subsystem}", summary=said)
    if not untold:
        limits.hold(State.OK, of="tbmu006_inscripcion", summary=text("SIGED has been told of every enrolment"))


def judge_silence(standing: Sequence[Standing], values: Iterable[CatalogueValue], limits: Limits) -> None:
    """How long each active subsystem has sent nothing, against the longest that it used to be silent."""
    active = {value.id: value.name for value in values if value.catalogue == "ctmu009_subsistema" and value.active}
    if not active:
        limits.cannot_see(text("No subsystem is active in {catalogue}", catalogue="ctmu009_subsistema"))
    for id, name in active.items():
        _judge_subsystem(f"{id} ({name})", [group for group in standing if group.subsystem_id == id], limits)


def _judge_subsystem(name: str, groups: list[Standing], limits: Limits) -> None:
    newest = min((group.newest for group in groups if group.newest is not None), default=None)
    of = f"id_subsistema {name}"
    if newest is None:
        said = text("Subsystem {subsystem} is active, and nothing of it is in the exchange tables", subsystem=name)
        limits.hold(State.WARNING, of=of, summary=said)
        return
    pause = _longest_pause({day for group in groups for day in group.days}, limits)
    newest = max(newest, timedelta(0))
    said = text("Subsystem {subsystem} sent nothing for {silence}", subsystem=name, silence=newest)
    if pause is not None:
        said = text(
            "Subsystem {subsystem} sent nothing for {silence}; its longest pause before was {pause}",
            subsystem=name,
            silence=newest,
            pause=pause,
        )
    limits.judge(newest, of=of, summary=said, threshold=_longer(pause, limits))


def _longest_pause(days: set[date], limits: Limits) -> timedelta | None:
    """Between two days on which it sent something; None where there were too few of them."""
    if len(days) < limits.number("least_days"):
        return None
    return max(later - earlier for earlier, later in itertools.pairwise(sorted(days)))


def _longer(pause: timedelta | None, limits: Limits) -> Threshold | None:
    given = limits.threshold
    if pause is None or given is None or given.warning is None or given.critical is None:
        return given
    usual = pause.total_seconds()
    warning = max(number(given.warning), usual * limits.number("times_warning"))
    return Threshold(warning, max(number(given.critical), usual * limits.number("times_critical")), given.unit)


def _n(count: int) -> Quantity:
    return Quantity(count, "records")

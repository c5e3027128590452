"""The way of a record through SEP-MUSES, part by part, each as its rows stand, and what all of it stands on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from reports.language import Language
from reports.panel import mark
from reports.shown import Mark, Panel
from reports.view.counts import Count, counts
from reports.words import Standing, is_open, standing
from runbook.model import Record
from runbook.text import Text, text

#: Rows that a part names; the others it counts.
NAMED = 3


class Part(msgspec.Struct, frozen=True):
    """One part of the system; ``mark`` is None where no row looked at it. ``broken`` are rows that are not in order."""

    name: str
    what: str
    mark: Mark | None
    counts: tuple[Count, ...]
    broken: tuple[Panel, ...]
    more: str


class ServiceMap(msgspec.Struct, frozen=True):
    """``way`` is in the order in which a record goes it; ``ground`` is what the way stands on."""

    way: tuple[Part, ...]
    ground: tuple[Part, ...]


class Place(msgspec.Struct, frozen=True):
    """Which rows tell of a part: those of some sections, and some by their id, which goes before their section."""

    name: Text
    what: Text
    sections: frozenset[str] = frozenset()
    rows: frozenset[str] = frozenset()


def _place(name: Text, what: Text, sections: str = "", rows: str = "") -> Place:
    return Place(name, what, frozenset(sections.split()), frozenset(rows.split()))


WAY = (
    _place(text("Producers"), text("Subsystems and reception"), rows="ETL-05 ETL-07 BROKER-10"),
    _place(text("Queue"), text("RabbitMQ and its queues"), "queue deliveries broker broker_use"),
    _place(text("Workers"), text("Initial processing"), rows="QUEUE-04 QUEUE-06 QUEUE-07"),
    _place(text("Staging"), text("Exchange tables TBAE*"), "staging records"),
    _place(text("ETL"), text("Consolidation"), "etl", "ETL-04"),
    _place(text("Core"), text("Core tables TBMU*"), "core", "STAGE-06"),
    _place(text("SIGED"), text("Notification"), "siged", "ETL-06"),
)
GROUND = (
    _place(
        text("Database"),
        text("PostgreSQL"),
        "database sessions upkeep replication rates configuration indexes sql",
    ),
    _place(text("Hosts and services"), text("Servers, disks, processes"), "hosts host_health services"),
    _place(text("Backups and archive"), text("What can be brought back"), "backups archive"),
    _place(text("Security"), text("Access, TLS, secrets"), "security admission"),
    _place(text("Runbook"), text("Runs that act"), "runs"),
)
OTHERS = _place(text("Other rows"), text("What belongs to no part above"))


def service_map(rows: Sequence[tuple[Record, Panel]], language: Language) -> ServiceMap:
    """Where the rows of a run belong, worst first as given; a row that no part claims stands under the others."""
    by_place: dict[str, list[tuple[Record, Panel]]] = {}
    for record, panel in rows:
        by_place.setdefault(place_of(record).name.template, []).append((record, panel))
    ground = (*GROUND, OTHERS) if OTHERS.name.template in by_place else GROUND
    return ServiceMap(
        tuple(_part(place, by_place.get(place.name.template, ()), language) for place in WAY),
        tuple(_part(place, by_place.get(place.name.template, ()), language) for place in ground),
    )


def place_of(record: Record) -> Place:
    """The part that a row tells of."""
    return _BY_ROW.get(record.row) or _BY_SECTION.get(record.section) or OTHERS


def _part(place: Place, rows: Iterable[tuple[Record, Panel]], language: Language) -> Part:
    rows = tuple(rows)
    standings = [standing(record) for record, _ in rows]
    broken = [panel for (_, panel), stands in zip(rows, standings, strict=True) if _is_told(stands)]
    left = len(broken) - NAMED
    return Part(
        name=language.say(place.name),
        what=language.say(place.what),
        mark=mark(min(standings, key=list(Standing).index), language) if standings else None,
        counts=counts(standings, language),
        broken=tuple(broken[:NAMED]),
        more=language.word("and {count} more", count=left) if left > 0 else "",
    )


def _is_told(stands: Standing) -> bool:
    return is_open(stands) or stands in (Standing.WAIVED, Standing.FIXED)


_BY_ROW = {row: place for place in (*WAY, *GROUND) for row in place.rows}
_BY_SECTION = {section: place for place in (*WAY, *GROUND) for section in place.sections}

"""Whether the database refuses the queue's consumers: what their logs say and what the database says of itself. Pure
but for the two questions it asks.

Neither side is enough by itself. A role at its limit refuses nobody who holds his session, and an error in a log may
be over by now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

from checks._found import alike, compared, confirmed, fact, log_of, logged, ruled_out, unknown
from runbook import clock
from runbook.errors import ProbeError, ProbeFailure
from runbook.model import Evidence, Finding
from runbook.text import Quantity, Text, text, verbatim

if TYPE_CHECKING:
    from runbook.targets.logs.logs import ErrorGroup, Logs
    from runbook.targets.postgres.database import Database
    from runbook.targets.postgres.structs import Connections

#: An error younger than SOON is not over, one older than FRESH is; in between it depends on how often they came.
SOON, FRESH = timedelta(seconds=3), timedelta(seconds=10)
PG = "pg_stat_activity"


class Door(Enum):
    """What the database does at its door, from its own side."""

    OPEN = "takes connections"
    FULL = "a limit is reached"
    SHUT = "does not answer"
    UNSEEN = "cannot be seen"


@dataclass(frozen=True)
class Refusals:
    """Both sides' evidence. ``logged`` are the errors that name the database; None where no log could be read.

    ``went_on`` says that the service logged other things since.
    """

    door: Door
    at_the_door: tuple[Evidence, ...]
    logged: tuple[ErrorGroup, ...] | None
    in_the_log: tuple[Evidence, ...]
    went_on: bool = False

    def refusing(self, *, works: bool, alive: bool) -> bool | None:
        """Whether consumers are refused now; None where the evidence does not decide.

        ``works`` says that messages are being finished, ``alive`` that there is anybody to be refused.
        """
        if self.logged is None:
            return {Door.FULL: True, Door.OPEN: False}.get(self.door, False if works else None)
        if not self.logged:
            return False if works or self.door in (Door.OPEN, Door.FULL) else None
        if any(_goes_on(group) for group in self.logged):
            return True
        if works or (self.door is Door.OPEN and not alive):
            return False
        if self.door in (Door.FULL, Door.SHUT):
            return True
        return False if self.went_on else _may_come_again(self.logged)


def look(database: Database, logs: Logs, service: str) -> Refusals:
    """Ask both sides; what cannot be asked is part of the evidence."""
    door, at_the_door = _door(database)
    logged, in_the_log, went_on = _logged(logs, service)
    return Refusals(door, at_the_door, logged, in_the_log, went_on)


def refuses(refusals: Refusals, *, works: bool, alive: bool) -> Finding:
    """The finding on "connection errors to the database"."""
    evidence = (*refusals.in_the_log, *refusals.at_the_door)
    match refusals.refusing(works=works, alive=alive):
        case True:
            return confirmed(_why(refusals.door), *evidence, advice=_advice(refusals.door))
        case False:
            return ruled_out(text("The database takes the connections of the workers"), *evidence)
        case None:
            return unknown(text("Whether the database refuses the workers cannot be seen"), *evidence)


def _why(door: Door) -> Text:
    if door is Door.FULL:
        return text("The database refuses the workers: a connection limit is reached")
    if door is Door.SHUT:
        return text("The workers cannot reach the database, and neither can we")
    return text("The database refuses the workers although its limits leave room: see the errors they log")


def _advice(door: Door) -> Iterator[Text]:
    yield text("Do not start or scale consumers now: each one more asks a database that refuses")
    if door is Door.FULL:
        yield text("See row DB-01: who holds the connections, and whether they may be ended")
    else:
        yield text("Check the service's password, pg_hba.conf and the network between the two")


def _door(database: Database) -> tuple[Door, tuple[Evidence, ...]]:
    try:
        connections = database.connections()
    except ProbeError as error:
        said = fact(error.said, PG)
        full = error.kind is ProbeFailure.LIMIT
        shut = error.kind in (ProbeFailure.REFUSED, ProbeFailure.SILENT, ProbeFailure.DNS, ProbeFailure.TLS)
        return (Door.FULL if full else Door.SHUT if shut else Door.UNSEEN), (said,)
    reached = tuple(full_limits(connections))
    return (Door.FULL, reached) if reached else (Door.OPEN, (_room(connections),))


def full_limits(connections: Connections) -> Iterator[Evidence]:
    """The limits that leave no connection: of roles (with who holds them), of the database, of the server."""
    for role in connections.roles:
        if role.limit is not None and 0 <= role.limit <= role.used:
            holders = sorted(role.by_application.items(), key=lambda item: -item[1])
            said = text(
                "Role {role} holds {used} of the {limit} it may have",
                role=role.role,
                used=role.used,
                limit=_connections(role.limit),
            )
            yield fact(said, PG, (f"{application}: {count}" for application, count in holders))
    if connections.database_limit is not None and 0 <= connections.database_limit <= connections.database_used:
        limit = _connections(connections.database_limit)
        yield fact(text("The database holds all {limit} it may have", limit=limit), PG)
    usable = connections.max_connections - connections.reserved
    if connections.used >= usable:
        yield fact(text("The server holds all {limit} it may have", limit=_connections(usable)), PG)


def _goes_on(group: ErrorGroup) -> bool:
    """Whether the next error may still come: three times the pause between them has not passed since the last."""
    return clock.now() - group.last <= min(FRESH, max(SOON, 3 * (_pause(group) or FRESH)))


def _may_come_again(groups: tuple[ErrorGroup, ...]) -> bool | None:
    """Whether a service that has logged nothing since may be refused again after its usual pause, however long that is.

    Errors that came every second, and then silence, are over: whoever logs nothing since is kept by something else.
    None where one came alone: nobody knows its pause.
    """
    again = [None if (pause := _pause(group)) is None else clock.now() - group.last <= 3 * pause for group in groups]
    return True if True in again else None if None in again else False


def _pause(group: ErrorGroup) -> timedelta | None:
    """The pause between errors of a group; None where there was one."""
    return (group.last - group.first) / (group.count - 1) if group.count > 1 else None


def _room(connections: Connections) -> Evidence:
    usable = connections.max_connections - connections.reserved
    return fact(text("The server holds {used} of {usable}", used=connections.used, usable=_connections(usable)), PG)


def _logged(logs: Logs, service: str) -> tuple[tuple[ErrorGroup, ...] | None, tuple[Evidence, ...], bool]:
    try:
        errors = logs.errors(service)
    except ProbeError as error:
        return None, (fact(error.said, log_of(service)),), False
    groups = tuple(group for group in errors.groups if group.kind == "database")
    blind = tuple(fact(verbatim(problem), log_of(service)) for problem in errors.unseen)
    if not groups:
        none = text("{lines} of {service}, and no error of the database", lines=_lines(errors.lines), service=service)
        return (groups if errors.lines and not blind else None), (fact(none, log_of(service)), *blind), False
    last = max(group.last for group in groups)
    went_on = errors.last_line_at is not None and errors.last_line_at - last > FRESH
    told = (*(logged(group, service) for group in groups), *alike(groups, service), compared(logs, errors), *blind)
    return groups, told, went_on


def _connections(count: int) -> Quantity:
    return Quantity(count, "connections")


def _lines(count: int) -> Quantity:
    return Quantity(count, "lines")

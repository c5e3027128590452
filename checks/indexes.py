"""The indexes of the exchange and core tables (Guía de Operaciones §3: verificar índices): missing, broken, spare."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _index_building, _index_missing, _index_standing
from checks._found import confirmed, fact, told
from runbook.limits import Limits, Threshold
from runbook.model import Finding, Risk, State, Step
from runbook.rows import Findings, NoPlan, diagnoses, remedies, row
from runbook.text import Quantity, size, text, verbatim

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database

GUIDE = "Guía de Operaciones §3: verificar que las tablas tbae* y tbmu* tengan los índices adecuados"
A_PERSON_DROPS = text("Only a person drops an index: the commands, and those that bring it back, are shown")


@row(
    "INDEX-01",
    source=f"{GUIDE}; §4.1 (la purga borra de tbae009_respuesta)",
    es="Las claves foráneas de las que dependen borrados tienen índice",
    # Read in a few milliseconds, and in about a second, for each row that is deleted.
    threshold=Threshold(warning=10_000, critical=1_000_000, unit="rows"),
    # Fewer deletions than this are no habit.
    settings={"least_deleted": 100},
)
def check_foreign_keys_have_an_index(database: Database, limits: Limits) -> None:
    """The foreign keys that deletions depend on have an index.

    For every row that leaves the parent the server looks for its children: without an index it reads them all.
    """
    keys = database.foreign_keys()
    lacking = _index_missing.lacking(keys, limits.number("least_deleted"))
    for key in lacking:
        limits.judge(key.rows, of=f"{key.table}.{key.column}", summary=_index_missing.of_key(key))
    fine = Quantity(len(keys) - len(lacking), "objects")
    said = text("Foreign keys with an index, or whose parent loses no rows: {keys}", keys=fine)
    limits.hold(State.OK, of="*", summary=said)


@diagnoses(check_foreign_keys_have_an_index, es="Falta el índice de una clave foránea")
def foreign_key_lacks_its_index(database: Database, limits: Limits) -> Finding:
    """The index of a foreign key is missing."""
    lacking = _index_missing.lacking(database.foreign_keys(), limits.number("least_deleted"))
    asked = tuple(key.question for key in sorted(lacking, key=lambda key: -key.rows))
    nothing = text("The planner finds no deletion cheaper with an index: the tables are small")
    return _index_missing.explained(database.index_proposals(asked), nothing)


@row(
    "INDEX-02",
    source=f"{GUIDE}; documentación de PostgreSQL, CREATE INDEX CONCURRENTLY",
    es="Ningún índice es inválido",
    person=A_PERSON_DROPS,
)
def check_no_index_is_invalid(database: Database, limits: Limits) -> None:
    """No index is invalid.

    What an interrupted build leaves behind helps no query, and every write still pays for it.
    """
    indexes = database.stored_indexes()
    for index in indexes:
        if index.phase is not None:
            said = text(
                "{name} is being built: {phase}, {percent} %", name=index.name, phase=index.phase, percent=index.percent
            )
            limits.hold(State.OK, of=index.name, summary=said)
    for index in _index_standing.broken(indexes):
        said = text("{name} on {table} is invalid, and nobody is building it", name=index.name, table=index.table)
        limits.hold(State.WARNING, of=index.name, summary=said)
    limits.hold(State.OK, of="*", summary=text("Indexes looked at: {count}", count=len(indexes)))


@diagnoses(check_no_index_is_invalid, es="Una construcción CONCURRENTLY se interrumpió")
def build_was_interrupted(database: Database) -> Finding:
    """A concurrent build was interrupted."""
    found = _index_standing.broken(database.stored_indexes())
    commands = [verbatim(f"{index.rebuild_command}  -- {index.drop_command}") for index in found]
    said = text("Indexes left invalid: {count}; each is built anew, or dropped", count=len(found))
    return confirmed(said, fact(said, "pg_index", (index.definition for index in found)), advice=commands)


@row(
    "INDEX-03",
    source=f"{GUIDE}; práctica común",
    es="Ningún índice está de más por otro igual",
    # A small index that begins a longer one costs little and may be the faster one.
    settings={"least_bytes": 64 << 20},
    person=A_PERSON_DROPS,
)
def check_no_index_is_duplicate(database: Database, limits: Limits) -> None:
    """No index is there twice.

    Of two that serve the same look-ups one only costs: room, memory, and time at every write.
    """
    indexes = database.stored_indexes()
    for spare in _index_standing.spare(indexes):
        counts = spare.same or spare.index.bytes >= limits.number("least_bytes")
        limits.hold(State.WARNING if counts else State.OK, of=spare.index.name, summary=spare.said)
    limits.hold(State.OK, of="*", summary=text("Indexes looked at: {count}", count=len(indexes)))


@diagnoses(check_no_index_is_duplicate, es="Dos índices sirven para lo mismo")
def index_is_spare(database: Database) -> Finding:
    """Two indexes serve the same."""
    found = _index_standing.spare(database.stored_indexes())
    commands = [verbatim(f"{one.index.drop_command}  -- {one.index.build_command}") for one in found]
    said = text("Indexes that another one makes superfluous: {count}", count=len(found))
    return confirmed(
        said, fact(said, "pg_index", (f"{one.index.name} → {one.kept.name}" for one in found)), advice=commands
    )


@row(
    "INDEX-04",
    source=f"{GUIDE}; práctica común",
    es="Ningún índice queda sin uso",
    # A month-end report uses its index once; smaller indexes than this are not worth a thought.
    settings={"least_age": timedelta(days=32), "least_bytes": 8 << 20},
    person=A_PERSON_DROPS,
)
def check_no_index_is_unused(database: Database, limits: Limits) -> None:
    """No index stays unused.

    It costs at every write and in every backup. What a standby uses is used.
    """
    uses, age = database.index_uses(), limits.span("least_age")
    if uses.age < age:
        limits.skip(text("Uses are counted for {age}: it takes {least} to say so", age=uses.age, least=age))
        return
    indexes = database.stored_indexes()
    for index in _index_standing.unused(indexes, uses, database.foreign_keys(), limits.number("least_bytes")):
        words = text(
            "{name} on {table} ({size}) was not used for {age} on {servers} servers",
            name=index.name,
            table=index.table,
            size=size(index.bytes),
            age=uses.age,
            servers=uses.servers,
        )
        limits.hold(State.WARNING, of=index.name, summary=words)
    limits.hold(State.OK, of="*", summary=text("Indexes looked at: {count}", count=len(indexes)))


@diagnoses(check_no_index_is_unused, es="Un índice no lo usa ninguna consulta")
def index_is_unused(database: Database, limits: Limits) -> Finding:
    """An index is used by no query."""
    keys, least = database.foreign_keys(), limits.number("least_bytes")
    found = list(_index_standing.unused(database.stored_indexes(), database.index_uses(), keys, least))
    commands = [verbatim(f"{index.drop_command}  -- {index.build_command}") for index in found]
    said = text("Indexes that nobody used: {count}", count=len(found))
    return confirmed(said, fact(said, "pg_stat_user_indexes", (index.definition for index in found)), advice=commands)


@row(
    "INDEX-05",
    source=GUIDE,
    es="A las consultas pesadas no les falta ningún índice",
    # Of the time of all statements.
    threshold=Threshold(warning=5, critical=30, unit="%"),
    # A call that computes this long is felt; ten statements are what the planner is asked about in one check.
    settings={"heavy": timedelta(milliseconds=10), "most": 10},
)
def check_heavy_statements_lack_no_index(database: Database, limits: Limits) -> None:
    """The heavy statements lack no index.

    A look-up that reads the whole table gets slower with every record, for everybody.
    """
    statements = database.statements()
    heavy = _index_missing.heavy(statements, limits.span("heavy"), int(limits.number("most")))
    proposals = database.index_proposals(tuple(one.id for one in heavy)) if heavy else ()
    for found in _index_missing.missing(statements, proposals):
        limits.judge(found.percent, of=found.proposal.name, summary=found.said)
    said = text("Heavy statements on the tables tbae* and tbmu* looked at: {count}", count=len(heavy))
    limits.hold(State.OK, of="*", summary=said)


@diagnoses(check_heavy_statements_lack_no_index, es="A una consulta pesada le falta un índice")
def index_is_missing(database: Database, limits: Limits) -> Finding:
    """A heavy statement lacks an index."""
    heavy = _index_missing.heavy(database.statements(), limits.span("heavy"), int(limits.number("most")))
    nothing = text("The planner finds no heavy statement cheaper with an index")
    return _index_missing.explained(database.index_proposals(tuple(one.id for one in heavy)), nothing)


@remedies(check_foreign_keys_have_an_index, risk=Risk.MEDIUM, settles=timedelta(seconds=30))
@remedies(check_heavy_statements_lack_no_index, risk=Risk.MEDIUM, settles=timedelta(seconds=30))
def build_what_is_missing(findings: Findings) -> Iterator[Step]:
    """Build the indexes that are proven to help, without blocking writers; a long build is left to a person."""
    handles = [one for cause in findings for one in told(findings, cause, "indexes")]
    planned = list(_index_building.steps(handles))
    if not planned and handles:
        raise NoPlan(text("Building takes long: a person runs the commands that are shown in a quiet hour"))
    if not planned:
        raise NoPlan(text("No index is proven to help: there is nothing to do that would not be a guess"))
    yield from planned

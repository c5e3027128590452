"""What the database must keep up with lest it stops: freezing, cleaning, its numbers, its files."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _debts, _upkeep
from checks._found import confirmed, ruled_out
from runbook.limits import Limits, Threshold
from runbook.model import Finding, State
from runbook.rows import diagnoses, row
from runbook.text import percent, size, text

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database

VACUUM_BY_HAND = text(
    "End what holds the rows (see the cause), then: VACUUM (FREEZE, VERBOSE) TABLE in each table that is oldest: "
    "SELECT oid::regclass, age(relfrozenxid) FROM pg_class WHERE relkind IN ('r', 'm', 't') ORDER BY 2 DESC LIMIT 20"
)


@row(
    "DB-07",
    source="Documentación de PostgreSQL, Routine Vacuuming; límites del equipo: 300 M y 1 000 M de transacciones",
    es="Ninguna base de datos se acerca al final de sus números de transacción",
    threshold=Threshold(warning=300_000_000, critical=1_000_000_000, unit=""),
    person=VACUUM_BY_HAND,
)
def check_transaction_numbers_do_not_run_out(database: Database, limits: Limits) -> None:
    """No database comes near the end of its transaction numbers.

    At the end the server refuses every write until somebody has frozen the old rows, which takes hours.
    """
    for age in database.server().ages:
        limits.judge(age.age, of=f"{age.database} ({age.kind})", summary=_debts.aged(age))


@diagnoses(check_transaction_numbers_do_not_run_out, es="Alguien retiene las filas viejas y nada puede congelarlas")
def somebody_holds_the_rows(database: Database) -> Finding:
    """Somebody holds the old rows, so that nothing can freeze them."""
    return _debts.held(_upkeep.look(database))


@row(
    "DB-08",
    source="check_postgres last_autovacuum y check_pgactivity autovacuum; umbral propio: veces el de la tabla",
    es="Autovacuum no se atrasa",
    threshold=Threshold(warning=2, critical=10, unit=""),
    # Fewer dead rows than this cost nobody anything.
    settings={"least_dead": _upkeep.FEW},
    person=text(
        "Run VACUUM (VERBOSE, ANALYZE) TABLE when the load is low; ALTER SYSTEM SET autovacuum = on where it is off"
    ),
)
def check_autovacuum_keeps_up(database: Database, limits: Limits) -> None:
    """Autovacuum keeps up.

    Dead rows that nobody removes are read by every query, and the table never gets smaller again by itself.
    """
    found = database.vacuuming()
    if not (found.enabled and found.counted):
        words = text("Autovacuum is switched off: nobody cleans or freezes anything")
        limits.hold(State.WARNING, of="autovacuum", summary=words)
    for debt in found.debts:
        if debt.dead >= limits.number("least_dead"):
            limits.judge(
                debt.dead / max(1.0, debt.threshold), of=f"{debt.schema}.{debt.table}", summary=_debts.due(debt)
            )
    limits.hold(State.OK, of="*", summary=text("No other table has dead rows beyond its threshold"))


@diagnoses(check_autovacuum_keeps_up, es="Algo impide limpiar: está apagado, retenido, bloqueado o sin trabajadores")
def cleaning_is_hindered(database: Database) -> Finding:
    """Something hinders the cleaning: it is off, held back, blocked or short of workers."""
    found = _upkeep.look(database)
    wrong = _debts.hindrance(found)
    facts = tuple(_upkeep.evidence(found))
    if wrong is None:
        return ruled_out(text("Nothing hinders it: it will come to these tables"), *facts)
    return confirmed(wrong.summary, *facts, advice=wrong.advice)


@row(
    "DB-09",
    source="check_postgres bloat y check_pgactivity table_bloat (estimación de ioguix); umbral propio",
    es="Ninguna tabla grande está hinchada",
    threshold=Threshold(warning=50, critical=80, unit="%"),
    # Smaller tables are read whole in a moment, however they are filled.
    settings={"least_bytes": 64 << 20},
    person=text(
        "It is an estimate: prove it first, SELECT * FROM pgstattuple_approx('TABLE'). New records use the room again; "
        "give it back only where the disk needs it, with pg_repack or, while nobody works, VACUUM FULL, which locks it"
    ),
)
def check_no_table_is_bloated(database: Database, limits: Limits) -> None:
    """No large table is mostly room that its rows do not need.

    Each scan reads the empty pages too, and so does each backup of the files.
    """
    tables = database.bloat(int(limits.number("least_bytes")))
    for table in tables:
        if table.spare_bytes is None:
            words = text("{table} cannot be estimated: ANALYZE {table}, or the right to read it", table=table.table)
            limits.cannot_see(words)
            continue
        share = 100 * table.spare_bytes / table.bytes
        words = text(
            "{table} takes {bytes}, of which about {spare} ({share}) is not needed",
            table=table.table,
            bytes=size(table.bytes),
            spare=size(table.spare_bytes),
            share=percent(round(share, 1)),
        )
        limits.judge(share, of=table.table, summary=words)
    if not tables:
        least = size(limits.number("least_bytes"))
        limits.hold(State.OK, of="*", summary=text("No table has {least} or more", least=least))


@row(
    "DB-10",
    source="check_postgres sequence y check_pgactivity sequences_exhausted; límites del equipo: 85 % y 95 %",
    es="Ninguna secuencia se acerca a su fin",
    threshold=Threshold(warning=85, critical=95, unit="%"),
    person=text(
        "Where the column is narrow: ALTER TABLE TABLE ALTER COLUMN COLUMN TYPE bigint (it writes the table anew: plan "
        "it); then ALTER SEQUENCE SEQUENCE AS bigint MAXVALUE 9223372036854775807"
    ),
)
def check_no_sequence_runs_out(database: Database, limits: Limits) -> None:
    """No sequence comes near its end.

    At the end each insertion fails. What the column can hold counts, not only the sequence's own end.
    """
    _debts.judge_sequences(database.sequences(), limits)


@row(
    "DB-11",
    source="Documentación de PostgreSQL, pg_stat_database.checksum_failures; check_pgactivity checksum_errors",
    es="Ninguna página tiene una suma de verificación errónea",
    threshold=Threshold(warning=None, critical=0, unit=""),
    # A fault that was mended stays counted until somebody resets the statistics.
    settings={"forgotten_after": timedelta(days=30)},
    person=text(
        "The disk lies, or somebody wrote into the files: stop writing, copy the data folder as it is, look for the "
        "page in the server's log (invalid page in block), read all with pg_dump; restore from the last backup that "
        "was proven. When it is mended: SELECT pg_stat_reset()"
    ),
)
def check_no_page_is_corrupt(database: Database, limits: Limits) -> None:
    """No page has a wrong checksum.

    It is the only sign that the disk gives back something else than was written, before a record is lost for good.
    """
    server = database.server()
    if not server.checksums:
        limits.skip(
            text("Data checksums are off: stop the server, then pg_checksums --enable -D DATA switches them on")
        )
        return
    _debts.judge_checksums(server, limits)

"""What the database does too often: deadlocks, rollbacks, temporary files, checkpoints that the WAL forces."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _rates
from runbook.limits import Limits, Number, Threshold
from runbook.rows import row
from runbook.text import text

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.postgres.database import Database

#: How far back the check lies with which the counters are compared: the one before, or that of the night before.
WINDOW: dict[str, Number] = {"window": timedelta(hours=26)}


@row(
    "DB-15",
    source="Documentación de PostgreSQL, pg_stat_database.deadlocks; umbral propio",
    es="Los interbloqueos son raros",
    threshold=Threshold(warning=1, critical=60, unit="1/h"),
    settings=WINDOW,
    person=text(
        "The server's log names both statements (deadlock detected). Whoever writes to several tables must do it in "
        "one order everywhere; the one that was cancelled must be tried again by its service"
    ),
)
def check_deadlocks_are_rare(database: Database, history: History, limits: Limits) -> None:
    """Deadlocks are rare.

    Each one undoes somebody's transaction, after a second in which both and all behind them stood still.
    """
    _rates.judge_deadlocks(database.server(), history, limits)


@row(
    "DB-16",
    source="check_pgactivity commit_ratio y check_postgres commitratio; umbral propio",
    es="Pocas transacciones se deshacen",
    threshold=Threshold(warning=10, critical=50, unit="%"),
    # Of fewer than this a share says nothing.
    settings={**WINDOW, "least_transactions": 1_000},
    person=text(
        "See the errors of the services and of the database's log (ERROR) for the statement that fails; a service that "
        "ends each reading with ROLLBACK does no harm: raise the limit for it"
    ),
)
def check_few_transactions_roll_back(database: Database, history: History, limits: Limits) -> None:
    """Few transactions are rolled back.

    Work that is undone is done again: by the same services, on the same students' records.
    """
    _rates.judge_rollbacks(database.server(), history, limits)


@row(
    "DB-17",
    source="check_pgactivity temp_files; umbral propio, por hora",
    es="Pocos datos pasan por archivos temporales",
    threshold=Threshold(warning=10 << 30, critical=100 << 30, unit="B"),
    settings=WINDOW,
    person=text(
        "ALTER SYSTEM SET log_temp_files = '10MB', SELECT pg_reload_conf(): the log names the statements. Give those "
        "work_mem of their own (ALTER ROLE ROLE SET work_mem = '64MB') or an index; not all sessions at once"
    ),
)
def check_little_goes_through_temporary_files(database: Database, history: History, limits: Limits) -> None:
    """Little data goes through temporary files, per hour.

    A sort that does not fit in work_mem goes to the disk, where everybody waits for it.
    """
    _rates.judge_temporary(database.server(), history, limits)


@row(
    "DB-18",
    source="Documentación de PostgreSQL, WAL Configuration (checkpoint_warning); umbral propio",
    es="Los puntos de control llegan por tiempo, no porque el WAL se llenó",
    threshold=Threshold(warning=50, critical=90, unit="%"),
    # Of fewer than this a share says nothing.
    settings={**WINDOW, "least_checkpoints": 10},
    person=text(
        "ALTER SYSTEM SET max_wal_size = '4GB' (twice what it is, while it fits on the disk), SELECT pg_reload_conf()"
    ),
)
def check_checkpoints_come_by_the_clock(database: Database, history: History, limits: Limits) -> None:
    """Checkpoints come by the clock, not because the WAL is full.

    Each writes every changed page, and after each the next change of a page writes it whole into the WAL.
    """
    _rates.judge_checkpoints(database.server(), history, limits)

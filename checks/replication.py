"""Those who follow the database, what it keeps for them, and the archive of its WAL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _following
from runbook.limits import Limits, Threshold
from runbook.model import State
from runbook.rows import row
from runbook.text import text

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.postgres.database import Database

SLOTS = text(
    "Ask whose slot it is and start who fetches it. Where nobody will: SELECT pg_drop_replication_slot('SLOT'). So "
    "that a slot cannot fill the disk again: ALTER SYSTEM SET max_slot_wal_keep_size = '20GB', SELECT pg_reload_conf()"
)


@row(
    "DB-12",
    source="check_postgres replicate_row y hot_standby_delay, check_pgactivity streaming_delta; umbral propio",
    es="Las réplicas de la base de datos van al día",
    threshold=Threshold(warning=timedelta(seconds=60), critical=timedelta(minutes=10)),
    # One checkpoint's WAL at most, as max_wal_size has it by default; and what an hour of a large lot writes.
    settings={"bytes_warning": 1 << 30, "bytes_critical": 10 << 30},
    person=text(
        "On the standby: systemctl status postgresql, its log, df -h, SELECT pg_is_wal_replay_paused(), then "
        "SELECT pg_wal_replay_resume(); long queries there: SELECT pid, query FROM pg_stat_activity"
    ),
)
def check_standbys_keep_up(database: Database, limits: Limits) -> None:
    """The database's standbys keep up.

    What a standby has not got yet is lost if the primary is lost now.
    """
    server = database.server()
    _following.judge_standbys(server.replication.standbys, len(database.standbys), limits)
    if not limits.measures:
        limits.skip(text("No standby follows this server, and the site names none (database.standbys)"))


@row(
    "DB-13",
    source="check_pgactivity y check_postgres replication_slots; umbral de tamaño propio",
    es="Ninguna ranura de replicación queda abandonada",
    threshold=Threshold(warning=1 << 30, critical=10 << 30, unit="B"),
    # A follower that restarts is back by then; known from PostgreSQL 17 on.
    settings={"patience": timedelta(minutes=5)},
    person=SLOTS,
)
def check_no_slot_is_abandoned(database: Database, limits: Limits) -> None:
    """No replication slot is abandoned.

    The server keeps all WAL for one who does not come for it, until its disk is full and it stops.
    """
    for slot in database.server().replication.slots:
        _following.judge_slot(slot, limits)
    limits.hold(State.OK, of="*", summary=text("Nobody else is waited for"))


@row(
    "DB-14",
    source="check_postgres archive_ready (10 y 15 archivos) y check_pgactivity archiver",
    es="El archivo del WAL no se atrasa ni falla",
    threshold=Threshold(warning=10, critical=15, unit="files"),
    # A nightly check sees the failures of the whole day.
    settings={"window": timedelta(hours=26)},
    person=text(
        "SELECT * FROM pg_stat_archiver; the server's log says why archive_command failed (archive command failed with "
        "exit code); run it by hand as postgres with the file that is named. Never delete files of pg_wal"
    ),
)
def check_wal_archive_keeps_up(database: Database, history: History, limits: Limits) -> None:
    """The archive of the WAL neither falls behind nor fails.

    What is not archived cannot be restored to, and stays on the disk until it is full. A quiet night archives nothing:
    its age says nothing.
    """
    archive = database.server().archive
    if not archive.enabled:
        limits.skip(text("This server archives no WAL (archive_mode)"))
        return
    _following.judge_archive(archive, history, limits)

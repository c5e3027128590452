"""The archive of purged records (Guía de Operaciones §4.1): does it keep up, and can it be read?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _archived
from runbook.limits import Limits, Threshold
from runbook.rows import row
from runbook.text import text

if TYPE_CHECKING:
    from procedures.purge.facts import Purging
    from runbook.targets.s3.storage import Storage

PURGE = text(
    "Run the purge: `muses-runbook run purge` says what it would do, what forbids it and the way out; with --execute "
    "it archives, reads back and deletes (row STAGE-01 does the same with --fix, where policy lets it). Then see why "
    "the weekly job did not: its log, its credentials, the bucket"
)
RESCUE = text(
    "Stop the purge first: set purge.throttle.pause_file and create that file. `muses-runbook run verify-archive` "
    "reads the whole archive and names every damaged batch. Look for an intact version: `aws s3api "
    "list-object-versions --bucket BUCKET --prefix FOLDER`. Where there is none, the records are in the backup that "
    "was made before the purge of that batch (the run's time is in the key; backups are kept 30 days): restore it "
    "aside, and keep it until the batch is archived again. Remove nothing from the bucket meanwhile"
)


@row(
    "ARCH-01",
    source="Guía de Operaciones §4.1: archivado semanal de los registros TBAE* de más de 90 días",
    es="El archivo recibe cada semana los registros que vencen",
    # A week and a day for the job itself; two weeks missed.
    threshold=Threshold(warning=timedelta(days=8), critical=timedelta(days=15)),
    person=PURGE,
)
def check_archive_has_no_gap(storage: Storage, purge: Purging, limits: Limits) -> None:
    """The archive receives every week the records that are due.

    What is due and not archived can only stay: nothing is deleted that the archive does not have, and so the tables
    grow.
    """
    archived, staged = storage.archives(), purge.staged()
    _archived.tell_unreadable(staged, archived, limits)
    published = {table.table: _archived.newest_of(staged, table.table, archived) for table in staged.tables}
    recent = _archived.recent(published, limits)
    for table, at in recent.items():
        _archived.tell_recent(table, at, limits)
    if len(recent) < len(published):  # only then is it worth a scan of the tables
        for due in purge.due():
            if due.table not in recent:
                _archived.judge_gap(due, published.get(due.table), limits)


@row(
    "ARCH-02",
    source="Guía de Operaciones §4.1: se borra lo archivado y verificado; práctica común: releer por muestreo",
    es="El archivo se puede leer: cada día se relee una muestra",
    settings={"batches": 1},
    person=RESCUE,
)
def check_archive_can_be_read(storage: Storage, limits: Limits) -> None:
    """The archive can be read: every day a sample of it is read back.

    The records in it are nowhere else: damage that is found within days can be mended from a backup, later it cannot.
    """
    sample = storage.archive_sample(round(limits.number("batches")))
    if not sample.published:
        limits.skip(text("Nothing is archived yet: there is nothing to read back"))
    for batch in sample.batches:
        _archived.judge_sample(batch, limits)

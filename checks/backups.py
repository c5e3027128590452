"""The backups of sep_muses (Guía de Operaciones §4.2): is the newest one young, whole and verified?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from runbook.limits import Limits, Threshold
from runbook.model import State
from runbook.rows import row
from runbook.text import Quantity, size, text

if TYPE_CHECKING:
    from runbook.targets.s3.backups import Backup
    from runbook.targets.s3.storage import Storage

#: The name under which the age of the newest good backup is judged and remembered.
NEWEST = "sep_muses"
FOR_A_PERSON = text(
    "The backup as a procedure comes with a later release of muses-runbook. Until then: find out why the nightly job "
    "of 03:30 did not publish one (its log, the disk, the credentials), start that job again, and run "
    "`muses-runbook check` for this row. Delete no older backup before a new one is verified"
)


@row(
    "BACKUP-01",
    source="Guía de Operaciones §4.2: respaldo completo diario a las 03:30, se guarda 30 días",
    es="El respaldo más reciente de sep_muses está verificado y es de hoy",
    # A day and an hour for the backup itself; two nights missed.
    threshold=Threshold(warning=timedelta(hours=25), critical=timedelta(hours=49)),
    person=FOR_A_PERSON,
)
def check_newest_backup_is_young(storage: Storage, limits: Limits) -> None:
    """The newest backup of sep_muses is verified and of today.

    What was written since the last good backup is lost with the database.
    """
    backups = storage.backups()
    good = [backup for backup in backups if backup.verified and _is_whole(backup)]
    if good:
        age = datetime.now(UTC) - good[0].finished_at
        limits.judge(
            age, of=NEWEST, summary=text("The newest verified backup is {age} old: {key}", age=age, key=good[0].key)
        )
    else:
        limits.hold(State.CRITICAL, of=NEWEST, summary=text("There is no verified backup"))
    for backup in backups:
        _judge(backup, newest=backup is backups[0], limits=limits)
    _tell_unpublished(storage.unpublished(), limits)


def _judge(backup: Backup, *, newest: bool, limits: Limits) -> None:
    """A published backup that cannot be restored is a lie: the newest is critical, an older one a warning."""
    state = State.CRITICAL if newest else State.WARNING
    if backup.problem is not None:
        reason = backup.problem.values.get("reason")
        said = text("The manifest of backup {key} cannot be read: {reason}", key=backup.key, reason=reason)
    elif not backup.data_present:
        said = text("The data of backup {key} is missing", key=backup.key)
    elif backup.data_bytes != backup.bytes:
        said = text(
            "Backup {key} has {there} instead of {published}",
            key=backup.key,
            there=size(backup.data_bytes or 0),
            published=size(backup.bytes),
        )
    elif not backup.verified:
        state, said = State.WARNING, text("Backup {key} was published without being verified", key=backup.key)
    else:
        return
    limits.hold(state, of=backup.key, summary=said)


def _is_whole(backup: Backup) -> bool:
    return backup.data_present and backup.data_bytes == backup.bytes


def _tell_unpublished(count: int, limits: Limits) -> None:
    """A folder without a manifest is a backup on its way, or one that failed: it counts for nothing."""
    if count:
        backups = Quantity(count, "backups")
        said = text("{backups} are not published: on their way, or broken off", backups=backups)
        limits.hold(State.OK, of=f"{NEWEST} (unpublished)", value=backups, summary=said)

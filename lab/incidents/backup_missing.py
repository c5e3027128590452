"""``backup-missing``: the backups of the last days are gone; the newest that is left is two and a half days old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lab.incidents import backups
from lab.incidents.breakage import Breakage
from lab.incidents.truth import NONE, Truth
from lab.place import Place

#: The age of the backup that is left, and from which age on the lab counts as broken.
LEFT, TOO_OLD = timedelta(hours=60), timedelta(hours=26)


def _apply(place: Place) -> None:
    with backups.storing(place) as storage:
        if not backups.published(storage):
            backups.fresh_backup(place)
        found = backups.published(storage)
        young = [backup for backup in found if _age(backup) < LEFT]
        if len(young) == len(found):
            backups.publish_older(storage, found[0], LEFT)
        for backup in young:
            backups.remove(storage, backup)


def _heal(place: Place) -> None:
    if _is_broken(place):
        backups.fresh_backup(place)


def _is_broken(place: Place) -> bool:
    with backups.storing(place) as storage:
        found = backups.published(storage)
    return not found or _age(found[0]) > TOO_OLD


def _age(backup: backups.Backup) -> timedelta:
    return datetime.now(UTC) - backup.finished_at


BREAKAGE = Breakage(
    name="backup-missing",
    breaks="Desaparecen los respaldos de los últimos días; el más reciente tiene 60 horas.",
    expect="BACKUP-01 incumplida: nadie comenzó un respaldo; «--fix» respalda, relee y publica (y BACKUP-04 avisa).",
    applied=_apply,
    healed=_heal,
    shows=_is_broken,
    truth=Truth(
        "BACKUP-01",
        frozenset({"backup_did_not_begin"}),
        operations={"backup": ""},
        also={"BACKUP-04": NONE},
    ),
)

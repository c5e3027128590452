"""The procedures of the guide's fourth section, and what the settings promise of each: how long, how often, when."""

from __future__ import annotations

import functools
from datetime import timedelta

import msgspec

from runbook.settings.database import DatabaseSettings
from runbook.settings.schedule import ScheduleSettings
from runbook.settings.site import EnvironmentSettings
from runbook.slots import Slot
from runbook.text import Text, bilingual

_RETENTION = next(f.default for f in msgspec.structs.fields(DatabaseSettings) if f.name == "retention_days")


class Promise(msgspec.Struct, frozen=True):
    """A setting of a procedure as the site file has it, and its value: a span, or when it begins by itself, if ever."""

    written: str
    value: timedelta | Slot | None


class Procedure(msgspec.Struct, frozen=True):
    """A command of ``muses-runbook run``, in the words that a guide uses for it."""

    command: str
    number: str
    words: Text
    promises: tuple[Promise, ...]


def procedures(settings: EnvironmentSettings | None = None) -> tuple[Procedure, ...]:
    """What there is, with the values of an environment, or with those of a new site."""
    given = settings or EnvironmentSettings()
    days = given.database.retention_days if given.database else _RETENTION
    retention = Promise(f"database.retention_days = {days}", timedelta(days=days))
    keep = Promise(f'backup.keep = "{given.backup.keep.total_seconds() / 86_400:g} d"', given.backup.keep)
    begins = functools.partial(_begins, given.schedule)
    return (
        Procedure(
            "purge",
            "4.1",
            bilingual(
                "Purge of the exchange tables (TBAE*): archive the old records, verify, then delete them",
                "Purga de las tablas de intercambio (TBAE*): archivar los registros viejos, verificar y borrar",
            ),
            (retention, begins("purge")),
        ),
        Procedure(
            "backup",
            "4.2",
            bilingual(
                "Backups of sep_muses with pg_dump, full, encrypted, in S3",
                "Respaldos (backups) de sep_muses con pg_dump, completos, cifrados, en S3",
            ),
            (keep, begins("backup")),
        ),
        Procedure(
            "retention",
            "",
            bilingual("Retention: remove the backups past their time", "Retención: eliminar los respaldos vencidos"),
            (keep, begins("retention")),
        ),
        Procedure(
            "restore-test",
            "",
            bilingual("Restore test of the newest backup", "Prueba de restauración del respaldo más reciente"),
            (begins("restore-test"),),
        ),
    )


def _begins(schedule: ScheduleSettings, job: str) -> Promise:
    slot = schedule.slots().get(job)
    return Promise(f'schedule.{job.replace("-", "_")} = "{slot or ""}"', slot)

"""The backups of sep_muses (Guía de Operaciones §4.2): can what is lost today be had back, and will it tomorrow?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _backing, _guarding, _keeping, _proving, _timing
from runbook.limits import Limits, Threshold
from runbook.model import Finding, Risk, Step
from runbook.rows import Findings, diagnoses, remedies, row
from runbook.text import text

if TYPE_CHECKING:
    from procedures.backup.facts import BackingUp

RESTORE_TEST = text(
    "Run `muses-runbook run restore-test --execute`: it restores the newest backup into a throwaway cluster, compares "
    "and says what differs. One that failed is not to be trusted: make a new backup and prove that, keep the older "
    "ones, and look for the reason (a damaged disk, another major version, an extension that is missing)"
)
LOOK_AT_IT = text(
    "Compare with what was done that day: after a purge or a large load the size is right, and the median follows in "
    "two weeks. Where nothing explains it run `muses-runbook run restore-test --execute` and see which tables lack "
    "rows; for the time, see what else worked on the database, the network and the bucket in that hour"
)
RETAIN = text(
    "`muses-runbook run retention` says of each backup why it stays or that it may go, and what keeps it from removing "
    "anything; with --execute it removes. A night that is missing stays missing: find out why in that night's log. Of "
    "a damaged backup another version may be there: `aws s3api list-object-versions --bucket BUCKET --prefix FOLDER`"
)
PROTECT = text(
    "Set it right at the bucket: block public access, enable versioning and default encryption, refuse who comes "
    "without TLS (aws:SecureTransport), and set backup.encryption, backup.age_recipients, backup.lock_days. What lies "
    "there already stays as it was written: the next backup shows whether it holds"
)
SCHEDULE = text(
    "`muses-runbook schedule show` says what should be there, `muses-runbook schedule install` installs it. Then "
    "`systemctl list-timers 'muses-runbook-*'` and `journalctl -u UNIT`. Where cron or Kubernetes begins the jobs set "
    "limits.BACKUP-06.systemd = 0: row BACKUP-01 sees whether they did"
)


@row(
    "BACKUP-01",
    source="Guía de Operaciones §4.2: respaldo completo diario a las 03:30, se guarda 30 días",
    es="El respaldo más reciente de sep_muses está verificado y es de hoy",
    # A day and an hour for the backup itself; two nights missed.
    threshold=Threshold(warning=timedelta(hours=25), critical=timedelta(hours=49)),
)
def check_newest_backup_is_young(backup: BackingUp, limits: Limits) -> None:
    """The newest backup of sep_muses is verified and of today.

    What was written since the last good backup is lost with the database.
    """
    _backing.judge_newest(backup.backups(), limits)


@diagnoses(check_newest_backup_is_young, es="El respaldo no comenzó: la programación no está instalada o no disparó")
def backup_did_not_begin(backup: BackingUp, limits: Limits) -> Finding:
    """The backup did not begin: its schedule is not installed, or did not fire."""
    found = backup.backups()
    if since := _backing.not_due(found, limits):
        return since
    if begun := _backing.begun(found, _backing.attempts(backup)):
        return begun
    return _timing.nothing_begun(backup, found)


@diagnoses(check_newest_backup_is_young, es="El último respaldo falló o quedó a medias")
def last_backup_failed(backup: BackingUp) -> Finding:
    """The last backup failed, or was broken off."""
    return _backing.failed(backup.backups(), _backing.attempts(backup))


@diagnoses(check_newest_backup_is_young, es="El almacenamiento no admite al operador o prohíbe el respaldo")
def storage_forbids_it(backup: BackingUp) -> Finding:
    """The storage does not let the operator in, or forbids a backup."""
    return _backing.forbidden(backup.operating())


@diagnoses(check_newest_backup_is_young, es="Un respaldo está en curso")
def backup_is_being_made(backup: BackingUp) -> Finding:
    """A backup is being made just now."""
    return _backing.at_work(backup.backups())


@remedies(check_newest_backup_is_young, risk=Risk.LOW, settles=timedelta(minutes=1))
def back_up(findings: Findings, backup: BackingUp) -> Iterator[Step]:
    """The backup of §4.2, which adds one and takes none away."""
    yield from _backing.steps(findings, backup.fingerprint())


@row(
    "BACKUP-02",
    source="Guía de Operaciones §4.2; práctica común: un respaldo que no se ha restaurado no es un respaldo",
    es="El respaldo se ha restaurado de verdad hace poco, y nada faltó",
    # A week and a day for the weekly test; a month.
    threshold=Threshold(warning=timedelta(days=8), critical=timedelta(days=31)),
    person=RESTORE_TEST,
)
def check_backup_was_restored(backup: BackingUp, limits: Limits) -> None:
    """A backup was really restored a short time ago, and nothing was missing.

    Only a restore proves a backup: bytes that are whole may still hold a dump that does not go in.
    """
    _proving.judge(backup.backups(), limits)


@row(
    "BACKUP-03",
    source="Guía de Operaciones §4.2; práctica común: menos de la mitad de la mediana es un respaldo incompleto",
    es="El respaldo mide y tarda lo de siempre",
    threshold=Threshold(warning=50, critical=None, unit="%", direction="below"),
    settings={
        "largest": 300,
        "slower": 3,
        "samples": 14,
        # Fewer say nothing of what is usual; and what is done in minutes may well take thrice as long.
        "least_samples": 3,
        "least_duration": timedelta(minutes=5),
    },
    person=LOOK_AT_IT,
)
def check_backup_is_as_usual(backup: BackingUp, limits: Limits) -> None:
    """The backup is as large as usual, and takes as long.

    A backup that shrank to half may lack a table; one that grows slower every night will not be done by morning.
    """
    _proving.judge_trend(backup.backups(), limits)


@row(
    "BACKUP-04",
    source="Guía de Operaciones §4.2: se guarda 30 días",
    es="Los respaldos se conservan como se acordó: no falta ninguno y no sobra ninguno",
    # Nights without a backup, of those that are still kept.
    threshold=Threshold(warning=0, critical=3, unit="days"),
    settings={
        # How long a backup that may go may lie there until retention comes.
        "overdue": timedelta(days=2),
        "left_behind": timedelta(days=1),
    },
    person=RETAIN,
)
def check_backups_are_kept(backup: BackingUp, limits: Limits) -> None:
    """The backups are kept as agreed: none is missing, and none too many.

    An error that is found after weeks is mended from the backup of the day before it, if that day has one.
    """
    found = backup.backups()
    _keeping.judge_days(found, backup, limits)
    _keeping.judge_pieces(found, limits)
    _keeping.judge_retention(found, backup, limits)


@row(
    "BACKUP-05",
    source="Guía de Operaciones §4.2: respaldos cifrados en S3; CIS AWS Foundations: acceso público, TLS, versiones",
    es="Los respaldos están protegidos: cifrados, privados, con versiones y por TLS",
    person=PROTECT,
)
def check_backups_are_protected(backup: BackingUp, limits: Limits) -> None:
    """The backups are protected: encrypted, private, with versions, by TLS.

    A backup holds every student's data, and whoever can remove it can demand a ransom.
    """
    found, wanted = backup.backups(), backup.wanted
    _guarding.judge_bucket(backup.bucket(), limits)
    _guarding.judge_manifests(found, wanted, limits)
    newest = found.newest_good
    if newest is not None and newest.manifest is not None:
        guarded = backup.guarded(newest.manifest.object, newest.manifest.version)
        _guarding.judge_newest(newest, guarded, wanted, limits)


@row(
    "BACKUP-06",
    source="Guía de Operaciones §4.2: respaldo diario a las 03:30",
    es="El respaldo y su prueba están programados, y dispararon cuando debían",
    # Of a daily job, with the longest night of the year; a weekly one has its own.
    threshold=Threshold(warning=timedelta(hours=26), critical=timedelta(hours=50)),
    # 0: cron or Kubernetes begins the jobs, and no timer is there to be seen.
    settings={"systemd": 1, "weekly_warning": timedelta(days=8), "weekly_critical": timedelta(days=15)},
    person=SCHEDULE,
)
def check_schedule_is_installed(backup: BackingUp, limits: Limits) -> None:
    """The backup and the test of it are scheduled, and fired when they should.

    A job that nobody begins fails without an error.
    """
    planned = {name: slot for name, slot in backup.slots.items() if name in _timing.JOBS}
    if _timing.is_seen(planned, limits):
        _timing.judge(planned, backup.timers(), limits)

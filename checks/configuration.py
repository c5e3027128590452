"""How the database is set up: as the site decided, without anything pending, on a version that is cared for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _settings, _versions
from runbook.limits import Limits, Threshold
from runbook.model import State
from runbook.rows import row
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database


@row(
    "DB-19",
    source="check_postgres settings_checksum y check_pgactivity settings: aquí contra lo que el sitio declara",
    es="La base de datos está configurada como el sitio lo decidió",
    person=text(
        "Where the server is wrong: ALTER SYSTEM SET NAME = 'VALUE', then SELECT pg_reload_conf() or a restart; where "
        "the decision has changed: database.baseline in the site file"
    ),
)
def check_settings_are_as_declared(database: Database, limits: Limits) -> None:
    """The database's settings are those that the site has decided on.

    What somebody changed in an incident stays changed, until the next incident finds it.
    """
    baseline = database.baseline
    if not baseline:
        limits.skip(text("The site declares no settings of the server (database.baseline)"))
        return
    found = {setting.name: setting for setting in database.server().settings}
    for name, declared in sorted(baseline.items()):
        _settings.judge(name, declared, found.get(name.lower()), limits)


@row(
    "DB-20",
    source="check_pgactivity settings (pending_restart); documentación de PostgreSQL, pg_settings",
    es="Ningún cambio de configuración espera un reinicio",
    person=text(
        "Restart in a quiet hour: systemctl restart postgresql; or take the change back where nobody knows of it"
    ),
)
def check_no_setting_waits_for_a_restart(database: Database, limits: Limits) -> None:
    """No change of the settings waits for a restart.

    The next restart, perhaps in the middle of an incident, brings a server that nobody has tried.
    """
    waiting = [setting for setting in database.server().settings if setting.pending_restart]
    for setting in waiting:
        words = text("{name} is {value} until a restart", name=setting.name, value=setting.shown)
        limits.hold(State.WARNING, of=setting.name, summary=words)
    if not waiting:
        limits.hold(State.OK, of="*", summary=text("All settings are in force"))


@row(
    "DB-21",
    source="https://www.postgresql.org/support/versioning/; un semestre para planear la migración",
    es="La versión de PostgreSQL tiene soporte",
    threshold=Threshold(warning=timedelta(days=180), critical=timedelta(0), direction="below"),
    person=text(
        "Plan the move to a version that is cared for: pg_upgrade --check first, on a restored backup; then "
        "the move in a maintenance window, ANALYZE after it"
    ),
)
def check_version_is_supported(database: Database, limits: Limits) -> None:
    """PostgreSQL's version is cared for.

    After its end no fault is mended any more, not even one that lets strangers in.
    """
    server = database.server()
    end = _versions.end_of_life(server.version // 10_000)
    words = text("PostgreSQL {version} is cared for until {end}", version=server.version_name, end=f"{end:%Y-%m-%d}")
    limits.judge(_versions.left(end, server.now), of=f"PostgreSQL {server.version // 10_000}", summary=words)

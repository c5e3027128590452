"""Make the targets of an environment by name. Making one connects to nothing and imports no driver."""

from __future__ import annotations

import importlib
from typing import Any

from runbook.site import Site
from runbook.targets.memory import Memory

#: Target → its module and class. They are named, not imported: a module is loaded when its target is made, and so a
#: procedure, which stands on this package and which nothing in here may import, can be a target of rows too.
KINDS = {
    "database": ("runbook.targets.postgres.database", "Database"),
    "broker": ("runbook.targets.rabbitmq.broker", "Broker"),
    "workers": ("runbook.targets.workers.workers", "Workers"),
    "logs": ("runbook.targets.logs.logs", "Logs"),
    "storage": ("runbook.targets.s3.storage", "Storage"),
    "hosts": ("runbook.targets.hosts.hosts", "Hosts"),
    "prometheus": ("runbook.targets.prometheus.prometheus", "Prometheus"),
    "security": ("runbook.targets.security.security", "Security"),
    "purge": ("procedures.purge.target", "Purge"),
    "backup": ("procedures.backup.target", "Backup"),
    "runs": ("runbook.targets.runs", "Runs"),
}
#: Procedures work on several targets and know their settings from the site.
_OF_THE_SITE = frozenset({"purge", "backup", "runs", "security"})


def open_target(name: str, site: Site) -> Any:
    """The target of that name, with the settings of the site's environment (None where it is not configured)."""
    if name == "scripts":
        return _scripts(site)
    module, kind = KINDS[name]
    made = getattr(importlib.import_module(module), kind)
    if name in _OF_THE_SITE:
        return made(name, site)
    more: dict[str, dict[str, Any]] = {
        "database": {"timezone": site.environment.timezone},
        "broker": {"state": site.state_folder},
        "logs": {"hosts": site.settings.hosts},
        "storage": {"archive": site.settings.archive},
        "workers": {"hosts": site.settings.hosts},
    }
    return made(name, getattr(site.settings, name), environment=site.environment.name, **more.get(name, {}))


def memory_of(site: Site, prometheus: Any) -> Memory:
    """The history of the site's environment, with Prometheus behind it where that is configured."""
    return Memory(site.history, prometheus if site.settings.prometheus is not None else None)


def _scripts(site: Site) -> Any:
    """No target of its own for whoever counts them: the database, asked by the team's scripts."""
    scripts = importlib.import_module("runbook.targets.scripts.scripts").Scripts
    place = {"environment": site.environment.name, "timezone": site.environment.timezone}
    return scripts("database", site.settings.database, site.settings.sql_rows, **place)

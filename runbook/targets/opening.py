"""Make the targets of an environment by name. Making one connects to nothing and imports no driver."""

from __future__ import annotations

import importlib
from typing import Any

from runbook.site import Site

#: Target → its module and class; imported when it is made.
KINDS = {
    "database": ("postgres.database", "Database"),
    "broker": ("rabbitmq.broker", "Broker"),
    "workers": ("workers.workers", "Workers"),
    "logs": ("logs.logs", "Logs"),
    "storage": ("s3.storage", "Storage"),
    "hosts": ("hosts.hosts", "Hosts"),
}


def open_target(name: str, site: Site) -> Any:
    """The target of that name, with the settings of the site's environment (None where it is not configured)."""
    module, kind = KINDS[name]
    made = getattr(importlib.import_module(f"runbook.targets.{module}"), kind)
    zone = {"timezone": site.environment.timezone} if name == "database" else {}
    return made(name, getattr(site.settings, name), environment=site.environment.name, **zone)

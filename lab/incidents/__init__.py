"""Incidents to practise on: real causes, each applied, healed and asked for by name."""

from __future__ import annotations

from lab.incidents import (
    backup_missing,
    big_batch,
    consolidation_down,
    database_overload,
    database_refuses,
    poison_messages,
    slow_query,
    staging_overgrown,
    too_few_consumers,
    transaction_forgotten,
    worker_down,
    worker_stuck,
)
from lab.incidents.backups import fresh_backup
from lab.incidents.breakage import Breakage

__all__ = ["BREAKAGES", "Breakage", "fresh_backup"]

#: In the order of the guide's sections.
BREAKAGES: dict[str, Breakage] = {
    module.BREAKAGE.name: module.BREAKAGE
    for module in (
        worker_down,
        worker_stuck,
        database_refuses,
        too_few_consumers,
        slow_query,
        database_overload,
        big_batch,
        consolidation_down,
        transaction_forgotten,
        poison_messages,
        backup_missing,
        staging_overgrown,
    )
}

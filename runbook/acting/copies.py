"""The journal of a site, with the copy that its settings name."""

from __future__ import annotations

import socket
from pathlib import Path

from runbook.acting.journal import Copy, Journal
from runbook.errors import JournalError
from runbook.settings import EnvironmentSettings
from runbook.text import text


def journal_file(folder: Path) -> Path:
    """Where a site's journal lies."""
    return folder / "journal.jsonl"


def open_journal(settings: EnvironmentSettings, environment: str, folder: Path) -> Journal:
    """The journal, to be written. Raises JournalError where it, or its copy, cannot be read, written or trusted."""
    return Journal(journal_file(folder), copy_of(settings, environment))


def copy_of(settings: EnvironmentSettings, environment: str) -> Copy | None:
    """The copy that the settings name; None where they name none. Connects to nothing yet.

    Raises JournalError where the copy's place is not configured: a copy that is asked for and not had is none.
    """
    journal = settings.journal
    name = journal.name or socket.gethostname()
    match journal.copy:
        case "storage" if settings.storage is not None:
            from runbook.targets.s3.journal_copy import StorageCopy

            return StorageCopy(settings.storage, settings.backup, journal, name)
        case "database" if settings.database is not None:
            from runbook.targets.postgres.access import Access
            from runbook.targets.postgres.journal_copy import DatabaseCopy

            access = Access("database", f"environments.{environment}.database", settings.database)
            return DatabaseCopy(access, journal, name)
        case "none":
            return None
        case where:
            setting = f"environments.{environment}.{where}"
            raise JournalError(text("The journal's copy is to lie in {setting}, which is not set", setting=setting))

"""What the records of the exchange tables are validated by."""

from __future__ import annotations

from runbook.settings.words import Strict


class RecordsSettings(Strict, frozen=True, kw_only=True):
    """Names of the site that the rows of the records need; part of the table of the database.

    ``ended_statuses`` are those in which nothing more happens to a record: in any other it waits for something.
    ``consolidated_statuses`` are those in which it must be in the core. ``keys`` says which columns of an exchange
    table, all alike, make two records the same event, the last of them when it was; tables that are not named have
    their usual key.
    """

    ended_statuses: tuple[str, ...] = ("PROCESADO", "ERROR", "CANCELADO")
    consolidated_statuses: tuple[str, ...] = ("PROCESADO",)
    keys: dict[str, tuple[str, ...]] = {}

"""Acting runs: how they keep out of each other's way, and where the copy of their journal lies."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from runbook.settings.words import Keys, Login, Strict


class ActingSettings(Strict, frozen=True, kw_only=True):
    """One acting run at a time, on whichever machine.

    ``machines`` ``several``: nothing acts where neither the database's lock nor the object store's lease can be had;
    ``one`` is the site's word that only this machine acts. ``needs`` ``all`` asks for both where both are configured.
    ``lease_prefix`` is where the lease lies in ``storage.backup_bucket``.
    """

    machines: Literal["several", "one"] = "several"
    needs: Literal["any", "all"] = "any"
    lease_prefix: str = ".muses-runbook/acting/"


class JournalSettings(Strict, frozen=True, kw_only=True):
    """A copy of the journal where the machine that acts cannot rewrite it; without it (``none``) there is none.

    ``storage``: one object a line below ``prefix`` in ``bucket`` (``storage.backup_bucket`` unless said), locked in
    compliance mode for ``lock_days``, written with ``keys`` (the operator's unless said). ``database``: a table in
    ``schema`` that ``login`` may add to and read and nothing else. ``name`` tells this machine's journal from others'
    (its host name).
    """

    copy: Literal["none", "storage", "database"] = "none"
    name: str | None = None
    bucket: str | None = None
    prefix: str = ".muses-runbook/journal/"
    lock_days: int = 400
    keys: Keys | None = None
    login: Login | None = None
    schema: str = "muses_journal"

    def __post_init__(self) -> None:
        if self.copy == "database" and self.login is None:
            raise ValueError("copy 'database' needs login: a role that may only add to the table and read it")
        if self.lock_days < 1:
            raise ValueError("lock_days must be at least 1: what is not locked can be rewritten")
        if self.name is not None and PurePosixPath(self.name).name != self.name:
            raise ValueError("name is one word, without a slash")

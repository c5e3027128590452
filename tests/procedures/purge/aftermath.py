"""What is there after a purge was stopped in the middle, held against what DATA_SAFETY.md says must be there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from procedures.purge import running
from procedures.purge.running import Purged
from runbook.site import Site
from tests.procedures.purge.filling import TABLES
from tests.procedures.purge.ground import Archive, Ground, Lines
from tests.runbook.targets.servers_postgres import until

#: The name that all sessions of a purge have.
_SESSIONS = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'muses-runbook'"
#: A batch's step is over with these: nothing of it is in the archive, its object is, its manifest is, it is VERIFIED.
NOTHING, OBJECT, PUBLISHED, VERIFIED = "nothing", "object", "published", "verified"
#: What a kill leaves of the batch in work, by the milestone that it came to.
STATES = {
    **dict.fromkeys(("locked", "run begun", "table planned"), NOTHING),
    **dict.fromkeys(("batch claimed", "export begun", "export halfway", "exported"), NOTHING),
    **dict.fromkeys(("object written", "object read back"), OBJECT),
    **dict.fromkeys(("manifest written", "verified, before commit"), PUBLISHED),
    **dict.fromkeys(("verified", "chunk begun", "chunk locked", "rows deleted, before commit"), VERIFIED),
    **dict.fromkeys(("chunk committed", "all chunks committed"), VERIFIED),
    "batch done": NOTHING,
    **dict.fromkeys(("partition detached", "partition proven, before commit", "partition dropped"), NOTHING),
    **dict.fromkeys(("table vacuumed", "before the run's end", "run done", "swept"), NOTHING),
}


class Quiet:
    """Watches a purge and says nothing."""

    def surveyed(self, survey: Any) -> None:
        """Say nothing."""

    def resumed(self, run: str) -> None:
        """Say nothing."""

    def progressed(self, tables: Any) -> None:
        """Say nothing."""

    def noticed(self, what: Any) -> None:
        """Say nothing."""


class Waiting(Quiet):
    """Sees that the purge waits, hears why, and makes an end of it when it has seen it ``times`` times."""

    def __init__(self, end: Callable[[], object], times: int = 1) -> None:
        self._end, self._times = end, times
        self.reasons: list[str] = []

    def progressed(self, tables: Any) -> None:
        """Told twice a second."""
        if found := [str(table.waiting) for table in tables if table.waiting]:
            self.reasons += found
            self.seen()
            self._times -= 1
            if self._times == 0:
                self._end()

    def seen(self) -> None:
        """It waits just now."""


def settled(ground: Ground) -> None:
    """Wait until the server has noticed that the killed purge is gone: its transactions are rolled back then."""
    until(lambda: ground.admin.execute(_SESSIONS).fetchall()[0]["n"] == 0, patience=20)


def deleted_so_far(ground: Ground) -> int:
    """How many rows the ledger says are deleted."""
    if not ground.admin.execute("SELECT to_regclass('muses_runbook.purge_batch') AS there").fetchall()[0]["there"]:
        return 0
    query = "SELECT coalesce(sum(deleted), 0)::int AS n FROM muses_runbook.purge_batch"
    return int(ground.admin.execute(query).fetchall()[0]["n"])


def check_stopped(ground: Ground, before: Lines) -> Archive:
    """What holds wherever it was stopped: no row is nowhere, and the ledger says of every batch what is true of it."""
    now, archive = ground.tables(), ground.archive()
    for table in TABLES:
        assert not now[table] - before[table]
        assert not before[table] - now[table] - archive.lines[table], f"rows of {table} are nowhere"
    gone = sum(len(before[table] - now[table]) for table in TABLES)
    assert deleted_so_far(ground) == gone, "the ledger does not say how many rows are gone"
    for batch in _batches(ground):
        manifest = batch["manifest"]
        rows = manifest["content"]["rows"] if manifest else 0
        assert batch["deleted"] + batch["changed"] == batch["position"] <= rows
        if batch["state"] == "DONE":
            assert batch["position"] == rows
        assert (manifest is not None) == (batch["state"] == "VERIFIED" or rows > 0)
    return archive


def left_of_the_batch(ground: Ground, archive: Archive) -> str:
    """Which state the batch in work is in; batches of a detached partition stay VERIFIED until it is dropped."""
    detached = {row["name"] for row in ground.standing() if row["state"] == "DETACHED"} if _batches(ground) else set()
    verified = [b for b in _batches(ground) if b["state"] == "VERIFIED" and b["name"] not in detached]
    known = {b["manifest"]["object"]["key"] for b in _batches(ground) if b["manifest"]}
    unknown = {manifest.object.key for manifest in archive.manifests} - known
    assert len(archive.orphans) + len(unknown) + len(verified) <= 1
    if archive.orphans or unknown:
        return OBJECT if archive.orphans else PUBLISHED
    return VERIFIED if verified else NOTHING


def gone_on_with(ground: Ground, site: Site, before: Lines) -> Purged:
    """The same purge again, to its end: it goes on by itself, and everything is where it belongs."""
    settled(ground)
    purged = running.purge(site, confirmed=True)
    ground.invariant(before)
    return purged


def check_nothing_left(ground: Ground, site: Site, before: Lines) -> None:
    """One more purge finds nothing to do, and does nothing."""
    manifests = len(ground.archive().manifests)
    purged = running.purge(site, confirmed=True)
    assert (purged.resumed, purged.deleted) == (False, 0)
    assert len(ground.archive().manifests) == manifests
    ground.nothing_lost(before)


def _batches(ground: Ground) -> list[dict[str, Any]]:
    there = ground.admin.execute("SELECT to_regclass('muses_runbook.purge_batch') AS there").fetchall()[0]["there"]
    return ground.batches() if there else []

"""Sessions of a purge that end under it: at every milestone, and with a commit whose outcome it never hears of.

A batch whose session is lost is begun anew by itself; where the session is lost that holds the lock, the purge ends
with an error that says so, and the next one goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from procedures.purge import milestones, running
from runbook.errors import RunbookError
from runbook.site import Site
from tests.procedures.purge.aftermath import check_stopped, gone_on_with, settled
from tests.procedures.purge.ground import Ground, Lines
from tests.procedures.purge.purging import PIECE
from tests.procedures.purge.wire import Where, Wire
from tests.runbook.targets.servers_postgres import until

SMALL: dict[str, Any] = {"batch_rows": 30, "chunk_rows": 20}
ROWS = 60
#: Milestones of a batch, which is done over a session of its own.
OF_A_BATCH = milestones.MILESTONES[milestones.MILESTONES.index("batch claimed") :][:15]
OF_THE_RUN = [name for name in milestones.MILESTONES if name not in OF_A_BATCH]
#: The session that holds the purge's advisory lock, and the others.
_HOLDS = "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pg_locks.pid = a.pid)"
_END = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity AS a WHERE application_name = %s AND "


@pytest.fixture
def before(ground: Ground) -> Lines:
    """Tables of which one has partitions."""
    return ground.fill_partitioned(ROWS)


@pytest.fixture
def site(ground: Ground) -> Site:
    """Small batches."""
    return ground.changed(**SMALL)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None]], list[str]]:
    """Does something, once, when a milestone is reached for the second time, or the only one; tells that it did."""
    monkeypatch.setattr("procedures.purge.archiving._PIECE", PIECE)

    def plan(name: str, do: Callable[[], None]) -> list[str]:
        passed: list[str] = []
        nth = 1 if name in OF_THE_RUN else 2

        def reached(milestone: str) -> None:
            if milestone == name:
                passed.append(milestone)
                if len(passed) == nth:
                    do()

        monkeypatch.setattr(milestones, "reached", reached)
        return passed

    return plan


def end_sessions(ground: Ground, which: str) -> None:
    """End them, and wait until they are gone."""
    found = {row["pid"] for row in ground.admin.execute(f"{_END} {which}", ["muses-runbook"]).fetchall()}
    assert found
    there = "SELECT count(*) AS n FROM pg_stat_activity WHERE pid = ANY(%s)"
    until(lambda: ground.admin.execute(there, [list(found)]).fetchall()[0]["n"] == 0, patience=20)


@pytest.mark.soak
@pytest.mark.parametrize("name", OF_A_BATCH)
def test_the_session_of_a_batch_is_lost(name: str, at: Any, ground: Ground, before: Lines, site: Site) -> None:
    passed = at(name, lambda: end_sessions(ground, f"NOT {_HOLDS}"))
    purged = running.purge(site)
    assert passed
    assert not purged.resumed
    ground.invariant(before)


#: The lock's session is lost at each of these in every run, at all others in `make soak`.
SHORT = ("locked", "table planned", "exported", "verified", "chunk committed", "before the run's end")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in SHORT else pytest.mark.soak) for name in milestones.MILESTONES]
)
def test_the_session_with_the_lock_is_lost(name: str, at: Any, ground: Ground, before: Lines, site: Site) -> None:
    at(name, lambda: end_sessions(ground, _HOLDS))
    if name in ("run done", "swept"):  # what is left to do then is in the storage
        running.purge(site)
    else:
        with pytest.raises(RunbookError, match="ended the connection"):
            running.purge(site)
        settled(ground)
        check_stopped(ground, before)
    gone_on_with(ground, site, before)


@pytest.mark.parametrize("name", ["exported", "rows deleted, before commit", "partition proven, before commit"])
def test_all_sessions_are_lost(name: str, at: Any, ground: Ground, before: Lines, site: Site) -> None:
    at(name, lambda: end_sessions(ground, "true"))
    with pytest.raises(RunbookError):
        running.purge(site)
    settled(ground)
    check_stopped(ground, before)
    gone_on_with(ground, site, before)


#: By whose session it is: a batch is begun anew, the run is gone on with.
TRANSACTIONS = {
    "a batch is VERIFIED": (b"SET state = 'VERIFIED'", True),
    "a chunk": (b"DELETE FROM ONLY", True),
    "a batch is DONE": (b"SET state = 'DONE', waiting", True),
    "the run": (b'INSERT INTO "muses_runbook"."purge_run"', False),
    "a plan": (b'INSERT INTO "muses_runbook"."purge_batch"', False),
    "the partition's detaching": (b"DETACH PARTITION", False),
    "the partition's end": (b'DROP TABLE "muses_dev"', False),
}


@pytest.mark.soak
@pytest.mark.parametrize("where", ["before the commit", "after the commit"])
@pytest.mark.parametrize(("marker", "alone"), TRANSACTIONS.values(), ids=TRANSACTIONS.keys())
def test_nobody_knows_whether_it_was_committed(
    marker: bytes, alone: bool, where: Where, wire: Wire, ground: Ground, before: Lines
) -> None:
    broken = wire.break_at(marker, where)
    site = ground.changed(database={"port": wire.port}, **SMALL)
    if alone:
        running.purge(site)
        ground.invariant(before)
    else:
        with pytest.raises(RunbookError):
            running.purge(site)
        settled(ground)
        check_stopped(ground, before)
        gone_on_with(ground, site, before)
    until(broken.done.is_set)


def test_the_list_breaks_off_while_it_is_copied_in(wire: Wire, ground: Ground, before: Lines) -> None:
    broken = wire.break_at(b"FROM STDIN", "within the copy", nth=3)
    running.purge(ground.changed(database={"port": wire.port}, **SMALL))
    until(broken.done.is_set)
    ground.invariant(before)


def test_a_batch_that_loses_its_session_again_and_again_is_given_up(
    monkeypatch: pytest.MonkeyPatch, ground: Ground, before: Lines, site: Site
) -> None:
    def reached(milestone: str) -> None:
        if milestone == "chunk locked":
            end_sessions(ground, f"NOT {_HOLDS}")

    monkeypatch.setattr(milestones, "reached", reached)
    with pytest.raises(RunbookError, match="ended the connection"):
        running.purge(site)
    settled(ground)
    check_stopped(ground, before)
    monkeypatch.undo()
    gone_on_with(ground, site, before)

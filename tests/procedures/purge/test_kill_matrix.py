"""The kill matrix: a purge is killed at every place it passes, and inside its steps; nothing is lost, and it goes on.

Enumerated, not sampled: every milestone at its first passing and at one in the middle of the run here, at each passing
that there is in test_soak.py. The number of cases is in the terminal's summary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from procedures.purge import milestones, running
from runbook.site import Site
from tests.faulty_store import FaultyStore
from tests.procedures.purge.aftermath import (
    NOTHING,
    OBJECT,
    PUBLISHED,
    STATES,
    check_nothing_left,
    check_stopped,
    deleted_so_far,
    gone_on_with,
    left_of_the_batch,
    settled,
)
from tests.procedures.purge.ground import Ground, Lines, Servers, ground_on
from tests.procedures.purge.purging import Purger, small_pieces, tried_once
from tests.procedures.purge.wire import Where, Wire
from tests.store_faults import Stage, calls, cut_upload

SMALL: dict[str, Any] = {"batch_rows": 30, "chunk_rows": 20}
ROWS = 60
#: These are passed once a run; the others once a table, a batch, a chunk or a piece.
ONCE = (
    "locked",
    "run begun",
    "partition detached",
    "partition proven, before commit",
    "partition dropped",
    "table vacuumed",
    "before the run's end",
    "run done",
    "swept",
)
PASSINGS = ("first", "middle")
MATRIX = [(name, which) for name in milestones.MILESTONES for which in PASSINGS if which == "first" or name not in ONCE]


class Passed(NamedTuple):
    """What a run that nobody stops passes: how often each milestone, and how many rows are deleted for good by then."""

    times: Counter[str]
    deleted: dict[tuple[str, int], int]

    def number(self, name: str, which: str) -> int:
        """Which passing that is."""
        return 1 if which == "first" else self.times[name] // 2 + 1


@pytest.fixture(scope="module")
def dying(forking: Purger, purge_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Purger]:
    """The process whose children are killed; what goes on after them hands rows over in small pieces too."""
    home = tmp_path_factory.mktemp("tried")
    with ground_on(purge_servers, home) as ground, small_pieces(), tried_once(forking, ground.site):
        yield forking


@pytest.fixture(scope="module")
def passed(purge_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Passed:
    """One run to its end, on the rows that all cases have."""
    times, deleted = Counter[str](), dict[tuple[str, int], int]()
    home = tmp_path_factory.mktemp("passed")
    with ground_on(purge_servers, home) as ground, small_pieces(), pytest.MonkeyPatch.context() as patch:

        def reached(name: str) -> None:
            times[name] += 1
            deleted[name, times[name]] = deleted_so_far(ground)

        before = ground.fill_partitioned(ROWS)
        patch.setattr(milestones, "reached", reached)
        running.purge(ground.changed(**SMALL))
        ground.invariant(before)
    return Passed(times, deleted)


@pytest.fixture
def before(ground: Ground) -> Lines:
    """The rows of a case, in tables of which one has partitions."""
    return ground.fill_partitioned(ROWS)


@pytest.fixture
def site(ground: Ground) -> Site:
    """Small batches and small chunks, one worker: each milestone finds the same state every time."""
    return ground.changed(**SMALL)


def test_every_milestone_is_in_the_matrix(passed: Passed) -> None:
    assert set(passed.times) == set(milestones.MILESTONES) == set(STATES)
    assert {name for name, times in passed.times.items() if times == 1} == set(ONCE)


@pytest.mark.parametrize(("name", "which"), MATRIX)
def test_killed_at_a_milestone(
    name: str, which: str, dying: Purger, passed: Passed, ground: Ground, before: Lines, site: Site
) -> None:
    nth = passed.number(name, which)
    assert dying.purge(site, ground.home, at=name, nth=nth).killed
    settled(ground)
    archive = check_stopped(ground, before)
    left = left_of_the_batch(ground, archive)
    assert left == STATES[name] or (name == "verified" and left == NOTHING)  # that of a detached partition
    assert deleted_so_far(ground) == passed.deleted[name, nth]
    purged = gone_on_with(ground, site, before)
    assert purged.resumed == (name not in ("locked", "run done", "swept"))
    check_archived_once(ground, orphans=left == OBJECT)
    if name in ONCE:
        check_nothing_left(ground, site, before)


class Inside(NamedTuple):
    """A kill while a request to the storage is under way, and what it leaves of the batch."""

    operation: str
    key: str
    at: Stage
    nth: int
    leaves: str


ROWS_OBJECT, MANIFEST, PROBE = "*/rows.copy.zst", "tbae*/manifest.json", "*/.probe/*"
INSIDE = {
    "the storage is tried": Inside("PutObject", PROBE, "upload", 1, NOTHING),
    "the storage's tries are removed": Inside("DeleteObject", PROBE, "answered", 1, NOTHING),
    "the rows' upload": Inside("PutObject", ROWS_OBJECT, "upload", 1, NOTHING),
    "the rows' upload, later": Inside("PutObject", ROWS_OBJECT, "upload", 5, NOTHING),
    "the rows are stored and it does not know": Inside("PutObject", ROWS_OBJECT, "answered", 2, OBJECT),
    "the encryption is asked for": Inside("HeadObject", ROWS_OBJECT, "answered", 1, OBJECT),
    "the download": Inside("GetObject", ROWS_OBJECT, "download", 1, OBJECT),
    "the download, later": Inside("GetObject", ROWS_OBJECT, "download", 4, OBJECT),
    "the manifest's upload": Inside("PutObject", MANIFEST, "upload", 2, OBJECT),
    "the manifest is stored and it does not know": Inside("PutObject", MANIFEST, "answered", 3, PUBLISHED),
}


@pytest.mark.parametrize("inside", INSIDE.values(), ids=INSIDE.keys())
def test_killed_while_the_storage_works(
    inside: Inside, dying: Purger, faults: FaultyStore, ground: Ground, before: Lines
) -> None:
    fault = calls(lambda request: dying.kill(), at=inside.at)
    faults.inject(fault, operation=inside.operation, key=inside.key, nth=inside.nth)
    if inside.at == "upload":  # what is small is on its way as a whole: the other half gets lost here
        faults.inject(cut_upload(), operation=inside.operation, key=inside.key, nth=inside.nth)
    site = ground.changed(endpoint=faults.url, **SMALL)
    with finding_out(dying):
        assert dying.purge(site, ground.home).killed
    settled(ground)
    assert left_of_the_batch(ground, check_stopped(ground, before)) == inside.leaves
    gone_on_with(ground, site, before)
    check_archived_once(ground, orphans=inside.leaves == OBJECT)


#: Transactions by what is said in them, and how often before.
TRANSACTIONS = {
    "the ledger": (b"CREATE SCHEMA", 1),
    "the run": (b'INSERT INTO "muses_runbook"."purge_run"', 1),
    "a plan": (b'INSERT INTO "muses_runbook"."purge_batch"', 2),
    "VERIFIED": (b"SET state = 'VERIFIED'", 2),
    "a chunk": (b"DELETE FROM ONLY", 1),
    "a later chunk": (b"DELETE FROM ONLY", 4),
    "DONE": (b"SET state = 'DONE', waiting", 1),
    "the partition's detaching": (b"DETACH PARTITION", 1),
    "the partition's end": (b'DROP TABLE "muses_dev"', 1),
}
COMMITS: tuple[Where, ...] = ("before the commit", "after the commit")
WIRED: list[Any] = [
    *(pytest.param(*t, where, id=f"{name}, {where}") for name, t in TRANSACTIONS.items() for where in COMMITS),
    pytest.param(b"FROM STDIN", 1, "within the copy", id="a list, within the copy"),
    pytest.param(b"FROM STDIN", 3, "within the copy", id="a later list, within the copy"),
]


@pytest.mark.parametrize(("marker", "nth", "where"), WIRED)
def test_killed_while_the_database_works(
    marker: bytes, nth: int, where: Where, dying: Purger, wire: Wire, ground: Ground, before: Lines, site: Site
) -> None:
    broken = wire.break_at(marker, where, nth=nth, call=dying.kill)
    assert dying.purge(ground.changed(database={"port": wire.port}, **SMALL), ground.home).killed
    assert broken.done.wait(10)
    settled(ground)
    check_stopped(ground, before)
    gone_on_with(ground, site, before)
    check_archived_once(ground)


#: Killed, and killed again while it goes on: the second one by a milestone that resuming passes.
AGAIN = [
    ("manifest written", "verified, before commit"),
    ("manifest written", "rows deleted, before commit"),
    ("object written", "object written"),
    ("rows deleted, before commit", "chunk locked"),
    ("chunk committed", "chunk committed"),
    ("partition detached", "partition proven, before commit"),
    ("verified", "all chunks committed"),
    ("run begun", "table planned"),
]


@pytest.mark.soak
@pytest.mark.parametrize(("first", "then"), AGAIN)
def test_killed_again_while_it_goes_on(
    first: str, then: str, dying: Purger, ground: Ground, before: Lines, site: Site
) -> None:
    for at in (first, then):
        assert dying.purge(site, ground.home, at=at).killed
        settled(ground)
        check_stopped(ground, before)
    gone_on_with(ground, site, before)
    check_archived_once(ground, orphans=None)


def test_killed_while_it_adopts(dying: Purger, faults: FaultyStore, ground: Ground, before: Lines) -> None:
    site = ground.changed(endpoint=faults.url, **SMALL)
    assert dying.purge(site, ground.home, at="manifest written").killed
    settled(ground)
    faults.inject(calls(lambda request: dying.kill(), at="download"), operation="GetObject", key=ROWS_OBJECT)
    assert dying.purge(site, ground.home).killed
    settled(ground)
    assert left_of_the_batch(ground, check_stopped(ground, before)) == PUBLISHED
    gone_on_with(ground, site, before)
    check_archived_once(ground)


@contextmanager
def finding_out(dying: Purger) -> Iterator[None]:
    """The child tries the storage itself."""
    tried, dying.tried = dying.tried, None
    try:
        yield
    finally:
        dying.tried = tried


def check_archived_once(ground: Ground, *, orphans: bool | None = False) -> None:
    """No batch was published twice: what was proven already is adopted, what was not is exported to another key."""
    archive = ground.archive()
    assert archive.rows == sum(map(len, archive.lines.values()))
    if orphans is not None:
        assert bool(archive.orphans) == orphans

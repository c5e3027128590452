"""Retention carried out on a real store that keeps versions: what goes is gone whole, and all the rest stays.

What may go is decided in test_retention.py, over random histories. Tests named after a line of DATA_SAFETY.md's table
stand for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from procedures.backup import leases, retaining
from procedures.backup.leases import leased
from procedures.backup.retention_recording import RetentionCourse
from runbook.errors import ProbeError, RunbookError
from runbook.model import Outcome, State
from runbook.site import Site
from runbook.targets.s3.backups import Proof
from tests.faulty_store import FaultyStore
from tests.procedures.backup.making import BACKUPS, DATABASE, Case
from tests.store_faults import Fault, calls, deny, error_in_200, fail, lose_the_way, pages_of, skew

pytest_plugins = ("tests.procedures.backup.small_case",)
pytestmark = pytest.mark.usefixtures("small")

NOW = datetime.now(UTC)
OLD = timedelta(seconds=-5)
LOCKED = "muses-respaldos-candado"


class History:
    """Backups as they lie there, told by their age in days; names say nothing of it."""

    def __init__(self, case: Case, bucket: str = BACKUPS) -> None:
        self.case, self._s3, self._bucket = case, case.s3, bucket
        (row,) = case.admin.execute("SELECT system_identifier::text AS id FROM pg_control_system()").fetchall()
        self.identifier = str(row["id"])

    def add(self, days: float, *, lock: dict[str, Any] | None = None, **manifest: Any) -> str:
        """A backup so many days old, in two objects and its manifest; its folder."""
        name = f"2026-{1 + hash(days) % 12:02}-{1 + hash(-days) % 28:02}T0330-{int(days * 100) & 0xFFFF:04x}/"
        folder = f"{self.case.prefix}{name}"
        self.put(f"{folder}data.dump.zst", b"datos", **(lock or {}))
        self.put(f"{folder}globals.sql.zst", b"roles", **(lock or {}))
        said = {
            "object": f"{folder}data.dump.zst",
            "bytes": 5,
            "sha256": "0" * 64,
            "finished_at": (NOW - timedelta(days=days)).isoformat(),
            "verified": True,
            "system_identifier": self.identifier,
            "database": DATABASE,
            "format": 1,
        }
        self.put(f"{folder}manifest.json", msgspec.json.encode({**said, **manifest}), **(lock or {}))
        return folder

    def daily(self, count: int) -> list[str]:
        """One a day, the newest of today; the newest first."""
        return [self.add(day + 0.1) for day in range(count)]

    def prove(self, folder: str, *, whole: bool = True, **more: Any) -> None:
        """A proof by restoring."""
        given = {"server_version": "17", "seconds": 1.0, "tables_compared": 1, **more}
        proof = Proof(backup=folder, finished_at=NOW, whole=whole, **given)
        self.put(f"{folder}proof-20261124T093000Z.json", msgspec.json.encode(proof))

    def put(self, key: str, body: bytes, **more: Any) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, **more)


#: Few backups are many where little is kept. Of one a day the first four stay: three by their age, and the next.
FEW: dict[str, Any] = {"keep": timedelta(days=3), "keep_newest": 2}


@pytest.fixture
def history(case: Case) -> History:
    case.site = case.changed()
    return History(case)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every site of these tests keeps few."""
    changed = Case.changed
    monkeypatch.setattr(Case, "changed", lambda case, **given: changed(case, **{**FEW, **given}))


def folders(case: Case) -> set[str]:
    return set(case.published())


def all_versions(case: Case) -> list[str]:
    """Everything, deletion markers included."""
    return [one.key for one in case.store.versions(case.prefix)]


# What goes -----------------------------------------------------------------------------------------------------------


def test_what_is_past_its_age_goes_whole_and_nothing_else_does(history: History, case: Case) -> None:
    backups = history.daily(6)
    history.prove(backups[5])
    history.prove(backups[3])
    before = case.versions()
    retained = retaining.retain(case.site)
    assert retained.removed == (backups[5], backups[4])
    assert folders(case) == set(backups[:4])
    left = all_versions(case)
    assert not [key for key in left if key.startswith((backups[4], backups[5]))], "versions or markers were left"
    assert case.versions() == {one for one in before if not one.key.startswith((backups[4], backups[5]))}


def test_the_manifest_goes_first(history: History, case: Case, faults: FaultyStore) -> None:
    """Half a backup is none: from the first moment on nobody takes it for one."""
    gone = history.daily(5)[4]
    history.prove(gone, whole=False)
    retaining.retain(case.changed(endpoint=faults.url))
    removed = [one.key.removeprefix(gone) for one in faults.requests if one.method == "DELETE"]
    assert removed[0] == "manifest.json"
    assert sorted(removed[1:]) == ["data.dump.zst", "globals.sql.zst", "proof-20261124T093000Z.json"]


def test_older_versions_of_its_objects_and_markers_go_as_well(history: History, case: Case) -> None:
    gone = history.daily(5)[4]
    case.s3.delete_object(Bucket=BACKUPS, Key=f"{gone}data.dump.zst")  # a marker hides it
    case.s3.put_object(Bucket=BACKUPS, Key=f"{gone}globals.sql.zst", Body=b"otra")
    body = case.body(f"{gone}manifest.json")
    case.s3.put_object(Bucket=BACKUPS, Key=f"{gone}manifest.json", Body=body)
    assert retaining.retain(case.site).removed == (gone,)
    assert not [key for key in all_versions(case) if key.startswith(gone)]


def test_a_second_run_finds_nothing_more(history: History, case: Case) -> None:
    history.daily(6)
    assert retaining.retain(case.site).removed
    assert retaining.retain(case.site) == msgspec.structs.replace(
        retaining.retain(case.site), removed=(), stayed={}, swept=()
    )


def test_the_newest_proven_one_outlives_its_age(history: History, case: Case) -> None:
    backups = history.daily(8)
    history.prove(backups[6])
    history.prove(backups[7])
    history.prove(backups[1], whole=False)  # of a sample only
    history.prove(backups[2], problem="it cannot be restored")
    retained = retaining.retain(case.site, confirmed=True)
    assert retained.removed == (backups[7], backups[5], backups[4])
    assert folders(case) == {*backups[:4], backups[6]}


@pytest.mark.parametrize("count", [3, 4])
def test_more_than_three_need_a_person_s_word(history: History, case: Case, count: int) -> None:
    backups = history.daily(4 + count)
    assert len(retaining.retain(case.site).removed) == (3 if count == 3 else 0)
    retaining.retain(case.site, confirmed=True)
    assert folders(case) == set(backups[:4])


def test_looking_removes_nothing_and_could_not(history: History, case: Case, faults: FaultyStore) -> None:
    history.daily(6)
    before = case.versions()
    found = retaining.look(case.changed(endpoint=faults.url))
    assert len(found.remove) == 2
    assert case.versions() == before
    assert {one.method for one in faults.requests} <= {"GET", "HEAD"}


# What stays ----------------------------------------------------------------------------------------------------------


def test_what_somebody_holds_a_lease_on_stays(history: History, case: Case) -> None:
    """Retention on another host removed the backup in progress."""
    backups = history.daily(6)
    with leased(case.store, case.prefix, backups[5]):
        retained = retaining.retain(case.site)
        assert retained.removed == (backups[4],)
        assert backups[5] in folders(case)
    assert retaining.retain(case.site).removed == (backups[5],)


def test_what_a_manifest_says_is_locked_stays(history: History, case: Case) -> None:
    history.daily(4)
    locked = history.add(10, locked_until=(NOW + timedelta(days=1)).isoformat())
    free = history.add(11, locked_until=(NOW - timedelta(days=1)).isoformat())
    assert retaining.retain(case.site).removed == (free,)
    assert locked in folders(case)


def test_what_is_on_hold_stays(history: History, case: Case) -> None:
    backups = history.daily(6)
    name = backups[5].removeprefix(case.prefix).strip("/")
    assert retaining.retain(case.changed(holds=(name,))).removed == (backups[4],)


def test_other_systems_backups_stay_and_freeze_all(history: History, case: Case) -> None:
    history.daily(6)
    history.add(20, system_identifier="7000000000000000001")
    before = case.versions()
    retained = retaining.retain(case.site, confirmed=True)
    assert (retained.removed, retained.swept) == ((), ())
    assert "another database system" in str(retained.retention.frozen[0])
    assert case.versions() == before


@contextmanager
def locked_bucket(case: Case) -> Iterator[Site]:
    """A bucket with object lock, where the operator may not lift any."""
    case.s3.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
    try:
        yield case.changed(storage={"backup_bucket": LOCKED})
    finally:
        listed = case.s3.list_object_versions(Bucket=LOCKED)
        for one in (*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())):
            given = {"Bucket": LOCKED, "Key": one["Key"], "VersionId": one["VersionId"]}
            case.s3.delete_object(**given, BypassGovernanceRetention=True)
        case.s3.delete_bucket(Bucket=LOCKED)


def test_what_the_store_has_locked_stays_whole_whatever_its_manifest_says(case: Case) -> None:
    """Its manifest is to go first, and is locked too: so nothing of it goes."""
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": NOW + timedelta(days=30)}
    with locked_bucket(case) as site:
        history = History(case, LOCKED)
        history.daily(4)
        locked = history.add(10, lock=lock)
        retained = retaining.retain(site)
        listed = case.s3.list_objects_v2(Bucket=LOCKED, Prefix=locked)["KeyCount"]
    assert retained.removed == ()
    assert set(retained.stayed) == {locked}
    assert listed == 3


def test_what_may_not_be_removed_stays_and_is_told(history: History, case: Case, faults: FaultyStore) -> None:
    backups = history.daily(6)
    faults.inject(deny(), operation="DeleteObject", key=f"{backups[5]}*", times=None)
    retained = retaining.retain(case.changed(endpoint=faults.url))
    assert retained.removed == (backups[4],)
    assert "AccessDenied" in str(retained.stayed[backups[5]])
    assert backups[5] in folders(case)


# What freezes --------------------------------------------------------------------------------------------------------

LISTS: dict[str, Callable[[], Fault]] = {
    "denied": deny,
    "500": fail,
    "an error in a 200": error_in_200,
    "a page without the way to the next": lose_the_way,
}


@pytest.mark.parametrize("operation", ["ListObjectsV2", "ListObjectVersions"])
@pytest.mark.parametrize("fault", LISTS.values(), ids=LISTS.keys())
def test_a_failed_list_is_not_an_empty_one(
    history: History, case: Case, faults: FaultyStore, fault: Callable[[], Fault], operation: str
) -> None:
    """Took a failed LIST for an empty one: good backups gone."""
    history.daily(6)
    before = case.versions()
    faults.inject(pages_of(2), operation=operation, times=None)
    faults.inject(fault(), operation=operation, times=None)
    with pytest.raises(ProbeError):
        retaining.retain(case.changed(endpoint=faults.url))
    assert case.versions() == before


def test_leases_that_cannot_be_listed_free_nothing(history: History, case: Case, faults: FaultyStore) -> None:
    backups = history.daily(6)
    faults.inject(deny(), operation="ListObjectsV2", nth=2, times=None)
    with leased(case.store, case.prefix, backups[5]), pytest.raises(ProbeError):
        retaining.retain(case.changed(endpoint=faults.url))
    assert len(folders(case)) == 6


@pytest.mark.parametrize("body", [b"", b"{", b'{"format": 2}', b"<Error/>"], ids=["empty", "cut", "newer", "an error"])
def test_a_manifest_that_cannot_be_read_freezes(history: History, case: Case, body: bytes) -> None:
    history.daily(6)
    case.s3.put_object(Bucket=BACKUPS, Key=f"{case.prefix}2026-01-01T0330-beef/manifest.json", Body=body)
    before = case.versions()
    retained = retaining.retain(case.site, confirmed=True)
    assert "cannot be read" in str(retained.retention.frozen[0])
    assert case.versions() == before


def test_a_proof_of_an_unknown_format_freezes(history: History, case: Case) -> None:
    """Whether it proves its backup is not known: as rows see it, so does retention."""
    backups = history.daily(6)
    history.prove(backups[5], format=2)
    before = case.versions()
    retained = retaining.retain(case.site, confirmed=True)
    assert backups[5] in str(retained.retention.frozen[0])
    assert case.versions() == before


def test_a_manifest_that_may_not_be_read_freezes(history: History, case: Case, faults: FaultyStore) -> None:
    backups = history.daily(6)
    faults.inject(deny(), operation="GetObject", key=f"{backups[2]}manifest.json", times=None)
    retained = retaining.retain(case.changed(endpoint=faults.url), confirmed=True)
    assert retained.removed == ()
    assert len(folders(case)) == 6


def test_a_proof_that_cannot_be_read_freezes(history: History, case: Case) -> None:
    """It might be the one that keeps the oldest."""
    backups = history.daily(6)
    case.s3.put_object(Bucket=BACKUPS, Key=f"{backups[5]}proof-20261124T093000Z.json", Body=b"{")
    assert retaining.retain(case.site, confirmed=True).removed == ()
    assert len(folders(case)) == 6


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_clock_that_is_off_freezes(history: History, case: Case, faults: FaultyStore, minutes: int) -> None:
    history.daily(6)
    faults.inject(skew(timedelta(minutes=minutes)), times=None)
    retained = retaining.retain(case.changed(endpoint=faults.url), confirmed=True)
    assert "clock" in str(retained.retention.frozen[0])
    assert len(folders(case)) == 6


def test_a_database_that_cannot_be_asked_freezes(history: History, case: Case) -> None:
    history.daily(6)
    retained = retaining.retain(case.changed(database={"port": 1}), confirmed=True)
    assert "cannot be asked who it is" in str(retained.retention.frozen)
    assert len(folders(case)) == 6


def test_retention_ran_while_backups_failed(history: History, case: Case) -> None:
    """Good backups gone: here the old ones are all there is, and stay."""
    for day in range(3, 12):
        history.add(day)
    history.add(0.5, verified=False)
    assert retaining.retain(case.site, confirmed=True).removed == ()
    assert len(folders(case)) == 10


# The sweep -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def everything_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leftovers are older than a week, and leases older than ten minutes."""
    monkeypatch.setattr(retaining, "LEFT_BEHIND", OLD)
    monkeypatch.setattr(leases, "LASTS", OLD)


def leftovers(case: Case) -> set[str]:
    """What a backup that died leaves: data, an upload, a lease, what the storage was tried with; their names."""
    names = {
        "2026-11-01T0330-dead/data.dump.zst",
        "2026-11-02T0330-dead/data.dump.zst.age",
        "2026-11-02T0330-dead/globals.sql.zst.age",
        ".leases/2026-11-01T0330-dead/0123abcd-17.json",
        ".probe/0123456789abcdef/once",
    }
    for name in names:
        case.s3.put_object(Bucket=BACKUPS, Key=f"{case.prefix}{name}", Body=b"x")
    name = "2026-11-03T0330-dead/data.dump.zst"
    case.s3.create_multipart_upload(Bucket=BACKUPS, Key=f"{case.prefix}{name}")
    return {*names, name}


FOREIGN = (
    "notas.txt",
    "2026-11-01T0330-dead/notas.txt",
    "2026-11-01T0330-dead/data.dump",
    "2026-11-01T0330-dead/más/data.dump.zst",
    "2026-11-01T0330/data.dump.zst",
    "otra/2026-11-01T0330-dead/data.dump.zst",
    "20261101T0330-dead/data.dump.zst",
    ".leases/otra/0123abcd-17.json",
    ".probe/otra/once",
    ".otra/cosa",
)


def test_young_leftovers_stay(history: History, case: Case) -> None:
    """They may be a backup on its way."""
    history.daily(3)
    leftovers(case)
    before = all_versions(case)
    assert retaining.retain(case.site).swept == ()
    assert all_versions(case) == before
    assert len(case.uploads()) == 1


@pytest.mark.usefixtures("everything_is_old")
def test_old_leftovers_go_and_only_ours(history: History, case: Case) -> None:
    published = history.daily(3)
    for name in FOREIGN:
        case.s3.put_object(Bucket=BACKUPS, Key=f"{case.prefix}{name}", Body=b"no es nuestro")
    case.s3.create_multipart_upload(Bucket=BACKUPS, Key=f"{case.prefix}otra/data.dump.zst")
    before = set(all_versions(case))
    ours = {f"{case.prefix}{name}" for name in leftovers(case)}
    assert set(retaining.retain(case.site).swept) == ours
    assert set(all_versions(case)) == before
    assert case.uploads() == {"otra/data.dump.zst"}
    assert folders(case) == set(published)


def test_what_is_leased_is_on_its_way_and_not_left(
    history: History, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention on another host removed the backup in progress."""
    history.daily(3)
    monkeypatch.setattr(retaining, "LEFT_BEHIND", OLD)
    folder = f"{case.prefix}2026-11-24T0330-0a1b/"
    case.s3.put_object(Bucket=BACKUPS, Key=f"{folder}globals.sql.zst", Body=b"x")
    case.s3.create_multipart_upload(Bucket=BACKUPS, Key=f"{folder}data.dump.zst")
    with leased(case.store, case.prefix, folder):
        retaining.retain(case.site)
        assert f"{folder}globals.sql.zst" in all_versions(case)
        assert case.uploads() == {"2026-11-24T0330-0a1b/data.dump.zst"}
    retaining.retain(case.site)
    assert f"{folder}globals.sql.zst" not in all_versions(case)
    assert not case.uploads()


@pytest.mark.usefixtures("everything_is_old")
def test_what_is_frozen_sweeps_nothing(history: History, case: Case) -> None:
    history.add(3)  # no verified one is younger than 48 h
    leftovers(case)
    before = all_versions(case)
    assert retaining.retain(case.site).swept == ()
    assert all_versions(case) == before


@pytest.mark.usefixtures("everything_is_old")
@pytest.mark.parametrize("operation", ["ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"])
def test_a_sweep_that_cannot_list_publishes_no_guess(
    history: History, case: Case, faults: FaultyStore, operation: str
) -> None:
    history.daily(3)
    leftovers(case)
    published = folders(case)
    nth = 3 if operation == "ListObjectsV2" else 1  # behind those of the decision
    put = faults.inject(deny(), operation=operation, nth=nth, times=None)
    with pytest.raises(RunbookError):
        retaining.retain(case.changed(endpoint=faults.url))
    assert put.hits
    assert folders(case) == published


def test_a_backup_published_while_retention_looks_is_not_swept(
    history: History, case: Case, faults: FaultyStore
) -> None:
    """It has no manifest when the list is made; it is leased then, and young."""
    history.daily(3)
    folder = f"{case.prefix}2026-11-24T0330-0a1b/"

    def publish(request: object) -> None:
        if f"{folder}data.dump.zst" not in all_versions(case):
            history.put(f"{folder}data.dump.zst", b"datos")
            history.put(f"{folder}manifest.json", case.body(f"{sorted(folders(case))[0]}manifest.json"))

    faults.inject(calls(publish, at="answered"), operation="ListObjectsV2", times=None)
    retaining.retain(case.changed(endpoint=faults.url))
    assert f"{folder}data.dump.zst" in all_versions(case)


# As a run ------------------------------------------------------------------------------------------------------------


def test_as_a_run_it_says_what_went_and_what_stayed(history: History, case: Case, faults: FaultyStore) -> None:
    backups = history.daily(6)
    faults.inject(deny(), operation="DeleteObject", key=f"{backups[5]}*", times=None)
    course = RetentionCourse(case.changed(endpoint=faults.url), "t")
    course.act(None)
    record = course.record(execute=True)
    assert course.outcome() == {"removed": [backups[4]]}
    assert record.verdict.state is State.OK
    assert [action.outcome for action in record.actions] == [Outcome.FAILED, Outcome.DONE]


def test_as_a_run_that_is_frozen_it_warns_and_plans_nothing(history: History, case: Case) -> None:
    history.add(3)
    course = RetentionCourse(case.site, "t")
    course.look()
    record = course.record(execute=False)
    assert record.verdict.state is State.WARNING
    assert record.plan is not None
    assert record.plan.steps == ()

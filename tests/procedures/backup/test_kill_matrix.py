"""The kill matrix of backups: killed at every place, inside every step; what is published is good, and stays.

Enumerated, not sampled. After each death: what was published before is untouched and the newest good one unless the
manifest of the new one was written; no program outlives its backup; the lease runs out; the next backup works; and the
sweep takes only what is ours, and only when it is old.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import NamedTuple

import pytest

from procedures.backup import leases, milestones, retaining, running
from runbook.errors import LockError
from tests.faulty_store import FaultyStore
from tests.procedures.backup.dying import Dying
from tests.procedures.backup.making import BACKUPS, Case, Version
from tests.store_faults import Stage, calls, cut_upload

pytest_plugins = ("tests.procedures.backup.small_case",)
pytestmark = pytest.mark.usefixtures("small", "trusting")

DATA, GLOBALS, MANIFEST = "data.dump.zst", "globals.sql.zst", "manifest.json"
#: What lies in the new folder when it is killed there, in words of our own; "parts" is an upload that was never ended.
LEAVES: dict[str, set[str]] = {
    "locked": set(),
    "leased": set(),
    "snapshot taken": set(),
    "dump halfway": {"parts"},
    "dumped": {"parts"},
    "data uploaded": {DATA},
    "globals uploaded": {DATA, GLOBALS},
    "read back": {DATA, GLOBALS},
    "before the manifest": {DATA, GLOBALS},
    "published": {DATA, GLOBALS, MANIFEST},
    "lease let go": {DATA, GLOBALS, MANIFEST},
}
#: After these a lease is held that nobody renews any more.
LEASED = set(LEAVES) - {"locked", "lease let go"}
FOREIGN_UPLOAD = "otra/parte.bin"
#: Everything is older than this: ages are of whole seconds, and may be some below nothing.
OLD = timedelta(seconds=-5)


def test_every_milestone_is_in_the_matrix(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    monkeypatch.setattr(milestones, "reached", passed.append)
    made = running.backup(case.site)
    case.check_good(made.folder)
    assert tuple(dict.fromkeys(passed)) == milestones.MILESTONES == tuple(LEAVES)
    assert passed.count("dump halfway") > 1


@pytest.mark.parametrize("name", milestones.MILESTONES)
def test_killed_at_a_milestone(name: str, dying: Dying, case: Case, earlier: str) -> None:
    before = case.versions()
    assert dying.backup(case.site, case.home, at=name).killed
    folder = check_left(case, before, LEAVES[name])
    check_lease(case, held=name in LEASED, folder=folder)
    published = MANIFEST in LEAVES[name]
    if not published:
        assert case.newest_good() == earlier
    check_goes_on(case, before, earlier, left=not published and folder is not None)


class Inside(NamedTuple):
    """A kill while a request to the storage is under way, and what it leaves."""

    operation: str
    key: str
    at: Stage
    nth: int
    leaves: set[str]


INSIDE = {
    "the lease is written": Inside("PutObject", "*/.leases/*", "upload", 1, set()),
    "the upload begins": Inside("CreateMultipartUpload", "*/data*", "answered", 1, {"parts"}),
    "the first part": Inside("UploadPart", "*/data*", "upload", 1, {"parts"}),
    "a part": Inside("UploadPart", "*/data*", "upload", 3, {"parts"}),
    "a part is stored and it does not know": Inside("UploadPart", "*/data*", "answered", 4, {"parts"}),
    "before the upload's end": Inside("CompleteMultipartUpload", "*/data*", "arrival", 1, {"parts"}),
    "the upload is ended and it does not know": Inside("CompleteMultipartUpload", "*/data*", "answered", 1, {DATA}),
    "the globals": Inside("PutObject", "*/globals*", "upload", 1, {DATA}),
    "the globals are stored and it does not know": Inside("PutObject", "*/globals*", "answered", 1, {DATA, GLOBALS}),
    "its size is asked for": Inside("HeadObject", "*/data*", "answered", 1, {DATA}),
    "the encryption is asked for": Inside("HeadObject", "*/data*", "answered", 2, {DATA, GLOBALS}),
    "the download": Inside("GetObject", "*/data*", "download", 1, {DATA, GLOBALS}),
    "the globals' download": Inside("GetObject", "*/globals*", "download", 1, {DATA, GLOBALS}),
    "the manifest's upload": Inside("PutObject", "*/manifest.json", "upload", 1, {DATA, GLOBALS}),
    "the manifest is stored and it does not know": Inside(
        "PutObject", "*/manifest.json", "answered", 1, {DATA, GLOBALS, MANIFEST}
    ),
    "the lease is let go of": Inside("DeleteObject", "*/.leases/*", "answered", 1, {DATA, GLOBALS, MANIFEST}),
}


@pytest.mark.parametrize("inside", INSIDE.values(), ids=INSIDE.keys())
def test_killed_while_the_storage_works(
    inside: Inside, dying: Dying, faults: FaultyStore, case: Case, earlier: str
) -> None:
    before = case.versions()
    cut = inside.at in ("arrival", "upload")  # what the dead process had sent ahead gets lost here
    fault = calls(lambda request: dying.kill(), at=inside.at, cut=cut)
    put = faults.inject(fault, operation=inside.operation, key=inside.key, nth=inside.nth)
    if inside.at == "upload":
        faults.inject(cut_upload(), operation=inside.operation, key=inside.key, nth=inside.nth)
    assert dying.backup(case.changed(endpoint=faults.url), case.home).killed
    assert put.hits == 1
    folder = check_left(case, before, inside.leaves)
    published = MANIFEST in inside.leaves
    if not published:
        assert case.newest_good() == earlier
    check_goes_on(case, before, earlier, left=not published and folder is not None)


def test_killed_while_pg_dump_waits_for_a_lock(dying: Dying, case: Case, earlier: str) -> None:
    """It hears of it when it stops waiting, which the lock-wait-timeout makes soon."""
    before, seconds = case.versions(), timedelta(seconds=1)
    with closing(case.servers.postgres.admin("chica")) as other, other.transaction():
        other.execute("LOCK TABLE cartas IN ACCESS EXCLUSIVE MODE")
        dying.start(case.changed(lock_wait=seconds), case.home)
        while not case.admin.execute("SELECT FROM pg_locks WHERE NOT granted AND relation IS NOT NULL").fetchall():
            pass
        dying.kill()
        assert dying.ended().killed
        case.gone()
    check_left(case, before, set())
    check_goes_on(case, before, earlier, left=False)


def test_killed_twice_and_nothing_mixed(dying: Dying, case: Case, earlier: str) -> None:
    before = case.versions()
    for name in ("globals uploaded", "dumped"):
        assert dying.backup(case.site, case.home, at=name).killed
        case.gone()
    check_goes_on(case, before, earlier, left=True)


def test_a_dead_backup_s_lock_is_gone_and_a_living_one_s_is_not(dying: Dying, faults: FaultyStore, case: Case) -> None:
    """The lock is the session's: it dies with the process, not with a timeout."""
    refused: list[type[BaseException]] = []

    def another(request: object) -> None:
        try:
            running.backup(case.site)
        except LockError as error:
            refused.append(type(error))
        dying.kill()

    faults.inject(calls(another, cut=True), operation="CompleteMultipartUpload")
    assert dying.backup(case.changed(endpoint=faults.url), case.home).killed
    assert refused == [LockError]
    case.gone()
    case.check_good(running.backup(case.site).folder)


# What must hold ------------------------------------------------------------------------------------------------------


def check_left(case: Case, before: set[Version], leaves: set[str]) -> str | None:
    """What is left is what the step leaves, in a folder of its own, and nothing runs; the folder within the prefix."""
    case.gone()
    now = case.versions()
    assert before <= now, "something that was published is gone or another"
    parts = case.uploads()
    left = {one.key.removeprefix(case.prefix) for one in now - before} | parts
    folders = {name.rpartition("/")[0] for name in left}
    assert len(folders) <= 1
    names = {name.rpartition("/")[2] for name in left - parts} | ({"parts"} if parts else set())
    assert names == leaves
    assert len(case.published(now)) == 1 + (MANIFEST in leaves)
    return f"{case.prefix}{folders.pop()}/" if folders else None


def check_lease(case: Case, *, held: bool, folder: str | None) -> None:
    """A dead backup's lease counts ten minutes more, by the storage's clock, and not longer."""
    found = leases.leased_folders(case.store, case.prefix)
    assert bool(found) == held
    assert folder is None or not held or found == {folder}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leases, "LASTS", OLD)
        assert not leases.leased_folders(case.store, case.prefix)


def check_goes_on(case: Case, before: set[Version], earlier: str, *, left: bool) -> None:
    """The next backup works, the earlier one stays, and the sweep takes the leftovers when they are old, only ours."""
    made = running.backup(case.changed(globals=False))
    assert case.newest_good() == made.folder
    foreign = put_foreign(case)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retaining, "LEFT_BEHIND", OLD)
        patch.setattr(leases, "LASTS", OLD)
        swept = retaining.retain(case.site).swept
    assert bool(swept) >= left
    assert case.uploads() == {FOREIGN_UPLOAD}
    now = case.versions()
    published = case.published(now)
    assert before | foreign <= now, "what is published, or not ours, was swept"
    assert {earlier, made.folder} <= set(published)
    for one in now - foreign:
        assert f"{one.key.rpartition('/')[0]}/" in published, f"{one.key} was left"
    for folder, manifest in published.items():
        case.check_good(folder, manifest)
    assert not hidden(case), "leases and tries of the dead were left"


def put_foreign(case: Case) -> set[Version]:
    """Things that lie below the prefix and are not ours, old and without a manifest."""
    before = case.versions()
    for name in ("notas.txt", "2026-01-01T0330-00ff/notas.txt", "otra/data.dump.zst", "2026-01-01T0330-00ff/data.dump"):
        case.s3.put_object(Bucket=BACKUPS, Key=f"{case.prefix}{name}", Body=b"no es nuestro")
    case.s3.create_multipart_upload(Bucket=BACKUPS, Key=f"{case.prefix}{FOREIGN_UPLOAD}")
    return case.versions() - before


def hidden(case: Case) -> list[str]:
    """What is left of leases and of the tries of the storage."""
    listed = case.s3.list_objects_v2(Bucket=BACKUPS, Prefix=f"{case.prefix}.").get("Contents", ())
    return [one["Key"] for one in listed]

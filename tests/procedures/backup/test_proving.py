"""A backup is proven by restoring it: what can be restored passes, and nothing else does, however good it looks."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import msgspec
import pytest

from procedures.backup import contents, dumping, proving, running, sampling, watching
from procedures.backup.comparing import ABSENT, LARGE_OBJECTS
from procedures.backup.proof_recording import RestoreTestCourse
from procedures.backup.sampling import is_older
from runbook.errors import ActionError, SettingsError
from runbook.model import State
from runbook.site import Site
from runbook.targets.s3.backups import Proof
from tests.procedures.backup.ground import LARGE_OBJECTS as LARGE
from tests.procedures.backup.ground import TABLES, Ground, furnish
from tests.procedures.purge.ground import Servers
from tests.runbook.targets.servers_postgres import installations

#: The beginning of a row of obra.hijas, as the dump has it.
ROW = b"7\t8\t8f14e45f"


def prove(site: Site, folder: str | None = None, *, whole: bool = True, jobs: int = 1) -> Proof:
    return proving.proven(site, folder, whole=whole, jobs=jobs).proof


def nothing_left(ground: Ground) -> bool:
    return not ground.leases() and not (ground.proofs.exists() and list(ground.proofs.iterdir()))


def test_everything_comes_back(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "TABLES", 1_000)
    site = ground.sealed()
    made = ground.backed_up(site)
    course = RestoreTestCourse(site, "run", whole=True)
    course.act(watching.Unwatched())
    (proof,) = ground.written_proofs(made.folder)
    assert course.found is not None
    assert (proof.passed, proof.whole, proof.differing, proof.amcheck) == (True, True, {}, "passed")
    assert proof.tables_compared == len(made.manifest.tables) > TABLES
    assert made.manifest.large_objects == LARGE
    assert proof.sampled > 3_000  # more than a thousand rows of each table are not compared
    assert course.found.notes == ()
    record = course.record(execute=True)
    assert record.verdict.state is State.OK
    assert nothing_left(ground)


def test_a_sample_is_the_whole_schema_and_the_rows_of_small_tables(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "SMALL", 100)
    monkeypatch.setattr(sampling, "TABLES", 1_000)
    made = ground.backed_up()
    small = contents.small(made.manifest.tables)
    assert "obra.hijas" in small  # whose foreign key points at rows of
    assert "obra.tipos" not in small
    proof = prove(ground.site, whole=False)
    assert (proof.problem, proof.differing, proof.amcheck) == (None, {}, "passed")
    assert proof.tables_compared == len(small)
    assert 0 < proof.sampled < sum(made.manifest.tables[table] for table in small)
    assert nothing_left(ground)


def test_writers_and_long_transactions_change_nothing_of_the_snapshot(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "TABLES", 1_000)
    with long_transaction(ground), writer(ground) as wrote:
        ground.backed_up()
    assert wrote
    ground.admin.execute("UPDATE obra.t050 SET valor = 'después' WHERE id % 2 = 0; DELETE FROM obra.t051")
    found = proving.proven(ground.site)
    assert (found.problem, found.proof.differing) == (None, {})
    assert found.proof.sampled
    furnish(ground.servers)


@contextmanager
def long_transaction(ground: Ground) -> Iterator[None]:
    with closing(ground.postgres.admin()) as session, session.transaction(force_rollback=True):
        session.execute("INSERT INTO obra.t010 SELECT i, 'pendiente', -i FROM generate_series(1000, 1100) AS i")
        yield


@contextmanager
def writer(ground: Ground) -> Iterator[list[int]]:
    """Somebody who inserts, changes and deletes all the while; the numbers of the rows."""
    wrote: list[int] = []
    ended = threading.Event()

    def write() -> None:
        with closing(ground.postgres.admin()) as session:
            while not ended.is_set():
                number = 10_000 + len(wrote)
                session.execute("INSERT INTO obra.t059 VALUES (%s, 'nueva', %s)", [number, -number])
                session.execute("UPDATE obra.t059 SET valor = valor || '.' WHERE id = %s", [number - 1])
                session.execute("DELETE FROM obra.t059 WHERE id = %s", [number - 50])
                wrote.append(number)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield wrote
    finally:
        ended.set()
        thread.join()


def cut(body: bytes) -> bytes:
    return body[: len(body) * 6 // 10]


def flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def letter_for_number(dump: bytes) -> bytes:
    assert dump.count(ROW) == 1
    return dump.replace(ROW, ROW.replace(b"8", b"x", 1))


def another_value(dump: bytes) -> bytes:
    assert dump.count(ROW) == 1
    return dump.replace(ROW, ROW.replace(b"e45", b"e54"))


def unknown_locale(dump: bytes) -> bytes:
    assert dump.count(b"'C.UTF-8'") == 1
    return dump.replace(b"'C.UTF-8'", b"'X.UTF-8'")


@pytest.mark.parametrize(
    ("damage", "change", "says"),
    [
        ("damaged", cut, "is damaged: it has [0-9]+ bytes"),
        ("damaged", flipped, "is damaged"),
        ("resealed", cut, "pg_restore failed: .*(end of file|could not find block)"),
        ("resealed", letter_for_number, "pg_restore failed: .*invalid input syntax for type integer: …$"),
        ("resealed", another_value, "obra.hijas: 1 of 20 rows are not as the database has them"),
    ],
    ids=["cut object", "flipped bit", "cut dump, resealed", "letter, resealed", "value, resealed"],
)
def test_damage_is_found(
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
    change: Callable[[bytes], bytes],
    says: str,
) -> None:
    monkeypatch.setattr(sampling, "TABLES", 1_000)
    made = ground.backed_up()
    getattr(ground, damage)(made.folder, change)
    proof = prove(ground.site)
    assert not proof.passed
    assert proof.problem is not None
    assert re.search(says, proof.problem), proof.problem
    assert ground.written_proofs(made.folder) == [proof]
    assert nothing_left(ground)


def test_a_cut_dump_still_lists(ground: Ground) -> None:
    """Why a list proves nothing."""
    seen: list[bytes] = []
    ground.resealed(ground.backed_up().folder, lambda dump: seen.append(dump) or dump)  # type: ignore[func-returns-value]
    listed = subprocess.run([installations()["wheel"] / "pg_restore", "-l"], input=cut(seen[0]), capture_output=True)
    assert listed.returncode == 0


def test_counts_that_differ_are_told_table_by_table(ground: Ground) -> None:
    made = ground.backed_up()
    tables = {**made.manifest.tables, "obra.t010": 11, "obra.no_hay": 5}
    del tables["obra.vacia"]
    ground.rewrite(made.folder, tables=tables, large_objects=LARGE + 1)
    course = RestoreTestCourse(ground.site, "run", whole=True)
    course.act(watching.Unwatched())
    (proof,) = ground.written_proofs(made.folder)
    assert proof.problem is None
    assert proof.differing == {
        "obra.t010": (11, 10),
        "obra.no_hay": (5, ABSENT),
        "obra.vacia": (ABSENT, 0),
        LARGE_OBJECTS: (LARGE + 1, LARGE),
    }
    assert not proof.passed
    assert course.record(execute=True).verdict.state is State.CRITICAL


def test_without_the_data_or_with_other_roles_it_is_no_backup(ground: Ground) -> None:
    made = ground.backed_up()
    assert made.manifest.globals is not None
    version = ground.put(made.manifest.globals.object, ground.body(made.manifest.globals.object)[::-1])
    ground.rewrite(made.folder, globals={**_plain(made.manifest.globals), "version": version})
    assert "is damaged" in str(prove(ground.site).problem)
    ground.s3.delete_object(Bucket="muses-respaldos", Key=made.manifest.object, VersionId=made.manifest.version)
    assert f"{made.manifest.object} is damaged: it is gone" in str(prove(ground.site).problem)
    assert [proof.passed for proof in ground.written_proofs(made.folder)] == [False, False]


def _plain(piece: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(piece)
    return found


def test_the_wrong_key_is_a_failed_proof_and_none_is_a_setting(ground: Ground) -> None:
    made = ground.backed_up(ground.sealed())
    assert "is encrypted for other keys than backup.age_identity" in str(prove(ground.sealed()).problem)
    with pytest.raises(SettingsError) as caught:
        prove(ground.site)
    assert caught.value.key == "backup.age_identity"
    assert len(ground.written_proofs(made.folder)) == 1


def test_what_says_nothing_of_the_backup_writes_no_proof(ground: Ground) -> None:
    made = ground.backed_up()
    ground.rewrite(made.folder, server_version="99.1")
    with pytest.raises(SettingsError, match="postgresql-client-99"):
        prove(ground.site)
    ground.rewrite(made.folder, server_version="17.10", dump_bytes=10**17)
    with pytest.raises(SettingsError, match="with more room") as caught:
        prove(ground.site)
    assert caught.value.key == "backup.proof"
    course = RestoreTestCourse(ground.site, "run", whole=True)
    course.look()
    assert course.record(execute=False).verdict.state is State.WARNING
    assert ground.written_proofs(made.folder) == []
    assert nothing_left(ground)


@pytest.mark.skipif(len(installations()) < 2, reason="one version of PostgreSQL here")
def test_an_older_major_cannot_read_it(ground: Ground) -> None:
    made = ground.backed_up()
    ground.rewrite(made.folder, server_version=f"{list(installations())[-1].partition('-')[2]}.1")
    assert "unsupported version" in str(prove(ground.site).problem)


def test_without_its_locale_and_the_living_database_it_is_proven_all_the_same(ground: Ground) -> None:
    ground.resealed(ground.backed_up().folder, unknown_locale)
    found = proving.proven(ground.changed(database={"port": 1}), whole=False)
    assert (found.proof.passed, found.proof.sampled) == (True, 0)
    locale, unreachable = map(str, found.notes)
    assert "Restored with the locale C" in locale
    assert "Rows were not compared" in unreachable


def test_the_newest_verified_one_is_chosen_by_its_own_time(ground: Ground) -> None:
    old, newest, unverified = ground.backed_up(), ground.backed_up(), ground.backed_up()
    ground.rewrite(old.folder, finished_at="2026-01-01T00:00:00Z")
    ground.rewrite(unverified.folder, verified=False)
    ground.put(f"{ground.prefix}zzz/manifest.json", b"{")
    assert proving.look(ground.site).backup.folder == newest.folder
    assert proving.look(ground.site, old.folder.removeprefix(ground.prefix)).backup.folder == old.folder
    for name, says in ((unverified.folder, "not verified"), ("zzz", "cannot be read"), ("no-hay", "no published")):
        with pytest.raises(ActionError, match=says):
            proving.look(ground.site, name)


def test_a_replica_is_as_good_a_source(ground: Ground) -> None:
    with ground.replica() as port:
        made = running.backup(ground.changed(database={"port": port}))  # which reads it back whole
    assert made.manifest.tables == dumping.counted(ground.admin, "").tables
    assert made.manifest.large_objects == LARGE


@pytest.mark.parametrize(
    ("version", "older"),
    [(2, True), (99, True), (100, False), (250, False), (2**32 - 5, True), (2**31 - 1, False)],
)
def test_versions_of_rows_are_told_apart_across_the_wrap(version: int, older: bool) -> None:
    assert is_older(version, 2**32 + 100, 2**32 + 200) is older


@pytest.mark.skipif("MUSES_RUNBOOK_SOAK" not in os.environ, reason="long: set MUSES_RUNBOOK_SOAK")
def test_five_hundred_tables(backup_servers: Servers, ground: Ground) -> None:
    furnish(backup_servers, rows=5_000, tables=500)
    try:
        made = ground.backed_up()
        for whole, jobs in ((True, 1), (True, 2), (False, 1)):
            assert prove(ground.site, whole=whole, jobs=jobs).passed
        assert len(made.manifest.tables) > 500
    finally:
        furnish(backup_servers)

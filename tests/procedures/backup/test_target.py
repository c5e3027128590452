"""The target ``backup`` on real servers: what rows are told of the bucket, and the step that makes a backup."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from psycopg import sql

from procedures.backup import looking, milestones, places
from procedures.backup.facts import Backups
from procedures.backup.leases import leased
from procedures.backup.target import LONGEST, Backup
from runbook.acting.journal import Journal
from runbook.errors import ActionError, JournalError, NotConfigured, ProbeError, ProbeFailure
from runbook.model import Effect, Step
from runbook.probes import Readings, reading_through
from runbook.settings import HostsSettings, Keys, Login, Secret
from runbook.site import Site
from runbook.targets.opening import open_target
from runbook.targets.postgres.granting import Named, commands
from runbook.targets.s3.configuration import only_by_tls
from runbook.targets.s3.promised import State
from runbook.text import text
from tests.procedures.backup.ground import Ground
from tests.procedures.purge.ground import BACKUPS
from tests.runbook.targets.servers_storage import user

HOUR = timedelta(hours=1)
Make = Callable[..., Backup]


@pytest.fixture
def make(ground: Ground) -> Iterator[Make]:
    """Makes targets of a site, of this ground's where none is given."""
    with ExitStack() as made:

        def of(site: Site | None = None) -> Backup:
            target = open_target("backup", site or ground.site)
            assert isinstance(target, Backup)
            made.callback(target.close)
            return target

        yield of


@pytest.fixture
def target(make: Make) -> Backup:
    return make()


class Telling:
    """A store whose server gives one answer to every question."""

    bucket = "b"

    def __init__(self, answer: dict[str, Any]) -> None:
        self.client, self._answer = self, answer

    def failures(self) -> Any:
        return nullcontext()

    def get_bucket_policy(self, **asked: str) -> dict[str, Any]:
        return dict(self._answer)


def publish(ground: Ground, name: str, *, age: timedelta = HOUR, data: bytes | None = b"dump", **changes: Any) -> str:
    """A backup of four bytes: the data first, the manifest last."""
    folder, finished = f"{ground.prefix}{name}/", datetime.now(UTC) - age
    if data is not None:
        ground.put(f"{folder}data.dump.zst", data)
    plain = {
        "object": f"{folder}data.dump.zst",
        "bytes": 4,
        "sha256": "0" * 64,
        "started_at": (finished - timedelta(minutes=3)).isoformat(),
        "finished_at": finished.isoformat(),
        "verified": True,
        "tables": {"a.b": 7},
    }
    ground.put(f"{folder}manifest.json", json.dumps(plain | changes).encode())
    return folder


def prove(ground: Ground, folder: str, number: int = 1, **changes: Any) -> None:
    plain = {
        "backup": folder,
        "finished_at": datetime.now(UTC).isoformat(),
        "whole": True,
        "server_version": "17.10",
        "seconds": 1.0,
        "tables_compared": 2,
    }
    ground.put(f"{folder}proof-{number}.json", json.dumps(plain | changes).encode())


def seen(target: Backup) -> Backups:
    """As a row sees it: through the readings of a run, which keep and mask."""
    with reading_through(Readings()):
        return target.backups()


class TestBackups:
    """What lies there, by one list."""

    def test_newest_first_by_their_manifests_not_by_their_names(self, ground: Ground, target: Backup) -> None:
        young = publish(ground, "aa", age=HOUR)
        old = publish(ground, "zz", age=20 * HOUR, verified=False)  # written later
        found = seen(target)
        assert [one.folder for one in found.published] == [young, old]
        assert [one.good for one in found.published] == [True, False]
        first = found.published[0].manifest
        assert first is not None
        assert first.tables == {}, "readings are kept: what only a restore needs is left out"
        assert abs(found.skew) < timedelta(seconds=5)
        assert found.newest_good is not None
        assert target.day_of(found.newest_good) == (datetime.now(ground.site.zone) - HOUR).date().isoformat()

    def test_an_empty_bucket_is_no_error(self, target: Backup) -> None:
        assert msgspec.structs.replace(seen(target), skew=timedelta(0)) == Backups()

    def test_what_is_missing_of_a_backup(self, ground: Ground, target: Backup) -> None:
        globals = {"version": None, "bytes": 9, "sha256": "", "plain_bytes": 9, "plain_sha256": ""}
        publish(ground, "lost", data=None, age=HOUR)
        publish(ground, "cut", data=b"du", age=2 * HOUR)
        roles = publish(ground, "roles", age=3 * HOUR)
        key = f"{roles}globals.sql.zst"
        ground.rewrite(roles, globals={"object": key, **globals})
        ground.put("elsewhere.dump", b"dump")
        publish(ground, "other", data=None, age=4 * HOUR, object="elsewhere.dump")
        lost, cut, alone, other = seen(target).published
        assert (lost.data_bytes, cut.data_bytes, alone.lost, other.data_bytes) == (None, 2, (key,), 4)
        assert [one.whole for one in (lost, cut, alone, other)] == [False, False, False, True]

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "truncated"),
            (b"<html>", "malformed"),
            (b'{"format": 2}', "missing required field"),
            (b"x" * (2 << 20), "truncated"),
        ],
        ids=["empty", "html", "fields", "too large"],
    )
    def test_a_manifest_that_cannot_be_read_is_among_them(
        self, ground: Ground, target: Backup, body: bytes, reason: str
    ) -> None:
        ground.put(f"{ground.prefix}roto/manifest.json", body)
        (one,) = seen(target).published
        assert (one.good, one.manifest) == (False, None)
        assert reason in str(one.problem)
        assert looking.known(target.backups()) == ((), (one.folder,))

    @pytest.mark.parametrize("changes", [{"format": 2}, {"finished_at": "2026-11-24T03:30:00"}], ids=["format", "zone"])
    def test_a_manifest_of_another_form(self, ground: Ground, target: Backup, changes: dict[str, Any]) -> None:
        publish(ground, "raro", **changes)
        assert seen(target).published[0].problem is not None

    def test_folders_without_a_manifest(self, ground: Ground, target: Backup) -> None:
        good = publish(ground, "bueno")
        for key in (
            "medio/data.dump.zst",
            "medio/globals.sql.zst",
            ".probe/x/y",
            "leeme.txt",
            "bueno/sub/manifest.json",
        ):
            ground.put(ground.prefix + key, b"12345")
        store = places.store_at(places.place_of(ground.site))
        with leased(store, ground.prefix, f"{ground.prefix}medio/"), leased(store, ground.prefix, good):
            found = seen(target)
        store.close()
        (left,) = found.unpublished
        assert (left.folder, left.bytes, left.leased) == (f"{ground.prefix}medio/", 10, True)
        assert set(found.leased) == {left.folder, good}
        assert not seen(target).leased

    def test_proofs_are_those_of_published_backups(self, ground: Ground, target: Backup) -> None:
        good = publish(ground, "bueno")
        prove(ground, good, whole=False)
        prove(ground, good, 2, problem="no disk")
        prove(ground, f"{ground.prefix}otro/")
        ground.put(f"{good}proof-3.json", b"{}")
        found = seen(target)
        assert {one.folder for one in found.proofs} == {good}
        assert sum(one.proof is None for one in found.proofs) == 1
        assert sorted(one.proof.passed for one in found.proofs if one.proof) == [False, True]
        assert looking.known(found)[1] == (good,)

    def test_hundreds_of_them_end_in_time_and_the_newest_are_read(self, ground: Ground, target: Backup) -> None:
        for number in range(looking.NEWEST + 60):
            publish(ground, f"n{number:03}", age=HOUR * (200 - number))
        began = time.monotonic()
        found = seen(target)
        took = time.monotonic() - began
        assert took < looking.PATIENCE / 2, f"{took:.1f} s"
        assert (len(found.published), found.unread) == (looking.NEWEST, 60)
        assert found.published[0].folder.endswith("n159/")
        assert found.unread_since is not None

    def test_what_does_not_come_in_time_is_said(
        self, ground: Ground, target: Backup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish(ground, "uno")
        monkeypatch.setattr(looking, "PATIENCE", -1.0)
        with pytest.raises(ProbeError) as caught:
            seen(target)
        assert caught.value.kind is ProbeFailure.SLOW

    def test_a_list_that_cannot_be_had_is_never_empty(self, ground: Ground, make: Make) -> None:
        storage = ground.site.settings.storage
        assert storage is not None
        nobody = _keys(*user(ground.servers.storage, f"nadie-{ground.prefix[:-1]}", "iam:GetUser"))
        for changes, kind in (
            ({"reader": nobody}, ProbeFailure.DENIED),
            ({"backup_bucket": "no"}, ProbeFailure.ABSENT),
        ):
            lost = make(_with(ground.site, storage=msgspec.structs.replace(storage, **changes)))
            with pytest.raises(ProbeError) as caught:
                seen(lost)
            assert caught.value.kind is kind


class TestGuards:
    """What guards the bucket and the objects in it."""

    def test_the_bucket(self, target: Backup) -> None:
        with reading_through(Readings()):
            found = target.bucket()
        assert found.versioning.state is State.KEPT
        assert found.private.state is State.KEPT
        assert (found.tls, found.loopback) == (False, True)

    @pytest.mark.parametrize(
        ("statement", "state"),
        [
            ({}, State.KEPT),
            ({"Principal": {"AWS": "*"}, "Action": ["s3:*"]}, State.KEPT),
            ({"Condition": {"BoolIfExists": {"aws:SecureTransport": ["false"]}}}, State.KEPT),
            ({"Effect": "Allow"}, State.BROKEN),
            ({"Action": "s3:GetObject"}, State.BROKEN),
            ({"Principal": {"AWS": "arn:aws:iam::1:user/x"}}, State.BROKEN),
            ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, State.BROKEN),
            ({"Condition": {}}, State.BROKEN),
        ],
    )
    def test_a_policy_that_refuses_who_comes_without_tls(self, statement: dict[str, Any], state: State) -> None:
        """On a stand-in: a server that keeps such a policy refuses a test that comes without TLS."""
        denied = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        other = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
        for stated in ([other, denied | statement], denied | statement):
            told = Telling({"Policy": json.dumps({"Version": "2012-10-17", "Statement": stated})})
            assert only_by_tls(told).state is state  # type: ignore[arg-type]

    @pytest.mark.parametrize("answer", [{}, {"Policy": ""}, {"Policy": "<xml>"}, {"Policy": "[]"}, {"Policy": "{}"}])
    def test_what_is_no_policy_refuses_nobody(self, answer: dict[str, Any]) -> None:
        assert only_by_tls(Telling(answer)).state is State.BROKEN  # type: ignore[arg-type]

    def test_a_server_that_keeps_such_a_policy_refuses_us_and_says_nothing(self, ground: Ground, make: Make) -> None:
        storage = ground.site.settings.storage
        assert storage is not None
        name = f"politica-{ground.prefix[:-1]}"
        ground.s3.create_bucket(Bucket=name)
        target = make(_with(ground.site, storage=msgspec.structs.replace(storage, backup_bucket=name)))
        assert target.bucket().transport.state is State.BROKEN, "there is no policy yet"
        named = {"Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{name}"]}
        denied = {"Effect": "Deny", **named, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        ground.s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))
        assert target.bucket().transport.state is State.UNKNOWN

    def test_an_object(self, ground: Ground, make: Make) -> None:
        target = make(ground.changed(encryption="sse-s3"))
        folder = publish(ground, "uno")
        plain = target.guarded(f"{folder}data.dump.zst", None)
        assert (plain.proven, plain.locked_until) == (plain.encryption is not None, None)
        ground.s3.put_object(Bucket=BACKUPS, Key=f"{folder}x", Body=b"x", ServerSideEncryption="AES256")
        assert target.guarded(f"{folder}x", None).proven
        with pytest.raises(ProbeError) as caught:
            target.guarded(f"{folder}no", None)
        assert caught.value.kind is ProbeFailure.ABSENT

    def test_the_operator_is_let_in_or_not(self, ground: Ground, make: Make) -> None:
        found = make().operating()
        assert (found.denied, found.objections) == (None, ())
        storage = ground.site.settings.storage
        assert storage is not None
        wrong = _keys(*user(ground.servers.storage, f"sin-{ground.prefix[:-1]}", "iam:GetUser"))
        denied = make(_with(ground.site, storage=msgspec.structs.replace(storage, operator=wrong))).operating()
        assert denied.denied is not None
        with pytest.raises(NotConfigured, match=r"storage\.operator"):
            make(_with(ground.site, storage=msgspec.structs.replace(storage, operator=None))).operating()

    def test_what_forbids_a_backup_is_said_before_it_is_tried(self, ground: Ground, make: Make) -> None:
        (said,) = make(ground.changed(storage_class="GLACIER")).operating().objections
        assert "GLACIER" in str(said)


class TestStep:
    """The backup itself, as a step of a plan."""

    def step(self, target: Backup) -> Step:
        return Step(
            what=text("Back up"),
            target="backup",
            operation="backup",
            fingerprint=target.fingerprint(),
            effect=Effect.CHANGE,
        )

    def test_it_publishes_a_backup_that_the_rows_find_good(self, ground: Ground, target: Backup) -> None:
        step = self.step(target)
        assert (target.effect_of(step), target.deadline_of(step)) == (Effect.CHANGE, LONGEST)
        after = target.perform(step)
        newest = seen(target).newest_good
        assert newest is not None
        assert (newest.folder, newest.lost) == (after["backup"], ())
        assert after["rows"] > 0
        assert target.day_of(newest) == target.today()
        assert target.retention().frozen == ()
        assert newest.manifest is not None
        assert not target.guarded(newest.manifest.object, newest.manifest.version).proven, "encryption is none here"

    def test_it_refuses_where_another_was_made_or_has_begun(self, ground: Ground, target: Backup) -> None:
        step = self.step(target)
        store = places.store_at(places.place_of(ground.site))
        with leased(store, ground.prefix, f"{ground.prefix}otro/"), pytest.raises(ActionError) as caught:
            target.perform(step)
        store.close()
        assert caught.value.refused
        publish(ground, "nuevo")
        with pytest.raises(ActionError) as caught:
            target.perform(step)
        assert caught.value.refused
        assert seen(target).unpublished == ()

    @pytest.mark.parametrize("place", ["leased", "data uploaded"])
    def test_stopped_it_leaves_no_backup(
        self, ground: Ground, target: Backup, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        monkeypatch.setattr(milestones, "reached", lambda name: target.interrupt() if name == place else None)
        with pytest.raises(ActionError, match="was stopped"):
            target.perform(self.step(target))
        found = seen(target)
        assert (found.published, found.leased) == ((), ())
        monkeypatch.undo()
        target.perform(self.step(target))
        assert seen(target).newest_good is not None

    def test_of_an_encrypted_bucket_nothing_is_hidden(self, ground: Ground, make: Make) -> None:
        (ground.home / "key").write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
        target = make(ground.changed(encryption="sse-c", customer_key=Secret(file=ground.home / "key")))
        try:
            target.perform(self.step(target))
        except ActionError as error:
            pytest.skip(f"this server does not keep SSE-C: {error.said}")
        newest = seen(target).newest_good
        assert newest is not None
        assert newest.manifest is not None
        assert target.guarded(newest.manifest.object, newest.manifest.version).proven


class TestRetention:
    """The rules of retention, on what was read."""

    def test_a_backup_of_another_system_freezes(self, ground: Ground, target: Backup) -> None:
        publish(ground, "mio", system_identifier=target.identifier())
        assert target.retention().frozen == ()
        publish(ground, "ajeno", system_identifier="1")
        assert "another database system" in str(target.retention().frozen[0])

    def test_what_is_proven_stays_however_old(self, ground: Ground, make: Make) -> None:
        target = make(ground.changed(keep_newest=1))
        mine: dict[str, Any] = {"system_identifier": target.identifier()}
        publish(ground, "hoy", **mine)
        proven = publish(ground, "probado", age=timedelta(days=60), **mine)
        old = publish(ground, "viejo", age=timedelta(days=50), **mine)
        older = publish(ground, "mas", age=timedelta(days=70), **mine)
        prove(ground, proven)
        found = target.retention()
        assert found.removable == (older,)
        assert {one.folder for one in found.keep} >= {proven, old}


class TestElsewhere:
    """What other places know of the backups."""

    def test_the_journal(self, ground: Ground, target: Backup) -> None:
        assert target.attempts() == ()
        journal = Journal(ground.site.state_folder / "journal.jsonl")
        words = msgspec.to_builtins(text("{reason}", reason="no disk"))
        for run, result in {
            "r1": {"outcome": "done"},
            "r2": {"outcome": "failed", "result": words},
            "r3": {"outcome": "refused", "result": None},
            "r4": None,
        }.items():
            intent = journal.write("intent", run=run, row="BACKUP", body={"operation": "backup"})
            journal.write("intent", run=run, row="PURGE", body={"operation": "purge"})
            if result:
                journal.write("result", run=run, row="BACKUP", body={"intent": intent.number, **result})
        with reading_through(Readings()):
            found = target.attempts()
        assert [(one.run, one.outcome) for one in found] == [
            ("r4", None),
            ("r3", "refused"),
            ("r2", "failed"),
            ("r1", "done"),
        ]
        assert str(found[2].said) == "no disk"

    def test_a_journal_that_cannot_be_trusted(self, ground: Ground, target: Backup) -> None:
        ground.site.state_folder.mkdir(parents=True, exist_ok=True)
        (ground.site.state_folder / "journal.jsonl").write_text("{}\n")
        with pytest.raises(JournalError):
            target.attempts()

    def test_timers(self, ground: Ground, make: Make) -> None:
        with pytest.raises(NotConfigured, match="hosts"):
            make().timers()
        hosts = HostsSettings(addresses=("local://", "ssh://nobody@127.0.0.1:9"))
        with reading_through(Readings()):
            here, there = make(_with(ground.site, hosts=hosts)).timers()
        systemd = Path("/run/systemd/system").is_dir()
        assert (here.failure is ProbeFailure.BLIND) != systemd or here.standings
        assert there.failure is ProbeFailure.REFUSED
        assert there.problem is not None

    def test_the_operator_must_read_all_that_is_dumped(self, ground: Ground, target: Backup) -> None:
        right, _large = target.rights()
        assert (right.held, right.identity) == (True, "operator")
        assert right.mend == "GRANT pg_read_all_data TO muses_operator;"
        ground.admin.execute("CREATE SCHEMA cerrado; CREATE TABLE cerrado.t (id int)")
        try:
            assert not target.rights()[0].held
            ground.admin.execute(
                "GRANT USAGE ON SCHEMA cerrado TO muses_operator; GRANT SELECT ON cerrado.t TO muses_operator"
            )
            assert target.rights()[0].held
            ground.admin.execute("CREATE SEQUENCE cerrado.s")
            assert not target.rights()[0].held
        finally:
            ground.admin.execute("DROP SCHEMA cerrado CASCADE")

    def test_the_operator_must_read_all_large_objects(self, ground: Ground, target: Backup) -> None:
        """At one that it may not read ``pg_dump`` ends, and no role of the server's own reads them all."""
        assert target.rights()[1].held
        (made,) = ground.admin.execute("SELECT lo_from_bytea(0, 'foto') AS oid").fetchall()
        try:
            large = target.rights()[1]
            assert (large.held, large.identity) == (False, "operator")
            ground.admin.execute(large.mend)
            assert target.rights()[1].held
        finally:
            ground.admin.execute("SELECT lo_unlink(%s)", [made["oid"]])

    def test_the_printed_rights_are_all_that_a_new_operator_lacks(self, ground: Ground, make: Make) -> None:
        role = "o'perador \"$$"
        assert ground.site.settings.database is not None
        database = msgspec.structs.replace(ground.site.settings.database, operator=Login(user=role))
        target = make(_with(ground.site, database=database))
        new = sql.Identifier(role)
        (made,) = ground.admin.execute("SELECT lo_from_bytea(0, 'foto') AS oid").fetchall()
        ground.admin.execute(sql.SQL("CREATE ROLE {}").format(new))
        try:
            assert [right.held for right in target.rights()] == [False, False]
            named = Named(role, database=database.name, schema=database.schema)
            for _ in range(2):
                for right, of in (("member", "pg_read_all_data"), ("large objects", ""), ("createdb", "")):
                    ground.admin.execute(commands(right, of, named)[0])
            assert [right.held for right in target.rights()] == [True, True]
            (found,) = ground.admin.execute("SELECT rolcreatedb FROM pg_roles WHERE rolname = %s", [role]).fetchall()
            assert found["rolcreatedb"]
        finally:
            ground.admin.execute("SELECT lo_unlink(%s)", [made["oid"]])
            ground.admin.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(new))

    def test_the_clock_is_the_storages(self, target: Backup) -> None:
        skew = target.clock_skew()
        assert skew is not None
        assert abs(skew) < timedelta(seconds=5)

    @pytest.mark.parametrize("absent", ["storage", "database"])
    def test_what_is_not_configured_is_said(self, ground: Ground, make: Make, absent: str) -> None:
        target = make(_with(ground.site, **{absent: None}))
        ask = target.backups if absent == "storage" else target.identifier
        with pytest.raises(NotConfigured, match=f"environments.*{absent}"):
            ask()


def _with(site: Site, **settings: Any) -> Site:
    return dataclasses.replace(site, settings=msgspec.structs.replace(site.settings, **settings))


def _keys(access: Path, secret: Path) -> Keys:
    return Keys(access_key=Secret(file=access), secret_key=Secret(file=secret))

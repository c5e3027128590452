"""A whole backup, from the lock to the manifest: what is published, in which order, and how often a day."""

from __future__ import annotations

import base64
import threading
import zoneinfo
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyrage
import pytest
import zstandard

from procedures.backup import milestones, running, watching
from procedures.backup.recording import BackupCourse
from procedures.backup.refusing import Refused
from runbook.errors import ActionError, LockError, NotConfigured, ProbeError, SettingsError
from runbook.model import Outcome, State
from runbook.settings import Login, Secret
from runbook.site import Site
from runbook.text import Text
from tests.faulty_store import FaultyStore
from tests.procedures.backup.making import BACKUPS, COUNTS, DATABASE, Case, adopted
from tests.procedures.purge.ground import site_of

pytest_plugins = ("tests.procedures.backup.small_case",)
pytestmark = pytest.mark.usefixtures("small")


@pytest.fixture
def sealed(case: Case) -> dict[str, Any]:
    """The settings of encryption on the client."""
    identity = pyrage.x25519.Identity.generate()
    kept = case.home / "age"
    kept.write_text(str(identity))
    return {"age_recipients": (str(identity.to_public()),), "age_identity": Secret(file=kept)}


# What is published ---------------------------------------------------------------------------------------------------


def test_the_manifest_says_what_was_made(case: Case) -> None:
    before = datetime.now(UTC)
    made = running.backup(case.site)
    manifest = case.published()[made.folder]
    assert manifest == made.manifest
    assert made.made
    case.check_good(made.folder)
    (server,) = case.admin.execute(
        "SELECT system_identifier::text AS id, current_setting('server_version') AS version FROM pg_control_system()"
    ).fetchall()
    assert (manifest.system_identifier, manifest.server_version) == (server["id"], server["version"])
    assert (manifest.database, manifest.tables, manifest.large_objects) == (DATABASE, COUNTS, 1)
    assert before <= (manifest.started_at or before) <= manifest.finished_at <= datetime.now(UTC)
    assert manifest.local_date == datetime.now(case.site.zone).date().isoformat()
    assert (manifest.encryption.server, manifest.encryption.client) == ("AES256", None)
    assert made.folder.removeprefix(case.prefix).startswith(f"{before.astimezone(case.site.zone):%Y-%m-%dT%H}")
    assert case.names() == {
        f"{made.folder.removeprefix(case.prefix)}{name}"
        for name in ("data.dump.zst", "globals.sql.zst", "manifest.json")
    }


def test_the_manifest_comes_last_and_the_lease_first(case: Case, faults: FaultyStore) -> None:
    running.backup(case.changed(endpoint=faults.url))
    written = [one.key.removeprefix(case.prefix) for one in faults.requests if one.method in ("PUT", "POST")]
    mine = [name for name in written if not name.startswith(".probe/")]
    assert mine[0].startswith(".leases/")
    assert mine[-1].endswith("/manifest.json")
    assert sum(name.endswith("/manifest.json") for name in mine) == 1
    read = [one.key for one in faults.requests if one.operation == "GetObject" and "/data.dump" in one.key]
    assert read, "the data were read back"
    order = [(one.operation, one.key.rpartition("/")[2]) for one in faults.requests]
    assert order.index(("GetObject", "data.dump.zst")) < order.index(("PutObject", "manifest.json"))


def test_the_globals_are_an_object_of_their_own(case: Case) -> None:
    made = running.backup(case.site)
    piece = made.manifest.globals
    assert piece is not None
    text = zstandard.ZstdDecompressor().decompressobj().decompress(case.body(piece.object, piece.version)).decode()
    assert "CREATE ROLE muses_operator" in text
    assert "PASSWORD" not in text
    assert piece.plain_bytes == len(text.encode())


def test_globals_may_be_left_out(case: Case) -> None:
    made = running.backup(case.changed(globals=False))
    assert made.manifest.globals is None
    assert len(case.names()) == 2


def test_passwords_of_roles_are_dumped_only_by_who_may(case: Case) -> None:
    """The operator may not read them: that is an error, not a dump without them."""
    with pytest.raises(ActionError, match=r"pg_dumpall failed: .*permission denied"):
        running.backup(case.changed(role_passwords=True))
    assert not case.published()


CLIENT: dict[str, bool] = {"clear": False, "age": True}
SERVER: dict[str, tuple[dict[str, Any], str | None]] = {
    "none": ({"encryption": "none"}, None),
    "sse-s3": ({"encryption": "sse-s3"}, "AES256"),
    "sse-kms": ({"encryption": "sse-kms", "kms_key_id": "0b1c2d3e-respaldos"}, "aws:kms"),
    "sse-c": ({"encryption": "sse-c", "customer_key": Secret(env="MUSES_TEST_KEY")}, "SSE-C"),
}


@pytest.mark.parametrize("client", CLIENT.values(), ids=CLIENT.keys())
@pytest.mark.parametrize(("server", "returned"), SERVER.values(), ids=SERVER.keys())
def test_every_combination_of_encryptions(
    case: Case,
    sealed: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    server: dict[str, Any],
    returned: str | None,
    client: bool,
) -> None:
    monkeypatch.setenv("MUSES_TEST_KEY", base64.b64encode(b"k" * 32).decode())
    made = running.backup(case.changed(**server, **(sealed if client else {})))
    assert made.manifest.verified
    assert (made.manifest.encryption.server, made.manifest.encryption.client) == (returned, "age" if client else None)
    asked = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32} if returned == "SSE-C" else {}
    stored = case.s3.get_object(Bucket=BACKUPS, Key=made.manifest.object, **asked)["Body"].read()
    assert (b"PGDMP" in stored[:64], stored.startswith(b"age-encryption.org")) == (False, client)


# Two at once, and once a day -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("name", ["locked", "before the manifest"])
def test_two_backups_at_once(case: Case, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    refused: list[str] = []

    def reached(passed: str) -> None:
        if passed == name and not refused:
            with pytest.raises(LockError, match="Another backup works") as caught:
                running.backup(case.site)
            refused.append(str(caught.value))

    monkeypatch.setattr(milestones, "reached", reached)
    made = running.backup(case.site)
    assert refused
    assert set(case.published()) == {made.folder}


@pytest.mark.usefixtures("trusting")
def test_many_at_once_and_one_comes_through(case: Case) -> None:
    began = threading.Barrier(4)
    ended: list[str | None] = []

    def back_up() -> None:
        began.wait(10)
        try:
            ended.append(running.backup(case.site).folder)
        except LockError:
            ended.append(None)

    threads = [threading.Thread(target=back_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    made = {folder for folder in ended if folder}
    assert len(ended) == 4
    assert set(case.published()) == made
    assert made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the clock of backups to a moment, given in UTC."""

    def put(moment: str) -> None:
        fixed = datetime.fromisoformat(moment).replace(tzinfo=UTC)

        class Fixed(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return fixed.astimezone(tz)

        monkeypatch.setattr(running, "datetime", Fixed)

    return put


def in_zone(case: Case, zone: str) -> Site:
    return replace(site_of(case.site.settings, case.home), zone=zoneinfo.ZoneInfo(zone))


#: Moments at which the timer fires, in UTC, and how many backups come of them.
NIGHTS: dict[str, tuple[str, list[str], int]] = {
    "01:30 twice": ("America/New_York", ["2026-11-01T05:30", "2026-11-01T06:30"], 1),
    "02:30 missing, fired at 03:00 and 03:30": ("America/New_York", ["2026-03-08T07:00", "2026-03-08T07:30"], 1),
    "one day there, two in UTC": ("America/Mexico_City", ["2026-11-24T23:30", "2026-11-25T05:30"], 1),
    "two days there, one in UTC": ("America/Mexico_City", ["2026-11-24T05:30", "2026-11-24T06:30"], 2),
}


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(("zone", "moments", "count"), NIGHTS.values(), ids=NIGHTS.keys())
def test_one_backup_a_local_date_whatever_the_clock_does(
    case: Case, clock: Callable[[str], None], zone: str, moments: list[str], count: int
) -> None:
    """03:30 local time may not exist or exist twice on a clock-change day."""
    site, made = in_zone(case, zone), []
    for moment in moments:
        clock(moment)
        made.append(running.backup(site, once_a_day=True))
    assert sum(one.made for one in made) == count == len(case.published())
    assert len({one.manifest.local_date for one in made}) == count
    assert {one.manifest.local_date for one in made} == {one.local_date for one in case.published().values()}


def copied(case: Case, source: tuple[Case, str], **changes: Any) -> str:
    """A backup of today with something else about it."""
    today = datetime.now(case.site.zone).date().isoformat()
    return adopted(case, *source, local_date=today, **changes)


@pytest.mark.usefixtures("trusting")
def test_the_day_s_backup_is_the_answer(case: Case, one_backup: tuple[Case, str]) -> None:
    folder = copied(case, one_backup)
    found = running.backup(case.site, once_a_day=True)
    assert (found.folder, found.made) == (folder, False)
    assert running.backup(case.site).made  # without the option there is another


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    "change",
    [
        {"verified": False},
        {"local_date": "2026-01-01"},
        {"system_identifier": "7000000000000000001"},
        {"database": "otra"},
    ],
    ids=["not verified", "of another day", "of another system", "of another database"],
)
def test_what_is_not_the_day_s_verified_backup_of_this_database(
    case: Case, one_backup: tuple[Case, str], change: dict[str, Any]
) -> None:
    copied(case, one_backup, **change) if "local_date" not in change else adopted(case, *one_backup, **change)
    made = running.backup(case.site, once_a_day=True)
    assert made.made
    case.check_good(made.folder)


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("body", [b"{", b'{"format": 1}'], ids=["cut", "less"])
def test_a_manifest_that_cannot_be_read_hinders_no_backup(case: Case, body: bytes) -> None:
    case.s3.put_object(Bucket=BACKUPS, Key=f"{case.prefix}2026-01-01T0330-0000/manifest.json", Body=body)
    assert running.backup(case.site, once_a_day=True).made


# Before it begins ----------------------------------------------------------------------------------------------------


def test_looking_writes_nothing(case: Case, faults: FaultyStore) -> None:
    outlook = running.look(case.changed(endpoint=faults.url))
    assert (outlook.database, outlook.objections) == (DATABASE, ())
    assert outlook.bytes > 0
    assert {one.method for one in faults.requests} <= {"GET", "HEAD"}
    assert not case.versions()


def test_a_bucket_that_anyone_reads_is_refused(case: Case) -> None:
    case.s3.delete_public_access_block(Bucket=BACKUPS)
    everybody = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject",'
        f'"s3:ListBucket"],"Resource":["arn:aws:s3:::{BACKUPS}","arn:aws:s3:::{BACKUPS}/*"]}}]}}'
    )
    case.s3.put_bucket_policy(Bucket=BACKUPS, Policy=everybody)
    try:
        with pytest.raises(Refused, match="public"):
            running.backup(case.site)
    finally:
        case.s3.delete_bucket_policy(Bucket=BACKUPS)
    assert not case.versions()


@pytest.mark.parametrize(
    ("part", "setting"), [("database", "environments.lab.database"), ("storage", "environments.lab.storage")]
)
def test_what_is_not_configured_is_named(case: Case, part: str, setting: str) -> None:
    site = site_of(msgspec.structs.replace(case.site.settings, **{part: None}), case.home)
    with pytest.raises(NotConfigured, match=setting):
        running.backup(site)


def test_without_an_operator_nothing_begins(case: Case) -> None:
    with pytest.raises(NotConfigured):
        running.backup(case.changed(storage={"operator": None}))
    with pytest.raises((NotConfigured, ActionError)):
        running.backup(case.changed(database={"operator": None}))
    assert not case.versions()


@pytest.mark.parametrize("wrong", [{"name": "ninguna"}, {"port": 1}], ids=["no such database", "nobody listens"])
def test_a_database_that_cannot_be_asked(case: Case, wrong: dict[str, Any]) -> None:
    with pytest.raises(ActionError):
        running.backup(case.changed(database=wrong))
    assert not case.versions()


def test_a_wrong_password_is_said_and_not_shown(case: Case, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wr0ng-canary")
    login = Login(user="muses_operator", password=Secret(file=tmp_path / "password"))
    with pytest.raises(ActionError) as caught:
        running.backup(case.changed(database={"operator": login}))
    assert "wr0ng-canary" not in str(caught.value)
    assert not case.versions()


def test_a_bucket_that_is_not_there(case: Case) -> None:
    with pytest.raises(ProbeError, match="no bucket ninguno"):
        running.backup(case.changed(storage={"backup_bucket": "ninguno"}))


def test_keys_that_could_not_read_it_back_are_said_before_anything_is_written(
    case: Case, sealed: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "another").write_text(str(pyrage.x25519.Identity.generate()))
    site = case.changed(**{**sealed, "age_identity": Secret(file=tmp_path / "another")})
    with pytest.raises(SettingsError, match="could not be read back"):
        running.backup(site)
    assert not case.versions()


# While it works, and as a run ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("trusting")
def test_who_watches_is_told_and_may_stop_it(case: Case) -> None:
    told: list[tuple[str, Any]] = []

    class Watch(watching.Unwatched):
        def stepped(self, what: Text, total: int | None = None) -> None:
            told.append((str(what), total))

        def moved(self, done: int) -> None:
            told.append(("moved", done))

    made = running.backup(case.site, watch=Watch())
    steps = [what for what, _ in told if what != "moved"]
    assert steps == [f"Dumping {DATABASE}", "Reading back"]
    dumping, reading = told.index((steps[0], told[0][1])), [what for what, _ in told].index(steps[1])
    first = [done for what, done in told[dumping:reading] if what == "moved"]
    second = [done for what, done in told[reading:] if what == "moved"]
    for moved in (first, second):
        assert moved == sorted(moved)
        assert moved[-1] == made.manifest.dump_bytes


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("step", ["Dumping chica", "Reading back"])
def test_ctrl_c_publishes_nothing_and_leaves_no_part(case: Case, step: str) -> None:
    class Stopping(watching.Unwatched):
        now = False

        def stepped(self, what: Text, total: int | None = None) -> None:
            self.now = str(what) == step

        def moved(self, done: int) -> None:
            if self.now and done > 100_000:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        running.backup(case.site, watch=Stopping())
    assert not case.published()
    assert not case.uploads()
    case.gone()
    assert not case.store.list(f"{case.prefix}.leases/")


@pytest.mark.usefixtures("trusting")
def test_as_a_run_it_says_what_was_published(case: Case) -> None:
    course = BackupCourse(case.site, "t")
    course.act(watching.Unwatched())
    record = course.record(execute=True)
    assert record.verdict.state is State.OK
    assert record.actions[0].outcome is Outcome.DONE
    assert course.outcome() == {"backup": next(iter(case.published()))}


def test_the_database_is_the_same_afterwards(case: Case) -> None:
    """No object of ours, no setting, no lock, no session stays."""

    def state() -> list[dict[str, Any]]:
        return case.admin.execute(
            "SELECT (SELECT count(*) FROM pg_class) AS objects, (SELECT count(*) FROM pg_locks WHERE locktype = "
            "'advisory') AS locks, (SELECT count(*) FROM pg_db_role_setting) AS settings"
        ).fetchall()

    before = state()
    running.backup(case.site)
    case.gone()
    assert state() == before


def test_it_names_the_newest_by_the_manifest_and_not_by_the_name(case: Case, one_backup: tuple[Case, str]) -> None:
    """Sorted by name: good backups gone."""
    adopted(case, *one_backup, name="9999-12-31T0330-0000/", finished_at="2020-01-01T00:00:00+00:00")
    newer = adopted(case, *one_backup, name="0000-01-01T0330-0000/")
    assert case.newest_good() == newer

"""The security target: what it finds in settings and files, and real servers that let a maker's account in or not."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.place import Place
from runbook.settings import (
    BrokerSettings,
    DatabaseSettings,
    Keys,
    Login,
    LogsSettings,
    PolicySettings,
    Secret,
    StorageSettings,
    Waiver,
)
from runbook.settings.policy import Window
from runbook.targets.s3.promised import State
from runbook.targets.s3.storage import Storage
from runbook.targets.security import accounts
from runbook.targets.security.security import Security
from tests.checks.fakes import now
from tests.runbook.fakes import site_at
from tests.runbook.targets.servers_http import Asked, answering
from tests.runbook.targets.servers_network import refused_port, silent_port, tls_in_front_of
from tests.runbook.targets.servers_rabbitmq import RabbitServer
from tests.runbook.targets.servers_storage import root, storage_server, user

READER = Login(user="lector")
STORAGE = StorageSettings(backup_bucket="respaldos")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An S3 server without buckets."""
    with storage_server(tmp_path_factory.mktemp("storage")) as place:
        yield place


def security(folder: Path, *, file: Path | None = None, **targets: Any) -> Security:
    return Security("security", replace(site_at(folder, **targets), file=file))


def broker(**changes: Any) -> BrokerSettings:
    return BrokerSettings(**{"queues": ("q",), "reader": READER, **changes})


class TestEndpoints:
    """What the site file names."""

    def found(self, folder: Path, **targets: Any) -> dict[str, tuple[str, str, bool]]:
        return {
            one.setting.removeprefix("environments.test."): (one.where, one.wire, one.local)
            for one in security(folder, **targets).endpoints()
        }

    @pytest.mark.parametrize(
        ("sslmode", "wire"),
        [
            ("verify-full", "verified"),
            ("verify-ca", "encrypted"),
            ("require", "encrypted"),
            ("prefer", "optional"),
            ("disable", "plain"),
        ],
    )
    def test_the_database_and_its_standbys(self, tmp_path: Path, sslmode: Any, wire: str) -> None:
        database = DatabaseSettings(host="bd-1", sslmode=sslmode, reader=READER, standbys=("bd-2:6432", "127.0.0.1"))
        assert self.found(tmp_path, database=database) == {
            "database.sslmode": ("bd-1:5432", wire, False),
            "database.standbys[0]": ("bd-2:6432", wire, False),
            "database.standbys[1]": ("127.0.0.1:5432", wire, True),
        }

    def test_a_socket_is_on_this_machine(self, tmp_path: Path) -> None:
        database = DatabaseSettings(host="/run/postgresql", reader=READER)
        assert self.found(tmp_path, database=database)["database.sslmode"][2]

    def test_an_address_that_is_only_mentioned(self, tmp_path: Path) -> None:
        day = date(2026, 11, 24)
        who = {"owner": "a", "approver": "b", "reason": "http://tickets.invalid/1"}
        waiver = Waiver(row="SEC-01", start=day, expires=day, state="WARNING", **who)
        assert self.found(tmp_path, waivers=(waiver,)) == {}

    def test_every_url_wherever_it_stands(self, tmp_path: Path) -> None:
        logs = LogsSettings(services={"a": ('loki+https://loki.invalid/?query={x="y"}',), "b": ("/var/log/b.log",)})
        found = self.found(
            tmp_path,
            broker=broker(host="mq-1", tls=True, port=5671, management_url="http://mq-1:15672"),
            storage=StorageSettings(endpoint_url="https://[2001:db8::1]:9000", backup_bucket="b"),
            logs=logs,
        )
        assert found == {
            "broker.tls": ("mq-1:5671", "verified", False),
            "broker.management_url": ("mq-1:15672", "plain", False),
            "storage.endpoint_url": ("[2001:db8::1]:9000", "verified", False),
            "logs.services.a[0]": ("loki.invalid:443", "verified", False),
        }


class TestCertificates:
    """What endpoints show."""

    def test_of_a_server_with_tls(self, tmp_path: Path) -> None:
        with tls_in_front_of(refused_port(), tmp_path) as (port, _):
            target = security(tmp_path, broker=broker(management_url=f"https://localhost:{port}"))
            (shown,) = target.certificates()
        assert shown.ends is not None
        assert timedelta(days=1) < shown.ends - now() < timedelta(days=3)

    @pytest.mark.parametrize("port", ["silent", "refused"])
    def test_of_one_that_shows_none(self, tmp_path: Path, port: str) -> None:
        with ExitStack() as held:
            at = held.enter_context(silent_port(b"N")) if port == "silent" else refused_port()
            database = DatabaseSettings(port=at, sslmode="require", reader=READER)
            (shown,) = security(tmp_path, database=database).certificates()
        assert shown.ends is None
        assert shown.problem is not None

    def test_nobody_is_asked_for_what_is_not_encrypted(self, tmp_path: Path) -> None:
        assert security(tmp_path, broker=broker(management_url="http://mq-1:15672")).certificates() == ()


class TestFiles:
    """Who gets at the site file and at what it names."""

    @pytest.fixture
    def open_folder(self, tmp_path: Path) -> Iterator[Path]:
        """A folder that others reach, as far as the folders above it go."""
        changed = [path for path in (tmp_path, *tmp_path.parents) if not path.stat().st_mode & stat.S_IXOTH]
        modes = [path.stat().st_mode for path in changed]
        for path in changed:
            path.chmod(0o755)
        yield tmp_path
        for path, mode in zip(changed, modes, strict=True):
            path.chmod(stat.S_IMODE(mode))

    def seen(self, folder: Path, mode: int, *, above: int = 0o755) -> tuple[bool, bool, bool]:
        place = folder / "secrets"
        place.mkdir()
        file = place / "reader"
        file.write_text("c4n4ry-of-a-file")
        file.chmod(mode)
        place.chmod(above)
        database = DatabaseSettings(reader=Login(user="lector", password=Secret(file=file)))
        (found,) = security(folder, database=database).kept()
        assert (found.setting, found.problem) == ("environments.test.database.reader.password", None)
        return found.others_read, found.others_write, found.group_writes

    @pytest.mark.parametrize(
        ("mode", "above", "seen"),
        [
            (0o600, 0o755, (False, False, False)),
            (0o640, 0o755, (False, False, False)),
            (0o644, 0o755, (True, False, False)),
            (0o644, 0o750, (False, False, False)),
            (0o666, 0o755, (True, True, True)),
            (0o600, 0o777, (False, True, False)),
            (0o600, 0o1777, (False, False, False)),
            (0o660, 0o755, (False, False, True)),
        ],
    )
    def test_modes(self, open_folder: Path, mode: int, above: int, seen: tuple[bool, bool, bool]) -> None:
        assert self.seen(open_folder, mode, above=above) == seen

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        (found,) = security(tmp_path, file=tmp_path / "none.toml").kept()
        assert found.problem is not None
        assert "none.toml" in str(found.problem)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("https://lector:c4n4ry@es.invalid/muses-*?query=x", "URL"),
        ("es+https://es.invalid/muses-*?query=AKIAC4N4RYC4N4RYC4N4", "AKIA"),
        ("docker:///run/docker.sock?name=x", None),
    ],
)
def test_credentials_in_clear(tmp_path: Path, value: str, kind: str | None) -> None:
    policy = PolicySettings(rows={}, windows=(Window(name=value, hours="22:00-06:00"),))
    found = security(tmp_path, policy=policy).in_clear()
    assert [one.kind for one in found] == ([kind] if kind else [])
    assert "c4n4ry" not in repr(found).lower()


@pytest.mark.parametrize(
    ("command", "count"),
    [(("vault", "kv", "get", "-field=password", "secret/muses"), 0), (("x", "--password=c4n4ry"), 1)],
)
def test_credentials_in_a_command(tmp_path: Path, command: tuple[str, ...], count: int) -> None:
    database = DatabaseSettings(reader=Login(user="lector", password=Secret(command=command)))
    assert len(security(tmp_path, database=database).in_clear()) == count


def test_powers(tmp_path: Path) -> None:
    night = {"hours": "22:00-06:00"}
    policy = PolicySettings(
        high="act",
        rows={"STAGE-01": "act", "DB-01": "never"},
        windows=(
            Window(name="todo", **night),
            Window(name="alto", risks=("high",), **night),
            Window(name="bajo", risks=("low",), **night),
            Window(name="nada", allows="never", **night),
        ),
    )
    database = DatabaseSettings(reader=READER, operator=READER)
    storage = StorageSettings(backup_bucket="b", reader=Keys(), operator=Keys())
    found = security(tmp_path, policy=policy, database=database, storage=storage, broker=broker()).powers()
    assert (found.high, found.rows, found.windows) == (True, ("STAGE-01",), ("todo", "alto"))
    assert (found.alike, found.reader, found.applications) == (("database", "storage"), "lector", ("muses_app",))


class TestAccounts:
    """Each maker's account on a server that lets it in, and on one that does not."""

    def opens(self, folder: Path, **targets: Any) -> dict[str, bool | None]:
        return {one.account: one.opens for one in security(folder, **targets).default_accounts()}

    @pytest.mark.parametrize(("lets_in", "opens"), [(b"guest:guest", True), (b"admin:c4n4ry", False)])
    def test_guest_of_rabbitmq(self, tmp_path: Path, lets_in: bytes, opens: bool) -> None:
        def answer(asked: Asked) -> tuple[int, Any]:
            if asked.headers.get("Authorization") == "Basic " + base64.b64encode(lets_in).decode():
                return 200, {"name": "guest", "tags": ["administrator"]}
            return 401, {"error": "not_authorized", "reason": "Login failed"}

        with answering(answer) as server:
            found = self.opens(tmp_path, broker=broker(management_url=f"http://{server.netloc}"))
        assert found == {"guest": opens}

    @pytest.mark.soak
    def test_guest_of_a_real_rabbitmq(self, tmp_path: Path) -> None:
        """A broker as it comes, with the account that its maker made; then without it."""
        server = RabbitServer(tmp_path / "broker")
        definitions = server.place.home / "rabbitmq" / "definitions.json"
        shut = json.loads(definitions.read_text())
        for name, opens in (("guest", True), ("other", False)):
            user = {**shut["users"][0], "name": name, "tags": ["administrator"]}
            salt = b"salt"
            digest = hashlib.sha256(salt + b"guest").digest()
            user["password_hash"] = base64.b64encode(salt + digest).decode()
            definitions.write_text(json.dumps({**shut, "users": [*shut["users"], user]}))
            shutil.rmtree(definitions.parent / "data", ignore_errors=True)
            server.start()
            try:
                found = self.opens(tmp_path, broker=broker(management_url=server.place.management_url))
            finally:
                server.stop()
            assert found == {"guest": opens}

    def test_what_does_not_answer_is_not_known(self, tmp_path: Path) -> None:
        port = refused_port()
        found = security(
            tmp_path,
            database=DatabaseSettings(port=port, reader=READER),
            broker=broker(management_url=f"http://127.0.0.1:{port}"),
            storage=StorageSettings(endpoint_url=f"http://127.0.0.1:{port}", backup_bucket="b"),
        ).default_accounts()
        assert [one.opens for one in found] == [None] * 4
        assert all(one.problem is not None for one in found)

    def test_a_broker_without_its_api_cannot_be_tried(self, tmp_path: Path) -> None:
        assert self.opens(tmp_path, broker=broker()) == {"guest": None}

    def test_without_targets_nothing_is_tried(self, tmp_path: Path) -> None:
        assert self.opens(tmp_path, storage=STORAGE) == {}


class TestStore:
    """A real store: its emulator's key, and buckets as they were made and as they should be."""

    def test_keys_that_anybody_knows(self, server: Place, tmp_path: Path) -> None:
        storage = StorageSettings(endpoint_url=server.storage_url, backup_bucket="b")
        found = {one.account: one.opens for one in security(tmp_path, storage=storage).default_accounts()}
        assert found == {"minioadmin": False, "test": True}

    def test_a_key_opens_only_with_its_secret(self, server: Place, tmp_path: Path, monkeypatch: Any) -> None:
        """Were the request signed wrongly, every store would seem to be shut."""
        storage = StorageSettings(endpoint_url=server.storage_url, backup_bucket="b")
        access, secret = (file.read_text() for file in user(server, "listador", "s3:List*"))
        for word, opens in ((secret, True), ("c4n4ry", False)):
            monkeypatch.setattr(accounts, "_STORE_KEYS", ((access, word),))
            assert {one.opens for one in security(tmp_path, storage=storage).default_accounts()} == {opens}

    def test_buckets(self, server: Place) -> None:
        s3 = root(server)
        for bucket in ("abierto", "cerrado"):
            s3.create_bucket(Bucket=bucket)
        shut = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
        )
        s3.put_public_access_block(Bucket="cerrado", PublicAccessBlockConfiguration=shut)
        s3.put_bucket_versioning(Bucket="cerrado", VersioningConfiguration={"Status": "Enabled"})
        public = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::abierto/*"}
        s3.delete_public_access_block(Bucket="abierto")
        s3.put_bucket_policy(Bucket="abierto", Policy=json.dumps({"Version": "2012-10-17", "Statement": [public]}))
        s3.put_object(Bucket="abierto", Key="a.dump", Body=b"x")
        s3.put_object(Bucket="cerrado", Key="tbae/a.zst", Body=b"x", ServerSideEncryption="AES256")
        access, secret = user(server, "vigilante", "s3:Get*", "s3:List*")
        settings = StorageSettings(
            endpoint_url=server.storage_url,
            backup_bucket="abierto",
            archive_bucket="cerrado",
            reader=Keys(access_key=Secret(file=access), secret_key=Secret(file=secret)),
        )
        target = Storage("storage", settings, environment="lab")
        try:
            backups, archive = target.exposures()
        finally:
            target.close()
        assert backups.to_anyone is True
        assert (backups.bucket, backups.versioning.state, backups.object) == ("abierto", State.BROKEN, None)
        assert (archive.private.state, archive.versioning.state) == (State.KEPT, State.KEPT)
        assert (archive.to_anyone, archive.object, archive.encryption) == (False, "tbae/a.zst", "AES256")

"""The object store's probes against a real S3 server, and against all the ways in which one cannot be read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lab.place import Place
from runbook.errors import NotConfigured, ProbeError, ProbeFailure
from runbook.probes import Readings, reading_through
from runbook.settings import Keys, Secret, StorageSettings
from runbook.targets.s3.storage import Storage
from tests.runbook.targets.servers_network import fixed_answer, refused_port, silent_port, tls_in_front_of
from tests.runbook.targets.servers_storage import root, storage_server, user

BUCKET, PREFIX = "muses-respaldos", "sep_muses/"
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with storage_server(tmp_path_factory.mktemp("storage")) as place:
        yield place


@pytest.fixture(scope="module")
def readers(server: Place) -> dict[str, Keys]:
    """Keys of a user who may read, of one who may list only, and of one who may nothing."""
    allowed = {"lector": ("s3:Get*", "s3:List*"), "listador": ("s3:List*",), "nadie": ("iam:GetUser",)}
    return {name: keys(*user(server, name, *actions)) for name, actions in allowed.items()}


@pytest.fixture
def bucket(server: Place) -> Any:
    """A client of the owner, with the bucket empty."""
    s3 = root(server)
    s3.create_bucket(Bucket=BUCKET)
    while found := s3.list_objects_v2(Bucket=BUCKET).get("Contents"):
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": one["Key"]} for one in found]})
    return s3


@pytest.fixture
def settings(server: Place, readers: dict[str, Keys]) -> StorageSettings:
    return StorageSettings(
        endpoint_url=server.storage_url, backup_bucket=BUCKET, backup_prefix=PREFIX, reader=readers["lector"]
    )


def keys(access: Path, secret: Path) -> Keys:
    return Keys(access_key=Secret(file=access), secret_key=Secret(file=secret))


def storage(settings: StorageSettings | None, **changes: Any) -> Storage:
    if settings is not None:
        settings = msgspec.structs.replace(settings, **changes)
    return Storage("storage", settings, environment="lab")


def failure(ask: Any) -> tuple[ProbeFailure, str, float]:
    began = time.monotonic()
    with pytest.raises(ProbeError) as caught:
        ask()
    return caught.value.kind, str(caught.value), time.monotonic() - began


def publish(
    s3: Any, folder: str, *, age: timedelta = timedelta(0), data: bytes | None = b"dump", **changes: Any
) -> str:
    """A backup as the lab's job makes it: the data first, the manifest last."""
    folder = f"{PREFIX}{folder}/"
    key = f"{folder}data.dump"
    if data is not None:
        s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    manifest = {
        "format": 1,
        "database": "sep_muses",
        "object": key,
        "bytes": 4,
        "sha256": "0" * 64,
        "started_at": f"{NOW - age - timedelta(minutes=3):%Y-%m-%dT%H:%M:%SZ}",
        "finished_at": f"{NOW - age:%Y-%m-%dT%H:%M:%SZ}",
        "server_version": "17.10",
        "verified": True,
    } | changes
    s3.put_object(Bucket=BUCKET, Key=f"{folder}manifest.json", Body=json.dumps(manifest).encode())
    return folder


def test_published_backups_newest_first_by_their_manifest(bucket: Any, settings: StorageSettings) -> None:
    young = publish(bucket, "zz-joven", age=timedelta(hours=2))
    old = publish(bucket, "aa-viejo", age=timedelta(days=1), verified=False)  # written later, and older
    with reading_through(Readings()):
        backups = storage(settings).backups()
    assert [b.key for b in backups] == [young, old]
    assert [b.verified for b in backups] == [True, False]
    first = backups[0]
    assert (first.finished_at, first.bytes, first.data_present, first.data_bytes) == (
        NOW - timedelta(hours=2),
        4,
        True,
        4,
    )
    assert first.problem is None


def test_a_backup_whose_data_is_gone_or_cut_is_seen(bucket: Any, settings: StorageSettings) -> None:
    publish(bucket, "perdido", data=None)
    publish(bucket, "cortado", data=b"du", age=timedelta(hours=1))
    lost, cut = storage(settings).backups()
    assert (lost.data_present, lost.data_bytes, lost.bytes) == (False, None, 4)
    assert (cut.data_present, cut.data_bytes, cut.bytes) == (True, 2, 4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"finished_at": "ayer"}, "finished_at"),
        ({"finished_at": "2026-11-24T03:30:00"}, "offset from UTC"),
        ({"bytes": "mucho"}, "bytes"),
        ({"format": 2}, "format 2"),
        ({"object": None}, "object"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_reported_not_dropped(
    bucket: Any, settings: StorageSettings, changes: dict[str, Any], reason: str
) -> None:
    folder = publish(bucket, "raro", **changes)
    [backup] = storage(settings).backups()
    assert (backup.key, backup.verified, backup.data_present) == (folder, False, False)
    assert reason in str(backup.problem)
    assert abs(datetime.now(UTC) - backup.finished_at) < timedelta(minutes=5)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe\x00", b"[]", b" " * (2 << 20)])
def test_a_manifest_that_is_none_is_reported_too(bucket: Any, settings: StorageSettings, body: bytes) -> None:
    bucket.put_object(Bucket=BUCKET, Key=f"{PREFIX}roto/manifest.json", Body=body)
    with reading_through(Readings()):
        [backup] = storage(settings).backups()
    assert not backup.verified
    assert "manifest cannot be read" in str(backup.problem)


def test_only_the_newest_are_read_and_all_pages_are_listed(bucket: Any, settings: StorageSettings) -> None:
    for n in range(7):
        publish(bucket, f"{n:02d}", age=timedelta(days=7 - n))
        for part in range(150):
            bucket.put_object(Bucket=BUCKET, Key=f"{PREFIX}{n:02d}/parte-{part:03d}", Body=b"")
    assert [b.key for b in storage(settings).backups()] == [f"{PREFIX}{n:02d}/" for n in (6, 5, 4, 3, 2)]
    assert storage(settings).unpublished() == 0


def test_what_has_no_manifest_is_counted_and_is_no_backup(bucket: Any, settings: StorageSettings) -> None:
    publish(bucket, "bueno")
    for key in ("a-medias/data.dump", "otro/data.dump", "otro/globals.sql", "leeme.txt", "bueno/nota/manifest.json"):
        bucket.put_object(Bucket=BUCKET, Key=PREFIX + key, Body=b"x")
    bucket.put_object(Bucket=BUCKET, Key="otra_base/2026/manifest.json", Body=b"{}")
    target = storage(settings)
    assert [b.key for b in target.backups()] == [f"{PREFIX}bueno/"]
    assert target.unpublished() == 2


def test_no_backup_at_all_is_an_empty_answer_not_an_error(bucket: Any, settings: StorageSettings) -> None:
    target = storage(settings)
    assert (target.backups(), target.unpublished()) == ((), 0)
    target.close()
    target.close()


def test_the_site_may_have_no_prefix(bucket: Any, settings: StorageSettings) -> None:
    folder = publish(bucket, "uno")
    flat = storage(settings, backup_prefix=folder.removesuffix("uno/").rstrip("/") + "/")
    assert [b.key for b in flat.backups()] == [folder]
    assert storage(settings, backup_prefix="").backups() == ()


def test_a_list_that_is_denied_is_an_error_never_empty(
    bucket: Any, settings: StorageSettings, readers: dict[str, Keys]
) -> None:
    publish(bucket, "uno")
    for ask in ("backups", "unpublished"):
        kind, said, _ = failure(getattr(storage(settings, reader=readers["nadie"]), ask))
        assert (kind, "ListObjectsV2" in said, BUCKET in said) == (ProbeFailure.DENIED, True, True)
    assert failure(storage(settings, reader=readers["listador"]).backups)[0] is ProbeFailure.DENIED
    assert storage(settings, reader=readers["listador"]).unpublished() == 0


def test_wrong_keys_missing_keys_and_a_missing_bucket(
    bucket: Any, settings: StorageSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong").write_text("a-wrong-secret-key")
    wrong = Keys(access_key=Secret(file=tmp_path / "wrong"), secret_key=Secret(file=tmp_path / "wrong"))
    kind, said, _ = failure(storage(settings, reader=wrong).backups)
    assert (kind, "a-wrong-secret-key" in said) == (ProbeFailure.DENIED, False)
    lost = Keys(access_key=Secret(file=tmp_path / "lost"), secret_key=Secret(file=tmp_path / "lost"))
    kind, said, _ = failure(storage(settings, reader=lost).backups)
    assert (kind, str(tmp_path / "lost") in said) == (ProbeFailure.DENIED, True)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    kind, said, _ = failure(storage(settings, reader=Keys()).backups)
    assert (kind, "access key" in said) == (ProbeFailure.DENIED, True)
    kind, said, _ = failure(storage(settings, backup_bucket="no-existe").backups)
    assert (kind, "no-existe" in said) == (ProbeFailure.ABSENT, True)


def test_each_failure_of_the_network_has_its_kind_in_time(settings: StorageSettings) -> None:
    plain = settings.endpoint_url or ""
    with silent_port() as silent, fixed_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") as other:
        cases = {
            f"http://127.0.0.1:{refused_port()}": ProbeFailure.REFUSED,
            f"http://127.0.0.1:{silent}": ProbeFailure.SILENT,
            "http://does-not-exist.invalid": ProbeFailure.DNS,
            plain.replace("http:", "https:"): ProbeFailure.TLS,
            f"http://127.0.0.1:{other}": ProbeFailure.BROKEN,
            "no es una dirección": ProbeFailure.BROKEN,
        }
        for url, expected in cases.items():
            kind, said, took = failure(storage(settings, endpoint_url=url).backups)
            assert (kind, took < 4.9) == (expected, True), f"{said} after {took:.1f} s"


def test_tls_is_verified_against_the_authority(
    server: Place, bucket: Any, settings: StorageSettings, tmp_path: Path
) -> None:
    with tls_in_front_of(server.ports.storage, tmp_path) as (port, authority):
        secure = {"endpoint_url": f"https://localhost:{port}", "checksums": "when_required"}
        assert storage(settings, **secure, cafile=authority).backups() == ()
        assert failure(storage(settings, **secure).backups)[0] is ProbeFailure.TLS
        kind, said, _ = failure(storage(settings, **secure, cafile=tmp_path / "none.pem").backups)
        assert (kind, "none.pem" in said) == (ProbeFailure.TLS, True)


def test_rights_say_what_is_missing_and_the_policy(
    bucket: Any, settings: StorageSettings, readers: dict[str, Keys]
) -> None:
    held = storage(settings, operator=readers["listador"]).rights()
    assert [(r.identity, r.held) for r in held] == [
        ("reader", True),
        ("reader", True),
        ("operator", True),
        ("operator", False),
    ]
    (allowed,) = json.loads(held[-1].mend)["Statement"]
    assert (allowed["Action"], allowed["Resource"]) == (["s3:GetObject"], [f"arn:aws:s3:::{BUCKET}/*"])
    none = storage(settings, reader=readers["nadie"], archive_bucket="no-existe").rights()
    assert [r.held for r in none] == [False] * 4
    assert (
        failure(storage(settings, endpoint_url=f"http://127.0.0.1:{refused_port()}").rights)[0] is ProbeFailure.REFUSED
    )


def test_a_store_that_is_not_configured_says_the_setting() -> None:
    for request in ("backups", "unpublished", "rights"):
        with pytest.raises(NotConfigured, match=r"environments\.lab\.storage"):
            getattr(storage(None), request)()

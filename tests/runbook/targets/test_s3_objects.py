"""The objects of a bucket on a real S3 server, and through all the faults that lose objects elsewhere.

Tests named after a line of DATA_SAFETY.md's table stand for it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff

from lab.commands import CHECKOUT
from lab.place import Place
from runbook.errors import ActionError, NotConfigured, ProbeError, ProbeFailure
from runbook.settings import ArchiveSettings, Keys, Secret, StorageSettings
from runbook.targets.s3 import clients, encryption
from runbook.targets.s3.objects import AlreadyThere, CutShort, Facts, ObjectStore, open_store
from tests.faulty_store import FaultyStore, faulty_store
from tests.runbook.targets.servers_storage import root, storage_server, user
from tests.store_faults import (
    Fault,
    Request,
    Stage,
    busy,
    calls,
    cut_download,
    cut_upload,
    deny,
    error_in_200,
    fail,
    lose_answer,
    lose_the_way,
    pages_of,
    skew,
    slow,
    truncate,
    unconditional,
    unversioned,
    wrong_bytes,
)

BUCKET, PLAIN = "muses-archivo", "sin-versiones"
WRITING = ("s3:Get*", "s3:List*", "s3:PutObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload")
BODY = bytes(range(256)) * 64

Open = Callable[..., ObjectStore]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with storage_server(tmp_path_factory.mktemp("storage")) as place:
        s3 = root(place)
        for bucket in (BUCKET, PLAIN):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield place


@pytest.fixture(scope="module")
def settings(server: Place) -> StorageSettings:
    operator, reader = keys(*user(server, "op", *WRITING)), keys(*user(server, "lector", "s3:Get*", "s3:List*"))
    return StorageSettings(
        endpoint_url=server.storage_url, backup_bucket=BUCKET, archive_bucket=BUCKET, reader=reader, operator=operator
    )


@pytest.fixture(scope="module")
def faulty(server: Place) -> Iterator[FaultyStore]:
    with faulty_store(server) as store:
        yield store


@pytest.fixture(autouse=True)
def store(faulty: FaultyStore) -> FaultyStore:
    """The proxy without faults."""
    faulty.clear()
    return faulty


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore waits up to seconds before it asks again, and asks less often after many failures: not in here."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0.01)
    monkeypatch.setattr(RetryQuota, "acquire", lambda self, amount: True)


@pytest.fixture(scope="module")
def opened(faulty: FaultyStore, settings: StorageSettings) -> Iterator[Open]:
    """Opens the bucket through the proxy, by default as the operator; once for the same arguments."""
    with ExitStack() as stack:

        @cache
        def make(identity: Any = "operator", bucket: str = BUCKET, **changes: Any) -> ObjectStore:
            parts = {
                name: changes.pop(name) for name in ("encryption", "kms_key_id", "storage_class") if name in changes
            }
            changed = msgspec.structs.replace(settings, **{"endpoint_url": faulty.url, **changes})
            made = open_store("storage", changed, ArchiveSettings(**parts), identity=identity, bucket=bucket)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A key that no other test has, and a pattern of itself alone."""
    return f"{re.sub(r'[^a-z0-9_]', '-', request.node.name)}/rows.copy.zst"


def keys(access: Path, secret: Path) -> Keys:
    return Keys(access_key=Secret(file=access), secret_key=Secret(file=secret))


def lies_there(store: ObjectStore, key: str) -> list[bytes]:
    """The bytes of all versions of a key, those written last first."""
    return [store.read(key, one.version) for one in store.versions(key) if not one.marker]


def test_what_is_stored_can_be_read_by_version_and_says_what_it_is(opened: Open, key: str) -> None:
    archive = opened()
    stored = archive.put_new(key, BODY, content_type="application/zstd")
    assert (stored.key, stored.bytes, stored.sha256) == (key, len(BODY), hashlib.sha256(BODY).hexdigest())
    assert archive.read(key) == archive.read(key, stored.version) == BODY
    facts = archive.facts(key, stored.version)
    assert (facts.size, facts.version, facts.encryption) == (len(BODY), stored.version, "AES256")
    assert (facts.storage_class, facts.locked_until, bool(facts.etag)) == ("STANDARD_IA", None, True)
    assert abs(facts.modified - datetime.now(UTC)) < timedelta(minutes=1)
    assert opened("reader").read(key) == BODY


def test_nothing_is_there_until_it_is_written(opened: Open, key: str) -> None:
    for ask in (opened().read, opened().facts):
        with pytest.raises(ProbeError) as caught:
            ask(key)
        assert caught.value.kind is ProbeFailure.ABSENT
    assert opened().list(key) == ()


def test_nothing_is_ever_written_over(opened: Open, key: str) -> None:
    archive = opened()
    first = archive.put_new(key, BODY)
    for body in (b"other bytes", BODY):
        with pytest.raises(AlreadyThere, match=key):
            archive.put_new(key, body)
    assert lies_there(archive, key) == [BODY]
    assert archive.facts(key).version == first.version


def test_of_many_writers_of_one_key_one_wins(opened: Open, key: str) -> None:
    archive = opened()

    def write(number: int) -> bool:
        try:
            archive.put_new(key, b"%d" % number)
        except AlreadyThere:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1
    assert len(archive.versions(key)) == 1


def test_a_server_without_versions_has_none(opened: Open, key: str) -> None:
    archive = opened(bucket=PLAIN)
    assert archive.put_new(key, BODY).version is None
    assert (archive.read(key), archive.facts(key).version) == (BODY, None)
    [found] = archive.versions(key)
    assert archive.read(key, found.version) == BODY
    archive.remove(key, found.version)
    assert archive.list(key) == ()


def test_a_server_that_knows_no_question_about_versions_lists_its_objects(
    opened: Open, store: FaultyStore, key: str
) -> None:
    archive = opened(bucket=PLAIN)
    archive.put_new(key, BODY)
    store.inject(fail(501, "NotImplemented"), operation="ListObjectVersions")
    [found] = archive.versions(key)
    assert (found.key, found.version, found.size, found.latest) == (key, None, len(BODY), True)


@pytest.mark.parametrize(
    ("archive", "returned", "kms_key"),
    [
        ({"encryption": "sse-s3"}, "AES256", None),
        ({"encryption": "sse-kms", "kms_key_id": "1234abcd"}, "aws:kms", "1234abcd"),
        ({"encryption": "none", "storage_class": ""}, None, None),
    ],
)
def test_encryption_is_asked_for_as_the_settings_say(
    opened: Open, key: str, archive: dict[str, str], returned: str | None, kms_key: str | None
) -> None:
    target = opened(**archive)
    facts = target.facts(target.put_new(key, BODY).key)
    assert (facts.encryption, facts.kms_key) == (returned, kms_key)
    assert encryption.proven(facts, target.protection) is (returned is not None)


def test_age_asks_the_server_for_nothing() -> None:
    age = ArchiveSettings(encryption="age", age_recipients=("age1x",), age_identity=Secret(env="NONE"))
    assert encryption.asked(age) == {}


ARN = "arn:aws:kms:us-east-1:000000000000:key/1234"


@pytest.mark.parametrize(
    ("asked", "key", "returned", "kms_key", "proven"),
    [
        ("sse-s3", None, "AES256", None, True),
        ("sse-s3", None, "aws:kms", ARN, True),
        ("sse-s3", None, None, None, False),
        ("sse-s3", None, "none", None, False),
        ("sse-kms", "1234", "aws:kms", ARN, True),
        ("sse-kms", "1234", "AES256", None, False),
        ("sse-kms", "1234", "aws:kms", ARN + "5", False),
        ("sse-kms", "1234", "aws:kms", None, False),
        ("sse-kms", "alias/archivo", "aws:kms", ARN, True),
        ("none", None, "AES256", None, False),
    ],
)
def test_encryption_is_proven_by_what_is_returned(
    asked: Any, key: str | None, returned: str | None, kms_key: str | None, proven: bool
) -> None:
    facts = Facts(
        key="k",
        size=1,
        version=None,
        modified=datetime.now(UTC),
        etag=None,
        encryption=returned,
        kms_key=kms_key,
        storage_class="STANDARD",
        locked_until=None,
    )
    assert (
        encryption.proven(facts, encryption.protection_of(ArchiveSettings(encryption=asked, kms_key_id=key))) is proven
    )


def test_checksums_are_left_out_for_servers_that_refuse_them(opened: Open, store: FaultyStore, key: str) -> None:
    opened().put_new(f"{key}.with", BODY)
    without = opened(checksums="when_required")
    without.put_new(f"{key}.without", BODY)
    assert without.read(f"{key}.without") == BODY
    sent = {r.key: r.headers for r in store.requests if r.operation == "PutObject"}
    assert any(name.lower() == "x-amz-checksum-sha256" for name, _ in sent[f"{key}.with"])
    assert not any("checksum" in name.lower() for name, _ in sent[f"{key}.without"])


def test_delete_after_an_upload_that_had_returned_false(opened: Open, store: FaultyStore, key: str) -> None:
    """An upload that failed for good is an error, never a Stored."""
    for fault in (fail(500), deny(), error_in_200(), cut_upload()):
        put = store.inject(fault, operation="PutObject", times=None)
        with pytest.raises(ActionError):
            opened().put_new(key, BODY)
        assert put.hits == (1 if fault.instead and fault.instead.status == 403 else clients.ACTING.attempts)
        store.clear()
    assert opened().versions(key) == ()


@pytest.mark.parametrize("fault", [fail(500), busy(), cut_upload(), cut_upload(0.0), error_in_200(), slow(0.2)])
def test_an_upload_that_fails_once_is_made_again(opened: Open, store: FaultyStore, key: str, fault: Fault) -> None:
    put = store.inject(fault, operation="PutObject")
    stored = opened().put_new(key, BODY)
    assert (put.hits, lies_there(opened(), key)) == (1, [BODY])
    assert opened().facts(key).version == stored.version


def test_a_200_with_an_error_body_is_no_success(opened: Open, store: FaultyStore, key: str) -> None:
    archive = opened()
    acts: dict[str, Callable[[], object]] = {
        "PutObject": lambda: archive.put_new(key, BODY),
        "ListObjectsV2": lambda: archive.list(key),
        "ListObjectVersions": lambda: archive.versions(key),
        "ListMultipartUploads": lambda: archive.unfinished_uploads(key),
    }
    for operation, act in acts.items():
        store.inject(error_in_200(), operation=operation, times=None)
        with pytest.raises((ActionError, ProbeError), match="InternalError"):
            act()
    store.clear()
    archive.put_new(key, BODY)
    put = store.inject(error_in_200(), operation="GetObject")
    assert (archive.read(key), put.hits) == (BODY, 1)
    store.inject(error_in_200(), operation="GetObject", times=None)
    with pytest.raises(CutShort, match="an error for the bytes"):
        archive.read(key)


def test_a_repeated_upload_finds_its_own_first_one(opened: Open, store: FaultyStore, key: str) -> None:
    """The server stored it, the answer was lost, and the repetition is told that the key is taken."""
    put = store.inject(lose_answer(), operation="PutObject")
    stored = opened().put_new(key, BODY)
    assert (put.hits, store.count("PutObject")) == (1, 2)
    assert lies_there(opened(), key) == [BODY]
    assert opened().facts(key).version == stored.version is not None


def test_a_repeated_upload_does_not_take_anothers_for_its_own(opened: Open, store: FaultyStore, key: str) -> None:
    opened().put_new(key, b"of somebody else")
    store.inject(cut_upload(), operation="PutObject")
    with pytest.raises(AlreadyThere):
        opened().put_new(key, BODY)
    assert lies_there(opened(), key) == [b"of somebody else"]


def test_an_upload_that_collides_is_made_again(opened: Open, store: FaultyStore, key: str) -> None:
    put = store.inject(fail(409, "ConditionalRequestConflict"), operation="PutObject")
    opened().put_new(key, BODY)
    assert (put.hits, lies_there(opened(), key)) == (1, [BODY])
    store.inject(fail(409, "ConditionalRequestConflict"), operation="PutObject", times=None)
    with pytest.raises(ActionError, match="ConditionalRequestConflict"):
        opened().put_new(f"{key}.2", BODY)


def test_a_server_that_ignores_if_none_match_keeps_the_first_as_a_version(
    opened: Open, store: FaultyStore, key: str
) -> None:
    store.inject(unconditional(), operation="PutObject", times=None)
    first, second = opened().put_new(key, b"first"), opened().put_new(key, b"second")
    assert first.version != second.version
    assert (opened().read(key, first.version), opened().read(key)) == (b"first", b"second")


def test_bytes_that_change_on_their_way_are_refused(opened: Open, key: str) -> None:
    archive = opened()
    asked = archive.request(key, BODY, hashlib.sha256(b"other").digest())
    with pytest.raises(ActionError, match="BadDigest"), archive.acting("put"):
        archive.client.put_object(**asked)
    assert archive.versions(key) == ()


@pytest.mark.parametrize("fault", [cut_download(), cut_download(0.0), wrong_bytes(checksum=True), fail(500), busy()])
def test_a_download_that_fails_once_is_made_again(opened: Open, store: FaultyStore, key: str, fault: Fault) -> None:
    archive = opened()
    archive.put_new(key, BODY)
    put = store.inject(fault, operation="GetObject")
    assert (archive.read(key), put.hits) == (BODY, 1)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (cut_download(), ProbeFailure.BROKEN),
        (wrong_bytes(checksum=True), ProbeFailure.BROKEN),
        (fail(500), ProbeFailure.BROKEN),
        (busy(), ProbeFailure.SLOW),
        (deny(), ProbeFailure.DENIED),
    ],
)
def test_after_a_truncated_upload_or_download_nothing_is_returned(
    opened: Open, store: FaultyStore, key: str, fault: Fault, kind: ProbeFailure
) -> None:
    archive = opened()
    archive.put_new(key, BODY)
    put = store.inject(fault, operation="GetObject", times=None)
    with pytest.raises(ProbeError) as caught:
        archive.read(key)
    assert caught.value.kind is kind
    assert put.hits == {ProbeFailure.DENIED: 1}.get(kind, 3 if isinstance(caught.value, CutShort) else 4)


@pytest.mark.parametrize("fault", [truncate(), wrong_bytes()])
def test_what_a_server_passes_off_as_whole_differs_from_what_was_stored(
    opened: Open, store: FaultyStore, key: str, fault: Fault
) -> None:
    """Length and checksum fit the wrong bytes: only the SHA-256 of what was written tells. That is what it is for."""
    archive = opened()
    stored = archive.put_new(key, BODY)
    store.inject(fault, operation="GetObject")
    assert hashlib.sha256(archive.read(key, stored.version)).hexdigest() != stored.sha256


def test_another_version_than_asked_for_is_an_error(opened: Open, store: FaultyStore, key: str) -> None:
    archive = opened()
    stored = archive.put_new(key, BODY)
    store.inject(unversioned(), operation="GetObject", times=None)
    with pytest.raises(CutShort, match="another version"):
        archive.read(key, stored.version)
    assert archive.read(key) == BODY


def test_a_failed_list_is_never_taken_for_an_empty_one(opened: Open, store: FaultyStore, key: str) -> None:
    archive = opened()
    for operation, ask in {
        "ListObjectsV2": archive.list,
        "ListObjectVersions": archive.versions,
        "ListMultipartUploads": archive.unfinished_uploads,
    }.items():
        for fault in (deny(), fail(500), truncate(0.0), truncate(0.6), cut_download(0.6)):
            put = store.inject(fault, operation=operation, times=None)
            with pytest.raises(ProbeError):
                ask(key)
            assert put.hits
            store.clear()


def test_a_list_has_all_pages_or_is_an_error(opened: Open, store: FaultyStore, key: str) -> None:
    archive = opened()
    for number in range(5):
        archive.put_new(f"{key}/{number}", b"")
    small = store.inject(pages_of(2), operation="List*", times=None)
    assert [one.key for one in archive.list(f"{key}/")] == [f"{key}/{number}" for number in range(5)]
    assert (len(archive.versions(f"{key}/")), small.hits) == (5, 6)
    lost = store.inject(lose_the_way(), operation="ListObjectsV2", nth=2)
    with pytest.raises(ProbeError, match="no whole list"):
        archive.list(f"{key}/")
    assert lost.hits == 1
    store.inject(deny(), operation="ListObjectsV2", nth=3)
    with pytest.raises(ProbeError, match="AccessDenied"):
        archive.list(f"{key}/")


def test_versions_are_removed_one_by_one(opened: Open, store: FaultyStore, key: str) -> None:
    archive = opened()
    store.inject(unconditional(), operation="PutObject", times=None)
    first, second = archive.put_new(key, b"first"), archive.put_new(key, b"second")
    archive.remove(key, None)
    assert archive.list(key) == ()
    marker, latest, oldest = sorted(archive.versions(key), key=lambda one: (not one.marker, one.size != 6))
    assert (marker.marker, marker.latest, latest.version, oldest.version) == (
        True,
        True,
        second.version,
        first.version,
    )
    archive.remove(key, marker.version)
    assert archive.read(key) == b"second"
    archive.remove(key, second.version)
    assert archive.read(key) == b"first"
    archive.remove(key, first.version)
    assert archive.versions(key) == ()


def test_unfinished_uploads_are_found_and_aborted(opened: Open, key: str) -> None:
    archive = opened()
    started = archive.client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    archive.client.upload_part(Bucket=BUCKET, Key=key, UploadId=started, PartNumber=1, Body=BODY)
    [found] = archive.unfinished_uploads(key)
    assert (found.key, found.id, found.started.tzinfo) == (key, started, UTC)
    assert archive.list(key) == ()
    archive.abort_upload(key, started)
    archive.abort_upload(key, started)
    assert archive.unfinished_uploads(key) == ()


def test_the_reader_changes_nothing(opened: Open, key: str) -> None:
    stored = opened().put_new(key, BODY)
    reader = opened("reader")
    for act in (lambda: reader.put_new(f"{key}.2", BODY), lambda: reader.remove(key, stored.version)):
        with pytest.raises(ActionError, match="denies"):
            act()
    assert lies_there(opened(), key) == [BODY]
    assert opened().versions(f"{key}.2") == ()


def test_the_clock_is_compared_by_any_answer(opened: Open, store: FaultyStore) -> None:
    assert abs(opened().clock_skew()) < timedelta(seconds=2)
    assert abs(opened(bucket="no-existe").clock_skew()) < timedelta(seconds=2)
    store.inject(skew(timedelta(minutes=-10)), operation="HeadBucket")
    assert abs(opened().clock_skew() - timedelta(minutes=10)) < timedelta(seconds=2)
    store.inject(fail(403), operation="HeadBucket")  # an answer without a Date
    with pytest.raises(ProbeError) as caught:
        opened().clock_skew()
    assert caught.value.kind is ProbeFailure.BROKEN


def test_a_missing_bucket_and_a_wrong_storage_class_say_so(opened: Open, store: FaultyStore, key: str) -> None:
    with pytest.raises(ActionError, match="no-existe"):
        opened(bucket="no-existe").put_new(key, BODY)
    with pytest.raises(ProbeError, match="NoSuchBucket") as caught:
        opened(bucket="no-existe").list("")
    assert caught.value.kind is ProbeFailure.ABSENT
    store.inject(fail(400, "InvalidStorageClass"), operation="PutObject")
    with pytest.raises(ActionError, match="InvalidStorageClass"):
        opened().put_new(key, BODY)


def test_a_site_without_an_operator_opens_no_store_for_writing(settings: StorageSettings) -> None:
    with pytest.raises(NotConfigured, match=r"storage\.operator"):
        open_store(
            "storage",
            msgspec.structs.replace(settings, operator=None),
            ArchiveSettings(),
            identity="operator",
            bucket=BUCKET,
        )


def test_a_test_can_stop_a_writer_at_each_stage_of_its_upload(opened: Open, store: FaultyStore, key: str) -> None:
    """What the kill matrix stands on: at each stage the server has what it should have."""
    there: dict[Stage, int] = {}

    def look(stage: Stage) -> Callable[[Request], None]:
        return lambda request: there.update({stage: len(opened("reader").versions(request.key))})

    stages: tuple[Stage, ...] = ("arrival", "upload", "answered")
    for stage in stages:
        store.inject(calls(look(stage), at=stage), operation="PutObject", key=key)
    opened().put_new(key, BODY)
    assert there == {"arrival": 0, "upload": 0, "answered": 1}


def test_a_held_request_lets_others_pass(opened: Open, store: FaultyStore, key: str) -> None:
    held, released = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        held.set()
        released.wait(10)

    store.inject(calls(hold), operation="PutObject", key=key)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(opened().put_new, key, BODY)
        assert held.wait(10)
        opened().put_new(f"{key}.2", BODY)
        assert not writing.done()
        released.set()
        assert writing.result(10).bytes == len(BODY)


def test_a_multipart_etag_is_no_md5_so_the_bytes_are_read_back(opened: Open, key: str) -> None:
    archive = opened()
    started = archive.client.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
    pieces = [b"a" * (5 << 20), BODY]
    listed = []
    for number, piece in enumerate(pieces, 1):
        checksum = {"ChecksumSHA256": base64.b64encode(hashlib.sha256(piece).digest()).decode()}
        put = archive.client.upload_part(**part(key, started, number), Body=piece, **checksum)
        listed.append({"PartNumber": number, "ETag": put["ETag"], **checksum})
    archive.client.complete_multipart_upload(
        Bucket=BUCKET, Key=key, UploadId=started, MultipartUpload={"Parts": listed}
    )
    whole = b"".join(pieces)
    assert archive.facts(key).etag != hashlib.md5(whole).hexdigest()
    assert archive.read(key) == whole


def test_complete_multipart_upload_may_answer_200_with_an_error_body(
    opened: Open, store: FaultyStore, key: str
) -> None:
    archive = opened()
    started = archive.client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    etag = archive.client.upload_part(**part(key, started, 1), Body=BODY)["ETag"]
    put = store.inject(error_in_200(), operation="CompleteMultipartUpload", times=None)
    done = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    with pytest.raises(ActionError, match="InternalError"), archive.acting("complete"):
        archive.client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=started, MultipartUpload=done)
    assert (put.hits, archive.list(key)) == (clients.ACTING.attempts, ())
    archive.abort_upload(key, started)


WRITER = """
import pathlib, sys
from runbook.settings import ArchiveSettings, Keys, Secret, StorageSettings
from runbook.targets.s3.objects import open_store
url, access, secret, bucket, key = sys.argv[1:]
keys = Keys(access_key=Secret(file=pathlib.Path(access)), secret_key=Secret(file=pathlib.Path(secret)))
settings = StorageSettings(endpoint_url=url, backup_bucket=bucket, operator=keys)
open_store("storage", settings, ArchiveSettings(), identity="operator", bucket=bucket).put_new(key, bytes(100_000))
"""


@pytest.mark.parametrize(("stage", "stored"), [("arrival", 0), ("upload", 0), ("answered", 1)])
def test_a_writer_that_is_killed_leaves_all_or_nothing(
    opened: Open, store: FaultyStore, key: str, stage: Stage, stored: int
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    put = store.inject(calls(lambda request: started[0].kill(), at=stage, cut=True), operation="PutObject", key=key)
    operator = opened().settings.operator
    assert operator is not None
    files = [str(secret.file) for secret in (operator.access_key, operator.secret_key) if secret]
    argv = [sys.executable, "-c", WRITER, store.url, *files, BUCKET, key]
    started.append(subprocess.Popen(argv, cwd=CHECKOUT))
    assert started[0].wait(30) == -signal.SIGKILL
    assert (put.hits, len(opened().versions(key))) == (1, stored)


def part(key: str, upload: str, number: int) -> dict[str, Any]:
    return {"Bucket": BUCKET, "Key": key, "UploadId": upload, "PartNumber": number}

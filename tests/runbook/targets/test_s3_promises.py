"""What a store promises, tried on a real server and on one that lies, and what each lie forbids."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff

from lab.place import Place
from runbook.errors import ActionError, ProbeError, ProbeFailure
from runbook.settings import ArchiveSettings, Keys, Secret, StorageSettings
from runbook.targets.s3.encryption import protection_of
from runbook.targets.s3.objects import ObjectStore, open_store
from runbook.targets.s3.promised import Promise, kept
from runbook.targets.s3.promises import (
    FOLDER,
    Promises,
    State,
    configured_promises,
    is_loopback,
    objections,
    tried_promises,
)
from runbook.text import text
from tests.faulty_store import FaultyStore, faulty_store
from tests.runbook.targets.servers_storage import root, storage_server, user
from tests.store_faults import (
    Fault,
    deny,
    empty_etag,
    error_in_200,
    fail,
    replace_answer,
    unchecked,
    unconditional,
    unencrypted,
    unversioned,
)

BUCKET, PLAIN, LOCKED, PUBLIC = "muses-archivo", "sin-versiones", "con-candado", "abierto"
WRITING = ("s3:Get*", "s3:List*", "s3:PutObject*", "s3:DeleteObject*", "s3:BypassGovernanceRetention")
TRIED = ("conditional_put", "versions", "checksum", "encryption", "etag", "lock")
KEPT, BROKEN, UNKNOWN = State.KEPT, State.BROKEN, State.UNKNOWN

Open = Callable[..., ObjectStore]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with storage_server(tmp_path_factory.mktemp("storage")) as place:
        s3 = root(place)
        for bucket in (BUCKET, PLAIN):
            s3.create_bucket(Bucket=bucket)
        s3.create_bucket(Bucket=PUBLIC, ObjectOwnership="ObjectWriter")
        s3.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
        for bucket in (BUCKET, PUBLIC):
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.delete_public_access_block(Bucket=PUBLIC)
        s3.put_bucket_policy(Bucket=PUBLIC, Policy=json.dumps(everybody_reads(PUBLIC)))
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
def store(faulty: FaultyStore, monkeypatch: pytest.MonkeyPatch) -> FaultyStore:
    """The proxy without faults, and botocore without its pauses, and asking as often after many failures."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0.01)
    monkeypatch.setattr(RetryQuota, "acquire", lambda self, amount: True)
    faulty.clear()
    return faulty


@pytest.fixture(scope="module")
def opened(faulty: FaultyStore, settings: StorageSettings) -> Iterator[Open]:
    """Opens a bucket through the proxy, by default as the operator; once for the same arguments."""
    with ExitStack() as stack:

        @cache
        def make(identity: Any = "operator", bucket: str = BUCKET, **changes: Any) -> ObjectStore:
            parts = {name: changes.pop(name) for name in ArchiveSettings.__struct_fields__ if name in changes}
            changed = msgspec.structs.replace(settings, **{"endpoint_url": faulty.url, **changes})
            made = open_store("storage", changed, ArchiveSettings(**parts), identity=identity, bucket=bucket)
            stack.callback(made.close)
            return made

        yield make


def keys(access: Path, secret: Path) -> Keys:
    return Keys(access_key=Secret(file=access), secret_key=Secret(file=secret))


def everybody_reads(bucket: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def states(promises: Promises) -> dict[str, State]:
    found = {name: getattr(promises, name) for name in Promises.__struct_fields__}
    return {name: one.state for name, one in found.items() if isinstance(one, Promise)}


def left(server: Place, bucket: str = BUCKET) -> Any:
    found = root(server).list_object_versions(Bucket=bucket, Prefix=f"tbae/{FOLDER}")
    return found.get("Versions", []) + found.get("DeleteMarkers", [])


def refusals(promises: Promises, **archive: Any) -> list[str]:
    return [str(said) for said in objections(promises, protection_of(ArchiveSettings(**archive)))]


def test_a_store_that_keeps_its_promises_is_seen_to_and_left_clean(opened: Open, server: Place) -> None:
    found = tried_promises(opened(), "tbae/")
    assert states(found) == {**dict.fromkeys(states(found), KEPT), "lock": UNKNOWN}
    assert (found.tried, found.loopback, found.left_behind) == (True, True, ())
    assert "AES256" in str(found.encryption.words)
    assert (left(server), refusals(found)) == ([], [])


@pytest.mark.parametrize(
    ("fault", "operation", "promise", "words"),
    [
        (unconditional(), "PutObject", "conditional_put", "ignored"),
        (unversioned(), "*", "versions", "no versions"),
        (unchecked(), "PutObject", "checksum", "are taken"),
        (unencrypted(), "*", "encryption", "not encrypted"),
        (empty_etag(), "*", "etag", "empty"),
    ],
)
def test_each_lie_is_seen(
    opened: Open, store: FaultyStore, server: Place, fault: Fault, operation: str, promise: str, words: str
) -> None:
    store.inject(fault, operation=operation, times=None)
    found = tried_promises(opened(), "tbae/")
    assert [name for name, state in states(found).items() if state is BROKEN] == [promise]
    assert words in str(getattr(found, promise).words)
    assert (left(server), found.left_behind) == ([], ())


def test_a_server_that_says_encrypted_and_is_not_forbids_and_names_the_way_out(
    opened: Open, store: FaultyStore
) -> None:
    store.inject(unencrypted(), times=None)
    found = tried_promises(opened(), "tbae/")
    [said] = refusals(found)
    assert "encrypt with age (archive.encryption)" in said
    age = {"encryption": "age", "age_recipients": ("age1x",), "age_identity": Secret(env="NONE")}
    assert refusals(found, **age) == []


def test_either_versions_or_the_conditional_put_suffices(opened: Open, store: FaultyStore) -> None:
    store.inject(unconditional(), operation="PutObject", times=None)
    assert refusals(tried_promises(opened(), "tbae/")) == []
    found = tried_promises(opened(bucket=PLAIN), "tbae/")
    assert (found.versions.state, found.conditional_put.state, found.versioning.state) == (BROKEN, BROKEN, BROKEN)
    [said] = refusals(found)
    assert "enable versioning" in said
    store.clear()
    assert refusals(tried_promises(opened(bucket=PLAIN), "tbae/")) == []


def test_an_older_version_that_is_gone_is_no_version(opened: Open, store: FaultyStore) -> None:
    put = store.inject(fail(404, "NoSuchVersion"), operation="GetObject", key="*/twice", times=None)
    found = tried_promises(opened(), "tbae/")
    assert (put.hits, found.versions.state) == (1, BROKEN)


def test_a_server_that_refuses_the_wrong_bytes_and_keeps_them_is_found_out(opened: Open, store: FaultyStore) -> None:
    """412, and the second bytes lie there: the answer alone proves nothing."""
    store.inject(unconditional(), operation="PutObject", key="*/once", nth=2)
    store.inject(replace_answer(412, "PreconditionFailed"), operation="PutObject", key="*/once", nth=2)
    found = tried_promises(opened(), "tbae/")
    assert (found.conditional_put.state, "and done" in str(found.conditional_put.words)) == (BROKEN, True)


@pytest.mark.parametrize(("asked", "state"), [("1234", KEPT), ("alias/archivo", KEPT)])
def test_a_kms_key_is_asked_for_and_returned(opened: Open, asked: str, state: State) -> None:
    archive = {"encryption": "sse-kms", "kms_key_id": asked}
    found = tried_promises(opened(**archive), "tbae/")
    assert (found.encryption.state, refusals(found, **archive)) == (state, [])


def test_what_was_not_asked_is_unknown(opened: Open) -> None:
    found = tried_promises(opened(checksums="when_required", encryption="none", storage_class=""), "tbae/")
    assert (found.checksum.state, found.encryption.state, found.lock.state) == (UNKNOWN, UNKNOWN, UNKNOWN)
    assert refusals(found, encryption="none") == []


def test_no_encryption_is_for_this_machine_only(opened: Open) -> None:
    found = msgspec.structs.replace(tried_promises(opened(encryption="none"), "tbae/"), loopback=False)
    assert [said for said in refusals(found, encryption="none") if "practice" in said]


@pytest.mark.parametrize(
    ("endpoint", "here"),
    [
        ("http://127.0.0.1:9000", True),
        ("http://127.8.8.8", True),
        ("http://[::1]:9000", True),
        ("https://localhost", True),
        ("http://localhost.example.com", False),
        ("http://10.0.0.1:9000", False),
        (None, False),
    ],
)
def test_this_machine_is_known_by_its_address(settings: StorageSettings, endpoint: str | None, here: bool) -> None:
    assert is_loopback(msgspec.structs.replace(settings, endpoint_url=endpoint)) is here


def test_a_storage_class_that_is_read_hours_later_is_refused() -> None:
    names = (*TRIED, "private", "versioning", "default_encryption")
    all_kept: dict[str, Any] = dict.fromkeys(names, kept(text("so")))
    found = Promises(**all_kept, tried=True, loopback=False)
    assert refusals(found) == []
    assert "STANDARD_IA" in refusals(found, storage_class="DEEP_ARCHIVE")[0]


def test_a_public_bucket_is_found_by_trying_and_by_its_grants(opened: Open, server: Place) -> None:
    found = tried_promises(opened(bucket=PUBLIC), "tbae/")
    assert (found.private.state, "without a key" in str(found.private.words)) == (BROKEN, True)
    assert "open to the public" in refusals(found)[-1]
    root(server).put_bucket_acl(Bucket=PUBLIC, ACL="public-read")
    configured = configured_promises(opened("reader", bucket=PUBLIC))
    assert (configured.private.state, "grants" in str(configured.private.words)) == (BROKEN, True)
    assert "open to the public" in refusals(configured)[0]


@pytest.mark.parametrize("fault", [fail(501, "NotImplemented"), fail(405, "MethodNotAllowed"), deny()])
def test_a_server_that_does_not_know_the_question_leaves_it_unknown(
    opened: Open, store: FaultyStore, fault: Fault
) -> None:
    for question in ("versioning", "encryption", "publicAccessBlock", "policyStatus", "acl"):
        store.inject(fault, operation=f"GET {question}", times=None)
    configured = configured_promises(opened("reader"))
    assert set(states(configured).values()) == {UNKNOWN}
    found = tried_promises(opened(), "tbae/")
    assert (found.private.state, found.versioning.state, found.versions.state) == (KEPT, UNKNOWN, KEPT)
    assert "no key is refused" in str(found.private.words)
    assert (refusals(configured), refusals(found)) == ([], [])


def test_what_the_bucket_is_not_set_to_do_is_broken(opened: Open, store: FaultyStore) -> None:
    store.inject(fail(404, "ServerSideEncryptionConfigurationNotFoundError"), operation="GET encryption")
    store.inject(fail(404, "NoSuchPublicAccessBlockConfiguration"), operation="GET publicAccessBlock")
    store.inject(replace_answer(404, "NoSuchBucketPolicy"), operation="GET policyStatus")
    found = configured_promises(opened("reader", bucket=PLAIN))
    assert (found.versioning.state, found.default_encryption.state, found.private.state) == (BROKEN, BROKEN, KEPT)
    assert "neither policy nor" in str(found.private.words)


def test_a_lock_is_tried_when_asked_for_and_lifted_again(opened: Open, server: Place) -> None:
    until = datetime.now(UTC) + timedelta(minutes=5)
    found = tried_promises(opened(bucket=LOCKED), "tbae/", lock_until=until)
    assert (found.lock.state, found.left_behind, left(server, LOCKED)) == (KEPT, (), [])
    assert tried_promises(opened(), "tbae/", lock_until=until).lock.state is BROKEN


def test_what_cannot_be_removed_is_said(opened: Open, store: FaultyStore, server: Place) -> None:
    store.inject(deny(), operation="DeleteObject", key="*/once", times=None)
    [stays] = tried_promises(opened(), "tbae/").left_behind
    assert (stays.startswith(f"tbae/{FOLDER}"), stays.endswith("/once")) == (True, True)
    store.inject(deny(), operation="ListObjectVersions", times=None)
    [folder] = tried_promises(opened(), "tbae/").left_behind
    assert folder.endswith("/")
    store.clear()
    for one in left(server):
        root(server).delete_object(Bucket=BUCKET, Key=one["Key"], VersionId=one["VersionId"])


def test_a_trial_that_breaks_off_leaves_nothing(opened: Open, store: FaultyStore, server: Place) -> None:
    for operation, nth in (("PutObject", 1), ("PutObject", 3), ("PutObject", 5), ("HeadObject", 1)):
        put = store.inject(fail(500), operation=operation, key=f"*{FOLDER}*", nth=nth, times=None)
        with pytest.raises((ActionError, ProbeError)):
            tried_promises(opened(), "tbae/")
        assert (put.hits, left(server)) == (4, [])
        store.clear()
    store.inject(error_in_200(), operation="GetObject", times=None)
    with pytest.raises(ProbeError):
        tried_promises(opened(), "tbae/")
    assert left(server) == []


def test_the_reader_cannot_try_and_the_dry_run_writes_nothing(opened: Open, store: FaultyStore) -> None:
    with pytest.raises(ActionError, match="denies"):
        tried_promises(opened("reader"), "tbae/")
    store.clear()
    found = configured_promises(opened("reader"))
    assert [r.operation for r in store.requests if r.method not in ("GET", "HEAD")] == []
    assert states(found) == {**dict.fromkeys(TRIED, UNKNOWN), **dict.fromkeys(set(states(found)) - set(TRIED), KEPT)}
    assert (found.tried, refusals(found)) == (False, [])


def test_a_missing_bucket_and_wrong_keys_are_errors_not_unknown(
    opened: Open, settings: StorageSettings, tmp_path: Path
) -> None:
    with pytest.raises(ProbeError) as caught:
        configured_promises(opened("reader", bucket="no-existe"))
    assert caught.value.kind is ProbeFailure.ABSENT
    (tmp_path / "wrong").write_text("a-wrong-secret-key")
    wrong = Keys(access_key=settings.reader.access_key, secret_key=Secret(file=tmp_path / "wrong"))
    with pytest.raises(ProbeError) as caught:
        configured_promises(opened("reader", reader=wrong))
    assert caught.value.kind is ProbeFailure.DENIED

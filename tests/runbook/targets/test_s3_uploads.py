"""A large object on its way into a real bucket: parts that grow, two in flight, and nothing left of what fails.

Tests named after a line of DATA_SAFETY.md's table stand for it.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import pytest
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff

from lab.place import Place
from runbook.errors import ActionError, ProbeError, SettingsError
from runbook.settings import BackupSettings, Keys, Secret, StorageSettings
from runbook.targets.s3 import uploads
from runbook.targets.s3.objects import AlreadyThere, ObjectStore, open_store
from runbook.targets.s3.uploads import Uploading, part_size, uploading
from tests.faulty_store import FaultyStore, faulty_store
from tests.runbook.targets.servers_storage import root, storage_server, user
from tests.store_faults import (
    Fault,
    Request,
    busy,
    calls,
    cut_upload,
    deny,
    error_in_200,
    fail,
    lose_answer,
    replace_answer,
    slow,
    unchecked,
    unconditional,
)

BUCKET, PLAIN, LOCKED = "muses-respaldos", "sin-versiones", "con-candado"
WRITING = ("s3:Get*", "s3:List*", "s3:PutObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload")
#: Parts of the tests; the real ones begin at 16 MiB.
PART = 4096
BODY = random.Random(4).randbytes(5 * PART + 100)
#: Keys of the client's, by the names of the variables that hold them.
KEYS = {
    name: base64.b64encode(key).decode()
    for name, key in {
        "MUSES_TEST_KEY": bytes(range(32)),
        "MUSES_TEST_OTHER_KEY": bytes(32),
        "MUSES_TEST_SHORT_KEY": b"short",
    }.items()
}
CUSTOMER, OTHER, SHORT = (Secret(env=name) for name in KEYS)

Open = Callable[..., ObjectStore]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with storage_server(tmp_path_factory.mktemp("storage")) as place:
        s3 = root(place)
        for bucket in (BUCKET, PLAIN):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        s3.create_bucket(Bucket=LOCKED, ObjectLockEnabledForBucket=True)
        yield place


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
    """Small parts; and botocore, which waits up to seconds before it asks again, does not in here."""
    monkeypatch.setattr(uploads, "_FIRST", PART)
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0.01)
    monkeypatch.setattr(RetryQuota, "acquire", lambda self, amount: True)


@pytest.fixture(scope="module")
def opened(server: Place, faulty: FaultyStore) -> Iterator[Open]:
    """Opens a bucket through the proxy as the operator; once for the same arguments."""
    access, secret = user(server, "op", *WRITING)
    keys = Keys(access_key=Secret(file=access), secret_key=Secret(file=secret))
    settings = StorageSettings(endpoint_url=faulty.url, backup_bucket=BUCKET, operator=keys)
    with ExitStack() as stack:

        @cache
        def make(bucket: str = BUCKET, checksums: Any = "when_supported", **backup: Any) -> ObjectStore:
            changed = msgspec.structs.replace(settings, checksums=checksums)
            made = open_store("storage", changed, BackupSettings(**backup), identity="operator", bucket=bucket)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A key that no other test has, and a pattern of itself alone."""
    return f"{re.sub(r'[^a-z0-9_]', '-', request.node.name)}/data.dump.zst"


def uploaded(store: ObjectStore, key: str, body: bytes = BODY, piece: int = 1000) -> Any:
    """The whole of it, written in pieces that fit no part."""
    with uploading(store, key) as upload:
        for first in range(0, len(body), piece):
            upload.write(body[first : first + piece])
        return upload.complete()


def broken_off(store: ObjectStore, key: str, error: BaseException) -> None:
    """An upload that ends so when parts of it are there."""
    with uploading(store, key) as upload:
        upload.write(BODY)
        assert store.unfinished_uploads(key)
        raise error


def nothing_left(store: ObjectStore, key: str) -> None:
    """Neither an object nor a version nor a part."""
    assert store.versions(key) == ()
    assert store.unfinished_uploads(key) == ()


def parts_of(faulty: FaultyStore) -> list[int]:
    sent = [dict(one.headers) for one in faulty.requests if one.operation == "UploadPart"]
    return [int(headers["Content-Length"]) for headers in sent]


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
def test_what_was_written_lies_there_as_it_was(opened: Open, key: str, checksums: str) -> None:
    store = opened(checksums=checksums)
    stored = uploaded(store, key)
    assert (stored.key, stored.bytes, stored.sha256) == (key, len(BODY), hashlib.sha256(BODY).hexdigest())
    assert store.read(key, stored.version) == BODY
    assert stored.version == store.versions(key)[0].version
    assert store.unfinished_uploads(key) == ()


def test_a_store_without_versions_names_none(opened: Open, key: str) -> None:
    store = opened(bucket=PLAIN)
    assert uploaded(store, key).version is None
    assert store.read(key) == BODY


@pytest.mark.parametrize("size", [1, PART - 1], ids=["a byte", "less than a part"])
def test_what_is_small_is_written_at_once(opened: Open, faulty: FaultyStore, key: str, size: int) -> None:
    uploaded(opened(), key, BODY[:size])
    assert faulty.count("PutObject", key) == 1
    assert not faulty.count("CreateMultipartUpload", key)
    assert opened().read(key) == BODY[:size]


@pytest.mark.parametrize("size", [PART, PART + 1, 2 * PART, 2 * PART - 1])
def test_the_edges_of_parts_lose_no_byte(opened: Open, key: str, size: int) -> None:
    uploaded(opened(), key, BODY[:size])
    assert opened().read(key) == BODY[:size]


@pytest.mark.parametrize("piece", [1, PART, 3 * PART, len(BODY)], ids=["byte by byte", "part", "three parts", "whole"])
def test_the_size_of_the_pieces_does_not_matter(opened: Open, key: str, piece: int) -> None:
    body = BODY[: 2 * PART + 7] if piece == 1 else BODY
    uploaded(opened(), key, body, piece)
    assert opened().read(key) == body


def test_parts_grow_so_that_ten_thousand_hold_sixteen_terabytes() -> None:
    sizes = [uploads.part_size(number) // PART for number in range(10_000)]
    assert sizes[0] == sizes[999] == 1
    assert (sizes[1000], sizes[2000], sizes[9999]) == (2, 4, 256)
    assert sum(sizes) * (16 << 20) > 10 * 1024**4
    assert max(sizes) * (16 << 20) <= 5 * 1024**3  # the largest part that S3 takes


def test_growing_parts_are_what_is_sent(
    opened: Open, faulty: FaultyStore, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_GROWS_EVERY", 2)
    body = BODY * 3
    uploaded(opened(), key, body)
    sizes = sorted(parts_of(faulty))
    expected = [PART, PART, 2 * PART, 2 * PART, 4 * PART, 4 * PART]
    assert sizes == sorted([*expected, len(body) - sum(expected)])
    assert opened().read(key) == body


def test_two_parts_are_on_their_way_at_once_and_no_more(opened: Open, faulty: FaultyStore, key: str) -> None:
    """With the one that fills up, three are in memory."""
    both, under_way, most = threading.Barrier(2, timeout=10), [0], [0]
    lock = threading.Lock()

    def arrive(request: Request) -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        if number_of(request) <= 2:
            both.wait()  # the first two meet here, or the test fails

    def leave(request: Request) -> None:
        with lock:
            under_way[0] -= 1

    faulty.inject(calls(arrive), operation="UploadPart", key=key, times=None)
    faulty.inject(calls(leave, at="answered"), operation="UploadPart", key=key, times=None)
    uploaded(opened(), key)
    assert most[0] == 2
    assert opened().read(key) == BODY


def test_writing_waits_while_two_parts_are_on_their_way(opened: Open, faulty: FaultyStore, key: str) -> None:
    """A slow store slows the dump down; it does not fill the memory."""
    go, arrived = threading.Event(), threading.Semaphore(0)

    def hold(request: Request) -> None:
        arrived.release()
        assert go.wait(10)

    faulty.inject(calls(hold), operation="UploadPart", key=key, times=None)
    with uploading(opened(), key) as upload:
        writing = threading.Thread(target=upload.write, args=(BODY[: 3 * PART],))
        writing.start()
        assert arrived.acquire(timeout=10)
        assert arrived.acquire(timeout=10)
        writing.join(0.1)
        assert writing.is_alive()
        go.set()
        writing.join(10)
        assert not writing.is_alive()
        upload.complete()
    assert opened().read(key) == BODY[: 3 * PART]


def test_parts_that_come_in_another_order_are_put_in_theirs(opened: Open, faulty: FaultyStore, key: str) -> None:
    faulty.inject(slow(0.2), operation="UploadPart", key=key, nth=1)
    uploaded(opened(), key)
    assert opened().read(key) == BODY


# What goes wrong -----------------------------------------------------------------------------------------------------

#: A second try makes these good.
PASSING: dict[str, tuple[Callable[[], Fault], str, int]] = {
    "500 as it begins": (fail, "CreateMultipartUpload", 1),
    "503 as it begins": (busy, "CreateMultipartUpload", 1),
    "500 on a part": (fail, "UploadPart", 2),
    "503 on a part": (busy, "UploadPart", 3),
    "a part cut": (cut_upload, "UploadPart", 1),
    "the last part cut": (cut_upload, "UploadPart", 6),
    "a part taken, its answer lost": (lose_answer, "UploadPart", 2),
    "500 as it ends": (fail, "CompleteMultipartUpload", 1),
    "CompleteMultipartUpload may answer 200 with an error body": (error_in_200, "CompleteMultipartUpload", 1),
    "whole, the answer lost": (lose_answer, "CompleteMultipartUpload", 1),
    "whole, the answer 500": (lambda: replace_answer(500, "InternalError"), "CompleteMultipartUpload", 1),
}


@pytest.mark.parametrize(("fault", "operation", "nth"), PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_made_good(
    fault: Callable[[], Fault], operation: str, nth: int, opened: Open, faulty: FaultyStore, key: str
) -> None:
    put = faulty.inject(fault(), operation=operation, key=key, nth=nth)
    stored = uploaded(opened(), key)
    assert put.hits == 1
    assert opened().read(key, stored.version) == BODY
    assert opened().unfinished_uploads(key) == ()
    assert len(opened().versions(key)) == 1


#: These end the upload, and nothing of it is there.
LASTING: dict[str, tuple[Callable[[], Fault], str, int]] = {
    "500 as it begins": (fail, "CreateMultipartUpload", 1),
    "denied as it begins": (deny, "CreateMultipartUpload", 1),
    "500 on the first part": (fail, "UploadPart", 1),
    "500 on the last part": (fail, "UploadPart", 6),
    "503 on a part": (busy, "UploadPart", 3),
    "denied on a part": (deny, "UploadPart", 3),
    "parts cut": (cut_upload, "UploadPart", 2),
    "an error in a 200 for a part": (error_in_200, "UploadPart", 2),
    "500 as it ends": (fail, "CompleteMultipartUpload", 1),
    "denied as it ends": (deny, "CompleteMultipartUpload", 1),
    "CompleteMultipartUpload answers 200 with an error body each time": (error_in_200, "CompleteMultipartUpload", 1),
}


@pytest.mark.parametrize(("fault", "operation", "nth"), LASTING.values(), ids=LASTING.keys())
def test_what_lasts_ends_it_and_leaves_nothing(
    fault: Callable[[], Fault], operation: str, nth: int, opened: Open, faulty: FaultyStore, key: str
) -> None:
    put = faulty.inject(fault(), operation=operation, key=key, nth=nth, times=None)
    with pytest.raises(ActionError):
        uploaded(opened(), key)
    assert put.hits
    nothing_left(opened(), key)


@pytest.mark.parametrize("number", range(1, 7))
def test_the_network_cut_in_each_part_and_for_good(opened: Open, faulty: FaultyStore, key: str, number: int) -> None:
    put = faulty.inject(cut_upload(), operation="UploadPart", key=key, times=None)
    put.due = lambda request: request.operation == "UploadPart" and number_of(request) == number  # type: ignore[method-assign]
    with pytest.raises(ActionError, match=r"127\.0\.0\.1"):
        uploaded(opened(), key)
    nothing_left(opened(), key)


def test_an_error_of_a_part_ends_the_writing_and_not_only_the_end(opened: Open, faulty: FaultyStore, key: str) -> None:
    """Hours of a dump are not written into an upload that cannot be completed."""
    faulty.inject(deny(), operation="UploadPart", key=key, times=None)
    upload = Uploading(opened(), key)
    written: list[int] = []
    with pytest.raises(ActionError):
        written.extend(upload.write(BODY[:PART]) for _ in range(1000))
    upload.abort()
    assert faulty.count("UploadPart", key) < 10
    nothing_left(opened(), key)


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
def test_bytes_that_changed_on_the_way_are_refused_by_their_checksum(
    opened: Open, faulty: FaultyStore, key: str, checksums: str
) -> None:
    """Where none is sent, only reading back finds it out: what is published was read back."""
    flipped = Fault(asked=lambda one: with_body(one, one.body[:-1] + bytes([one.body[-1] ^ 1])))
    faulty.inject(flipped, operation="UploadPart", key=key, nth=2, times=None)
    if checksums == "when_supported":
        with pytest.raises(ActionError):
            uploaded(opened(), key)
        nothing_left(opened(), key)
    else:
        stored = uploaded(opened(checksums=checksums), key)
        assert hashlib.sha256(opened().read(key)).hexdigest() != stored.sha256


def test_an_object_that_came_out_shorter_is_an_error(opened: Open, faulty: FaultyStore, key: str) -> None:
    """Delete after an upload that had returned false; after a truncated one."""
    short = Fault(answered=lambda answer: answer.with_header("content-length", "7"))
    faulty.inject(short, operation="HeadObject", key=key, times=None)
    with pytest.raises(ActionError, match="has 7 bytes where"):
        uploaded(opened(), key)


def test_nothing_shows_before_it_is_complete(opened: Open, key: str) -> None:
    with uploading(opened(), key) as upload:
        upload.write(BODY)
        assert opened().list(key) == ()
        upload.complete()
    assert len(opened().list(key)) == 1


def test_an_error_within_aborts_it(opened: Open, key: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        broken_off(opened(), key, KeyboardInterrupt())
    nothing_left(opened(), key)


def test_abort_after_complete_takes_nothing_away(opened: Open, key: str) -> None:
    upload = Uploading(opened(), key)
    upload.write(BODY)
    upload.complete()
    upload.abort()
    upload.abort()
    assert opened().read(key) == BODY


def test_an_abort_that_fails_hides_no_error(opened: Open, faulty: FaultyStore, key: str) -> None:
    """The sweep comes for what cannot be let go of now."""
    faulty.inject(deny(), operation="AbortMultipartUpload", key=key, times=None)
    with pytest.raises(KeyError, match="the reason"):
        broken_off(opened(), key, KeyError("the reason"))
    faulty.clear()
    (left,) = opened().unfinished_uploads(key)
    opened().abort_upload(left.key, left.id)  # as the sweep does
    nothing_left(opened(), key)


@pytest.mark.parametrize("size", [100, len(BODY)], ids=["small", "in parts"])
def test_another_s_object_is_never_written_over(opened: Open, key: str, size: int) -> None:
    opened().put_new(key, b"the first")
    with pytest.raises(ActionError) as caught:
        uploaded(opened(), key, BODY[:size])
    assert opened().read(key) == b"the first"
    assert len(opened().versions(key)) == 1
    assert opened().unfinished_uploads(key) == ()
    assert size > 100 or isinstance(caught.value, AlreadyThere)


def test_a_lost_answer_does_not_make_another_s_object_ours(opened: Open, faulty: FaultyStore, key: str) -> None:
    """Somebody else writes the key between our parts and our end, and our first end is not heard of."""

    def other(request: Request) -> None:
        opened().put_new(key, b"x" * len(BODY))

    faulty.inject(calls(other, cut=True), operation="CompleteMultipartUpload", key=key)
    with pytest.raises(ActionError):
        uploaded(opened(), key)
    assert opened().read(key) == b"x" * len(BODY)


@pytest.mark.parametrize(("status", "code"), [(404, "NoSuchUpload"), (412, "PreconditionFailed")])
def test_a_second_end_that_finds_the_upload_gone_finds_the_object_whole(
    opened: Open, faulty: FaultyStore, key: str, status: int, code: str
) -> None:
    """The first end was carried out and not heard of; some stores forget an upload with its end."""
    faulty.inject(lose_answer(), operation="CompleteMultipartUpload", key=key)
    faulty.inject(fail(status, code), operation="CompleteMultipartUpload", key=key, nth=2)
    stored = uploaded(opened(), key)
    assert opened().read(key, stored.version) == BODY


@pytest.mark.parametrize(("status", "code"), [(404, "NoSuchUpload"), (412, "PreconditionFailed")])
def test_a_first_end_that_finds_the_upload_gone_is_an_error(
    opened: Open, faulty: FaultyStore, key: str, status: int, code: str
) -> None:
    faulty.inject(fail(status, code), operation="CompleteMultipartUpload", key=key)
    with pytest.raises(ActionError, match=code):
        uploaded(opened(), key)
    nothing_left(opened(), key)


def test_a_store_that_ignores_conditions_still_gives_our_version(opened: Open, faulty: FaultyStore, key: str) -> None:
    faulty.inject(unconditional(), key=key, times=None)
    opened().put_new(key, b"the first")
    stored = uploaded(opened(), key)
    assert opened().read(key, stored.version) == BODY
    assert len(opened().versions(key)) == 2


def test_a_store_without_checksums_takes_the_parts(opened: Open, faulty: FaultyStore, key: str) -> None:
    faulty.inject(unchecked(), operation="UploadPart", key=key, times=None)
    faulty.inject(unchecked(), operation="CreateMultipartUpload", key=key, times=None)
    uploaded(opened(), key)
    assert opened().read(key) == BODY


def test_an_empty_object_is_refused(opened: Open, faulty: FaultyStore, key: str) -> None:
    """`pg_dump … | gzip | aws` reports success when `pg_dump` failed."""
    with pytest.raises(ActionError, match="would be empty"):
        uploaded(opened(), key, b"")
    assert not faulty.count("*", key)


# Encryption ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [100, len(BODY)], ids=["small", "in parts"])
@pytest.mark.parametrize(
    ("encryption", "more", "returned"),
    [
        ("sse-s3", {}, "AES256"),
        ("sse-kms", {"kms_key_id": "0b1c2d3e"}, "aws:kms"),
        ("sse-c", {"customer_key": CUSTOMER}, "SSE-C"),
        ("none", {}, None),
    ],
)
def test_the_server_encrypts_as_was_asked(
    opened: Open, key: str, size: int, encryption: str, more: dict[str, Any], returned: str | None
) -> None:
    store = opened(encryption=encryption, **more)
    stored = uploaded(store, key, BODY[:size])
    assert store.facts(key, stored.version).encryption == returned
    assert store.read(key, stored.version) == BODY[:size]


def test_who_lacks_the_customer_s_key_reads_nothing(opened: Open, key: str) -> None:
    uploaded(opened(encryption="sse-c", customer_key=CUSTOMER), key)
    for wrong in (opened(), opened(encryption="sse-c", customer_key=OTHER)):
        with pytest.raises(ProbeError):
            wrong.read(key)


def test_a_customer_s_key_of_the_wrong_length_is_a_setting_to_correct(opened: Open, key: str) -> None:
    store = opened(encryption="sse-c", customer_key=SHORT)
    with pytest.raises(SettingsError, match="32 bytes in base64"):
        uploaded(store, key)
    nothing_left(opened(), key)


def number_of(request: Request) -> int:
    return int(request.query["partNumber"])


def with_body(request: Request, body: bytes) -> Request:
    return replace(request, body=body)


def test_the_parts_of_the_product_begin_at_sixteen_mebibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert part_size(0) == 16 << 20

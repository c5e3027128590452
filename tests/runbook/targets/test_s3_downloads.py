"""A large object read as it is used: by its version, taken up where it broke off, and never shorter than it is."""

from __future__ import annotations

import hashlib
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff

from lab.place import Place
from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import BackupSettings, Keys, Secret, StorageSettings
from runbook.targets.s3 import downloads
from runbook.targets.s3.downloads import pieces
from runbook.targets.s3.objects import CutShort, ObjectStore, open_store
from tests.faulty_store import FaultyStore, faulty_store
from tests.runbook.targets.servers_storage import root, storage_server, user
from tests.store_faults import (
    Fault,
    busy,
    cut_download,
    deny,
    error_in_200,
    fail,
    truncate,
    without,
    wrong_bytes,
)

BUCKET, PIECE = "muses-respaldos", 4096
BODY = random.Random(5).randbytes(20 * PIECE + 77)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with storage_server(tmp_path_factory.mktemp("storage")) as place:
        s3 = root(place)
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield place


@pytest.fixture(scope="module")
def proxy(server: Place) -> Iterator[FaultyStore]:
    with faulty_store(server) as store:
        yield store


@pytest.fixture
def faulty(proxy: FaultyStore) -> FaultyStore:
    """The proxy without faults."""
    proxy.clear()
    return proxy


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pieces; and botocore, which waits up to seconds before it asks again, does not in here."""
    monkeypatch.setattr(downloads, "_PIECE", PIECE)
    monkeypatch.setattr(downloads, "_AHEAD", 2)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0.01)
    monkeypatch.setattr(RetryQuota, "acquire", lambda self, amount: True)


@pytest.fixture(scope="module")
def store(server: Place, proxy: FaultyStore) -> Iterator[ObjectStore]:
    access, secret = user(server, "op", "s3:Get*", "s3:List*", "s3:PutObject*")
    keys = Keys(access_key=Secret(file=access), secret_key=Secret(file=secret))
    settings = StorageSettings(endpoint_url=proxy.url, backup_bucket=BUCKET, operator=keys)
    with closing(open_store("storage", settings, BackupSettings(), identity="operator", bucket=BUCKET)) as opened:
        yield opened


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    return f"{re.sub(r'[^a-z0-9_]', '-', request.node.name)}/data.dump.zst"


def ranges(faulty: FaultyStore) -> list[str | None]:
    """From where each request asked; None for those that asked for all."""
    return [dict(one.headers).get("Range") for one in faulty.requests if one.operation == "GetObject"]


def whole(store: ObjectStore, key: str, version: str | None, size: int = len(BODY)) -> bytes:
    return b"".join(pieces(store, key, version, size))


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, len(BODY)])
def test_the_pieces_are_the_object(store: ObjectStore, faulty: FaultyStore, key: str, size: int) -> None:
    version = store.put_new(key, BODY[:size]).version
    faulty.clear()
    got = list(pieces(store, key, version, size))
    assert b"".join(got) == BODY[:size]
    assert max(map(len, got)) <= PIECE
    assert ranges(faulty) == [None]


def test_nothing_is_asked_for_of_nothing(store: ObjectStore, faulty: FaultyStore, key: str) -> None:
    assert list(pieces(store, key, None, 0)) == []
    assert not faulty.requests


def test_the_version_that_was_written_is_read_and_no_later_one(store: ObjectStore, server: Place, key: str) -> None:
    version = store.put_new(key, BODY).version
    root(server).put_object(Bucket=BUCKET, Key=key, Body=b"x" * len(BODY))
    assert whole(store, key, version) == BODY


def test_what_is_hidden_while_it_is_read_is_read_to_its_end(store: ObjectStore, server: Place, key: str) -> None:
    version = store.put_new(key, BODY).version
    reading = pieces(store, key, version, len(BODY))
    first = next(reading)
    root(server).delete_object(Bucket=BUCKET, Key=key)
    assert first + b"".join(reading) == BODY


def test_who_stops_reading_leaves_no_thread_behind(store: ObjectStore, key: str) -> None:
    version = store.put_new(key, BODY).version
    reading = pieces(store, key, version, len(BODY))
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("download")]


def test_a_slow_reader_does_not_fill_the_memory(store: ObjectStore, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pieces are read ahead, and no more, however long nobody asks for the next one."""
    version, taken = store.put_new(key, BODY).version, [0]
    streamed = downloads._streamed

    def counted(*given: Any) -> Iterator[bytes]:
        for piece in streamed(*given):
            taken[0] += 1
            yield piece

    monkeypatch.setattr(downloads, "_streamed", counted)
    reading = pieces(store, key, version, len(BODY))
    next(reading)
    time.sleep(0.1)  # long enough for a third one, were it read
    assert taken[0] <= 3
    assert len(b"".join(reading)) == len(BODY) - PIECE


PASSING: dict[str, Callable[[], Fault]] = {
    "500": fail,
    "503": busy,
    "cut": cut_download,
    "an error for the bytes": error_in_200,
    "truncated": truncate,
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
@pytest.mark.parametrize("times", [1, 2])
def test_what_passes_is_made_good(
    fault: Callable[[], Fault], times: int, store: ObjectStore, faulty: FaultyStore, key: str
) -> None:
    version = store.put_new(key, BODY).version
    put = faulty.inject(fault(), operation="GetObject", key=key, times=times)
    assert whole(store, key, version) == BODY
    assert put.hits == times


@pytest.mark.parametrize("share", [0.01, 0.2, 0.49])
@pytest.mark.parametrize("named", [True, False], ids=["a version", "the latest"])
def test_what_broke_off_is_taken_up_from_there(
    store: ObjectStore, faulty: FaultyStore, key: str, share: float, named: bool
) -> None:
    """Hours of a download are not begun again; and no byte comes twice, none is left out."""
    version = store.put_new(key, BODY).version
    faulty.clear()
    faulty.inject(cut_download(share), operation="GetObject", key=key, times=2)
    assert whole(store, key, version if named else None) == BODY
    first, second, third = ranges(faulty)
    assert first is None
    assert 0 <= begin(second) <= begin(third) < len(BODY)
    assert share < 0.1 or begin(second) > 0


def test_who_came_further_may_fail_as_often_again(
    store: ObjectStore, faulty: FaultyStore, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_FAR", PIECE)
    store.put_new(key, BODY)
    put = faulty.inject(cut_download(0.2), operation="GetObject", key=key, times=6)
    assert whole(store, key, None) == BODY
    assert put.hits == 6


def test_a_server_that_gives_all_for_a_range_loses_no_byte_and_doubles_none(
    store: ObjectStore, faulty: FaultyStore, key: str
) -> None:
    version = store.put_new(key, BODY).version
    all_of_it = Fault(asked=lambda one: replace(one, headers=without(one.headers, "range")))
    faulty.inject(cut_download(0.3), operation="GetObject", key=key)
    faulty.inject(all_of_it, operation="GetObject", key=key, nth=2, times=None)
    assert whole(store, key, version) == BODY


LASTING: dict[str, Callable[[], Fault]] = {**PASSING, "denied": deny}


@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING.keys())
@pytest.mark.parametrize("nth", [1, 2], ids=["at once", "on the way"])
def test_what_lasts_is_an_error_and_never_a_shorter_object(
    fault: Callable[[], Fault], nth: int, store: ObjectStore, faulty: FaultyStore, key: str
) -> None:
    version = store.put_new(key, BODY).version
    if nth == 2:
        faulty.inject(cut_download(), operation="GetObject", key=key)
    faulty.inject(fault(), operation="GetObject", key=key, nth=nth, times=None)
    got: list[bytes] = []
    with pytest.raises(ProbeError):
        got.extend(pieces(store, key, version, len(BODY)))
    assert BODY.startswith(b"".join(got))
    assert len(b"".join(got)) < len(BODY)


@pytest.mark.parametrize("size", [len(BODY) - 1, len(BODY) + 1, 1], ids=["shorter", "longer", "much shorter"])
def test_an_object_of_another_size_than_its_manifest_says(store: ObjectStore, key: str, size: int) -> None:
    version = store.put_new(key, (BODY * 2)[:size]).version
    with pytest.raises(CutShort, match="not all"):
        whole(store, key, version)


def test_another_version_than_was_asked_for_is_an_error(store: ObjectStore, faulty: FaultyStore, key: str) -> None:
    version = store.put_new(key, BODY).version
    other = Fault(answered=lambda answer: answer.with_header("x-amz-version-id", "another"))
    faulty.inject(other, operation="GetObject", key=key, times=None)
    with pytest.raises(CutShort, match="another version"):
        whole(store, key, version)


def test_another_version_for_the_rest_is_an_error(store: ObjectStore, faulty: FaultyStore, key: str) -> None:
    """What broke off is not put together of two objects."""
    version = store.put_new(key, BODY).version
    other = Fault(answered=lambda answer: answer.with_header("x-amz-version-id", "another"))
    faulty.inject(cut_download(), operation="GetObject", key=key)
    faulty.inject(other, operation="GetObject", key=key, nth=2, times=None)
    with pytest.raises(CutShort, match="another version"):
        whole(store, key, version)


def test_what_is_gone_is_absent(store: ObjectStore, server: Place, key: str) -> None:
    version = store.put_new(key, BODY).version
    root(server).delete_object(Bucket=BUCKET, Key=key, VersionId=version)
    with pytest.raises(ProbeError) as caught:
        whole(store, key, version)
    assert caught.value.kind is ProbeFailure.ABSENT


def test_wrong_bytes_show_in_the_digest(store: ObjectStore, faulty: FaultyStore, key: str) -> None:
    """Nothing else tells: who reads compares the whole object's."""
    stored = store.put_new(key, BODY)
    faulty.inject(wrong_bytes(), operation="GetObject", key=key)
    assert hashlib.sha256(whole(store, key, stored.version)).hexdigest() != stored.sha256


def begin(range: str | None) -> int:
    """The first byte that was asked for."""
    assert range is not None
    return int(range.removeprefix("bytes=").partition("-")[0])

"""Stores and servers that fail, or lie, while a backup is made: what is published is good, what was there stays.

Tests named after a line of DATA_SAFETY.md's table stand for it.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import pyrage
import pytest

from procedures.backup import milestones, running
from procedures.backup.refusing import Refused
from runbook.errors import ActionError, RunbookError
from runbook.settings import Secret
from runbook.site import Site
from tests.faulty_store import FaultyStore
from tests.procedures.backup.making import BACKUPS, Case, Version, furnish
from tests.procedures.purge.ground import Servers
from tests.runbook.targets.servers_postgres import PostgresServer, installations
from tests.store_faults import (
    Fault,
    busy,
    calls,
    cut_download,
    cut_upload,
    deny,
    error_in_200,
    fail,
    lose_answer,
    slow,
    truncate,
    unencrypted,
    without,
    wrong_bytes,
)

pytest_plugins = ("tests.procedures.backup.small_case",)
pytestmark = pytest.mark.usefixtures("small")

DATA, GLOBALS, MANIFEST, LEASE = "*/data*", "*/globals*", "*/manifest.json", "*/.leases/*"


class Fails(NamedTuple):
    """A fault, which requests it hits, and which of them."""

    fault: Callable[[], Fault]
    operation: str
    key: str
    nth: int = 1


@pytest.fixture
def site(case: Case, faults: FaultyStore) -> Site:
    """Through the proxy."""
    return case.changed(endpoint=faults.url)


@pytest.fixture
def before(case: Case, earlier: str) -> set[Version]:
    """All that a good backup of before consists of."""
    return case.versions()


def not_published(case: Case, site: Site, before: set[Version], earlier: str, says: str) -> None:
    """It fails and says so; nothing new is published, what was published stays the newest good, nothing runs."""
    with pytest.raises(RunbookError, match=says):
        running.backup(site)
    assert set(case.published()) == {earlier}
    assert before <= case.versions()
    assert case.newest_good() == earlier
    case.gone()


PASSING = {
    "503 on the lease": Fails(busy, "PutObject", LEASE),
    "503 on a part": Fails(busy, "UploadPart", DATA, 2),
    "slow parts": Fails(lambda: slow(0.3), "UploadPart", DATA, 2),
    "CompleteMultipartUpload may answer 200 with an error body": Fails(error_in_200, "CompleteMultipartUpload", DATA),
    "the upload's end not heard of": Fails(lose_answer, "CompleteMultipartUpload", DATA),
    "the download cut": Fails(cut_download, "GetObject", DATA),
    "the globals' download cut": Fails(cut_download, "GetObject", GLOBALS),
    "the manifest stored, the answer lost": Fails(lose_answer, "PutObject", MANIFEST),
    "the lease cannot be removed": Fails(deny, "DeleteObject", LEASE),
}


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("fails", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_made_good(fails: Fails, faults: FaultyStore, case: Case, site: Site) -> None:
    put = faults.inject(fails.fault(), operation=fails.operation, key=fails.key, nth=fails.nth)
    made = running.backup(site)
    assert put.hits == 1
    case.check_good(made.folder)
    assert not case.uploads()


LASTING = {
    "the lease denied": (Fails(deny, "PutObject", LEASE), "AccessDenied"),
    "the upload denied": (Fails(deny, "CreateMultipartUpload", DATA), "AccessDenied"),
    "500 on a part": (Fails(fail, "UploadPart", DATA, 3), "InternalError"),
    "503 on all parts": (Fails(busy, "UploadPart", DATA), "SlowDown"),
    "parts cut": (Fails(cut_upload, "UploadPart", DATA, 2), "127.0.0.1"),
    "500 as it ends": (Fails(fail, "CompleteMultipartUpload", DATA), "InternalError"),
    "200 with an error body each time": (Fails(error_in_200, "CompleteMultipartUpload", DATA), "InternalError"),
    "the globals denied": (Fails(deny, "PutObject", GLOBALS), "AccessDenied"),
    "its size denied": (Fails(deny, "HeadObject", DATA), "403"),
    "the download denied": (Fails(deny, "GetObject", DATA), "AccessDenied"),
    "the download cut": (Fails(cut_download, "GetObject", DATA), "data.dump"),
    "the download truncated": (Fails(truncate, "GetObject", DATA), "not all"),
    "wrong bytes come back": (Fails(wrong_bytes, "GetObject", DATA), "data.dump.zst is damaged"),
    "wrong globals come back": (Fails(wrong_bytes, "GetObject", GLOBALS), "globals.sql.zst is damaged"),
    "the manifest denied": (Fails(deny, "PutObject", MANIFEST), "AccessDenied"),
    "500 on the manifest": (Fails(fail, "PutObject", MANIFEST), "InternalError"),
}


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(("fails", "says"), LASTING.values(), ids=LASTING.keys())
def test_what_lasts_publishes_nothing(
    fails: Fails, says: str, faults: FaultyStore, case: Case, earlier: str, before: set[Version], site: Site
) -> None:
    """Delete after an upload that had returned false; after a truncated one: here nothing is published after such."""
    put = faults.inject(fails.fault(), operation=fails.operation, key=fails.key, nth=fails.nth, times=None)
    not_published(case, site, before, earlier, says)
    assert put.hits
    assert not case.uploads(), "parts were left"
    assert not case.store.list(f"{case.prefix}.leases/")


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("number", range(1, 7))
def test_the_network_cut_in_each_part(
    number: int, faults: FaultyStore, case: Case, earlier: str, before: set[Version], site: Site
) -> None:
    """And at once for all that follows, aborting included: what is left is not published, and the sweep finds it."""
    cut = faults.inject(cut_upload(), operation="UploadPart", key=DATA, nth=number, times=None)
    gone = faults.inject(calls(lambda request: None, cut=True), nth=10**9, times=None)
    faults.inject(calls(lambda request: setattr(gone, "nth", 1)), operation="UploadPart", key=DATA, nth=number)
    not_published(case, site, before, earlier, "127.0.0.1")
    assert cut.hits
    assert len(case.uploads()) == 1


@pytest.mark.usefixtures("trusting")
def test_an_age_encrypted_upload_that_fails_says_what_failed(
    faults: FaultyStore, case: Case, earlier: str, before: set[Version]
) -> None:
    """It fails under the encryption's thread, whose own error says nothing."""
    identity = pyrage.x25519.Identity.generate()
    (case.home / "age").write_text(str(identity))
    keys: dict[str, Any] = {
        "age_recipients": (str(identity.to_public()),),
        "age_identity": Secret(file=case.home / "age"),
    }
    faults.inject(deny(), operation="UploadPart", key=DATA, nth=2, times=None)
    not_published(case, case.changed(endpoint=faults.url, **keys), before, earlier, "denies UploadPart")
    assert not case.uploads()


# Credentials ---------------------------------------------------------------------------------------------------------

#: From which request on they are expired.
EXPIRED = {
    "before the lease": ("PutObject", LEASE, 1),
    "as the upload begins": ("CreateMultipartUpload", DATA, 1),
    "in the middle of the upload": ("UploadPart", DATA, 4),
    "as the upload ends": ("CompleteMultipartUpload", DATA, 1),
    "for the globals": ("PutObject", GLOBALS, 1),
    "for the proof of encryption": ("HeadObject", DATA, 2),
    "as it is read back": ("GetObject", DATA, 1),
    "for the manifest": ("PutObject", MANIFEST, 1),
}


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(("operation", "key", "nth"), EXPIRED.values(), ids=EXPIRED.keys())
def test_credentials_that_expire_in_the_middle(
    operation: str, key: str, nth: int, faults: FaultyStore, case: Case, earlier: str, before: set[Version], site: Site
) -> None:
    """Nothing works from then on, cleaning up included; it ends soon and says so."""
    all_of_them = faults.inject(fail(403, "ExpiredToken"), nth=10**9, times=None)
    faults.inject(calls(lambda request: setattr(all_of_them, "nth", 1)), operation=operation, key=key, nth=nth)
    faults.inject(fail(403, "ExpiredToken"), operation=operation, key=key, nth=nth)
    not_published(case, site, before, earlier, "ExpiredToken|403")


# Servers that lie ----------------------------------------------------------------------------------------------------


def plain(operation: str, key: str) -> Fails:
    """The server takes the wish for encryption and stores plain text."""
    stored = Fault(
        asked=lambda one: replace(one, headers=without(one.headers, "x-amz-server-side-encryption")),
        answered=lambda answer: answer.without("x-amz-server-side-encryption"),
    )
    return Fails(lambda: stored, operation, key)


def test_a_store_that_encrypts_nothing_is_refused_before_it_begins(
    faults: FaultyStore, case: Case, earlier: str, before: set[Version], site: Site
) -> None:
    faults.inject(plain("*", "*").fault(), times=None)
    with pytest.raises(Refused, match="does not prove that it encrypts"):
        running.backup(site)
    assert case.versions() == before


@pytest.mark.parametrize(
    ("operations", "key"),
    [(("CreateMultipartUpload", "HeadObject"), DATA), (("PutObject", "HeadObject"), GLOBALS)],
    ids=["the data", "the globals"],
)
def test_a_store_that_takes_the_header_and_stores_plain_text_is_found_out(
    operations: tuple[str, ...],
    key: str,
    faults: FaultyStore,
    case: Case,
    earlier: str,
    before: set[Version],
    site: Site,
) -> None:
    """It encrypts what it is tried with, and not what matters: each object is asked for again."""
    for operation in operations:
        faults.inject(plain(operation, key).fault(), operation=operation, key=key, times=None)
    not_published(case, site, before, earlier, r"was asked to encrypt .* and returned –")


def test_a_store_that_only_says_nothing_of_it_is_not_believed(
    faults: FaultyStore, case: Case, earlier: str, before: set[Version], site: Site
) -> None:
    faults.inject(unencrypted(), operation="HeadObject", key=DATA, times=None)
    not_published(case, site, before, earlier, "was asked to encrypt")


def test_a_store_that_encrypts_with_another_key_is_found_out(
    faults: FaultyStore, case: Case, earlier: str, before: set[Version]
) -> None:
    site = case.changed(endpoint=faults.url, encryption="sse-kms", kms_key_id="0b1c2d3e")
    other = Fault(answered=lambda one: one.with_header("x-amz-server-side-encryption-aws-kms-key-id", "another"))
    faults.inject(other, operation="HeadObject", key=DATA, times=None)
    not_published(case, site, before, earlier, "was asked to encrypt")


def test_an_object_that_was_replaced_while_it_was_proven_is_another_one(
    faults: FaultyStore, case: Case, earlier: str, before: set[Version], site: Site
) -> None:
    """Where the store keeps versions, what is read back and named in the manifest is what was written."""

    def replaced(request: object) -> None:
        (key,) = {one.key for one in case.versions() - before if "/data" in one.key}
        case.s3.put_object(Bucket=BACKUPS, Key=key, Body=b"another")

    faults.inject(calls(replaced), operation="GetObject", key=DATA)
    made = running.backup(site)
    case.check_good(made.folder)


# The server ----------------------------------------------------------------------------------------------------------


@contextmanager
def mortal() -> Iterator[PostgresServer]:
    """A server of one's own, with the small database."""
    server = PostgresServer(installations()["wheel"])
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.mark.usefixtures("trusting")
def test_the_server_dies_in_the_middle(
    backup_servers: Servers,
    case: Case,
    earlier: str,
    before: set[Version],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with mortal() as server:
        furnish(replace(backup_servers, postgres=server))
        dead = itertools.count()

        def reached(name: str) -> None:
            if name == "dump halfway" and not next(dead):
                number = int((server.home / "data" / "postmaster.pid").read_text().split()[0])
                os.kill(number, signal.SIGQUIT)  # at once, as a crash: without a word to anybody

        monkeypatch.setattr(milestones, "reached", reached)
        settings = msgspec.structs.replace(case.site.settings, database=server.settings(name="chica"))
        with pytest.raises(ActionError, match=r"pg_dump failed|database"):
            running.backup(replace(case.site, settings=settings))
    assert set(case.published()) == {earlier}
    assert case.versions() == before
    assert not case.uploads()
    assert not case.store.list(f"{case.prefix}.leases/")

"""An object store that fails, or lies: nothing is deleted that did not come back whole, and the next purge goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from procedures.purge import milestones, running
from procedures.purge.running import Refused
from runbook.errors import RunbookError
from runbook.site import Site
from tests.faulty_store import FaultyStore
from tests.procedures.purge.aftermath import check_stopped, deleted_so_far, gone_on_with, settled
from tests.procedures.purge.ground import Ground, Lines
from tests.procedures.purge.purging import Purger
from tests.store_faults import (
    Fault,
    busy,
    cut_download,
    cut_upload,
    deny,
    error_in_200,
    fail,
    lose_answer,
    skew,
    slow,
    truncate,
    unchecked,
    unconditional,
    unencrypted,
    unversioned,
    wrong_bytes,
)

SMALL: dict[str, Any] = {"batch_rows": 30, "chunk_rows": 20}
ROWS = 60
OBJECT, MANIFEST = "*/rows.copy.zst", "tbae*/manifest.json"


class Case(NamedTuple):
    """A fault, which requests it hits, and which of them."""

    fault: Callable[[], Fault]
    operation: str
    key: str
    nth: int = 2
    times: int | None = 1


@pytest.fixture
def before(ground: Ground) -> Lines:
    """Tables of which one has partitions."""
    return ground.fill_partitioned(ROWS)


@pytest.fixture
def site(ground: Ground, faults: FaultyStore) -> Site:
    """Through the proxy."""
    return ground.changed(endpoint=faults.url, **SMALL)


def put(faults: FaultyStore, case: Case) -> None:
    faults.inject(case.fault(), operation=case.operation, key=case.key, nth=case.nth, times=case.times)


#: What a second try makes good.
PASSING = {
    "500 on the rows": Case(fail, "PutObject", OBJECT),
    "503 twice on the rows": Case(busy, "PutObject", OBJECT, times=2),
    "503 on the manifest": Case(busy, "PutObject", MANIFEST),
    "503 on the download": Case(busy, "GetObject", OBJECT),
    "upload cut": Case(cut_upload, "PutObject", OBJECT),
    "upload stored, answer lost": Case(lose_answer, "PutObject", OBJECT),
    "manifest stored, answer lost": Case(lose_answer, "PutObject", MANIFEST),
    "manifest cut": Case(cut_upload, "PutObject", MANIFEST),
    "download cut": Case(cut_download, "GetObject", OBJECT),
    "an error for the bytes, once": Case(error_in_200, "GetObject", OBJECT),
    "slow upload": Case(lambda: slow(1), "PutObject", OBJECT),
    "slow download": Case(lambda: slow(1), "GetObject", OBJECT),
}


@pytest.mark.soak
@pytest.mark.parametrize("case", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_made_good(case: Case, faults: FaultyStore, ground: Ground, before: Lines, site: Site) -> None:
    put(faults, case)
    running.purge(site)
    ground.invariant(before)


#: What does not: the purge ends with an error, of which a part is expected, and never deletes what is not proven.
LASTING = {
    "500 on the rows": (Case(fail, "PutObject", OBJECT, times=None), "500|InternalError"),
    "500 on the manifest": (Case(fail, "PutObject", MANIFEST, times=None), "500|InternalError"),
    "the manifest's answer lost every time": (Case(lose_answer, "PutObject", MANIFEST, times=None), "storage|127"),
    "denied on the rows": (Case(deny, "PutObject", OBJECT, times=None), "AccessDenied|403"),
    "denied on the download": (Case(deny, "GetObject", OBJECT, times=None), "AccessDenied|403"),
    "uploads cut": (Case(cut_upload, "PutObject", OBJECT, times=None), "127.0.0.1"),
    "downloads cut": (Case(cut_download, "GetObject", OBJECT, times=None), "broke off|rows.copy.zst"),
    "downloads truncated": (Case(truncate, "GetObject", OBJECT, times=None), "rows.copy.zst"),
    "wrong bytes": (Case(wrong_bytes, "GetObject", OBJECT, times=None), "did not come back as it was written"),
    "wrong bytes, right checksum": (
        Case(lambda: wrong_bytes(checksum=True), "GetObject", OBJECT, times=None),
        "rows.copy.zst",
    ),
    "an error for the bytes": (
        Case(error_in_200, "GetObject", OBJECT, times=None),
        "an error for the bytes|another version",
    ),
    "the encryption is not said of the rows": (
        Case(unencrypted, "HeadObject", OBJECT, times=None),
        "archive.encryption",
    ),
    "denied on the proof of encryption": (Case(deny, "HeadObject", OBJECT, times=None), "AccessDenied|403|refuse"),
}


@pytest.mark.parametrize(("case", "said"), LASTING.values(), ids=LASTING.keys())
def test_what_lasts_ends_the_purge_and_deletes_nothing_that_is_not_proven(
    case: Case, said: str, faults: FaultyStore, ground: Ground, before: Lines, site: Site
) -> None:
    put(faults, case)
    with pytest.raises(RunbookError, match=said):
        running.purge(site)
    settled(ground)
    check_stopped(ground, before)
    faults.clear()
    gone_on_with(ground, site, before)


#: What the guards find before anything is done.
LIES = {
    "encryption is not said of objects": (Case(unencrypted, "HeadObject", "*", 1, None), "encrypt"),
    "the storage's clock is a day late": (Case(lambda: skew(timedelta(days=-1)), "*", "*", 1, None), "clock"),
    "the storage's clock is minutes early": (Case(lambda: skew(timedelta(minutes=5)), "*", "*", 1, None), "clock"),
    "the backups cannot be listed": (Case(deny, "ListObjectsV2", "*", 1, None), "AccessDenied|denied|403"),
    "nothing can be written": (Case(deny, "PutObject", "*", 1, None), "AccessDenied|denied|403"),
}


@pytest.mark.parametrize(("case", "said"), LIES.values(), ids=LIES.keys())
def test_what_the_guards_find_changes_nothing(
    case: Case, said: str, faults: FaultyStore, ground: Ground, before: Lines, site: Site
) -> None:
    put(faults, case)
    with pytest.raises(Refused, match=said):
        running.purge(site)
    assert ground.tables() == before
    assert not ground.runs()
    faults.clear()
    running.purge(site)
    ground.invariant(before)


def test_a_store_that_ignores_conditions_and_names_no_versions_is_refused(
    faults: FaultyStore, ground: Ground, before: Lines, site: Site
) -> None:
    faults.inject(unconditional(), operation="PutObject", times=None)
    faults.inject(unversioned(), times=None)
    with pytest.raises(Refused, match="versioning"):
        running.purge(site)
    assert ground.tables() == before


@pytest.mark.parametrize("lie", [unconditional, unchecked])
def test_a_store_that_keeps_versions_may_ignore_the_rest(
    lie: Callable[[], Fault], faults: FaultyStore, ground: Ground, before: Lines, site: Site
) -> None:
    faults.inject(lie(), operation="PutObject", times=None)
    running.purge(site)
    ground.invariant(before)


@pytest.mark.parametrize("fault", [deny, fail, error_in_200], ids=["denied", "500", "an error in a 200"])
def test_a_list_that_fails_is_not_an_empty_one(
    fault: Callable[[], Fault], forking: Purger, faults: FaultyStore, ground: Ground, before: Lines, site: Site
) -> None:
    """What was published is looked for before anything is exported again: not to be told is no leave to go on."""
    assert forking.purge(site, ground.home, at="manifest written").killed
    settled(ground)
    faults.clear()
    asked = faults.inject(fault(), operation="ListObjectsV2", nth=3, times=None)  # behind those of the guards
    with pytest.raises(RunbookError):
        running.purge(site)
    assert asked.hits
    assert faults.count("PutObject", "*/.probe/*")
    assert not faults.count("PutObject", OBJECT)
    settled(ground)
    check_stopped(ground, before)
    faults.clear()
    gone_on_with(ground, site, before)


def test_a_sweep_that_cannot_list_sweeps_nothing(
    faults: FaultyStore, ground: Ground, before: Lines, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("procedures.purge.finishing.LEFT_BEHIND", timedelta(0))
    denied = faults.inject(deny(), operation="ListObjectsV2", nth=10**9, times=None)
    orphan = f"{ground.prefix}sep_muses/muses_dev.tbae002_bajas/R/batch-00001-0123abcd/rows.copy.zst"
    ground.s3.put_object(Bucket="muses-archivo", Key=orphan, Body=b"left behind")

    def reached(name: str) -> None:
        if name == "run done":
            denied.nth = 1

    monkeypatch.setattr(milestones, "reached", reached)
    with pytest.raises(RunbookError):
        running.purge(site)
    assert denied.hits
    assert orphan in ground.archive().orphans
    ground.invariant(before)


def test_what_came_back_wrong_is_exported_again_and_not_adopted(
    forking: Purger, faults: FaultyStore, ground: Ground, before: Lines, site: Site
) -> None:
    assert forking.purge(site, ground.home, at="manifest written").killed
    settled(ground)
    faults.inject(wrong_bytes(), operation="GetObject", key=OBJECT)
    gone_on_with(ground, site, before)
    assert ground.archive().rows > sum(map(len, ground.archive().lines.values()))  # the batch lies there twice


def test_nothing_is_deleted_before_the_first_object_is_proven(
    faults: FaultyStore, ground: Ground, before: Lines, site: Site
) -> None:
    faults.inject(cut_download(), operation="GetObject", key=OBJECT, times=None)
    with pytest.raises(RunbookError):
        running.purge(site)
    assert deleted_so_far(ground) == 0
    assert ground.tables() == before

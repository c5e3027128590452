"""A lease on a backup, on a real store: who holds one is seen by every machine, who died is not seen for long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from procedures.backup import leases, places
from procedures.backup.leases import leased, leased_folders
from runbook.errors import ActionError, ProbeError
from runbook.targets.s3.objects import ObjectStore
from tests.faulty_store import FaultyStore
from tests.procedures.backup.making import Case
from tests.runbook.targets.servers_postgres import until
from tests.store_faults import deny, error_in_200, fail, lose_the_way, pages_of, skew

pytest_plugins = ("tests.procedures.backup.small_case",)
pytestmark = pytest.mark.usefixtures("small")

NAME = "2026-11-24T0330-0a1b/"


@pytest.fixture
def folder(case: Case) -> str:
    return f"{case.prefix}{NAME}"


@pytest.fixture
def through(case: Case, faults: FaultyStore) -> Iterator[ObjectStore]:
    """The bucket through the proxy."""
    store = places.store_at(places.place_of(case.changed(endpoint=faults.url)))
    yield store
    store.close()


def objects(case: Case) -> list[str]:
    return [one.key for one in case.store.list(f"{case.prefix}.leases/")]


def test_a_lease_is_seen_while_it_is_held_and_leaves_nothing(case: Case, folder: str) -> None:
    assert leased_folders(case.store, case.prefix) == frozenset()
    with leased(case.store, case.prefix, folder):
        assert leased_folders(case.store, case.prefix) == {folder}
    assert leased_folders(case.store, case.prefix) == frozenset()
    assert case.store.versions(case.prefix) == ()


def test_an_error_within_lets_go_of_it(case: Case, folder: str) -> None:
    with pytest.raises(KeyError), leased(case.store, case.prefix, folder):
        raise KeyError
    assert objects(case) == []


def test_two_may_hold_one_and_the_first_that_goes_takes_only_its_own(case: Case, folder: str) -> None:
    """A backup is restored and proven at once, on two machines."""
    with leased(case.store, case.prefix, folder):
        with leased(case.store, case.prefix, folder):
            assert len(objects(case)) == 2
        assert leased_folders(case.store, case.prefix) == {folder}
    assert leased_folders(case.store, case.prefix) == frozenset()


def test_each_folder_has_its_own(case: Case, folder: str) -> None:
    other = f"{case.prefix}2026-11-25T0330-ffff/"
    with leased(case.store, case.prefix, folder), leased(case.store, case.prefix, other):
        assert leased_folders(case.store, case.prefix) == {folder, other}


def test_it_is_renewed_and_the_older_object_goes(case: Case, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_BEAT", timedelta(milliseconds=20))
    with leased(case.store, case.prefix, folder):
        until(lambda: objects(case) and not any(one.endswith("-0.json") for one in objects(case)))
        until(lambda: len(objects(case)) == 1)
        assert leased_folders(case.store, case.prefix) == {folder}
    assert case.store.versions(case.prefix) == ()


def test_a_missed_beat_ends_nothing(
    case: Case, folder: str, through: ObjectStore, faults: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_BEAT", timedelta(milliseconds=20))
    with leased(through, case.prefix, folder):
        put = faults.inject(deny(), operation="PutObject", times=3)
        until(lambda: put.hits == 3)
        assert leased_folders(case.store, case.prefix) == {folder}
        until(lambda: faults.count("PutObject") > 5)
        assert leased_folders(case.store, case.prefix) == {folder}


def test_who_died_is_not_seen_after_ten_minutes(case: Case, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case.store.put_new(f"{case.prefix}.leases/{NAME}deadbeef-7.json", b"{}")
    assert leased_folders(case.store, case.prefix) == {folder}
    assert timedelta(minutes=10) == leases.LASTS
    monkeypatch.setattr(leases, "LASTS", timedelta(seconds=-5))
    assert leased_folders(case.store, case.prefix) == frozenset()


@pytest.mark.parametrize("hours", [-3, 3])
def test_ages_are_the_storage_s_and_not_this_machine_s(
    case: Case, folder: str, through: ObjectStore, faults: FaultyStore, hours: int
) -> None:
    """Objects' ages are told by the server's clock; here its Date is hours off, and so its objects seem to be."""
    with leased(case.store, case.prefix, folder):
        faults.inject(skew(timedelta(hours=hours)), times=None)
        seen = leased_folders(through, case.prefix)
    assert seen == ({folder} if hours < 0 else frozenset())


def test_a_lease_that_cannot_be_written_lets_nobody_begin(
    case: Case, folder: str, through: ObjectStore, faults: FaultyStore
) -> None:
    faults.inject(deny(), operation="PutObject", times=None)
    begun = False
    with pytest.raises(ActionError, match="AccessDenied"), leased(through, case.prefix, folder):
        begun = True
    assert not begun


def test_a_lease_that_cannot_be_removed_hides_no_error(
    case: Case, folder: str, through: ObjectStore, faults: FaultyStore
) -> None:
    faults.inject(deny(), operation="DeleteObject", times=None)
    with pytest.raises(KeyError), leased(through, case.prefix, folder):
        raise KeyError
    assert objects(case)


@pytest.mark.parametrize("fault", [deny, fail, error_in_200, lose_the_way], ids=lambda made: made.__name__)
def test_a_list_that_cannot_be_had_is_not_an_empty_one(
    case: Case, folder: str, through: ObjectStore, faults: FaultyStore, fault: object
) -> None:
    """Retention on another host removed the backup in progress."""
    with leased(case.store, case.prefix, folder):
        if fault is lose_the_way:
            case.store.put_new(f"{case.prefix}.leases/{NAME}00000000-0.json", b"{}")
            faults.inject(pages_of(1), operation="ListObjectsV2", times=None)
        faults.inject(fault(), operation="ListObjectsV2", times=None)  # type: ignore[operator]
        with pytest.raises(ProbeError):
            leased_folders(through, case.prefix)


def test_no_thread_is_left(case: Case, folder: str) -> None:
    with leased(case.store, case.prefix, folder):
        assert [one for one in threading.enumerate() if one.name == "lease"]
    assert not [one for one in threading.enumerate() if one.name == "lease"]

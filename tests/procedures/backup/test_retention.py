"""Retention over random histories: the last good backup always stays, and what is not understood frees nothing."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from procedures.backup.retention import FRESH, MOST, Circumstances, Known, Retention, decide
from runbook.settings import BackupSettings

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
OURS, OTHERS = "7000000000000000001", "7000000000000000002"
RULES = BackupSettings()


def known(days: float, **more: object) -> Known:
    """A verified backup of ours, so many days old; its name says nothing of its age."""
    given = {
        "system_identifier": OURS,
        "finished_at": NOW - timedelta(days=days),
        "folder": f"{hash(days) & 0xFFFF:x}/",
    }
    return Known(**{**given, **more})  # type: ignore[arg-type]


def now(**more: object) -> Circumstances:
    given = {"now": NOW, "skew": timedelta(0), "system_identifier": OURS, "confirmed": True}
    return Circumstances(**{**given, **more})  # type: ignore[arg-type]


def daily(count: int) -> list[Known]:
    """One a day, the newest of today, each with a folder of its own."""
    return [known(day + 0.1, folder=f"{day:04d}/") for day in range(count)]


backups = st.lists(
    st.builds(
        Known,
        folder=st.uuids().map(lambda name: f"{name}/"),
        finished_at=st.floats(0, 400).map(lambda days: NOW - timedelta(days=days)),
        system_identifier=st.sampled_from([OURS, OURS, OURS, OTHERS, ""]),
        verified=st.booleans(),
        proven=st.booleans(),
        leased=st.booleans(),
        locked_until=st.one_of(st.none(), st.floats(-50, 50).map(lambda days: NOW + timedelta(days=days))),
    ),
    max_size=60,
    unique_by=lambda one: one.folder,
)
circumstances = st.builds(
    Circumstances,
    now=st.just(NOW),
    skew=st.one_of(st.none(), st.floats(-300, 300).map(lambda seconds: timedelta(seconds=seconds))),
    system_identifier=st.sampled_from([OURS, OURS, None]),
    unread=st.lists(st.just("x/"), max_size=1).map(tuple),
    confirmed=st.booleans(),
)


def newest(found: list[Known]) -> str | None:
    return max(found, key=lambda one: one.finished_at).folder if found else None


@settings(max_examples=400, deadline=None)
@given(backups, circumstances)
def test_the_newest_good_ones_outlive_every_history(history: list[Known], at: Circumstances) -> None:
    gone = set(decide(history, RULES, at).remove)
    verified = [one for one in history if one.verified]
    assert newest(verified) not in gone
    assert newest([one for one in verified if one.proven]) not in gone
    assert newest([one for one in verified if NOW - one.finished_at >= RULES.keep]) not in gone
    assert not gone & {one.folder for one in sorted(verified, key=lambda one: one.finished_at)[-RULES.keep_newest :]}
    assert not gone & {one.folder for one in history if NOW - one.finished_at < RULES.keep}


@settings(max_examples=400, deadline=None)
@given(backups, circumstances)
def test_nothing_of_another_system_nothing_in_use_nothing_locked_ever_goes(
    history: list[Known], at: Circumstances
) -> None:
    gone = set(decide(history, RULES, at).remove)
    for one in history:
        if one.folder in gone:
            assert one.system_identifier == OURS == at.system_identifier
            assert not one.leased
            assert one.locked_until is None or one.locked_until <= NOW


@settings(max_examples=200, deadline=None)
@given(backups, circumstances)
def test_everything_is_either_kept_with_a_reason_or_removable(history: list[Known], at: Circumstances) -> None:
    found = decide(history, RULES, at)
    assert {one.folder for one in found.keep} | set(found.removable) == {one.folder for one in history}
    assert not {one.folder for one in found.keep} & set(found.removable)
    assert all(one.reasons for one in found.keep)


@settings(max_examples=100, deadline=None)
@given(backups, circumstances, st.randoms())
def test_names_and_the_order_of_the_list_decide_nothing(
    history: list[Known], at: Circumstances, chance: random.Random
) -> None:
    shuffled = chance.sample(history, len(history))
    assert set(decide(history, RULES, at).remove) == set(decide(shuffled, RULES, at).remove)


def test_a_healthy_history_loses_what_is_past_its_age() -> None:
    found = decide(daily(33), RULES, now())
    assert found.remove == ("0032/", "0031/")
    assert reasons(found, "0030/") == ["0030/ stays: the newest of those older than 2.592e+06 s"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"unread": ("0007/",)}, "The manifest of 0007/ cannot be read"),
        ({"skew": None}, "clock"),
        ({"skew": timedelta(minutes=2)}, "clock"),
        ({"system_identifier": None}, "cannot be asked who it is"),
    ],
)
def test_what_is_not_understood_freezes(change: dict[str, object], says: str) -> None:
    found = decide(daily(33), RULES, now(**change))
    assert found.remove == ()
    assert any(says in str(reason) for reason in found.frozen)


def test_backups_that_fail_keep_the_old_ones() -> None:
    """Retention ran while backups failed: good backups gone."""
    stale = [one for one in daily(40) if NOW - one.finished_at > FRESH]
    assert decide(stale, RULES, now()).remove == ()
    failing = [replace(one, verified=False) if NOW - one.finished_at < FRESH else one for one in daily(40)]
    assert decide(failing, RULES, now()).remove == ()


def test_another_system_s_backup_in_the_folder_freezes() -> None:
    mixed = [*daily(33), known(90, folder="9999/", system_identifier=OTHERS)]
    found = decide(mixed, RULES, now())
    assert found.remove == ()
    assert "another database system" in str(found.frozen[0])


def test_more_than_three_at_once_need_a_person_s_word() -> None:
    many = daily(31 + MOST + 1)
    assert decide(many, RULES, now(confirmed=False)).remove == ()
    assert len(decide(many, RULES, now(confirmed=True)).remove) == MOST + 1
    assert len(decide(many[:-1], RULES, now(confirmed=False)).remove) == MOST


def test_a_backup_from_the_future_freezes() -> None:
    assert decide([*daily(33), known(-1, folder="ffff/")], RULES, now()).remove == ()


@pytest.mark.parametrize("hold", ["0032", "0032/"])
def test_a_hold_keeps(hold: str) -> None:
    found = decide(daily(33), BackupSettings(holds=(hold,)), now())
    assert found.remove == ("0031/",)
    assert reasons(found, "0032/") == ["0032/ stays: on hold (backup.holds)"]


def reasons(found: Retention, folder: str) -> list[str]:
    return [str(reason) for one in found.keep if one.folder == folder for reason in one.reasons]

"""DB-12 to DB-14: standbys, slots, the archive of the WAL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks import replication as rows
from runbook.model import State
from tests.checks import fakes
from tests.checks.fakes import MINUTE, NoHistory, Told, now
from tests.checks.loads import archive, replication, server, slot, standby

MB, GB = 1 << 20, 1 << 30


def verdict(check: Any, *, named: tuple[str, ...] = (), **targets: Any) -> Any:
    database = Told(server=server(**targets.pop("server")))
    database.standbys = named  # type: ignore[attr-defined]
    return fakes.judged(check, database=database, **targets)


class TestStandbys:
    """DB-12."""

    def verdict(self, *standbys: Any, named: tuple[str, ...] = ()) -> Any:
        return verdict(rows.check_standbys_keep_up, named=named, server={"replication": replication(standbys=standbys)})

    @pytest.mark.parametrize(
        ("given", "state"),
        [
            pytest.param({"replay_lag": MINUTE}, State.OK, id="at the limit"),
            pytest.param({"replay_lag": 1.1 * MINUTE}, State.WARNING, id="late"),
            pytest.param({"replay_lag": 11 * MINUTE}, State.CRITICAL, id="very late"),
            pytest.param({"replay_lag": None, "replay_bytes": GB}, State.OK, id="bytes at the limit"),
            pytest.param({"replay_lag": None, "replay_bytes": GB + 1}, State.WARNING, id="bytes"),
            pytest.param({"replay_lag": None, "replay_bytes": 10 * GB + 1}, State.CRITICAL, id="many bytes"),
            pytest.param({"replay_lag": 60 * MINUTE, "replay_bytes": 0}, State.OK, id="the last lag of an idle server"),
            pytest.param({"replay_bytes": None, "flush_bytes": 5, "replay_lag": None}, State.OK, id="only stores it"),
            pytest.param({"replay_bytes": None, "flush_bytes": None}, State.UNKNOWN, id="does not say"),
        ],
    )
    def test_by_time_and_bytes(self, given: Any, state: State) -> None:
        assert self.verdict(standby(**given)).state is state

    def test_one_that_the_site_names_does_not_follow(self) -> None:
        assert self.verdict(standby(), named=("a", "b")).state is State.CRITICAL
        assert self.verdict(standby(), named=("a",)).state is State.OK

    @pytest.mark.parametrize("standbys", [(), (standby(state="backup", replay_bytes=None, flush_bytes=None),)])
    def test_nobody_follows(self, standbys: Any) -> None:
        assert self.verdict(*standbys).state is State.SKIPPED


@pytest.mark.parametrize(
    ("given", "state"),
    [
        pytest.param({"active": True, "kept_bytes": GB}, State.OK, id="fetched"),
        pytest.param({"active": True, "kept_bytes": GB + 1}, State.WARNING, id="fetched too slowly"),
        pytest.param({"kept_bytes": MB}, State.WARNING, id="abandoned"),
        pytest.param({"kept_bytes": 10 * GB + 1}, State.CRITICAL, id="abandoned, much is kept"),
        pytest.param({"kept_bytes": MB, "inactive_for": MINUTE}, State.OK, id="just left"),
        pytest.param({"kept_bytes": MB, "inactive_for": None}, State.WARNING, id="since when is not known before 17"),
        pytest.param({"kept_bytes": None}, State.OK, id="never used: nothing is kept"),
        pytest.param({"kept_bytes": MB, "wal_status": "lost"}, State.CRITICAL, id="lost"),
        pytest.param({"active": True, "kept_bytes": MB, "wal_status": "unreserved"}, State.CRITICAL, id="about to be"),
    ],
)
def test_slots(given: Any, state: State) -> None:
    told = {"replication": replication(slot(**given))}
    assert verdict(rows.check_no_slot_is_abandoned, server=told).state is state


class TestArchive:
    """DB-14."""

    def verdict(self, *past: Any, **given: Any) -> Any:
        told = {"archive": archive(**given)}
        return verdict(rows.check_wal_archive_keeps_up, server=told, history=NoHistory(*past))

    @pytest.mark.parametrize(
        ("ready", "state"), [(10, State.OK), (11, State.WARNING), (15, State.WARNING), (16, State.CRITICAL)]
    )
    def test_by_what_waits(self, ready: int, state: State) -> None:
        assert self.verdict(ready=ready).state is state

    def test_a_quiet_night_is_no_failure(self) -> None:
        assert self.verdict(last_archived_at=now() - timedelta(days=9)).state is State.OK

    def test_fails_now(self) -> None:
        assert self.verdict(failed=3, last_failed_at=now()).state is State.WARNING
        assert self.verdict(failed=3, last_failed_at=now(), last_archived_at=None).state is State.WARNING

    @pytest.mark.parametrize(("before", "state"), [(3, State.OK), (2, State.WARNING), (9, State.WARNING)])
    def test_new_failures_since_the_last_check(self, before: int, state: State) -> None:
        mended = {"failed": 3, "last_failed_at": now() - 10 * MINUTE, "last_archived_at": now()}
        assert self.verdict((now() - 30 * MINUTE, before), **mended).state is state
        assert self.verdict((now() - MINUTE, before), **mended).state is State.OK, "too near to say so"

    def test_not_archived(self) -> None:
        assert self.verdict(enabled=False).state is State.SKIPPED

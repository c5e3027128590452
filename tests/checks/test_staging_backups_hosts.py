"""STAGE-01's verdict (see test_staging_purge for the rest), and BACKUP-01 and HOST-01, on which a person decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks.backups import check_newest_backup_is_young
from checks.hosts import check_disks_have_room
from checks.staging import check_staging_within_retention
from runbook.model import State
from runbook.rows import of
from runbook.targets.hosts.hosts import Disk, HostDisks
from runbook.targets.postgres.structs import StagingTable
from runbook.targets.s3.backups import Backup
from runbook.text import text
from tests.checks import fakes
from tests.checks.exchange import Purge
from tests.checks.fakes import Told

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("check", [check_newest_backup_is_young, check_disks_have_room])
def test_a_person_is_told_what_to_do(check: Any) -> None:
    row = of(check)
    assert row.treatment is None
    assert row.person is not None


class TestStaging:
    """STAGE-01."""

    def verdict(self, **changes: Any) -> Any:
        plain: dict[str, Any] = {
            "table": "tbae001_inscripcion",
            "rows": 60_000,
            "bytes": 50_000_000,
            "overdue": 0,
            "oldest": fakes.now() - 10 * DAY,
            "null_times": 0,
        }
        database = Told(staging=(StagingTable(**{**plain, **changes}),))
        return fakes.judged(check_staging_within_retention, database=database, purge=Purge())

    @pytest.mark.parametrize(
        ("age", "overdue", "state"),
        [
            pytest.param(10, 0, State.OK, id="young"),
            pytest.param(96, 10, State.OK, id="the weekly purge is still to come"),
            pytest.param(98, 10, State.WARNING, id="a purge was missed"),
            pytest.param(121, 10, State.CRITICAL, id="a month of purges was missed"),
        ],
    )
    def test_state(self, age: int, overdue: int, state: State) -> None:
        assert self.verdict(oldest=fakes.now() - age * DAY, overdue=overdue).state is state

    def test_says_how_much_is_overdue(self) -> None:
        said = str(self.verdict(oldest=fakes.now() - 150 * DAY, overdue=60_000).summary)
        assert said.startswith("tbae001_inscripcion: 60000 records past their retention, the oldest by")

    def test_an_empty_table_is_fine(self) -> None:
        assert self.verdict(oldest=None).state is State.OK

    def test_records_without_a_time_are_told(self) -> None:
        found = self.verdict(null_times=5)
        assert found.state is State.OK
        assert any("5 records have no time and are never purged" in str(m.summary) for m in found.measures)

    def test_a_table_in_which_nothing_has_a_time_cannot_be_judged(self) -> None:
        assert self.verdict(oldest=None, null_times=5).state is State.UNKNOWN


def backup(age: timedelta, **changes: Any) -> Backup:
    finished = fakes.now() - age
    plain: dict[str, Any] = {
        "key": f"sep_muses/{finished:%Y-%m-%dT%H%M}/data.dump",
        "finished_at": finished,
        "bytes": 1000,
        "verified": True,
        "data_present": True,
        "data_bytes": 1000,
    }
    return Backup(**{**plain, **changes})


class TestBackups:
    """BACKUP-01."""

    def verdict(self, *backups: Backup, unpublished: int = 0) -> Any:
        storage = Told(backups=backups, unpublished=unpublished)
        return fakes.judged(check_newest_backup_is_young, storage=storage)

    @pytest.mark.parametrize(
        ("backups", "state"),
        [
            pytest.param((backup(24 * HOUR), backup(48 * HOUR)), State.OK, id="of today"),
            pytest.param((backup(26 * HOUR),), State.WARNING, id="one night missed"),
            pytest.param((backup(60 * HOUR),), State.CRITICAL, id="two nights missed"),
            pytest.param((), State.CRITICAL, id="none"),
            pytest.param(
                (backup(HOUR, data_present=False, data_bytes=None), backup(20 * HOUR)),
                State.CRITICAL,
                id="newest without data",
            ),
            pytest.param(
                (backup(HOUR, data_bytes=999), backup(20 * HOUR)), State.CRITICAL, id="newest of another size"
            ),
            pytest.param(
                (backup(HOUR), backup(20 * HOUR, data_bytes=999)), State.WARNING, id="an older one of another size"
            ),
            pytest.param((backup(HOUR, verified=False), backup(20 * HOUR)), State.WARNING, id="newest not verified"),
            pytest.param((backup(HOUR, verified=False),), State.CRITICAL, id="none verified"),
        ],
    )
    def test_state(self, backups: tuple[Backup, ...], state: State) -> None:
        assert self.verdict(*backups).state is state

    @pytest.mark.parametrize(("age", "state"), [(HOUR, State.CRITICAL), (23 * HOUR, State.WARNING)])
    def test_a_manifest_that_cannot_be_read_is_told(self, age: timedelta, state: State) -> None:
        problem = text("its manifest cannot be read: {reason}", reason="truncated")
        unreadable = backup(age, bytes=0, verified=False, data_present=False, data_bytes=None, problem=problem)
        found = self.verdict(*sorted((unreadable, backup(22 * HOUR)), key=lambda b: b.finished_at, reverse=True))
        assert found.state is state
        assert str(found.summary).endswith("cannot be read: truncated")

    def test_what_is_not_published_is_told(self) -> None:
        found = self.verdict(backup(HOUR), unpublished=2)
        assert found.state is State.OK
        assert any("2 backups are not published" in str(m.summary) for m in found.measures)


class TestHosts:
    """HOST-01."""

    def verdict(self, *disks: Disk) -> Any:
        found = HostDisks(host="app-1", disks=disks)
        return fakes.judged(check_disks_have_room, hosts=Told(disks=(found,)))

    def test_a_host_that_fails_does_not_hide_the_others(self) -> None:
        lost, full = (
            HostDisks(host="app-1", problem="Connection refused"),
            HostDisks(host="app-2", disks=(self.disk(95),)),
        )
        assert fakes.judged(check_disks_have_room, hosts=Told(disks=(lost,))).state is State.UNKNOWN
        assert fakes.judged(check_disks_have_room, hosts=Told(disks=(lost, full))).state is State.CRITICAL

    def disk(self, used: float, inodes: float = 1.0, host: str = "app-1") -> Disk:
        return Disk(host=host, mount="/", bytes=10**10, free=10**9, used_percent=used, inodes_percent=inodes)

    @pytest.mark.parametrize(
        ("used", "inodes", "state"),
        [
            (80.0, 80.0, State.OK),
            (80.1, 1.0, State.WARNING),
            (90.1, 1.0, State.CRITICAL),
            (1.0, 80.1, State.WARNING),
            (1.0, 90.1, State.CRITICAL),
        ],
    )
    def test_state(self, used: float, inodes: float, state: State) -> None:
        assert self.verdict(self.disk(used, inodes)).state is state

    def test_the_fullest_host_is_named(self) -> None:
        found = self.verdict(self.disk(10), self.disk(95, host="app-2"))
        assert found.measures[0].object == "app-2:/"

    def test_no_disk_is_no_proof(self) -> None:
        assert self.verdict().state is State.UNKNOWN

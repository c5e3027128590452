"""STAGE-01's verdict (see test_staging_purge for the rest), and HOST-01, on which a person decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks.hosts import check_disks_have_room
from checks.staging import check_staging_within_retention
from runbook.model import State
from runbook.rows import of
from runbook.targets.hosts.hosts import Disk, HostDisks
from runbook.targets.postgres.structs import StagingTable
from tests.checks import fakes
from tests.checks.exchange import Purge
from tests.checks.fakes import Told

DAY = timedelta(days=1)


@pytest.mark.parametrize("check", [check_disks_have_room])
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

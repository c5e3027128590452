"""STAGE-02: how fast the exchange tables grow, and when their disk is full at that pace."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from checks import _filling
from checks.staging import check_staging_does_not_fill_the_disk
from runbook.engine import Engine
from runbook.errors import HistoryError, NotConfigured
from runbook.model import Measure, State, Verdict
from runbook.rows import of
from runbook.targets.hosts.hosts import Disk, HostDisks
from runbook.text import Instant, Quantity
from tests.checks import fakes
from tests.checks.exchange import DAY, GB, TABLE, Purge, staged
from tests.checks.fakes import NoHistory, Told
from tests.runbook.fakes import Quiet, site_at

CHECK = check_staging_does_not_fill_the_disk


class Sizes:
    """A history in which every object grew by the same every day, up to a size today."""

    def __init__(self, today: float, a_day: float, days: int = 20) -> None:
        self._samples = tuple((fakes.now() - n * DAY, today - n * a_day) for n in range(days, 0, -1))

    def samples(self, row: str, object: str, since: timedelta) -> tuple[tuple[datetime, float], ...]:
        assert row == "STAGE-02"
        return self._samples


def disk(used: float, mount: str = "/", gigabytes: int = 100) -> Disk:
    """A disk of which that many percent are used."""
    free = round(gigabytes * GB * (1 - used / 100))
    return Disk(host="local", mount=mount, bytes=gigabytes * GB, free=free, used_percent=used)


def hosts(*disks: Disk, host: str = "local", problem: str | None = None) -> Told:
    return Told(disks=(HostDisks(host=host, disks=disks, problem=problem),))


def verdict(
    history: Any, at: Any = None, *, settings: dict[str, Any] | None = None, gigabytes: float = 10, **changes: Any
) -> Verdict:
    purge = Purge(staged=staged(gigabytes=gigabytes, **changes))
    found = fakes.judged(CHECK, settings=settings, purge=purge, hosts=at or hosts(disk(50)), history=history)
    assert isinstance(found, Verdict)
    return found


def measure(found: Verdict, of: str) -> Measure:
    (only,) = [measure for measure in found.measures if measure.object == of]
    return only


def growing(a_day: float = 1.0) -> Sizes:
    """To ten gigabytes, by so many a day."""
    return Sizes(10 * GB, a_day * GB)


def test_a_person_is_told_what_to_do() -> None:
    assert of(CHECK).person is not None


class TestHistory:
    """Too young a history is no fault, and no proof either."""

    @pytest.mark.parametrize(
        "history",
        [
            pytest.param(NoHistory(), id="none"),
            pytest.param(NoHistory(*((fakes.now() - n * DAY, 1.0 * GB) for n in (3, 2, 1))), id="too few"),
            pytest.param(NoHistory(*((fakes.now() - n * DAY / 10, 1.0 * GB) for n in range(9, 0, -1))), id="too close"),
        ],
    )
    def test_it_is_skipped_with_the_reason_and_remembers_what_it_saw(self, history: Any) -> None:
        found = verdict(history)
        assert found.state is State.SKIPPED
        assert "not enough history yet" in str(found.summary)
        assert measure(found, f"{TABLE} (bytes)").value == Quantity(10 * GB, "B")
        assert measure(found, f"{TABLE} (rows)").value == Quantity(1_000_000, "rows")
        assert measure(found, _filling.TOTAL).value == Quantity(10 * GB, "B")

    def test_a_run_keeps_its_samples_for_the_next_although_it_is_skipped(self, tmp_path: Path) -> None:
        site = site_at(tmp_path)
        engine = Engine(site, Quiet(), run="R1")
        purge = Purge(staged=staged(gigabytes=10))
        engine.begin(of(CHECK), {"purge": purge, "hosts": hosts(disk(50)), "history": site.history})
        engine.settle()
        run = engine.finish()
        assert run.records[0].verdict.state is State.SKIPPED
        site.history.keep(run, State.SKIPPED, None)
        assert [value for _, value in site.history.samples("STAGE-02", _filling.TOTAL, DAY)] == [10 * GB]
        site.history.close()

    def test_one_that_cannot_be_read_is_an_error(self) -> None:
        class Broken:
            def samples(self, *asked: object) -> None:
                raise HistoryError("it is broken")

        with pytest.raises(HistoryError):
            verdict(Broken())


class TestForecast:
    """The disk of 100 GB is half full: 30 GB are left to 80 %."""

    @pytest.mark.parametrize(
        ("a_day", "state"),
        [
            pytest.param(0.1, State.OK, id="300 days"),
            pytest.param(0.99, State.OK, id="a little more than a month"),
            pytest.param(1.01, State.WARNING, id="a little less than a month"),
            pytest.param(4.2, State.WARNING, id="a little more than a week"),
            pytest.param(4.4, State.CRITICAL, id="a little less than a week"),
            pytest.param(0.0, State.OK, id="it does not grow"),
            pytest.param(-1.0, State.OK, id="it shrinks"),
            pytest.param(0.001, State.OK, id="80 years"),
        ],
    )
    def test_state(self, a_day: float, state: State) -> None:
        assert verdict(growing(a_day)).state is state

    def test_it_says_when(self) -> None:
        found = verdict(growing(3))
        said = found.summary
        assert str(said).startswith("At this rate, 3e+09 B a day, 80% of the disk of 1e+11 B is reached on")
        date = said.values["date"]
        assert isinstance(date, Instant)
        assert abs(date.at - fakes.now() - 10 * DAY) < timedelta(hours=1)
        assert "3e+09 B more every day" in str(measure(found, f"{TABLE} (bytes)").summary)

    def test_a_purge_in_between_does_not_hide_the_growth(self) -> None:
        weeks = [(fakes.now() - n * DAY, (10 - n * 0.5 - (2 if n % 7 == 0 else 0)) * GB) for n in range(20, 0, -1)]
        assert measure(verdict(NoHistory(*weeks)), _filling.DISK).value is not None

    def test_a_disk_that_is_too_full_already(self) -> None:
        found = verdict(growing(0.1), hosts(disk(85)))
        assert found.state is State.CRITICAL
        assert "More than 80% of the disk" in str(found.summary)

    def test_the_site_says_how_full_is_too_full(self) -> None:
        assert verdict(growing(0.1), hosts(disk(85)), settings={"full": 95}).state is State.OK


class TestDisk:
    """Whose disk it is."""

    def test_the_one_with_the_longest_path_above_the_data(self) -> None:
        at = hosts(disk(1), disk(79.9, "/var/lib/postgresql"), disk(1, "/var/lib/post"), disk(1, "/home"))
        assert verdict(growing(0.1), at).state is State.CRITICAL

    @pytest.mark.parametrize(
        ("database", "named"),
        [("127.0.0.1", "local"), ("localhost", "local"), ("/run/postgresql", "local"), ("bd-1", "bd-1")],
    )
    def test_the_host_that_the_database_is_reached_at(self, database: str, named: str) -> None:
        assert verdict(growing(5), hosts(disk(50), host=named), host=database).state is State.CRITICAL

    def test_another_host_says_nothing_of_it(self) -> None:
        found = verdict(growing(5), hosts(disk(99), host="app-1"), host="bd-1")
        assert found.state is State.SKIPPED
        assert "limits.STAGE-02.disk" in str(found.summary)
        assert measure(found, _filling.TOTAL).value == Quantity(10 * GB, "B")

    def test_no_hosts_are_configured(self) -> None:
        found = verdict(growing(5), Told(disks=NotConfigured("hosts", "environments.lab.hosts")))
        assert found.state is State.SKIPPED
        assert "limits.STAGE-02.disk" in str(found.summary)

    def test_the_setting_counts_before_the_host_and_the_database_as_what_is_used(self) -> None:
        found = verdict(growing(5), hosts(disk(99)), settings={"disk": 1000 * GB}, database_bytes=100 * GB)
        assert found.state is State.OK
        assert measure(found, _filling.DISK).value == Quantity(pytest.approx(140 * 86400, rel=1e-3), "s")

    @pytest.mark.parametrize(
        ("at", "changes", "words"),
        [
            pytest.param(hosts(problem="Connection refused"), {}, "Connection refused", id="host"),
            pytest.param(hosts(disk(50)), {"data_directory": None}, "pg_monitor", id="folder"),
            pytest.param(hosts(disk(50, "/home")), {}, "has no disk for", id="mount"),
        ],
    )
    def test_what_cannot_be_seen_is_not_green(self, at: Told, changes: dict[str, Any], words: str) -> None:
        found = verdict(growing(5), at, **changes)
        assert found.state is State.UNKNOWN
        assert words in str(found.summary)

    def test_what_root_keeps_counts_for_neither_side(self) -> None:
        kept = Disk(host="local", mount="/", bytes=100 * GB, free=45 * GB, used_percent=50.0)
        found = verdict(growing(1), hosts(kept))
        assert measure(found, _filling.DISK).value == Quantity(pytest.approx(27 * 86400, rel=1e-3), "s")

"""ARCH-01 and ARCH-02: does the archive keep up, and can what is in it be read?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from checks.archive import check_archive_can_be_read, check_archive_has_no_gap
from procedures.purge.facts import TableDue
from runbook.errors import ProbeFailure
from runbook.model import State
from runbook.rows import of
from runbook.targets.s3.archive_probes import Damage, Sample, Sampled
from runbook.targets.s3.archives import Archived, ArchivedObject, Content, Manifest
from tests.checks import fakes
from tests.checks.exchange import DAY, TABLE, Purge, due, staged
from tests.checks.fakes import Told

KEY = f"tbae/sep_muses/muses_dev.{TABLE}/r1/batch-00001-a0/manifest.json"


def manifest(table: str = TABLE, database: str = "sep_muses") -> Manifest:
    return Manifest(
        run="r1",
        batch=1,
        attempt="a0",
        database=database,
        schema="muses_dev",
        table=table,
        system_identifier="7",
        server_version="17.10",
        ddl="CREATE TABLE …",
        columns=(),
        key=("uuid",),
        time_column="fecha_actualizacion",
        cutoff="2026-08-26 00:00:00",
        object=ArchivedObject(key="k", version="v", bytes=10, sha256="0" * 64, encryption="none"),
        content=Content(rows=1, bytes=10, sha256="0" * 64),
        created_at=fakes.now(),
    )


def archived(ago: timedelta, table: str = TABLE, **changes: Any) -> Archived:
    return Archived(key=KEY, published_at=fakes.now() - ago, manifest=manifest(table, **changes))


def unreadable(ago: timedelta) -> Archived:
    return Archived(key=KEY, published_at=fakes.now() - ago, problem="truncated")


@pytest.mark.parametrize("check", [check_archive_has_no_gap, check_archive_can_be_read])
def test_a_person_is_told_what_to_do(check: Any) -> None:
    assert of(check).person is not None


class TestGap:
    """ARCH-01."""

    def verdict(self, *batches: Archived, tables: tuple[TableDue, ...] | Exception | None = None) -> Any:
        purge = Purge(staged=staged(), due=(due(),) if tables is None else tables)
        return fakes.judged(check_archive_has_no_gap, storage=Told(archives=batches), purge=purge)

    @pytest.mark.parametrize(
        ("batches", "tables", "state"),
        [
            pytest.param((), (due(0),), State.OK, id="nothing is due and nothing was ever archived"),
            pytest.param((), (due(age=97 * DAY),), State.OK, id="due for a week, the purge is still to come"),
            pytest.param((), (due(age=99 * DAY),), State.WARNING, id="due for nine days and nothing ever came"),
            pytest.param((), (due(age=106 * DAY),), State.CRITICAL, id="due for sixteen days and nothing ever came"),
            pytest.param((archived(7 * DAY),), (due(age=200 * DAY),), State.OK, id="archived a week ago"),
            pytest.param((archived(9 * DAY),), (due(age=200 * DAY),), State.WARNING, id="nine days ago"),
            pytest.param((archived(16 * DAY),), (due(age=200 * DAY),), State.CRITICAL, id="sixteen days ago"),
            pytest.param((archived(16 * DAY),), (due(0),), State.OK, id="sixteen days ago, and nothing is due"),
            pytest.param((archived(60 * DAY),), (due(age=92 * DAY),), State.OK, id="nothing was due for weeks"),
            pytest.param((archived(DAY, "tbae002_bajas"),), (due(),), State.CRITICAL, id="another table's"),
            pytest.param((archived(DAY, database="otra"),), (due(),), State.CRITICAL, id="another database's"),
            pytest.param((archived(40 * DAY), archived(DAY)), (due(),), State.OK, id="the newest counts"),
        ],
    )
    def test_state(self, batches: tuple[Archived, ...], tables: tuple[TableDue, ...], state: State) -> None:
        assert self.verdict(*batches, tables=tables).state is state

    def test_never_has_its_own_words(self) -> None:
        assert str(self.verdict().summary).endswith("and nothing was ever archived")
        assert "no batch has come for" in str(self.verdict(archived(20 * DAY)).summary)

    def test_a_manifest_that_cannot_be_read_is_told_and_publishes_nothing(self) -> None:
        found = self.verdict(unreadable(DAY), archived(3 * DAY))
        assert found.state is State.WARNING
        assert str(found.summary).endswith("cannot be read: truncated")
        assert self.verdict(unreadable(DAY)).state is State.CRITICAL

    def test_the_tables_are_not_scanned_while_batches_come(self) -> None:
        batches = [archived(DAY, table.table) for table in staged().tables]
        assert self.verdict(*batches, tables=fakes.failing(ProbeFailure.SLOW)).state is State.OK

    def test_it_is_not_green_where_the_tables_cannot_be_counted(self) -> None:
        with pytest.raises(type(fakes.failing(ProbeFailure.SLOW))):
            self.verdict(archived(20 * DAY), tables=fakes.failing(ProbeFailure.SLOW))


def sampled(damage: Damage | None = None, **changes: Any) -> Sampled:
    plain: dict[str, Any] = {"key": KEY, "published_at": datetime(2026, 11, 1), "rows": 50, "bytes": 1000}
    return Sampled(**{**plain, "damage": damage, "depth": "unread" if damage else "decoded", **changes})


class TestReading:
    """ARCH-02."""

    def verdict(self, *batches: Sampled, published: int = 7) -> Any:
        storage = Told(archive_sample=Sample(batches=batches, published=published))
        return fakes.judged(check_archive_can_be_read, storage=storage)

    def test_whole_ones(self) -> None:
        found = self.verdict(sampled(), sampled(key="other"))
        assert found.state is State.OK
        assert "read back whole, 50 rows" in str(found.summary)

    @pytest.mark.parametrize("damage", Damage)
    def test_damage_is_critical_and_names_the_manifest(self, damage: Damage) -> None:
        found = self.verdict(sampled(key="other"), sampled(damage, reason="what was seen"))
        assert found.state is State.CRITICAL
        assert str(found.summary).startswith(KEY)
        assert "what was seen" in str(found.summary)

    def test_each_damage_has_words_of_its_own(self) -> None:
        said = {self.verdict(sampled(damage, reason="x")).summary.template for damage in Damage}
        assert len(said) == len(Damage)

    def test_what_is_closed_was_hashed_and_says_so(self) -> None:
        found = self.verdict(sampled(depth="hashed"))
        assert found.state is State.OK
        assert "it was not opened" in str(found.summary)

    def test_what_was_not_read_proves_nothing(self) -> None:
        found = self.verdict(sampled(depth="unread"))
        assert found.state is State.SKIPPED
        assert "verify-archive" in str(found.summary)

    def test_an_empty_archive_has_nothing_to_read(self) -> None:
        found = self.verdict(published=0)
        assert found.state is State.SKIPPED
        assert "Nothing is archived yet" in str(found.summary)

    def test_no_sample_of_a_full_archive_is_no_proof(self) -> None:
        assert self.verdict().state is State.UNKNOWN

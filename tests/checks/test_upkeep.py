"""DB-07 to DB-11: freezing, cleaning, bloat, sequences, checksums; who is in the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks import upkeep
from runbook.errors import ProbeFailure
from runbook.model import Proof, State
from runbook.targets.postgres.health_structs import Bloat, Sequence, Sequences
from runbook.targets.postgres.load_structs import VacuumWorker
from tests.checks import fakes, loads
from tests.checks.fakes import Told, now
from tests.checks.loads import counters, debt, frozen, holder, server, vacuuming

GB = 1 << 30


def verdict(check: Any, **told: Any) -> Any:
    return fakes.judged(check, database=Told(**{**loads.QUIET, "server": server(), **told}))


def finding(check: Any, **told: Any) -> Any:
    (found,) = fakes.diagnosed(check, database=Told(**{**loads.QUIET, **told})).values()
    return found


class TestAges:
    """DB-07."""

    check = staticmethod(upkeep.check_transaction_numbers_do_not_run_out)

    @pytest.mark.parametrize(
        ("age", "state"),
        [
            (300_000_000, State.OK),
            (300_000_001, State.WARNING),
            (1_000_000_000, State.WARNING),
            (1_000_000_001, State.CRITICAL),
        ],
    )
    def test_by_database(self, age: int, state: State) -> None:
        assert verdict(self.check, server=server(ages=(frozen(5, 1.0), frozen(age, None)))).state is state

    def test_the_time_that_is_left_is_told(self) -> None:
        found = verdict(self.check, server=server(ages=(frozen(2_000_000_000, 100.0),)))
        assert str(found.summary) == (
            "sep_muses is 2,000,000,000 transactions old (xid); writing stops after 144,483,647 more, "
            "in 1.44484e+06 s at the pace since the last checkpoint"
        )

    @pytest.mark.parametrize(
        ("told", "proof", "words"),
        [
            ({"horizon": (holder(),)}, Proof.CONFIRMED, "reporte-matricula (session) holds rows"),
            (
                {"horizon": (holder(None, "slot", name="vieja", age=2_000_000),)},
                Proof.CONFIRMED,
                "vieja (slot) holds rows that are 2,000,000 transactions old",
            ),
            ({"horizon": (holder(None, "slot", age=5),)}, Proof.RULED_OUT, ""),
            ({"vacuuming": vacuuming(enabled=False)}, Proof.CONFIRMED, "Autovacuum is switched off"),
            ({"horizon": fakes.failing(ProbeFailure.BLIND)}, Proof.UNKNOWN, ""),
            ({}, Proof.RULED_OUT, "VACUUM FREEZE only has to run"),
        ],
    )
    def test_who_holds_the_rows(self, told: Any, proof: Proof, words: str) -> None:
        found = finding(self.check, **told)
        assert found.proof is proof
        assert words in str(found.summary)

    def test_a_slot_is_dropped_by_a_person(self) -> None:
        found = finding(self.check, horizon=(holder(None, "slot", name="vie'ja", age=2_000_000),))
        assert "SELECT pg_drop_replication_slot('vie''ja')" in str(found.advice[0])


class TestDebts:
    """DB-08."""

    check = staticmethod(upkeep.check_autovacuum_keeps_up)

    @pytest.mark.parametrize(
        ("dead", "threshold", "state"),
        [
            (40_000, 20_000.0, State.OK),
            (40_001, 20_000.0, State.WARNING),
            (200_000, 20_000.0, State.WARNING),
            (200_001, 20_000.0, State.CRITICAL),
            (9_999, 50.0, State.OK),
        ],
    )
    def test_by_ratio_and_size(self, dead: int, threshold: float, state: State) -> None:
        assert verdict(self.check, vacuuming=vacuuming(debt(dead, threshold=threshold))).state is state

    @pytest.mark.parametrize("off", ["enabled", "counted"])
    def test_switched_off(self, off: str) -> None:
        assert verdict(self.check, vacuuming=vacuuming(**{off: False})).state is State.WARNING

    @pytest.mark.parametrize(
        ("told", "words"),
        [
            ({"vacuuming": vacuuming(most_workers=0)}, "All autovacuum workers are busy"),
            ({"horizon": (holder(),)}, "reporte-matricula (session) holds rows"),
            ({}, "Nothing hinders it"),
        ],
    )
    def test_what_hinders(self, told: Any, words: str) -> None:
        assert words in str(finding(self.check, **told).summary)

    def test_a_vacuum_behind_a_lock(self) -> None:
        worker = VacuumWorker(
            pid=7, database="sep_muses", table="t", manual=False, phase="", percent=None, since=None, wait="Lock",
            blocked_by=(9,),
        )  # fmt: skip
        found = finding(self.check, vacuuming=vacuuming(workers=(worker,)))
        assert str(found.summary) == "The vacuum of t (pid 7) waits for a lock"


class TestBloat:
    """DB-09."""

    check = staticmethod(upkeep.check_no_table_is_bloated)

    @pytest.mark.parametrize(
        ("spare", "state"),
        [(50, State.OK), (51, State.WARNING), (80, State.WARNING), (81, State.CRITICAL), (None, State.UNKNOWN)],
    )
    def test_by_share(self, spare: int | None, state: State) -> None:
        bytes = None if spare is None else spare * GB
        table = Bloat(table="tbae001_inscripcion", bytes=100 * GB, spare_bytes=bytes)
        assert verdict(self.check, bloat=(table,)).state is state

    def test_small_tables_are_not_asked_about(self) -> None:
        assert verdict(self.check, bloat=()).state is State.OK


class TestSequences:
    """DB-10."""

    check = staticmethod(upkeep.check_no_sequence_runs_out)

    @pytest.mark.parametrize(
        ("percent", "state"), [(85, State.OK), (85.1, State.WARNING), (95, State.WARNING), (95.1, State.CRITICAL)]
    )
    def test_by_share(self, percent: float, state: State) -> None:
        full = Sequence(name="tbae010_error_id_error_seq", percent=percent, left=1_000, narrow=True)
        assert verdict(self.check, sequences=Sequences(count=3, hidden=(), fullest=(full,))).state is state

    @pytest.mark.parametrize(
        ("count", "hidden", "state"), [(3, (), State.OK), (0, (), State.OK), (3, ("una",), State.UNKNOWN)]
    )
    def test_none_is_full(self, count: int, hidden: tuple[str, ...], state: State) -> None:
        assert verdict(self.check, sequences=Sequences(count=count, hidden=hidden, fullest=())).state is state


class TestChecksums:
    """DB-11."""

    check = staticmethod(upkeep.check_no_page_is_corrupt)

    @pytest.mark.parametrize(
        ("given", "state"),
        [
            ({}, State.OK),
            ({"checksum_failures": 1, "checksum_failed_at": now()}, State.CRITICAL),
            ({"checksum_failures": 1, "checksum_failed_at": now() - timedelta(days=31)}, State.OK),
            ({"checksum_failures": 1}, State.CRITICAL),
            ({"checksum_failures": None}, State.UNKNOWN),
        ],
    )
    def test_any_is_too_much(self, given: Any, state: State) -> None:
        assert verdict(self.check, server=server(counters=(counters(**given),))).state is state

    def test_switched_off(self) -> None:
        assert verdict(self.check, server=server(checksums=False)).state is State.SKIPPED

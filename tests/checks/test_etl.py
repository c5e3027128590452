"""ETL-01 and ETL-02: when they are breached, which cause they name, what they would do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks import _latency
from checks.etl import check_etl_latency, check_etl_latency_is_not_rising, relieve_the_consolidation
from runbook.errors import HistoryError, NotConfigured, ProbeFailure
from runbook.model import Finding, Proof, State
from runbook.rows import NoPlan, of
from runbook.targets.postgres.structs import Batch, ExchangeLatency, Statement, TableStats
from runbook.targets.slow_log.findings import SlowStatement
from tests.checks import fakes
from tests.checks.fakes import (
    CONSOLIDATION,
    MINUTE,
    Told,
    Workers,
    blocker,
    connections,
    group,
    proposal,
    replica,
    session,
)
from tests.checks.loads import QUIET

C, R, U = Proof.CONFIRMED, Proof.RULED_OUT, Proof.UNKNOWN
CAUSES = ("queries_are_slow", "database_is_overloaded", "batch_is_very_large", "consolidation_is_not_working")
LOOK_UP = "SELECT id_persona FROM tbmu002_persona WHERE curp = $1"
ANSWER = "UPDATE tbae001_inscripcion SET id_estatus_procesamiento = $1 WHERE uuid = ANY ($2)"


def latency(table: str = "tbae001_inscripcion", **changes: Any) -> ExchangeLatency:
    plain: dict[str, Any] = {
        "table": table,
        "finished": 100,
        "mean": timedelta(seconds=2),
        "slowest": timedelta(seconds=5),
        "unfinished": 3,
        "oldest_unfinished": timedelta(seconds=1),
        "null_times": 0,
    }
    return ExchangeLatency(**{**plain, **changes})


def statement(query: str = ANSWER, milliseconds: float = 1.0, calls: int = 20) -> Statement:
    mean = timedelta(milliseconds=milliseconds)
    return Statement(id=str(len(query)), query=query, calls=calls, total=mean * calls, mean=mean, rows=calls)


def batch(subsystem: int, waiting: int, table: str = "tbae001_inscripcion") -> Batch:
    at = fakes.now() - MINUTE
    return Batch(
        table=table, subsystem_id=subsystem, subsystem=f"SUB {subsystem}", waiting=waiting, first_at=at, last_at=at
    )


def table_stats(table: str = "tbmu002_persona", **changes: Any) -> TableStats:
    plain: dict[str, Any] = {
        "table": table,
        "table_oid": 16400,
        "live_rows": 800_000,
        "modified_since_analyze": 0,
        "last_analyze": fakes.now(),
        "sequential_scans": 10,
        "rows_read_sequentially": 10,
        "bytes": 100_000_000,
    }
    return TableStats(**{**plain, **changes})


def consolidation(state: str = "RUNNING") -> Any:
    name = f"{fakes.CONSOLIDATION}:replica-01"
    return replica(1, state, timedelta(minutes=3), service=fakes.CONSOLIDATION, name=name)


def verdict(*tables: ExchangeLatency) -> Any:
    return fakes.judged(check_etl_latency, database=Told(etl_latency=tables))


def findings(check: Any = check_etl_latency, **changes: Any) -> dict[str, Finding]:
    """Diagnoses on a database in which all is well but what is changed."""
    told: dict[str, Any] = {
        "sessions": (session(1, "active", timedelta(milliseconds=2), query=ANSWER),),
        "statements_between": (statement(),),
        "index_proposals": (),
        "tables": (table_stats(),),
        "blockers": (),
        "connections": connections(),
        **QUIET,
        "batches": tuple(batch(number, 20) for number in range(1, 13)),
        "consolidation_rate": 20.0,
        "log_line_prefix": "%m [%p] ",
        **changes,
    }
    logs = Told(
        slow_statements=told.pop("slow_statements", ()), errors=told.pop("errors", fakes.errors(service=CONSOLIDATION))
    )
    workers = Workers(replicas=told.pop("replicas", (consolidation(),)))
    prometheus = Told(throughput=NotConfigured("prometheus", "environments.lab.prometheus"))
    rest = {"history": fakes.NoHistory(), "logs": logs, "prometheus": prometheus, "workers": workers}
    return fakes.diagnosed(check, database=Told(**told), **rest)


def plan(found: dict[str, Finding]) -> list[Any]:
    return list(relieve_the_consolidation(found))


class TestLatency:
    """ETL-01, the check."""

    @pytest.mark.parametrize(
        ("changes", "state"),
        [
            pytest.param({}, State.OK, id="healthy"),
            pytest.param({"mean": 15 * MINUTE}, State.OK, id="mean at the limit"),
            pytest.param({"mean": 16 * MINUTE}, State.WARNING, id="mean beyond the limit"),
            pytest.param({"mean": 46 * MINUTE}, State.CRITICAL, id="mean far beyond"),
            pytest.param({"oldest_unfinished": 15 * MINUTE}, State.OK, id="oldest at the limit"),
            pytest.param({"oldest_unfinished": 16 * MINUTE}, State.WARNING, id="a healthy mean, but an old record"),
            pytest.param(
                {"finished": 0, "mean": None, "oldest_unfinished": 46 * MINUTE}, State.CRITICAL, id="stands still"
            ),
            pytest.param(
                {"finished": 0, "mean": None, "unfinished": 0, "oldest_unfinished": None}, State.OK, id="idle"
            ),
            pytest.param({"mean": None}, State.UNKNOWN, id="finished records without a time"),
            pytest.param({"oldest_unfinished": None}, State.UNKNOWN, id="unfinished records without a time"),
            pytest.param({"null_times": 7}, State.OK, id="some records without a time"),
        ],
    )
    def test_state(self, changes: dict[str, Any], state: State) -> None:
        assert verdict(latency(**changes)).state is state

    def test_records_without_a_time_are_told(self) -> None:
        told = [str(m.summary) for m in verdict(latency(null_times=7)).measures]
        assert "tbae001_inscripcion: 7 records have no time and are not counted" in told

    def test_the_overall_mean_weighs_by_records(self) -> None:
        found = verdict(latency(finished=1, mean=40 * MINUTE), latency("tbae002_bajas", finished=99, mean=10 * MINUTE))
        overall = next(m for m in found.measures if m.object == "tbae*")
        assert overall.value.value == pytest.approx(10.3 * 60)
        assert overall.state is State.OK
        assert found.state is State.WARNING

    def test_no_table_is_no_proof(self) -> None:
        assert verdict().state is State.UNKNOWN


class TestTrend:
    """ETL-02, the check."""

    def verdict(self, *minutes: float, now: float | None = None, every: float = 5.0, **settings: Any) -> Any:
        start = fakes.now() - timedelta(minutes=every * len(minutes))
        samples = [(start + timedelta(minutes=every * n), 60 * value) for n, value in enumerate(minutes)]
        tables = (latency(mean=now * MINUTE, unfinished=0, oldest_unfinished=None),) if now is not None else ()
        return fakes.judged(
            check_etl_latency_is_not_rising,
            settings=settings,
            database=Told(etl_latency=tables),
            history=fakes.NoHistory(*samples),
        )

    def test_a_rise_that_will_cross_the_limit_is_told_before_it_does(self) -> None:
        found = self.verdict(6, 7, 8, 9, 10, now=11)
        assert found.state is State.WARNING
        assert found.measures[0].value.value == pytest.approx(17 * 60, abs=5)

    @pytest.mark.parametrize(
        ("minutes", "now", "state"),
        [
            pytest.param((6, 12, 18, 24, 30), 36, State.CRITICAL, id="will be critical"),
            pytest.param((8, 8, 8, 8, 8), 8, State.OK, id="high and steady"),
            pytest.param((14, 12, 11, 10, 9), 8, State.OK, id="falls"),
            pytest.param((0.1, 0.2, 0.3, 0.4, 0.5), 0.6, State.OK, id="rises far below the limit"),
            pytest.param((8, 10, 8, 10, 8, 10, 8), 10, State.OK, id="noise"),
            pytest.param((6, 7, 30, 9, 10), 11, State.WARNING, id="one outlier in a rise"),
            pytest.param((8, 8, 30, 8, 8), 8, State.OK, id="one outlier in calm"),
            pytest.param((6, 7, 8), 9, State.SKIPPED, id="too few samples"),
            pytest.param((), 9, State.SKIPPED, id="the first run"),
            pytest.param((6, 7, 8, 9), None, State.SKIPPED, id="nothing now"),
        ],
    )
    def test_state(self, minutes: tuple[float, ...], now: float | None, state: State) -> None:
        assert self.verdict(*minutes, now=now).state is state

    def test_samples_of_one_moment_are_no_trend(self) -> None:
        assert self.verdict(6, 7, 8, 9, 10, now=11, every=0.1).state is State.SKIPPED

    def test_many_samples_are_thinned(self) -> None:
        start = fakes.now()
        samples = tuple((start + timedelta(seconds=n), float(n)) for n in range(5000))
        assert _latency.trend(samples) == _latency.Trend(pytest.approx(1.0), rises=True)

    def test_without_history_nothing_is_judged(self) -> None:
        with pytest.raises(HistoryError):
            fakes.judged(
                check_etl_latency_is_not_rising,
                database=Told(etl_latency=(latency(),)),
                history=Told(samples=HistoryError("disk full")),
            )


MISSING = {
    "statements_between": (statement(LOOK_UP, 80, 10), statement()),
    "index_proposals": (proposal(),),
}
WAITS = session(2, "active", MINUTE, application=CONSOLIDATION, query=ANSWER, wait_event_type="Lock", blocked_by=(99,))
BLOCKED = {"blockers": (blocker(),), "sessions": (WAITS,), "statements_between": (), "consolidation_rate": 0.0}
HANGS = {"consolidation_rate": 0.0, "sessions": (session(1, application=CONSOLIDATION),)}
FAILS = {**HANGS, "errors": fakes.errors(group("other"), service=CONSOLIDATION)}
LOT = {"batches": (batch(4, 20_000), batch(1, 20)), "consolidation_rate": 300.0}


class TestCauses:
    """The diagnoses."""

    @pytest.mark.parametrize("check", [check_etl_latency, check_etl_latency_is_not_rising])
    @pytest.mark.parametrize(
        ("situation", "expected"),
        [
            pytest.param({}, (R, R, R, R), id="all is well"),
            pytest.param(MISSING, (C, R, R, R), id="an index is missing"),
            pytest.param(
                {"statements_between": (statement(milliseconds=800),)}, (C, R, R, R), id="slow on the average"
            ),
            pytest.param(
                {"sessions": (session(1, "active", MINUTE, query=LOOK_UP),), "statements_between": ()},
                (C, R, R, R),
                id="one statement has been running for long",
            ),
            pytest.param(BLOCKED, (R, C, R, R), id="behind a lock"),
            pytest.param(
                {**BLOCKED, "blockers": (blocker(wait=timedelta(seconds=1)),)}, (R, R, R, R), id="a short wait"
            ),
            pytest.param({"connections": connections(90, None)}, (R, C, R, R), id="connections run out"),
            pytest.param(LOT, (R, R, C, R), id="a large lot"),
            pytest.param({**LOT, "consolidation_rate": 0.0}, (R, R, R, C), id="a large lot that does not move"),
            pytest.param({"batches": (batch(4, 4_999),)}, (R, R, R, R), id="a usual lot"),
            pytest.param(
                {"batches": tuple(batch(number, 20_000) for number in range(1, 13))},
                (R, R, R, R),
                id="all of them wait",
            ),
            pytest.param({"batches": ()}, (R, R, R, R), id="nothing waits"),
            pytest.param({"replicas": (consolidation("FATAL"),)}, (R, R, R, C), id="the service is down"),
            pytest.param({**HANGS, "batches": ()}, (R, R, R, R), id="the service has nothing to do"),
            pytest.param(HANGS, (R, R, R, C), id="the service hangs"),
            pytest.param(FAILS, (R, R, R, C), id="the service fails"),
            pytest.param({"replicas": ()}, (R, R, R, U), id="the process manager does not know the service"),
            pytest.param(
                {**MISSING, "index_proposals": (proposal(proven=False),)},
                (R, R, R, R),
                id="an index that would not help",
            ),
            pytest.param(
                {**MISSING, "statements_between": (statement(LOOK_UP, 0.1, 2), statement(milliseconds=0.01))},
                (R, R, R, R),
                id="an index that would help a database at leisure",
            ),
            pytest.param(
                {
                    "statements_between": fakes.failing(ProbeFailure.BLIND),
                    "slow_statements": fakes.failing(ProbeFailure.ABSENT),
                },
                (U, R, R, R),
                id="statements are not counted",
            ),
        ],
    )
    def test_proofs(self, check: Any, situation: dict[str, Any], expected: tuple[Proof, ...]) -> None:
        assert fakes.proofs(findings(check, **situation)) == dict(zip(CAUSES, expected, strict=True))

    def test_the_slow_log_is_asked_for_suspects_too(self) -> None:
        asked: list[tuple[str, ...]] = []

        class Database(Told):
            def index_proposals(self, statements: tuple[str, ...]) -> tuple[Any, ...]:
                asked.append(statements)
                return ()

        logged = SlowStatement(query=LOOK_UP, count=3, total=timedelta(seconds=3), longest=timedelta(seconds=2))
        database = Database(sessions=(), statements_between=(statement(),), tables=(), log_line_prefix="%m ")
        of(check_etl_latency).causes[0].diagnosis(
            database=database, logs=Told(slow_statements=(logged,)), limits=fakes.limits(check_etl_latency)
        )
        assert asked == [(str(len(ANSWER)), LOOK_UP)]

    def test_the_root_blocker_is_named(self) -> None:
        found = findings(**BLOCKED)["database_is_overloaded"]
        assert "consulta-manual (pid 99) holds a lock that 4 sessions wait for, the longest for 60 s" in str(
            found.summary
        )

    def test_the_time_at_which_a_lot_is_done_is_told(self) -> None:
        found = findings(**LOT)["batch_is_very_large"]
        assert "done by" in str(found.advice[0])
        assert found.data["done_at"] > fakes.now().isoformat()

    def test_the_share_of_the_missing_index_is_told(self) -> None:
        found = findings(**MISSING)["queries_are_slow"]
        assert "without an index on tbmu002_persona (curp) take 97.5" in str(found.summary)


class TestRemedy:
    """The plan."""

    def test_creates_the_proven_index_once(self) -> None:
        twice = {**MISSING, "index_proposals": (proposal(), proposal(statement=f"{LOOK_UP} AND activo = $2"))}
        (step,) = plan(findings(**twice))
        assert step.operation == "create_index"
        assert step.arguments == {"table": "tbmu002_persona", "columns": ["curp"], "name": "tbmu002_persona_curp_idx"}
        assert step.fingerprint == proposal().fingerprint
        assert step.undo is not None
        assert (step.undo.operation, step.undo.arguments) == ("drop_index", {"name": "tbmu002_persona_curp_idx"})

    def test_analyses_stale_tables_of_slow_statements(self) -> None:
        stale = (
            table_stats(modified_since_analyze=400_000),
            table_stats("tbae002_bajas", modified_since_analyze=400_000),
        )
        steps = plan(findings(**MISSING, tables=stale))
        assert [(s.operation, s.arguments.get("table")) for s in steps] == [
            ("create_index", "tbmu002_persona"),
            ("analyze", "tbmu002_persona"),
        ]

    def test_never_creates_an_index_on_a_guess(self) -> None:
        guess = {"statements_between": (statement(LOOK_UP, 800),), "index_proposals": (proposal(proven=False),)}
        with pytest.raises(NoPlan, match="No index is proven"):
            plan(findings(**guess))

    def test_ends_the_root_blocker(self) -> None:
        (step,) = plan(findings(**BLOCKED))
        assert (step.operation, step.arguments["pid"], step.arguments["state"]) == (
            "end_session",
            99,
            "idle in transaction",
        )
        assert step.fingerprint["state_changed_at"] is not None
        assert step.undo is None

    @pytest.mark.parametrize(
        "root",
        [
            pytest.param(blocker("active"), id="at work"),
            pytest.param(blocker(backend_type="walsender"), id="no client"),
            pytest.param(blocker("prepared", backend_type="prepared transaction"), id="no session"),
        ],
    )
    def test_ends_nothing_but_idle_clients(self, root: Any) -> None:
        with pytest.raises(NoPlan, match="a person decides"):
            plan(findings(**{**BLOCKED, "blockers": (root,)}))

    def test_never_ends_a_backup(self) -> None:
        root = blocker()
        dump = session(99, "idle in transaction", MINUTE, application="pg_dump")
        spared = type(root)(session=dump, waiting=4, longest_wait=MINUTE, relations=())
        with pytest.raises(NoPlan):
            plan(findings(**{**BLOCKED, "blockers": (spared,)}))

    def test_says_when_a_lot_is_done_and_does_nothing(self) -> None:
        with pytest.raises(NoPlan, match="will be done by"):
            plan(findings(**LOT))

    def test_starts_the_service(self) -> None:
        (step,) = plan(findings(replicas=(consolidation("FATAL"),)))
        assert (step.operation, step.arguments["name"]) == ("start", f"{fakes.CONSOLIDATION}:replica-01")

    def test_restarts_the_service_that_hangs(self) -> None:
        (step,) = plan(findings(**HANGS))
        assert (step.operation, step.fingerprint) == ("restart", {"pid": 101})

    def test_does_not_restart_into_the_same_error(self) -> None:
        with pytest.raises(NoPlan, match="same error"):
            plan(findings(**FAILS))

    def test_says_so_when_no_cause_is_confirmed(self) -> None:
        with pytest.raises(NoPlan, match="would not be a guess"):
            plan(findings())

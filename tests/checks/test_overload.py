"""The cause "overload": which application and statement is named, and when not all could be seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks import _at_work, _lock_tree, _overload
from checks.etl import check_etl_latency
from runbook.errors import ProbeError, ProbeFailure
from runbook.model import Evidence, Finding, Proof
from runbook.targets.postgres.load_structs import VacuumWorker
from runbook.targets.postgres.structs import ApplicationUse, Blocker, Waiter
from tests.checks import fakes, loads
from tests.checks.fakes import MINUTE, Told, blocker, connections, session
from tests.checks.loads import debt, frozen, holder, load, replication, share, slot, standby, vacuuming

C, R, U = Proof.CONFIRMED, Proof.RULED_OUT, Proof.UNKNOWN
DAY = timedelta(days=1)
REPORT = "SELECT count(*) FROM tbae001_inscripcion WHERE cct = $1"


def finding(**changes: Any) -> Finding:
    told = {"blockers": (), "connections": connections(), "sessions": (), **loads.QUIET, **changes}
    return _overload.overloaded(_overload.look(Told(**told)), fakes.limits(check_etl_latency))  # type: ignore[arg-type]


def said(found: Finding) -> list[str]:
    return [str(evidence.statement) for evidence in found.evidence]


def about(found: Finding, source: str) -> Evidence:
    return next(evidence for evidence in found.evidence if evidence.source == source)


class TestConclusion:
    """What is the cause, and when there is none."""

    @pytest.mark.parametrize(
        ("changes", "proof", "words"),
        [
            pytest.param({}, R, "Nobody waits for a lock", id="at leisure"),
            pytest.param(
                {"blockers": (blocker(),)},
                C,
                "consulta-manual (pid 99) holds a lock that 4 sessions wait for, the longest for 60 s: it opened a "
                "transaction 120 s ago, took tbmu006_inscripcion and has done nothing for 120 s",
                id="behind a forgotten transaction",
            ),
            pytest.param({"blockers": (blocker("active"),)}, C, "has been at work for 120 s", id="behind one at work"),
            pytest.param({"blockers": (blocker(wait=timedelta(seconds=2)),)}, R, "", id="behind one for a moment"),
            pytest.param({"connections": connections(90, None)}, C, "97.9381% of the server", id="no connections left"),
            pytest.param({"connections": connections(19)}, C, "connections are in use", id="a role at its limit"),
            pytest.param(
                {"load": load(share(14.0, query=REPORT), share(4.0, "IO", "DataFileRead"))},
                C,
                f"18 sessions are at work at once; tablero is 77.7778% of that and computes: {REPORT}",
                id="too much computed",
            ),
            pytest.param(
                {"load": load(share(20.0, "IO", "DataFileRead"))}, C, "waits for the disk: SELECT $1", id="the disk"
            ),
            pytest.param(
                {"load": load(share(20.0, "LWLock", "WALWrite"))}, C, "inside the server (LWLock)", id="latches"
            ),
            pytest.param(
                {"load": load(share(20.0, "Lock", "tuple"))}, C, "locks that change hands", id="locks all the time"
            ),
            pytest.param({"load": load(share(90.0, "Client", "ClientRead"))}, R, "", id="clients that take their time"),
            pytest.param({"load": load(share(90.0, "Timeout", "PgSleep"))}, R, "", id="sleepers"),
            pytest.param({"load": load(share(15.9))}, R, "", id="busy, not too much"),
            pytest.param({"load": load(hidden=3)}, U, "not all could be looked at", id="sessions that are not shown"),
            pytest.param({"frozen_ages": (frozen(2_100_000_000, 900.0),)}, C, "stops writing in", id="numbers run out"),
            pytest.param({"frozen_ages": (frozen(190_000_000, 9e4),)}, R, "", id="autovacuum freezes in time"),
            pytest.param({"frozen_ages": (frozen(2_000_000_000, None),)}, R, "", id="old, and its pace not known"),
            pytest.param({"vacuuming": vacuuming(debt(), enabled=False)}, C, "switched off", id="autovacuum off"),
            pytest.param({"vacuuming": vacuuming(debt(enabled=False))}, C, "switched off", id="off for the table"),
            pytest.param({"vacuuming": vacuuming(debt(), counted=False)}, C, "switched off", id="nothing is counted"),
            pytest.param(
                {"vacuuming": vacuuming(debt()), "horizon": (holder(),)},
                C,
                "tbae001_inscripcion has 400000 rows that are dead beside 100000 rows: they cannot be removed while "
                "reporte-matricula (session) is open, for 5400 s now",
                id="held by a session",
            ),
            pytest.param({"vacuuming": vacuuming(debt()), "horizon": (holder(MINUTE),)}, R, "", id="held for a moment"),
            pytest.param(
                {"vacuuming": vacuuming(debt()), "horizon": (holder(here=False),)}, R, "", id="in another database"
            ),
            pytest.param({"vacuuming": vacuuming(debt())}, R, "", id="soon cleaned"),
            pytest.param({"vacuuming": vacuuming(debt(9_000, 10), enabled=False)}, R, "", id="few rows"),
            pytest.param({"vacuuming": vacuuming(debt(table="bitacora"), enabled=False)}, R, "", id="no table of ours"),
            pytest.param({"vacuuming": fakes.failing(ProbeFailure.SLOW)}, U, "not all", id="upkeep not seen"),
            pytest.param(
                {"vacuuming": fakes.failing(ProbeFailure.SLOW), "blockers": (blocker(),)},
                C,
                "holds a lock",
                id="a lock explains it, whatever else was not seen",
            ),
        ],
    )
    def test_proof(self, changes: dict[str, Any], proof: Proof, words: str) -> None:
        found = finding(**changes)
        assert found.proof is proof, found.summary
        assert words in str(found.summary)

    def test_workers_that_are_all_busy_and_one_that_waits(self) -> None:
        def worker(**changes: Any) -> VacuumWorker:
            plain: dict[str, Any] = {
                "pid": 5,
                "database": "sep_muses",
                "table": loads.TABLE,
                "manual": False,
                "phase": "",
                "percent": None,
                "since": MINUTE,
                "wait": "",
                "blocked_by": (),
            }
            return VacuumWorker(**{**plain, **changes})

        busy = finding(vacuuming=vacuuming(debt(), workers=(worker(),) * 3))
        assert "all autovacuum workers are busy" in str(busy.summary)
        blocked = finding(vacuuming=vacuuming(debt(), workers=(worker(blocked_by=(9,)),)))
        assert "its vacuum waits for a lock" in str(blocked.summary)
        assert f"The vacuum of {loads.TABLE} (pid 5) waits for a lock" in said(blocked)

    @pytest.mark.parametrize("probe", ["blockers", "connections", "sessions", "load"])
    def test_without_sight_nothing_is_concluded(self, probe: str) -> None:
        with pytest.raises(ProbeError):
            finding(**{probe: fakes.failing(ProbeFailure.BLIND)})

    def test_who_holds_the_dead_rows_is_what_a_person_deals_with(self) -> None:
        held = {"vacuuming": vacuuming(debt())}
        prepared = finding(**held, horizon=(holder(kind="prepared transaction", name="olvidada"),))
        assert "ROLLBACK PREPARED 'olvidada'" in str(prepared.advice[0])
        session_ = finding(**held, horizon=(holder(),))
        assert "Ask reporte-matricula to end its transaction" in str(session_.advice[0])

    def test_the_application_that_holds_the_connections_is_named(self) -> None:
        use = ApplicationUse(application="reporte", role="muses_app", used=61, active=2, idle=50, idle_in_transaction=9)
        full = str(finding(connections=connections(61, None, used=95, applications=(use,))).summary)
        assert full == (
            "95 of 97 connections are in use (server); reporte holds 61: 2 at work, 50 idle, 9 idle in a transaction"
        )


class TestRoots:
    """What a root blocker is, and what may be done about it."""

    def tree(self) -> Blocker:
        waits = session(2, "active", MINUTE, application="b", wait_event_type="Lock", blocked_by=(99,))
        below = session(3, "active", MINUTE, application="c", waiting=timedelta(seconds=70), blocked_by=(2,))
        root = session(99, "idle in transaction", 3 * MINUTE, application="a")
        behind = (
            Waiter(session=waits, depth=1, wants="RowExclusiveLock tbmu006_inscripcion"),
            Waiter(session=below, depth=2, wants="ShareLock transactionid"),
        )
        return Blocker(session=root, waiting=2, longest_wait=MINUTE, relations=(), behind=behind)

    def test_the_tree_is_drawn(self) -> None:
        assert _lock_tree.evidence(self.tree()).sample == (
            "99 a [idle in transaction, 3 min] SELECT count(*) FROM tbmu006_inscripcion",
            "└─ 2 b [RowExclusiveLock tbmu006_inscripcion, 1 min] SELECT count(*) FROM tbmu006_inscripcion",
            "   └─ 3 c [ShareLock transactionid, 1 min 10 s] SELECT count(*) FROM tbmu006_inscripcion",
        )

    def test_a_long_tree_is_cut_and_counted(self) -> None:
        tree = self.tree()
        long = Blocker(session=tree.session, waiting=50, longest_wait=MINUTE, relations=(), behind=tree.behind * 25)
        evidence = _lock_tree.evidence(long)
        assert (len(evidence.sample), evidence.count) == (15, 51)

    def test_those_that_want_the_same_are_one_line(self) -> None:
        first, second = self.tree().behind
        alike = tuple(
            Waiter(session=session(pid, "active", MINUTE, application="d"), depth=1, wants="ShareLock t")
            for pid in range(40, 70)
        )
        root = self.tree().session
        tree = Blocker(session=root, waiting=32, longest_wait=MINUTE, relations=(), behind=(first, second, *alike))
        assert _lock_tree.evidence(tree).sample[3:] == (
            "└─ 30 × d [ShareLock t, 1 min] SELECT count(*) FROM tbmu006_inscripcion",
        )

    def test_a_prepared_transaction_is_ended_by_a_person(self) -> None:
        nobody = session(
            0, "prepared", 2 * MINUTE, application="", backend_type="prepared transaction", transaction_age=DAY
        )
        root = Blocker(session=nobody, waiting=4, longest_wait=MINUTE, relations=("t",), prepared="olvidada")
        hostile = Blocker(session=nobody, waiting=4, longest_wait=MINUTE, relations=(), prepared="a'; DROP TABLE x; --")
        assert "ROLLBACK PREPARED 'a''; DROP TABLE x; --'" in str(finding(blockers=(hostile,)).advice[0])
        found = finding(blockers=(root,))
        assert "The prepared transaction olvidada of muses_app has been left open for 86400 s" in str(found.summary)
        assert "ROLLBACK PREPARED 'olvidada'" in str(found.advice[0])
        assert found.data["roots"] == []

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(0, "0 s"), (59.6, "1 min"), (3_599, "59 min 59 s"), (90_061, "1 d 1 h"), (86_400, "1 d"), (-5, "0 s")],
    )
    def test_spans_are_brief(self, seconds: float, words: str) -> None:
        assert _lock_tree.brief(timedelta(seconds=seconds)) == words


class TestEvidence:
    """What a person sees beside the conclusion."""

    def test_what_was_waited_for(self) -> None:
        shares = (share(3.0, "LWLock", "WALWrite", "servicio:replica-01"), share(1.5, query=REPORT))
        found = next(iter(_at_work.evidence(load(*shares))))
        assert str(found.statement) == "10 looks in 1 s: 4.5 sessions at work on average"
        assert found.sample[0] == "3.0 servicio:replica-01 · LWLock:WALWrite · SELECT $1"
        assert found.sample[1] == f"1.5 tablero · CPU · {REPORT}"

    def test_replicas_of_a_service_are_one_application(self) -> None:
        shares = [share(9.0, application=f"servicio:replica-{number:02}") for number in range(2)]
        assert "servicio is 100% of that" in str(_at_work.summary(load(*shares).waits))

    def test_memory_cache_and_checkpoints(self) -> None:
        forced = {"timed": 1, "requested": 99, "counted_since": fakes.now() - 100 * MINUTE}
        found = said(finding(load=load(temp_bytes=10**9, blocks_read=9_000, checkpoints=forced)))
        assert "1e+09 B went to temporary files in 1 s: work_mem is small" in found
        assert any("Only 52.6066% of what was read" in words for words in found)
        assert any("99% of the checkpoints came because the WAL was full" in words for words in found)

    def test_a_quiet_database_says_little(self) -> None:
        assert len(finding().evidence) <= 6

    def test_slots_standbys_and_who_holds_the_rows(self) -> None:
        found = finding(
            replication=replication(slot(), slot(active=True), standbys=(standby(), standby(replay_bytes=0))),
            horizon=(holder(), holder(None, "standby", name="replica-1"), holder(timedelta(seconds=1))),
        )
        assert (
            "Nobody fetches replication slot respaldo_viejo: the server keeps 4.2e+10 B of WAL for it (extended)"
            in (said(found))
        )
        assert "Standby replica-1 is 9e+06 B behind, 42 s" in said(found)
        assert about(found, "backend_xmin").count == 2

    def test_long_and_idle_transactions(self) -> None:
        sessions = (
            session(1, "idle in transaction", 5 * MINUTE),
            session(2, "active", 3 * MINUTE),
            session(3, "active", timedelta(seconds=1)),
            session(4, "active", 9 * MINUTE, own=True),
        )
        found = said(finding(sessions=sessions))
        assert "1 sessions idle inside a transaction, the oldest for 300 s" in found
        assert "1 sessions in a long transaction, the oldest for 180 s" in found

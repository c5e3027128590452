"""DB-02 to DB-06: does the database answer, who waits, whose transactions stay open, and what would be ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks import sessions
from runbook.errors import ProbeError, ProbeFailure
from runbook.model import Proof, State
from runbook.rows import NoPlan, of
from runbook.targets.postgres.health_structs import Prepared
from tests.checks import fakes
from tests.checks.fakes import MINUTE, Told, blocker, session
from tests.checks.loads import server

SECOND = timedelta(seconds=1)
IDLE = "idle in transaction"


def verdict(check: Any, **told: Any) -> Any:
    return fakes.judged(check, database=Told(**{"server": server(), **told}))


class TestAnswers:
    """DB-02."""

    check = staticmethod(sessions.check_database_answers)

    @pytest.mark.parametrize(
        ("took", "state"), [(SECOND, State.OK), (1.1 * SECOND, State.WARNING), (4.1 * SECOND, State.CRITICAL)]
    )
    def test_in_time(self, took: timedelta, state: State) -> None:
        assert verdict(self.check, server=server(took=took)).state is state

    @pytest.mark.parametrize("kind", [ProbeFailure.REFUSED, ProbeFailure.SILENT, ProbeFailure.LIMIT])
    def test_not_at_all(self, kind: ProbeFailure) -> None:
        found = verdict(self.check, server=fakes.failing(kind))
        assert (found.state, str(found.summary)) == (State.CRITICAL, "It failed on purpose")

    @pytest.mark.parametrize("kind", [ProbeFailure.DENIED, ProbeFailure.DNS, ProbeFailure.TLS, ProbeFailure.BLIND])
    def test_what_keeps_us_out_says_nothing_of_the_database(self, kind: ProbeFailure) -> None:
        with pytest.raises(ProbeError):
            verdict(self.check, server=fakes.failing(kind))


class TestWaits:
    """DB-03."""

    check = staticmethod(sessions.check_nobody_waits_long_for_a_lock)

    @pytest.mark.parametrize(
        ("seconds", "state"), [(60, State.OK), (61, State.WARNING), (120, State.WARNING), (121, State.CRITICAL)]
    )
    def test_by_the_root(self, seconds: int, state: State) -> None:
        wait = seconds * SECOND
        found = verdict(self.check, server=server(longest_wait=wait), blockers=(blocker(wait=wait),))
        assert found.state is state
        assert found.measures[0].object == ("*" if state is State.OK else "consulta-manual")

    def test_the_tree_is_not_asked_for_where_nobody_waits(self) -> None:
        assert verdict(self.check).state is State.OK

    def test_a_wait_that_has_just_ended(self) -> None:
        assert verdict(self.check, server=server(longest_wait=90 * SECOND), blockers=()).state is State.OK

    @pytest.mark.parametrize("kind", [ProbeFailure.BLIND, ProbeFailure.SLOW])
    def test_the_tree_cannot_be_read(self, kind: ProbeFailure) -> None:
        with pytest.raises(ProbeError):
            verdict(self.check, server=server(longest_wait=90 * SECOND), blockers=fakes.failing(kind))

    def plan(self, root: Any) -> list[Any]:
        findings = fakes.diagnosed(self.check, database=Told(blockers=(root,)))
        return list(sessions.end_the_root_blocker(findings))

    def test_ends_the_root_that_does_nothing(self) -> None:
        (step,) = self.plan(blocker(wait=2 * MINUTE))
        assert (step.operation, step.arguments["pid"], step.touches) == ("end_session", 99, 1)

    @pytest.mark.parametrize(
        "root",
        [
            pytest.param(blocker("active", 2 * MINUTE), id="at work"),
            pytest.param(blocker(wait=59 * SECOND), id="not for long"),
            pytest.param(blocker(wait=2 * MINUTE, backend_type="autovacuum worker"), id="the server's own"),
        ],
    )
    def test_ends_no_other(self, root: Any) -> None:
        with pytest.raises(NoPlan):
            self.plan(root)


class TestTransactions:
    """DB-04 and DB-05."""

    @pytest.mark.parametrize(
        ("minutes", "state"), [(5, State.OK), (5.1, State.WARNING), (30, State.WARNING), (30.1, State.CRITICAL)]
    )
    def test_long_ones_by_holder(self, minutes: float, state: State) -> None:
        age = minutes * MINUTE
        held = (session(1, "active", age), session(2, "active", MINUTE, application="otra"))
        found = verdict(sessions.check_no_transaction_is_long, server=server(oldest_transaction=age), sessions=held)
        assert found.state is state
        if state is not State.OK:
            assert found.measures[0].object == "reporte-matricula"
            assert "(pid 1)" in str(found.summary)

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(session(1, "active", 60 * MINUTE, application="pg_dump"), id="a dump"),
            pytest.param(session(1, IDLE, 60 * MINUTE), id="one that does nothing is row DB-05"),
            pytest.param(session(1, "active", 60 * MINUTE, own=True), id="ours"),
            pytest.param(session(1, "active", 60 * MINUTE, backend_type="autovacuum worker"), id="a vacuum"),
        ],
    )
    def test_others_may_take_their_time(self, other: Any) -> None:
        told = {"server": server(oldest_transaction=60 * MINUTE), "sessions": (other,)}
        assert verdict(sessions.check_no_transaction_is_long, **told).state is State.OK

    @pytest.mark.parametrize(
        ("minutes", "state"), [(5, State.OK), (5.1, State.WARNING), (30, State.WARNING), (30.1, State.CRITICAL)]
    )
    def test_idle_ones_by_their_idleness(self, minutes: float, state: State) -> None:
        held = (session(1, IDLE, minutes * MINUTE), session(2, f"{IDLE} (aborted)", MINUTE))
        told = {"server": server(longest_idle=minutes * MINUTE), "sessions": held}
        found = verdict(sessions.check_no_session_idles_in_a_transaction, **told)
        assert found.state is state
        if state is not State.OK:
            assert str(found.summary).startswith("reporte-matricula has 2 sessions open that do nothing")


class TestForgotten:
    """The remedy of DB-05."""

    check = staticmethod(sessions.check_no_session_idles_in_a_transaction)

    def findings(self, *held: Any, **settings: Any) -> Any:
        return fakes.diagnosed(self.check, settings=settings, database=Told(sessions=held))

    def test_ends_what_is_beyond_the_critical_limit_longest_first(self) -> None:
        held = [session(n, IDLE, (30 + n) * MINUTE) for n in range(1, 5)]
        findings = self.findings(*held, session(9, IDLE, 29 * MINUTE), most_ended=3)
        steps = list(sessions.end_forgotten_transactions(findings))
        assert [s.arguments["pid"] for s in steps] == [4, 3, 2]
        assert all(s.fingerprint["state"] == IDLE for s in steps)

    def test_ends_no_tool(self) -> None:
        findings = self.findings(session(1, IDLE, 60 * MINUTE, application="pg_dump"))
        assert findings["transaction_is_forgotten"].proof is Proof.CONFIRMED
        with pytest.raises(NoPlan):
            list(sessions.end_forgotten_transactions(findings))

    def test_nobody_is_beyond(self) -> None:
        assert self.findings(session(1, IDLE, 29 * MINUTE))["transaction_is_forgotten"].proof is Proof.RULED_OUT


class TestPrepared:
    """DB-06."""

    @pytest.mark.parametrize(
        ("minutes", "state"), [(5, State.OK), (5.1, State.WARNING), (30, State.WARNING), (30.1, State.CRITICAL)]
    )
    def test_by_age(self, minutes: float, state: State) -> None:
        left = Prepared(gid="olvidada", role="muses_app", database="sep_muses", age=minutes * MINUTE)
        found = verdict(sessions.check_no_prepared_transaction_is_left, server=server(prepared=(left,)))
        assert (found.state, "olvidada" in {m.object for m in found.measures}) == (state, True)

    def test_none(self) -> None:
        assert verdict(sessions.check_no_prepared_transaction_is_left).state is State.OK


def test_what_no_machine_decides_tells_a_person_the_commands() -> None:
    assert "pg_terminate_backend" in str(of(sessions.check_no_transaction_is_long).person)
    assert "ROLLBACK PREPARED" in str(of(sessions.check_no_prepared_transaction_is_left).person)

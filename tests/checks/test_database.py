"""DB-01: when a budget of connections runs out, who leaks, and whose sessions would be ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks.database import check_database_takes_connections, end_leaked_sessions
from runbook.model import Finding, Proof, State
from tests.checks import fakes
from tests.checks.fakes import MINUTE, Told, connections, session


def verdict(given: Any) -> Any:
    return fakes.judged(check_database_takes_connections, database=Told(connections=given))


def finding(sessions: tuple[Any, ...], given: Any = None, **settings: Any) -> Finding:
    database = Told(connections=given or connections(20), sessions=sessions)
    return fakes.diagnosed(check_database_takes_connections, settings=settings, database=database)[
        "sessions_are_leaked"
    ]


def leak(count: int, since: timedelta = 20 * MINUTE, **changes: Any) -> tuple[Any, ...]:
    """Sessions of the report, idle for longer the smaller their pid."""
    return tuple(session(100 + n, "idle", since + timedelta(seconds=count - n), **changes) for n in range(count))


def at_work(count: int, application: str = fakes.CONSOLIDATION) -> tuple[Any, ...]:
    return tuple(session(500 + n, "active", timedelta(seconds=1), application=application) for n in range(count))


class TestBudgets:
    """The check."""

    @pytest.mark.parametrize(
        ("given", "state", "worst"),
        [
            pytest.param(connections(4), State.OK, "muses_app", id="healthy"),
            pytest.param(connections(16), State.OK, "muses_app", id="role at the limit"),
            pytest.param(connections(17), State.WARNING, "muses_app", id="role beyond"),
            pytest.param(connections(19), State.CRITICAL, "muses_app", id="role far beyond"),
            pytest.param(connections(4, None, used=88), State.CRITICAL, "server", id="server, reserved ones left out"),
            pytest.param(connections(4, database_limit=7, database_used=6), State.WARNING, "database", id="database"),
            pytest.param(connections(0, 0), State.CRITICAL, "muses_app", id="a role that may have none"),
        ],
    )
    def test_state(self, given: Any, state: State, worst: str) -> None:
        found = verdict(given)
        assert (found.state, found.measures[0].object) == (state, worst)

    def test_a_role_without_a_limit_has_no_budget(self) -> None:
        assert {m.object for m in verdict(connections(4, None)).measures} == {"server"}


class TestLeak:
    """The diagnosis."""

    def test_an_application_that_holds_most_of_them_idle_leaks(self) -> None:
        found = finding((*leak(19), *at_work(1)))
        assert found.proof is Proof.CONFIRMED
        assert "reporte-matricula (role muses_app) holds 19 sessions, 19 of them idle" in str(found.summary)

    @pytest.mark.parametrize(
        "sessions",
        [
            pytest.param(at_work(19), id="at work"),
            pytest.param((*leak(9), *at_work(11)), id="less than half of the budget"),
            pytest.param((*leak(12), *at_work(8, "reporte-matricula")), id="many of them at work"),
            pytest.param(leak(19, role="another"), id="of a role whose budget is another"),
            pytest.param(leak(19, own=True), id="our own"),
            pytest.param(leak(19, backend_type="walsender"), id="no clients"),
            pytest.param((), id="none"),
        ],
    )
    def test_others_do_not(self, sessions: tuple[Any, ...]) -> None:
        assert finding(sessions).proof is Proof.RULED_OUT

    def test_idle_for_a_moment_only_is_not_known(self) -> None:
        found = finding(leak(19, since=MINUTE))
        assert found.proof is Proof.UNKNOWN
        assert found.evidence

    def test_the_servers_budget_is_of_all_roles(self) -> None:
        full = connections(2, None, used=95)
        assert finding(leak(60, role="reports"), full).proof is Proof.CONFIRMED


class TestRemedy:
    """The plan."""

    def steps(self, found: Finding) -> list[Any]:
        return list(end_leaked_sessions({"sessions_are_leaked": found}))

    def test_ends_the_oldest_until_there_is_room_again(self) -> None:
        steps = self.steps(finding((*leak(19), *at_work(1))))
        assert [s.arguments["pid"] for s in steps] == list(range(100, 108))
        assert {(s.operation, s.touches, s.population) for s in steps} == {("end_session", 1, 19)}
        assert all(s.fingerprint["state"] == "idle" for s in steps)

    def test_ends_no_more_than_is_needed(self) -> None:
        assert len(self.steps(finding(leak(17), connections(17)))) == 5

    def test_ends_no_more_than_the_cap(self) -> None:
        assert len(self.steps(finding(leak(19), most_ended=3))) == 3

    def test_leaves_the_application_one(self) -> None:
        assert len(self.steps(finding(leak(4), connections(4, 4)))) == 2
        assert len(self.steps(finding(leak(2), connections(2, 2), down_to=0))) == 1

    def test_does_nothing_without_a_leak(self) -> None:
        assert self.steps(finding(at_work(19))) == []

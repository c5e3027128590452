"""SEC-02, 04, 05, 07 and 08: decisions on told facts."""

from __future__ import annotations

from typing import Any

import pytest

from checks.admission import (
    check_nobody_is_trusted,
    check_passwords_are_scram,
    check_public_may_nothing,
    check_roles_are_listed,
    check_sessions_are_encrypted,
)
from runbook.model import State
from runbook.rows import of
from runbook.settings.security import SecuritySettings
from runbook.targets.postgres.guard_structs import AccessRule, LoginRole, PlainSessions, PublicRight
from runbook.targets.security.structs import Powers
from tests.checks import fakes
from tests.checks.fakes import Told
from tests.checks.test_security import Security, guarded, role

ROWS = (
    check_sessions_are_encrypted,
    check_passwords_are_scram,
    check_roles_are_listed,
    check_nobody_is_trusted,
    check_public_may_nothing,
)


@pytest.mark.parametrize("check", ROWS)
def test_a_person_is_told_what_to_do(check: Any) -> None:
    assert of(check).treatment is None
    assert of(check).person is not None


@pytest.mark.parametrize(
    ("ssl", "sessions", "state"),
    [(True, 0, State.OK), (True, 1, State.WARNING), (False, 1, State.CRITICAL), (False, 0, State.OK)],
)
def test_sessions_without_tls(ssl: bool, sessions: int, state: State) -> None:
    plain = [PlainSessions(role="muses_app", application="", client="10.0.0.7", sessions=3)] * sessions
    database = Told(guard=guarded(ssl=ssl), plain_sessions=plain)
    assert fakes.judged(check_sessions_are_encrypted, database=database, security=Security()).state is state


@pytest.mark.parametrize(
    ("changes", "state", "told"),
    [
        ({}, State.OK, {"new passwords": State.OK, "old passwords": State.SKIPPED}),
        ({"weak_verifiers": ()}, State.OK, {"new passwords": State.OK}),
        ({"weak_verifiers": ("a",)}, State.WARNING, {"new passwords": State.OK, "a": State.WARNING}),
        ({"hashing": "md5", "weak_verifiers": ()}, State.CRITICAL, {"new passwords": State.CRITICAL}),
    ],
)
def test_passwords(changes: dict[str, Any], state: State, told: dict[str, State]) -> None:
    found = fakes.judged(check_passwords_are_scram, database=Told(guard=guarded(**changes)), security=Security())
    assert found.state is state
    assert {measure.object: measure.state for measure in found.measures} == told


class TestRoles:
    """SEC-05."""

    def found(self, *roles: LoginRole, **lists: Any) -> Any:
        powers = Powers(
            high=False,
            rows=(),
            windows=(),
            alike=(),
            reader="muses_reader",
            operator="muses_operator",
            applications=("muses_app",),
        )
        security = Security(powers=powers)
        security.lists = SecuritySettings(**lists)
        known = (role("postgres", superuser=True), role("muses_reader", "pg_monitor"), role("muses_app"))
        return fakes.judged(check_roles_are_listed, database=Told(guard=guarded(*known, *roles)), security=security)

    @pytest.mark.parametrize(
        ("extra", "lists", "state"),
        [
            pytest.param(role("dba", superuser=True), {}, State.CRITICAL, id="a superuser"),
            pytest.param(role("dba", superuser=True), {"superusers": ("postgres", "dba")}, State.OK, id="a listed one"),
            pytest.param(role("old", superuser=True, logs_in=False), {}, State.CRITICAL, id="one that lends himself"),
            pytest.param(role("x", "postgres"), {}, State.CRITICAL, id="who may become one"),
            pytest.param(role("x", "pg_execute_server_program"), {}, State.CRITICAL, id="who has the shell"),
            pytest.param(role("x", creates_roles=True), {}, State.CRITICAL, id="who makes roles"),
            pytest.param(role("x"), {}, State.OK, id="nobody says who may log in"),
            pytest.param(role("x"), {"login_roles": ("x",)}, State.OK, id="on the list"),
            pytest.param(role("x"), {"login_roles": ("y",)}, State.WARNING, id="a stranger"),
        ],
    )
    def test_state(self, extra: LoginRole, lists: dict[str, Any], state: State) -> None:
        assert self.found(extra, **lists).state is state

    def test_without_a_list_it_says_who_logs_in(self) -> None:
        (told,) = [one for one in self.found(role("x")).measures if one.state is State.SKIPPED]
        assert "muses_app, muses_reader, x" in str(told.summary)


class TestRules:
    """SEC-07."""

    @pytest.mark.parametrize(
        ("type", "address", "netmask", "method", "state"),
        [
            ("local", "", "", "peer", State.OK),
            ("local", "", "", "trust", State.CRITICAL),
            ("host", "127.0.0.1", "255.255.255.255", "scram-sha-256", State.OK),
            ("host", "127.0.0.1", "255.255.255.255", "trust", State.CRITICAL),
            ("host", "127.0.0.1", "255.255.255.255", "md5", State.WARNING),
            ("host", "samehost", "", "scram-sha-256", State.OK),
            ("host", "10.0.0.0", "255.0.0.0", "scram-sha-256", State.WARNING),
            ("host", "10.0.0.0", "255.0.0.0", "password", State.CRITICAL),
            ("hostssl", "10.0.0.0", "255.0.0.0", "password", State.WARNING),
            ("hostssl", "10.0.0.0", "255.0.0.0", "scram-sha-256", State.OK),
            ("hostssl", "0.0.0.0", "0.0.0.0", "scram-sha-256", State.WARNING),
            ("hostssl", "all", "", "cert", State.WARNING),
            ("host", "0.0.0.0", "0.0.0.0", "reject", State.OK),
        ],
    )
    def test_state(self, type: str, address: str, netmask: str, method: str, state: State) -> None:
        rule = AccessRule(
            line=7,
            type=type,
            databases=("all",),
            roles=("all",),
            address=address,
            netmask=netmask,
            method=method,
            broken=False,
        )
        found = fakes.judged(check_nobody_is_trusted, database=Told(access_rules=(rule,)), security=Security())
        assert found.state is state
        if state is not State.OK:
            assert "line 7" in str(found.summary)

    def test_a_line_that_the_server_does_not_understand(self) -> None:
        rule = AccessRule(line=1, type="", databases=(), roles=(), address="", netmask="", method="", broken=True)
        found = fakes.judged(check_nobody_is_trusted, database=Told(access_rules=(rule,)), security=Security())
        assert found.state is State.WARNING


@pytest.mark.parametrize(
    ("kind", "state"),
    [(None, State.OK), ("SCHEMA", State.WARNING), ("DATABASE", State.WARNING), ("TABLE", State.CRITICAL)],
)
def test_what_everybody_may(kind: Any, state: State) -> None:
    rights = () if kind is None else (PublicRight(kind=kind, object="x", privilege="SELECT"),)
    database = Told(guard=guarded(public=rights))
    assert fakes.judged(check_public_may_nothing, database=database, security=Security()).state is state

"""How the database guards itself: what a real server tells of roles, rules, rights and sessions."""

from __future__ import annotations

import pytest

from runbook.errors import ProbeError, ProbeFailure
from runbook.targets.postgres.database import Database
from runbook.targets.postgres.guard_structs import PublicRight
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.servers_postgres import Connection, PostgresServer

SHOW = (
    "GRANT SELECT ON pg_hba_file_rules TO muses_reader",
    "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO muses_reader",
)


@pytest.fixture
def shown(admin: Connection) -> object:
    """The reader is shown pg_hba.conf for one test."""
    for grant in SHOW:
        admin.execute(grant)
    yield
    for grant in SHOW:
        admin.execute(grant.replace("GRANT", "REVOKE").replace(" TO ", " FROM "))


def test_settings_and_roles(database: Database) -> None:
    found = database.guard()
    assert (found.ssl, found.hashing, found.weak_verifiers) == (False, "scram-sha-256", None)
    roles = {role.role: role for role in found.roles}
    assert roles.keys() == {"postgres", "muses_app", "muses_operator", "muses_reader", "muses_stranger"}
    assert [role.role for role in found.roles if role.superuser] == ["postgres"]
    assert {"muses_owner", "pg_monitor", "pg_signal_backend", "pg_read_all_stats"} <= set(
        roles["muses_operator"].member_of
    )
    assert roles["muses_app"].member_of == ()


def test_an_old_password_shows_only_to_who_may_see_it(
    make_database: MakeDatabase, admin: Connection, postgres: PostgresServer
) -> None:
    admin.execute("SET password_encryption = 'md5'")
    admin.execute("CREATE ROLE muses_old LOGIN PASSWORD 'c4n4ry'")
    admin.execute("GRANT SELECT (rolname, rolcanlogin, rolpassword) ON pg_authid TO muses_stranger")
    try:
        stranger = make_database(reader=postgres.login("muses_stranger"))
        assert stranger.guard().weak_verifiers == ("muses_old",)
        assert make_database().guard().weak_verifiers is None
    finally:
        admin.execute("REVOKE SELECT (rolname, rolcanlogin, rolpassword) ON pg_authid FROM muses_stranger")
        admin.execute("DROP ROLE muses_old")


def test_what_was_given_to_everybody(database: Database, admin: Connection) -> None:
    before = set(database.guard().public)
    admin.execute("GRANT SELECT ON tbmu002_persona TO PUBLIC")
    admin.execute("GRANT UPDATE (curp) ON tbmu002_persona TO PUBLIC")
    admin.execute("GRANT CREATE ON SCHEMA muses_dev TO PUBLIC")
    assert set(database.guard().public) - before == {
        PublicRight(kind="TABLE", object="tbmu002_persona", privilege="SELECT"),
        PublicRight(kind="TABLE", object="tbmu002_persona", privilege="UPDATE"),
        PublicRight(kind="SCHEMA", object="muses_dev", privilege="CREATE"),
    }


@pytest.mark.usefixtures("shown")
def test_the_lines_of_the_file(database: Database) -> None:
    found = database.access_rules()
    methods = {(rule.type, rule.method) for rule in found}
    assert {("local", "trust"), ("host", "scram-sha-256")} <= methods
    assert "127.0.0.1" in {rule.address for rule in found}
    assert not any(rule.broken for rule in found)


@pytest.mark.parametrize("held", [(), SHOW[:1], SHOW[1:]])
def test_who_is_not_shown_the_file_is_told_the_grants(
    database: Database, admin: Connection, held: tuple[str, ...]
) -> None:
    for grant in held:
        admin.execute(grant)
    try:
        with pytest.raises(ProbeError) as caught:
            database.access_rules()
    finally:
        for grant in held:
            admin.execute(grant.replace("GRANT", "REVOKE").replace(" TO ", " FROM "))
    assert caught.value.kind is ProbeFailure.BLIND
    assert SHOW[1] in str(caught.value)


def test_a_session_of_this_host_goes_over_no_network(database: Database) -> None:
    assert database.plain_sessions() == ()


def test_whose_sessions_are_hidden_is_told(make_database: MakeDatabase, postgres: PostgresServer) -> None:
    with pytest.raises(ProbeError) as caught:
        make_database(reader=postgres.login("muses_stranger")).plain_sessions()
    assert caught.value.kind is ProbeFailure.BLIND
